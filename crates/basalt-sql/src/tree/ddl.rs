//! Statements.

use super::{Delete, Expr, Insert, Name, OrderItem, Pos, Query, TypeName, Update};

/// Any statement. Those Basalt must know by name but does not look into are [`Statement::Other`].
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Statement {
    Select(Box<Query>),
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
    Truncate {
        tables: Vec<Name>,
        restart_identity: bool,
        cascade: bool,
    },
    CreateSchema {
        name: Option<String>,
        if_not_exists: bool,
        authorization: Option<String>,
        elements: bool,
    },
    CreateTable(Box<CreateTable>),
    AlterTable {
        name: Name,
        if_exists: bool,
        only: bool,
        actions: Vec<AlterTableAction>,
    },
    /// Also for ALTER TABLE … RENAME TO / SET SCHEMA of views, indexes, sequences: the kind says which.
    Rename {
        kind: ObjectKind,
        name: Name,
        if_exists: bool,
        new_name: String,
    },
    SetSchema {
        kind: ObjectKind,
        name: Name,
        if_exists: bool,
        schema: String,
    },
    CreateIndex(Box<CreateIndex>),
    Drop {
        kind: ObjectKind,
        if_exists: bool,
        cascade: bool,
        concurrently: bool,
        names: Vec<DropName>,
    },
    Comment {
        kind: ObjectKind,
        name: DropName,
        text: Option<String>,
    },
    CreatePolicy(Box<CreatePolicy>),
    AlterPolicy {
        name: String,
        table: Name,
        rename: Option<String>,
        to: Option<Vec<String>>,
        using: Option<Expr>,
        check: Option<Expr>,
    },
    Grant(Box<Grant>),
    /// GRANT role TO role (or REVOKE).
    GrantRole {
        is_grant: bool,
        roles: Vec<String>,
        grantees: Vec<String>,
        admin_option: bool,
    },
    AlterDefaultPrivileges {
        for_roles: Vec<String>,
        in_schemas: Vec<String>,
        grant: Box<Grant>,
    },
    CreateFunction(Box<CreateFunction>),
    AlterFunction {
        kind: ObjectKind,
        name: Name,
        args: Option<Vec<TypeName>>,
        options: Vec<FunctionOption>,
    },
    CreateTrigger(Box<CreateTrigger>),
    /// ALTER TABLE … ENABLE/DISABLE TRIGGER stands in AlterTableAction.
    CreateEnum {
        name: Name,
        labels: Vec<String>,
    },
    AlterEnumAdd {
        name: Name,
        if_not_exists: bool,
        label: String,
        before: Option<String>,
        after: Option<String>,
    },
    AlterEnumRename {
        name: Name,
        from: String,
        to: String,
    },
    CreateDomain {
        name: Name,
        base: TypeName,
        default: Option<Expr>,
        not_null: bool,
        checks: Vec<(Option<String>, Expr)>,
    },
    CreateComposite {
        name: Name,
        fields: Vec<(String, TypeName)>,
    },
    CreateSequence {
        name: Name,
        if_not_exists: bool,
        options: Vec<SequenceOption>,
    },
    AlterSequence {
        name: Name,
        if_exists: bool,
        options: Vec<SequenceOption>,
    },
    CreateView(Box<CreateView>),
    /// ALTER [MATERIALIZED] VIEW … SET (options) and RESET (options): lower-case names, values as written.
    AlterViewOptions {
        name: Name,
        if_exists: bool,
        materialized: bool,
        set: Vec<(String, String)>,
        reset: Vec<String>,
    },
    RefreshMaterializedView {
        name: Name,
        concurrently: bool,
        with_data: bool,
    },
    CreateExtension {
        name: String,
        if_not_exists: bool,
        schema: Option<String>,
        version: Option<String>,
        cascade: bool,
    },
    /// `CREATE ROLE`, `ALTER ROLE … SET`, with the text of the options.
    Role {
        verb: String,
        name: String,
        options: String,
    },
    /// CREATE/ALTER PUBLICATION: `add`, `drop`, `set` tables, or `create`.
    Publication {
        verb: String,
        name: String,
        tables: Vec<Name>,
        all_tables: bool,
    },
    OwnerTo {
        kind: ObjectKind,
        name: DropName,
        owner: String,
    },
    /// SET / RESET name; values as written (strings decoded).
    Set {
        name: String,
        values: Vec<String>,
        local: bool,
    },
    /// SET CONSTRAINTS names { DEFERRED | IMMEDIATE }; no names: ALL.
    SetConstraints {
        names: Vec<Name>,
        deferred: bool,
    },
    /// BEGIN, START TRANSACTION, COMMIT, END, ROLLBACK, SAVEPOINT x, RELEASE x: lower-case first word, plus the savepoint's name.
    Transaction {
        verb: String,
        name: Option<String>,
    },
    Do {
        language: Option<String>,
        body: String,
        body_pos: Pos,
    },
    Notify {
        channel: String,
        payload: Option<String>,
    },
    /// Everything else: its leading keywords in upper case ("CREATE EVENT TRIGGER", "VACUUM", "CREATE FOREIGN TABLE", "COPY", "EXPLAIN", …).
    Other {
        construct: String,
    },
}

