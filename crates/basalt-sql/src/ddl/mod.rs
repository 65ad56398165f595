//! DDL: a statement changes the catalog as PostgreSQL's own system catalogs would change, and yields the storage steps an engine takes.
//!
//! - [`apply`] takes one statement; [`DdlContext`] holds what lasts between statements of a session (role, search path).
//! - [`Step`] is the engine's side; [`Refusal`] says what does not apply and why; [`report`] collects refusals over all files.
//!
//! What it does not do: it touches no storage, checks no rows, and runs no query: those are steps.
//! To add a statement: a variant in `tree::Statement`, an arm in `Ddl::statement`, its code in the file of its object.

mod alter;
mod column;
mod comment;
mod constraint;
mod depend;
mod drop;
mod expr;
mod function;
mod index;
mod label;
mod name;
mod policy;
mod privilege;
mod refusal;
mod rename;
pub mod report;
mod role;
mod sequence;
mod session;
mod step;
mod table;
mod trigger;
mod types;
mod view;
mod walk;

use basalt_catalog::Catalog;
use basalt_types::{SqlError, SqlState};

pub use expr::contains_subquery;
pub use refusal::{Reason, Refusal, Result};
pub use step::{Convert, Fill, Step};
pub use types::resolve_type;

use crate::tree::{ObjectKind, Pos, Statement};

/// What lasts between the statements of one session.
#[derive(Debug, Clone, PartialEq)]
pub struct DdlContext {
    /// `current_user`: owns what is made.
    pub role: String,
    /// What RESET ROLE goes back to.
    pub session_role: String,
    /// As set; may hold `"$user"`.
    pub search_path: Vec<String>,
    /// The search path RESET goes back to.
    pub default_search_path: Vec<String>,
    /// The settings SET LOCAL replaced, to be restored when the file's transaction ends: see [`DdlContext::end_transaction`].
    local: Option<(String, Vec<String>)>,
}

impl Default for DdlContext {
    /// A migration: role `postgres`, search path `"$user", public, extensions`.
    fn default() -> Self {
        let path: Vec<String> = ["$user", "public", "extensions"].map(str::to_owned).to_vec();
        Self {
            role: "postgres".to_owned(),
            session_role: "postgres".to_owned(),
            search_path: path.clone(),
            default_search_path: path,
            local: None,
        }
    }
}

impl DdlContext {
    /// A session of that role.
    pub fn of_role(role: impl Into<String>) -> Self {
        let role = role.into();
        Self { session_role: role.clone(), role, ..Self::default() }
    }

    /// The schemas that unqualified names are looked for in: those of the search path that exist, `"$user"` resolved.
    pub fn schemas(&self, catalog: &Catalog) -> Vec<String> {
        let names = self.search_path.iter().map(|s| if s == "$user" { &self.role } else { s });
        names.filter(|s| catalog.schema(s).is_some()).cloned().collect()
    }

    /// Ends the file's transaction: what SET LOCAL changed is as before.
    pub fn end_transaction(&mut self) {
        if let Some((role, path)) = self.local.take() {
            self.role = role;
            self.search_path = path;
        }
    }
}

/// Applies one statement. On success `catalog` and `ctx` are changed; on refusal neither is.
///
/// # Errors
/// The statement is wrong (as PostgreSQL says it), or it is one that Basalt does not run on SQLite.
pub fn apply(catalog: &mut Catalog, statement: &Statement, ctx: &mut DdlContext) -> Result<Vec<Step>> {
    let mut ddl = Ddl { catalog: catalog.clone(), ctx: ctx.clone(), steps: Vec::new() };
    match ddl.statement(statement) {
        Ok(()) => {
            *catalog = ddl.catalog;
            *ctx = ddl.ctx;
            Ok(ddl.steps)
        }
        Err(mut refusal) => {
            if refusal.construct.is_empty() {
                refusal.construct = construct(statement);
            }
            Err(refusal)
        }
    }
}

/// One statement's work: a copy of the catalog that replaces the original when all went well.
struct Ddl {
    catalog: Catalog,
    ctx: DdlContext,
    steps: Vec<Step>,
}

