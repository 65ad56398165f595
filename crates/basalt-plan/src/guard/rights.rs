//! What the guard asks of a role's rights beyond what the catalog answers: the faults' places, and the errors.

use basalt_catalog::{Function, Relation, RelationKind, Rights, Schema};
use basalt_types::{SqlError, SqlState};

use super::faults::{self, Fault};

/// Whether row policies do not apply to a role on a table.
pub(super) fn bypasses_policies(rights: &Rights, relation: &Relation) -> bool {
    if !relation.row_security {
        return true;
    }
    if faults::on(Fault::BypassIgnored) {
        return rights.is_exempt_owner(relation);
    }
    let as_faulty_owner = (faults::on(Fault::ForceIgnored) && rights.acts_as(&relation.owner))
        || (faults::on(Fault::EverybodyOwner) && !relation.force_row_security);
    as_faulty_owner || rights.bypasses_rls(relation)
}

/// 42501 for a relation, in PostgreSQL's words for its kind.
pub(super) fn denied(relation: &Relation) -> SqlError {
    let kind = match relation.kind {
        RelationKind::Table => "table",
        RelationKind::View => "view",
        RelationKind::MaterializedView => "materialized view",
        RelationKind::Sequence => "sequence",
    };
    SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, format!("permission denied for {kind} {}", relation.name))
}

/// 42501 for a schema.
pub(super) fn schema_denied(schema: &Schema) -> SqlError {
    SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, format!("permission denied for schema {}", schema.name))
}

/// 42501 for a function.
pub(super) fn function_denied(function: &Function) -> SqlError {
    let kind = if function.procedure { "procedure" } else { "function" };
    SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, format!("permission denied for {kind} {}", function.name))
}