/// Kinds of object that can be named in DROP, COMMENT, GRANT, RENAME.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ObjectKind {
    Table,
    View,
    MaterializedView,
    Index,
    Sequence,
    Schema,
    Function,
    Procedure,
    Routine,
    Aggregate,
    Type,
    Domain,
    Policy,
    Trigger,
    Extension,
    Role,
    Publication,
    Column,
    Constraint,
    Database,
    ForeignTable,
    Language,
    EventTrigger,
    Server,
    Cast,
    Operator,
    Collation,
    Statistics,
    Rule,
    Other,
}

/// What DROP or COMMENT names: functions carry argument types, policies, triggers, constraints their table, columns the table in `name`.
#[derive(Debug, Clone, PartialEq)]
pub struct DropName {
    /// The object: for columns, policies, triggers and constraints the table; their own name is in `member`.
    pub name: Name,
    /// Column, policy, trigger or constraint name.
    pub member: Option<String>,
    /// Argument types of functions, when written.
    pub args: Option<Vec<TypeName>>,
}

/// CREATE TABLE.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct CreateTable {
    pub name: Name,
    pub if_not_exists: bool,
    pub temporary: bool,
    pub unlogged: bool,
    pub columns: Vec<ColumnDef>,
    pub constraints: Vec<TableConstraint>,
    /// LIKE source tables, INHERITS, PARTITION BY / OF, AS query, OF type: named for refusal.
    pub like: Vec<(Name, Vec<String>)>,
    pub inherits: Vec<Name>,
    pub partition: bool,
    pub as_query: Option<Query>,
    /// WITH NO DATA behind AS query.
    pub with_no_data: bool,
    /// ON COMMIT …: `drop`, `delete rows`, `preserve rows`.
    pub on_commit: Option<String>,
    /// WITH (storage options), ignored.
    pub with_options: bool,
}

/// A column of CREATE TABLE or ADD COLUMN.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDef {
    /// Its name.
    pub name: String,
    /// Its type; `serial` and friends keep that name (`serial4`, `serial8`, `serial2`).
    pub ty: TypeName,
    /// COLLATE.
    pub collation: Option<Name>,
    /// Constraints in the order written.
    pub constraints: Vec<ColumnConstraint>,
    /// Where it stands.
    pub pos: Pos,
}

/// A column constraint with the name given to it.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct ColumnConstraint {
    pub name: Option<String>,
    pub kind: ColumnConstraintKind,
}

/// Kinds of column constraint.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum ColumnConstraintKind {
    NotNull,
    Null,
    Default(Expr),
    Check { expr: Expr, no_inherit: bool },
    Unique { nulls_not_distinct: bool, deferrable: Deferrable },
    PrimaryKey { deferrable: Deferrable },
    References(References),
    Identity { always: bool, options: Vec<SequenceOption> },
    Generated { expr: Expr, stored: bool },
}

/// DEFERRABLE / INITIALLY DEFERRED.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct Deferrable {
    pub deferrable: bool,
    pub initially_deferred: bool,
}

/// REFERENCES.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct References {
    pub table: Name,
    /// Empty: the primary key.
    pub columns: Vec<String>,
    pub match_full: bool,
    pub on_delete: Action,
    pub on_update: Action,
    /// ON DELETE SET NULL (columns).
    pub set_columns: Vec<String>,
    pub deferrable: Deferrable,
}