impl Ddl {
    fn statement(&mut self, statement: &Statement) -> Result {
        match statement {
            Statement::Select(query) => self.select(query),
            Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) => {
                self.run(statement);
                Ok(())
            }
            Statement::Truncate { tables, restart_identity, cascade } => self.truncate(tables, *restart_identity, *cascade),
            Statement::CreateSchema { name, if_not_exists, authorization, elements } => {
                self.create_schema(name.as_deref(), *if_not_exists, authorization.as_deref(), *elements)
            }
            Statement::CreateTable(create) => self.create_table(create),
            Statement::AlterTable { name, if_exists, only: _, actions } => self.alter_table(name, *if_exists, actions),
            Statement::Rename { kind, name, if_exists, new_name } => self.rename(*kind, name, *if_exists, new_name),
            Statement::SetSchema { kind, name, if_exists, schema } => self.set_schema(*kind, name, *if_exists, schema),
            Statement::CreateIndex(create) => self.create_index(create),
            Statement::Drop { kind, if_exists, cascade, concurrently: _, names } => self.drop(*kind, *if_exists, *cascade, names),
            Statement::Comment { kind, name, text } => self.comment(*kind, name, text.as_deref()),
            Statement::CreatePolicy(create) => self.create_policy(create),
            Statement::AlterPolicy { name, table, rename, to, using, check } => {
                self.alter_policy(name, table, rename.as_deref(), to.as_deref(), using.as_ref(), check.as_ref())
            }
            Statement::Grant(grant) => self.grant(grant),
            Statement::GrantRole { is_grant, roles, grantees, admin_option: _ } => self.grant_role(*is_grant, roles, grantees),
            Statement::AlterDefaultPrivileges { for_roles, in_schemas, grant } => {
                self.alter_default_privileges(for_roles, in_schemas, grant)
            }
            Statement::CreateFunction(create) => self.create_function(create),
            Statement::AlterFunction { kind, name, args, options } => self.alter_function(*kind, name, args.as_deref(), options),
            Statement::CreateTrigger(create) => self.create_trigger(create),
            Statement::CreateEnum { name, labels } => self.create_enum(name, labels),
            Statement::AlterEnumAdd { name, if_not_exists, label, before, after } => {
                self.add_enum_label(name, *if_not_exists, label, before.as_deref(), after.as_deref())
            }
            Statement::AlterEnumRename { name, from, to } => self.rename_enum_label(name, from, to),
            Statement::CreateDomain { name, base, default, not_null, checks } => {
                self.create_domain(name, base, default.as_ref(), *not_null, checks)
            }
            Statement::CreateComposite { name, fields } => self.create_composite(name, fields),
            Statement::CreateSequence { name, if_not_exists, options } => self.create_sequence(name, *if_not_exists, options),
            Statement::AlterSequence { name, if_exists, options } => self.alter_sequence(name, *if_exists, options),
            Statement::CreateView(create) => self.create_view(create),
            Statement::AlterViewOptions { name, if_exists, materialized: _, set, reset } => {
                self.view_options(name, *if_exists, set, reset)
            }
            Statement::RefreshMaterializedView { name, concurrently, with_data } => self.refresh(name, *concurrently, *with_data),
            Statement::CreateExtension { name, if_not_exists, schema, version: _, cascade: _ } => {
                self.create_extension(name, *if_not_exists, schema.as_deref())
            }
            Statement::Role { verb, name, options } => self.role(verb, name, options),
            Statement::Publication { verb, name, tables, all_tables } => self.publication(verb, name, tables, *all_tables),
            Statement::OwnerTo { kind, name, owner } => self.owner_to(*kind, name, owner),
            Statement::Set { name, values, local } => self.set(name, values, *local),
            Statement::SetConstraints { names, deferred } => self.set_constraints(names, *deferred),
            Statement::Transaction { verb, name } => self.transaction(verb, name.as_deref()),
            Statement::Do { language, body, body_pos } => self.run_block(language.as_deref(), body, *body_pos),
            Statement::Notify { channel, .. } => {
                let why = if channel == "pgrst" {
                    "NOTIFY pgrst: the API follows every schema change by itself".to_owned()
                } else {
                    format!("NOTIFY {channel}: nobody can LISTEN on SQLite")
                };
                self.steps.push(Step::NoOp(why));
                Ok(())
            }
            Statement::Other { construct } => self.other(construct),
        }
    }

    /// A query or data change that the engine runs.
    fn run(&mut self, statement: &Statement) {
        self.steps.push(Step::Run {
            statement: Box::new(statement.clone()),
            role: self.ctx.role.clone(),
            search_path: self.path(),
        });
    }

    /// A DO block, which the engine runs.
    fn run_block(&mut self, language: Option<&str>, body: &str, body_pos: Pos) -> Result {
        if let Some(language) = language.filter(|language| !language.eq_ignore_ascii_case("plpgsql")) {
            return Err(Refusal::invalid(SqlState::UNDEFINED_OBJECT, format!("language \"{language}\" does not exist")));
        }
        crate::plpgsql::parse(body).map_err(|e| {
            let within = if e.pos.0 == NO_POS.0 { body_pos } else { Pos(body_pos.0.saturating_add(e.pos.0)) };
            let refusal: Box<Refusal> = SqlError::new(e.code, e.message).into();
            refusal.at(within)
        })?;
        self.steps.push(Step::Block { body: body.to_owned(), role: self.ctx.role.clone(), search_path: self.path() });
        Ok(())
    }

    /// Statements that exist in PostgreSQL but not in our tree.
    fn other(&mut self, construct: &str) -> Result {
        let no_op = |why: &str| Step::NoOp(format!("{construct}: {why}"));
        match construct.split(' ').next().unwrap_or_default() {
            "VACUUM" | "ANALYZE" | "REINDEX" | "CLUSTER" | "CHECKPOINT" => {
                self.steps.push(no_op("the engine keeps its storage and statistics by itself"));
                return Ok(());
            }
            "LISTEN" | "UNLISTEN" | "DISCARD" | "DEALLOCATE" | "LOCK" => {
                self.steps.push(no_op("without effect in a migration, which has the only writer"));
                return Ok(());
            }
            _ => {}
        }
        let advice = match construct {
            "COPY" => "use INSERT statements, or load the rows over the API",
            c if c.contains("EVENT TRIGGER") => "leave it out: there are no event triggers on SQLite",
            c if c.contains("FOREIGN") || c.contains("SERVER") => "foreign data needs PostgreSQL",
            c if c.contains("RULE") => "use a trigger",
            c if c.contains("STATISTICS") => "leave it out: the engine keeps its own statistics",
            c if c.contains("AGGREGATE") || c.contains("OPERATOR") || c.contains("CAST") || c.contains("LANGUAGE") => {
                "this extends PostgreSQL itself and needs it"
            }
            _ => "leave it out, or serve this project on PostgreSQL",
        };
        Err(Refusal::unsupported(construct, advice))
    }

    fn notice(&mut self, text: impl Into<String>) {
        self.steps.push(Step::Notice(text.into()));
    }

    /// The schemas unqualified names are looked for in.
    fn path(&self) -> Vec<String> {
        self.ctx.schemas(&self.catalog)
    }
}

