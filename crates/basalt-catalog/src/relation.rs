//! Tables, views, sequences and what hangs on them.

use basalt_types::{Oid, TypeRef};
use serde::{Deserialize, Serialize};

use crate::OidNumber;
use crate::acl::Acl;

/// Kinds of relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum RelationKind {
    Table,
    View,
    MaterializedView,
    Sequence,
}

/// A table, view, materialized view or sequence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Relation {
    pub oid: OidNumber,
    pub schema: OidNumber,
    pub name: String,
    pub kind: RelationKind,
    pub owner: String,
    /// In attnum order, dropped ones left out.
    pub columns: Vec<Column>,
    pub constraints: Vec<Constraint>,
    pub indexes: Vec<Index>,
    pub policies: Vec<Policy>,
    pub triggers: Vec<Trigger>,
    pub row_security: bool,
    pub force_row_security: bool,
    /// `None`: the owner's only.
    pub acl: Option<Acl>,
    pub comment: Option<String>,
    pub view: Option<View>,
    pub sequence: Option<Sequence>,
    /// `default` (primary key), `full`, `nothing`, or `index NAME`.
    pub replica_identity: String,
    /// The next attnum; attnums are never used twice.
    pub next_attnum: i16,
    /// A part of a partitioned table, which requests reach through that table only.
    #[serde(default)]
    pub partition: bool,
    /// What can be written through it at all; `None`: what its kind says.
    #[serde(default)]
    pub writes: Option<Writes>,
}

/// What can be written through a relation, whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Writes {
    pub insert: bool,
    pub update: bool,
    pub delete: bool,
}

impl Writes {
    /// Whether anything can.
    pub fn any(self) -> bool {
        self.insert || self.update || self.delete
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Column {
    /// 1-based, stable over renames, never reused.
    pub attnum: i16,
    pub name: String,
    pub ty: OidNumber,
    pub typmod: i32,
    pub not_null: bool,
    /// Canonical text of the default expression; `nextval('schema.seq'::regclass)` for serial columns.
    pub default: Option<String>,
    pub identity: Option<Identity>,
    /// Canonical text of GENERATED ALWAYS AS (…) STORED.
    pub generated: Option<String>,
    pub collation: Option<String>,
    /// Column privileges.
    pub acl: Option<Acl>,
    pub comment: Option<String>,
}

impl Column {
    /// Its type with modifier.
    pub fn type_ref(&self) -> TypeRef {
        TypeRef { oid: Oid(self.ty), typmod: self.typmod }
    }
}

/// GENERATED … AS IDENTITY.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// ALWAYS, else BY DEFAULT.
    pub always: bool,
    /// The sequence relation.
    pub sequence: OidNumber,
}

/// A constraint, with the name PostgreSQL gives it when none was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Constraint {
    pub oid: OidNumber,
    pub name: String,
    pub kind: ConstraintKind,
    pub deferral: Deferral,
    /// False after NOT VALID.
    pub validated: bool,
    pub comment: Option<String>,
}

/// When a constraint is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Deferral {
    pub deferrable: bool,
    pub initially_deferred: bool,
}

/// Kinds of constraint; columns are attnums.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum ConstraintKind {
    Check {
        expr: String,
    },
    Unique {
        columns: Vec<i16>,
        nulls_not_distinct: bool,
    },
    PrimaryKey {
        columns: Vec<i16>,
    },
    ForeignKey {
        columns: Vec<i16>,
        target: OidNumber,
        target_columns: Vec<i16>,
        on_delete: Action,
        on_update: Action,
        match_full: bool,
        set_columns: Vec<i16>,
    },
}

/// Referential actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Action {
    #[default]
    NoAction,
    Restrict,
    Cascade,
    SetNull,
    SetDefault,
}

/// An index. Those behind a key constraint bear its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Index {
    pub oid: OidNumber,
    pub name: String,
    pub unique: bool,
    pub nulls_not_distinct: bool,
    pub keys: Vec<IndexKey>,
    /// INCLUDE columns.
    pub include: Vec<i16>,
    /// Canonical text of the predicate.
    pub filter: Option<String>,
    /// `btree`, `gin`, …
    pub method: String,
    /// The constraint it serves.
    pub constraint: Option<OidNumber>,
    pub comment: Option<String>,
}

/// One key of an index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct IndexKey {
    pub term: IndexTerm,
    pub descending: bool,
    pub nulls_first: bool,
}

