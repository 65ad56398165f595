//! Who may do what: role membership and privileges on relations, columns, schemas, sequences and functions.

use basalt_catalog::{Acl, Catalog, Function, Privileges, Relation, RelationKind, Schema};
use basalt_types::{SqlError, SqlState};

use super::faults::{self, Fault};

/// A role with every role whose privileges it has.
#[derive(Debug, Clone)]
pub(super) struct Rights {
    /// Superusers pass every check.
    pub superuser: bool,
    /// BYPASSRLS.
    bypass_rls: bool,
    /// The role and, through INHERIT, the roles it is a member of.
    roles: Vec<String>,
}

impl Rights {
    /// A role's rights; a role that does not exist has none but PUBLIC's.
    pub fn of(catalog: &Catalog, name: &str) -> Self {
        let mut roles = vec![name.to_owned()];
        let mut at = 0;
        while let Some(role) = roles.get(at).and_then(|n| catalog.role(n)) {
            if role.inherit {
                for parent in &role.member_of {
                    if !roles.contains(parent) {
                        roles.push(parent.clone());
                    }
                }
            }
            at += 1;
        }
        let own = catalog.role(name);
        Self { superuser: own.is_some_and(|r| r.superuser), bypass_rls: own.is_some_and(|r| r.bypass_rls), roles }
    }

    /// Whether the role has the privileges of `other` (PostgreSQL's `has_privs_of_role`).
    pub fn acts_as(&self, other: &str) -> bool {
        self.superuser || self.roles.iter().any(|r| r == other)
    }

    /// Whether row policies do not apply to this role on this table.
    pub fn bypasses_policies(&self, relation: &Relation) -> bool {
        if !relation.row_security {
            return true;
        }
        if (self.superuser || self.bypass_rls) && !faults::on(Fault::BypassIgnored) {
            return true;
        }
        let forced = relation.force_row_security && !faults::on(Fault::ForceIgnored);
        (self.acts_as(&relation.owner) || faults::on(Fault::EverybodyOwner)) && !forced
    }

    /// Of the privileges asked for, those an ACL gives. Without an ACL the owner has all.
    fn granted(&self, acl: Option<&Acl>, owner: &str) -> Privileges {
        if self.superuser {
            return Privileges(u16::MAX);
        }
        match acl {
            None if self.acts_as(owner) => Privileges(u16::MAX),
            None => Privileges::NONE,
            Some(acl) => acl
                .0
                .iter()
                .filter(|item| item.grantee.is_empty() || self.acts_as(&item.grantee))
                .fold(Privileges::NONE, |sum, item| sum.with(item.privileges)),
        }
    }

    /// Privileges on a whole relation.
    pub fn on_relation(&self, relation: &Relation) -> Privileges {
        self.granted(relation.acl.as_ref(), &relation.owner)
    }

    /// Whether one privilege on a column is given, by the relation or by the column.
    pub fn on_column(&self, relation: &Relation, attnum: i16, privilege: Privileges) -> bool {
        if self.on_relation(relation).contains(privilege) {
            return true;
        }
        // A column's own ACL never stands for the owner's: without one the relation decides.
        relation
            .column_at(attnum)
            .and_then(|c| c.acl.as_ref())
            .is_some_and(|acl| self.granted(Some(acl), &relation.owner).contains(privilege))
    }

    /// USAGE on a schema.
    pub fn on_schema(&self, schema: &Schema) -> bool {
        self.granted(schema.acl.as_ref(), &schema.owner).contains(Privileges::USAGE)
    }

    /// What `nextval` needs.
    pub fn may_advance(&self, sequence: &Relation) -> bool {
        let granted = self.on_relation(sequence);
        granted.contains(Privileges::USAGE) || granted.contains(Privileges::UPDATE)
    }

    /// EXECUTE on a function; PUBLIC has it unless revoked.
    pub fn may_execute(&self, function: &Function) -> bool {
        function.acl.is_none() || self.granted(function.acl.as_ref(), &function.owner).contains(Privileges::EXECUTE)
    }
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