/// Referential actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[allow(missing_docs)]
pub enum Action {
    #[default]
    NoAction,
    Restrict,
    Cascade,
    SetNull,
    SetDefault,
}

/// A table constraint.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct TableConstraint {
    pub name: Option<String>,
    pub kind: TableConstraintKind,
    pub not_valid: bool,
    pub pos: Pos,
}

/// Kinds of table constraint.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum TableConstraintKind {
    Check {
        expr: Expr,
        no_inherit: bool,
    },
    Unique {
        columns: Vec<String>,
        include: Vec<String>,
        nulls_not_distinct: bool,
        deferrable: Deferrable,
    },
    PrimaryKey {
        columns: Vec<String>,
        include: Vec<String>,
        deferrable: Deferrable,
    },
    /// ADD CONSTRAINT … UNIQUE/PRIMARY KEY USING INDEX name.
    UsingIndex {
        index: String,
        primary: bool,
        deferrable: Deferrable,
    },
    ForeignKey {
        columns: Vec<String>,
        references: References,
    },
    NotNull {
        column: String,
    },
    Exclude,
}

/// One action of ALTER TABLE.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum AlterTableAction {
    AddColumn {
        column: ColumnDef,
        if_not_exists: bool,
    },
    DropColumn {
        name: String,
        if_exists: bool,
        cascade: bool,
    },
    RenameColumn {
        from: String,
        to: String,
    },
    RenameConstraint {
        from: String,
        to: String,
    },
    AlterType {
        column: String,
        ty: TypeName,
        using: Option<Expr>,
    },
    SetDefault {
        column: String,
        expr: Expr,
    },
    DropDefault {
        column: String,
    },
    SetNotNull {
        column: String,
    },
    DropNotNull {
        column: String,
    },
    DropExpression {
        column: String,
        if_exists: bool,
    },
    AddIdentity {
        column: String,
        always: bool,
        options: Vec<SequenceOption>,
    },
    SetIdentity {
        column: String,
        always: Option<bool>,
        options: Vec<SequenceOption>,
    },
    DropIdentity {
        column: String,
        if_exists: bool,
    },
    AddConstraint(TableConstraint),
    DropConstraint {
        name: String,
        if_exists: bool,
        cascade: bool,
    },
    ValidateConstraint {
        name: String,
    },
    AlterConstraint {
        name: String,
        deferrable: Deferrable,
    },
    /// ENABLE / DISABLE ROW LEVEL SECURITY.
    RowSecurity(bool),
    /// FORCE / NO FORCE ROW LEVEL SECURITY.
    ForceRowSecurity(bool),
    /// ALTER TRIGGER … RENAME TO.
    RenameTrigger {
        from: String,
        to: String,
    },
    /// ENABLE / DISABLE TRIGGER name | ALL | USER: none for ALL, the reserved word `user` for USER.
    Trigger {
        enable: bool,
        name: Option<String>,
    },
    ReplicaIdentity(String),
    OwnerTo(String),
    /// SET (options), CLUSTER, SET STATISTICS, SET STORAGE …: accepted as declared no-ops; the words.
    NoEffect(String),
    /// ATTACH PARTITION, INHERIT …: refused by name.
    Other(String),
}

/// CREATE INDEX.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct CreateIndex {
    pub name: Option<String>,
    pub if_not_exists: bool,
    pub unique: bool,
    pub concurrently: bool,
    pub table: Name,
    /// `btree`, `gin`, …; none when not written.
    pub method: Option<String>,
    pub columns: Vec<IndexColumn>,
    pub include: Vec<String>,
    pub nulls_not_distinct: bool,
    /// WITH (storage options): names and values as written.
    pub options: Vec<(String, String)>,
    pub filter: Option<Expr>,
}

/// A key of an index.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct IndexColumn {
    /// A column (`ExprKind::Column`) or an expression, with order.
    pub item: OrderItem,
    pub operator_class: Option<Name>,
    pub collation: Option<Name>,
}

/// CREATE POLICY.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct CreatePolicy {
    pub name: String,
    pub table: Name,
    pub restrictive: bool,
    pub command: PolicyCommand,
    /// Empty: PUBLIC.
    pub roles: Vec<String>,
    pub using: Option<Expr>,
    pub check: Option<Expr>,
}

/// FOR ….
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum PolicyCommand {
    All,
    Select,
    Insert,
    Update,
    Delete,
}