/// What a statement is called in reports.
pub fn construct(statement: &Statement) -> String {
    let text = match statement {
        Statement::Select(_) => "SELECT",
        Statement::Insert(_) => "INSERT",
        Statement::Update(_) => "UPDATE",
        Statement::Delete(_) => "DELETE",
        Statement::Truncate { .. } => "TRUNCATE",
        Statement::CreateSchema { .. } => "CREATE SCHEMA",
        Statement::CreateTable(_) => "CREATE TABLE",
        Statement::AlterTable { .. } => "ALTER TABLE",
        Statement::Rename { kind, .. } | Statement::SetSchema { kind, .. } | Statement::OwnerTo { kind, .. } => {
            return format!("ALTER {}", kind_words(*kind));
        }
        Statement::CreateIndex(_) => "CREATE INDEX",
        Statement::Drop { kind, .. } => return format!("DROP {}", kind_words(*kind)),
        Statement::Comment { kind, .. } => return format!("COMMENT ON {}", kind_words(*kind)),
        Statement::CreatePolicy(_) => "CREATE POLICY",
        Statement::AlterPolicy { .. } => "ALTER POLICY",
        Statement::Grant(grant) => {
            if grant.is_grant {
                "GRANT"
            } else {
                "REVOKE"
            }
        }
        Statement::GrantRole { .. } => "GRANT role",
        Statement::AlterDefaultPrivileges { .. } => "ALTER DEFAULT PRIVILEGES",
        Statement::CreateFunction(create) => {
            if create.procedure {
                "CREATE PROCEDURE"
            } else {
                "CREATE FUNCTION"
            }
        }
        Statement::AlterFunction { .. } => "ALTER FUNCTION",
        Statement::CreateTrigger(_) => "CREATE TRIGGER",
        Statement::CreateEnum { .. } | Statement::CreateComposite { .. } => "CREATE TYPE",
        Statement::AlterEnumAdd { .. } | Statement::AlterEnumRename { .. } => "ALTER TYPE",
        Statement::CreateDomain { .. } => "CREATE DOMAIN",
        Statement::CreateSequence { .. } => "CREATE SEQUENCE",
        Statement::AlterSequence { .. } => "ALTER SEQUENCE",
        Statement::CreateView(create) => {
            if create.materialized {
                "CREATE MATERIALIZED VIEW"
            } else {
                "CREATE VIEW"
            }
        }
        Statement::AlterViewOptions { .. } => "ALTER VIEW",
        Statement::RefreshMaterializedView { .. } => "REFRESH MATERIALIZED VIEW",
        Statement::CreateExtension { .. } => "CREATE EXTENSION",
        Statement::Role { verb, .. } => return verb.to_uppercase(),
        Statement::Publication { verb, .. } => {
            if verb == "create" {
                "CREATE PUBLICATION"
            } else {
                "ALTER PUBLICATION"
            }
        }
        Statement::Set { .. } => "SET",
        Statement::SetConstraints { .. } => "SET CONSTRAINTS",
        Statement::Transaction { verb, .. } => return verb.to_uppercase(),
        Statement::Do { .. } => "DO",
        Statement::Notify { .. } => "NOTIFY",
        Statement::Other { construct } => return construct.clone(),
    };
    text.to_owned()
}