/// What a key is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum IndexTerm {
    /// A column by attnum.
    Column(i16),
    /// Canonical text of an expression.
    Expr(String),
}

/// A row policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Policy {
    pub name: String,
    pub permissive: bool,
    pub command: PolicyCommand,
    /// Empty: PUBLIC.
    pub roles: Vec<String>,
    /// Canonical text.
    pub using: Option<String>,
    /// Canonical text.
    pub check: Option<String>,
    pub comment: Option<String>,
}

/// FOR ….
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum PolicyCommand {
    All,
    Select,
    Insert,
    Update,
    Delete,
}

/// A trigger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Trigger {
    pub name: String,
    pub timing: TriggerTiming,
    pub events: TriggerEvents,
    /// UPDATE OF, attnums.
    pub update_of: Vec<i16>,
    pub for_each_row: bool,
    /// Canonical text of WHEN.
    pub when: Option<String>,
    pub function: OidNumber,
    pub args: Vec<String>,
    pub enabled: bool,
    pub comment: Option<String>,
    /// REFERENCING OLD TABLE AS.
    #[serde(default)]
    pub old_table: Option<String>,
    /// REFERENCING NEW TABLE AS.
    #[serde(default)]
    pub new_table: Option<String>,
}

/// BEFORE, AFTER, INSTEAD OF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum TriggerTiming {
    Before,
    After,
    InsteadOf,
}

/// Which commands fire it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct TriggerEvents {
    pub insert: bool,
    pub update: bool,
    pub delete: bool,
    pub truncate: bool,
}

/// A view's definition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct View {
    /// Canonical text of the query.
    pub query: String,
    pub security_invoker: bool,
    /// `local`, `cascaded` or none.
    pub check_option: Option<String>,
    /// Its columns that are columns of tables, or of other views.
    #[serde(default)]
    pub origins: Vec<Origin>,
    /// A materialized view WITH NO DATA: to be filled before it is read.
    #[serde(default)]
    pub unpopulated: bool,
}

/// A view's column that shows another relation's column unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its attnum in the view.
    pub column: i16,
    /// The other relation.
    pub relation: OidNumber,
    /// The attnum there.
    pub source: i16,
}

/// A sequence's settings; its value is the engine's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Sequence {
    pub ty: OidNumber,
    pub start: i64,
    pub increment: i64,
    pub min: i64,
    pub max: i64,
    pub cycle: bool,
    pub cache: i64,
    /// Owning table and attnum.
    pub owned_by: Option<(OidNumber, i16)>,
}

impl Relation {
    /// Whether it has rows of its own: a table or a materialized view.
    pub fn is_stored(&self) -> bool {
        matches!(self.kind, RelationKind::Table | RelationKind::MaterializedView)
    }

    /// A column by name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// A column by attnum.
    pub fn column_at(&self, attnum: i16) -> Option<&Column> {
        self.columns.iter().find(|c| c.attnum == attnum)
    }

    /// What can be written through it: by default everything of a table, nothing of anything else.
    pub fn writes(&self) -> Writes {
        let is_table = self.kind == RelationKind::Table;
        self.writes.unwrap_or(Writes { insert: is_table, update: is_table, delete: is_table })
    }

    /// The primary key's attnums.
    pub fn primary_key(&self) -> Option<&[i16]> {
        self.constraints.iter().find_map(|c| match &c.kind {
            ConstraintKind::PrimaryKey { columns } => Some(columns.as_slice()),
            _ => None,
        })
    }

    /// The primary key's attnums when it is checked at once: a deferrable one determines nothing before its statement ends.
    pub fn immediate_primary_key(&self) -> Option<&[i16]> {
        self.constraints.iter().find_map(|c| match &c.kind {
            ConstraintKind::PrimaryKey { columns } if !c.deferral.deferrable => Some(columns.as_slice()),
            _ => None,
        })
    }

    /// Whether rows are compared in an index not when they are stored, but at the end of the statement or of the transaction.
    pub fn is_deferrable(&self, index: &Index) -> bool {
        index.constraint.is_some_and(|oid| self.constraints.iter().any(|c| c.oid == oid && c.deferral.deferrable))
    }

    /// A constraint by name.
    pub fn constraint(&self, name: &str) -> Option<&Constraint> {
        self.constraints.iter().find(|c| c.name == name)
    }
}