/// GRANT or REVOKE of privileges.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Grant {
    pub is_grant: bool,
    /// Lower-case privilege with its columns; empty list: ALL.
    pub privileges: Vec<(String, Vec<String>)>,
    pub on: GrantOn,
    /// Role names; `public` for PUBLIC, `current_user` … as written.
    pub grantees: Vec<String>,
    pub grant_option: bool,
    /// REVOKE GRANT OPTION FOR.
    pub only_grant_option: bool,
    pub cascade: bool,
}

/// What privileges are on.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum GrantOn {
    Tables(Vec<Name>),
    Sequences(Vec<Name>),
    Functions(Vec<(Name, Option<Vec<TypeName>>)>),
    Schemas(Vec<String>),
    Types(Vec<Name>),
    Databases(Vec<String>),
    AllInSchema {
        kind: ObjectKind,
        schemas: Vec<String>,
    },
    /// For ALTER DEFAULT PRIVILEGES: TABLES, SEQUENCES, FUNCTIONS, TYPES, SCHEMAS.
    Default(ObjectKind),
    Other(String),
}

/// CREATE FUNCTION or PROCEDURE.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct CreateFunction {
    pub name: Name,
    pub or_replace: bool,
    pub procedure: bool,
    pub params: Vec<FunctionParam>,
    /// RETURNS type; `trigger`, `void` included. None for procedures and OUT parameters alone.
    pub returns: Option<TypeName>,
    /// RETURNS TABLE (…).
    pub returns_table: Vec<(String, TypeName)>,
    pub options: Vec<FunctionOption>,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct FunctionParam {
    pub mode: ParamMode,
    pub name: Option<String>,
    pub ty: TypeName,
    pub default: Option<Expr>,
}

/// IN, OUT, INOUT, VARIADIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ParamMode {
    In,
    Out,
    InOut,
    Variadic,
}

/// Options of functions.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum FunctionOption {
    Language(String),
    /// The body's text and the offset of its first character in the file.
    Body(String, Pos),
    /// `BEGIN ATOMIC …` or `RETURN expr`: parsed statements are not needed yet; the text.
    SqlBody(String, Pos),
    /// `immutable`, `stable`, `volatile`.
    Volatility(String),
    Strict(bool),
    SecurityDefiner(bool),
    Leakproof(bool),
    /// SET name = values; no values: FROM CURRENT.
    Set(String, Vec<String>),
    /// COST, ROWS, PARALLEL, SUPPORT, WINDOW: no effect here.
    NoEffect(String),
    /// For ALTER FUNCTION … OWNER TO / RENAME TO / SET SCHEMA.
    Owner(String),
    Rename(String),
    Schema(String),
}

/// CREATE TRIGGER.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct CreateTrigger {
    pub name: String,
    pub or_replace: bool,
    pub constraint: bool,
    pub table: Name,
    /// `before`, `after`, `instead of`.
    pub timing: String,
    pub insert: bool,
    pub update: bool,
    pub delete: bool,
    pub truncate: bool,
    /// UPDATE OF columns.
    pub update_of: Vec<String>,
    pub for_each_row: bool,
    pub when: Option<Expr>,
    pub function: Name,
    pub args: Vec<String>,
    /// REFERENCING was used.
    pub transition_tables: bool,
    /// REFERENCING NEW (true) or OLD TABLE AS name.
    pub referencing: Vec<(bool, String)>,
    pub deferrable: Deferrable,
}

/// Options of sequences.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum SequenceOption {
    As(TypeName),
    Increment(i64),
    MinValue(Option<i64>),
    MaxValue(Option<i64>),
    Start(i64),
    /// RESTART [WITH n].
    Restart(Option<i64>),
    Cache(i64),
    Cycle(bool),
    /// OWNED BY table.column; none: NONE.
    OwnedBy(Option<(Name, String)>),
    SequenceName(Name),
}

/// CREATE VIEW or MATERIALIZED VIEW.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct CreateView {
    pub name: Name,
    pub or_replace: bool,
    pub materialized: bool,
    pub temporary: bool,
    pub recursive: bool,
    pub if_not_exists: bool,
    pub columns: Vec<String>,
    /// WITH (security_invoker = true, …): lower-case names and values as written.
    pub options: Vec<(String, String)>,
    pub query: Query,
    pub check_option: Option<String>,
    pub with_data: bool,
}