/// The words of an object kind, upper case.
fn kind_words(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Table => "TABLE",
        ObjectKind::View => "VIEW",
        ObjectKind::MaterializedView => "MATERIALIZED VIEW",
        ObjectKind::Index => "INDEX",
        ObjectKind::Sequence => "SEQUENCE",
        ObjectKind::Schema => "SCHEMA",
        ObjectKind::Function => "FUNCTION",
        ObjectKind::Procedure => "PROCEDURE",
        ObjectKind::Routine => "ROUTINE",
        ObjectKind::Aggregate => "AGGREGATE",
        ObjectKind::Type => "TYPE",
        ObjectKind::Domain => "DOMAIN",
        ObjectKind::Policy => "POLICY",
        ObjectKind::Trigger => "TRIGGER",
        ObjectKind::Extension => "EXTENSION",
        ObjectKind::Role => "ROLE",
        ObjectKind::Publication => "PUBLICATION",
        ObjectKind::Column => "COLUMN",
        ObjectKind::Constraint => "CONSTRAINT",
        ObjectKind::Database => "DATABASE",
        ObjectKind::ForeignTable => "FOREIGN TABLE",
        ObjectKind::Language => "LANGUAGE",
        ObjectKind::EventTrigger => "EVENT TRIGGER",
        ObjectKind::Server => "SERVER",
        ObjectKind::Cast => "CAST",
        ObjectKind::Operator => "OPERATOR",
        ObjectKind::Collation => "COLLATION",
        ObjectKind::Statistics => "STATISTICS",
        ObjectKind::Rule => "RULE",
        ObjectKind::Other => "OBJECT",
    }
}

/// A place that is not known.
const NO_POS: Pos = Pos(u32::MAX);

#[cfg(test)]
mod tests;
