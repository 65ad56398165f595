//! A made-up world as data, and as PostgreSQL's SQL: the same text for both engines.

use std::fmt::Write;

use crate::predicate::Predicate;
use crate::types::Type;

/// The roles of requests.
pub const ROLES: [&str; 3] = ["anon", "authenticated", "service_role"];

/// Who owns tables unless the world says otherwise: the role that runs migrations.
pub const OWNER: &str = "postgres";

/// What a column is for; it decides which policies and values make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Purpose {
    /// Part of the primary key; in a junction also a reference.
    Key,
    /// Unique besides the key.
    Code,
    Owner,
    Tenant,
    /// A nullable reference.
    Parent,
    Title,
    Flag,
    Amount,
    /// Any type, for what filters, casts and encoders do with it.
    Extra,
}

/// Where a column's values come from besides requests.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Source {
    Plain,
    Identity {
        always: bool,
    },
    /// A default that takes the next number of a sequence.
    Sequence,
    /// GENERATED ALWAYS AS this STORED.
    Generated(&'static str),
}

/// A column.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Column {
    pub name: String,
    pub ty: Type,
    pub purpose: Purpose,
    /// An expression of SQL.
    pub default: Option<String>,
    /// The rest of its definition: NOT NULL, CHECK.
    pub constraint: &'static str,
    pub source: Source,
}

/// A foreign key to a table's key.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Link {
    pub name: String,
    pub columns: Vec<usize>,
    pub target: usize,
    pub on_delete: &'static str,
}

/// What a policy or grant is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Command {
    Select,
    Insert,
    Update,
    Delete,
    All,
}

impl Command {
    /// All.
    pub const EACH: [Self; 5] = [Self::Select, Self::Insert, Self::Update, Self::Delete, Self::All];

    /// Its keyword.
    pub fn word(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::All => "all",
        }
    }
}

/// A row policy.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Policy {
    pub name: String,
    pub restrictive: bool,
    pub command: Command,
    /// Empty: PUBLIC.
    pub roles: Vec<&'static str>,
    pub using: Option<Predicate>,
    pub check: Option<Predicate>,
}

/// What a role was granted on a table; `None`: on all columns.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Grant {
    pub role: &'static str,
    pub command: Command,
    pub columns: Option<Vec<usize>>,
}

/// A value as text; `None` is NULL.
pub type Cell = Option<String>;

/// A table's rows.
pub type Rows = Vec<Vec<Cell>>;

/// A value as a literal of SQL.
pub fn literal(cell: &Cell) -> String {
    cell.as_ref().map_or_else(|| "null".to_owned(), |text| format!("'{}'", text.replace('\'', "''")))
}

/// A name as SQL has it.
pub fn ident(name: &str) -> String {
    const RESERVED: [&str; 4] = ["select", "order", "user", "limit"];
    let is_plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') && !RESERVED.contains(&name);
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// What a table's trigger does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// BEFORE INSERT OR UPDATE: makes the title upper case.
    Upper,
    /// BEFORE UPDATE: adds one to the amount.
    Bump,
    /// AFTER INSERT: writes into `journal`.
    Journal,
}

/// A view of one table.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct View {
    pub base: usize,
    pub invoker: bool,
    /// A condition on the base's columns.
    pub condition: Option<String>,
}

/// A table or a view.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Table {
    pub schema: &'static str,
    pub name: String,
    pub columns: Vec<Column>,
    pub key: Vec<usize>,
    pub links: Vec<Link>,
    /// Unique keys of several columns.
    pub uniques: Vec<Vec<usize>>,
    pub security: bool,
    pub force: bool,
    pub owner: &'static str,
    pub policies: Vec<Policy>,
    pub grants: Vec<Grant>,
    pub trigger: Option<Trigger>,
    pub view: Option<View>,
    pub rows: Rows,
}

impl Table {
    /// The first column with a purpose.
    pub fn column(&self, purpose: Purpose) -> Option<usize> {
        self.columns.iter().position(|c| c.purpose == purpose)
    }

    /// Whether it joins two others.
    pub fn is_junction(&self) -> bool {
        self.key.len() == 2
    }

    /// Its name with the schema.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.schema, ident(&self.name))
    }

    /// A list of columns in SQL.
    pub fn names(&self, columns: &[usize]) -> String {
        columns.iter().filter_map(|c| self.columns.get(*c)).map(|c| ident(&c.name)).collect::<Vec<_>>().join(", ")
    }

    /// The columns a role may use with a command; whole tables first.
    pub fn granted(&self, role: &str, command: Command) -> Vec<usize> {
        let all = || (0..self.columns.len()).collect();
        if role == self.owner {
            return all();
        }
        let mut found = Vec::new();
        for grant in self.grants.iter().filter(|g| g.role == role && (g.command == command || g.command == Command::All)) {
            match &grant.columns {
                None => return all(),
                Some(columns) => found.extend(columns.iter().copied()),
            }
        }
        found
    }

    /// All its rows in a decided order, as text.
    pub fn contents_sql(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(|c| format!("{}::text", ident(&c.name))).collect();
        format!("select {} from {} order by {}", columns.join(", "), self.full_name(), self.names(&self.key))
    }
}

/// A schema with its rows.
#[derive(Debug, Clone)]
pub struct World {
    /// In the order in which they are created: references lead back, views come last.
    pub tables: Vec<Table>,
    /// Whether aggregates may be used.
    pub aggregates: bool,
}

impl World {
    /// The exposed schemas.
    pub fn schemas(&self) -> Vec<String> {
        let mut out = vec!["public".to_owned()];
        if self.tables.iter().any(|t| t.schema == "shop") {
            out.push("shop".to_owned());
        }
        out
    }

    /// Tables that hold rows.
    pub fn stored(&self) -> impl Iterator<Item = (usize, &Table)> {
        self.tables.iter().enumerate().filter(|(_, t)| t.view.is_none())
    }

    fn uses(&self, ty: Type) -> bool {
        self.tables.iter().any(|t| t.columns.iter().any(|c| c.ty == ty))
    }

    /// The migration that makes it, rows included. It begins and ends as [`OWNER`].
    pub fn sql(&self) -> String {
        let mut sql = String::new();
        if self.uses(Type::Mood) {
            sql.push_str("create type public.mood as enum ('sad', 'ok', 'happy', 'Very Odd');\n");
        }
        if self.uses(Type::Positive) {
            sql.push_str("create domain public.positive as integer check (value > 0);\n");
        }
        if self.schemas().len() > 1 {
            sql.push_str("create schema shop;\ngrant usage on schema shop to anon, authenticated, service_role;\n");
        }
        for (_, table) in self.stored() {
            self.create(table, &mut sql);
        }
        for (_, table) in self.stored().filter(|(_, t)| t.owner != OWNER) {
            // Only a role that needs no CREATE on the schema may give a table away.
            let _ = writeln!(sql, "reset role;\nalter table {} owner to {};\nset role {OWNER};", table.full_name(), table.owner);
        }
        for (_, table) in self.stored() {
            protect(table, &mut sql);
        }
        for (_, table) in self.stored() {
            for policy in &table.policies {
                self.policy(table, policy, &mut sql);
            }
        }
        for (_, table) in self.stored() {
            insert(table, &mut sql);
        }
        for (_, table) in self.stored() {
            if let Some(kind) = table.trigger {
                trigger(table, kind, &mut sql);
            }
        }
        for table in &self.tables {
            if let Some(view) = &table.view {
                self.view(table, view, &mut sql);
            }
        }
        sql
    }

    fn create(&self, table: &Table, sql: &mut String) {
        let next = |at: usize| {
            let numbers = table.rows.iter().filter_map(|row| row.get(at)?.as_ref()?.parse::<i64>().ok());
            numbers.max().unwrap_or(0).clamp(0, 1_000_000) + 1
        };
        for (at, column) in table.columns.iter().enumerate().filter(|(_, c)| c.source == Source::Sequence) {
            let _ = writeln!(sql, "create sequence {}.{}_{}_seq start with {};", table.schema, table.name, column.name, next(at));
        }
        let _ = write!(sql, "create table {} (", table.full_name());
        for (at, column) in table.columns.iter().enumerate() {
            let _ = write!(sql, "\n  {} {}", ident(&column.name), column.ty.sql());
            match &column.source {
                Source::Plain => {}
                Source::Identity { always } => {
                    let kind = if *always { "always" } else { "by default" };
                    let _ = write!(sql, " generated {kind} as identity (start with {})", next(at));
                }
                Source::Sequence => {
                    let _ = write!(sql, " default nextval('{}.{}_{}_seq')", table.schema, table.name, column.name);
                }
                Source::Generated(expression) => {
                    let _ = write!(sql, " generated always as ({expression}) stored");
                }
            }
            if let Some(default) = &column.default {
                let _ = write!(sql, " default {default}");
            }
            let _ = write!(sql, "{},", column.constraint);
        }
        for link in &table.links {
            let Some(target) = self.tables.get(link.target) else { continue };
            let _ = write!(
                sql,
                "\n  constraint {} foreign key ({}) references {} ({}){},",
                link.name,
                table.names(&link.columns),
                target.full_name(),
                target.names(&target.key),
                link.on_delete
            );
        }
        for unique in &table.uniques {
            let _ = write!(sql, "\n  unique ({}),", table.names(unique));
        }
        let _ = writeln!(sql, "\n  primary key ({})\n);", table.names(&table.key));
    }

    fn policy(&self, table: &Table, policy: &Policy, sql: &mut String) {
        let kind = if policy.restrictive { "restrictive" } else { "permissive" };
        let to = if policy.roles.is_empty() { "public".to_owned() } else { policy.roles.join(", ") };
        let _ =
            write!(sql, "create policy {} on {} as {kind} for {} to {to}", policy.name, table.full_name(), policy.command.word());
        if let Some(using) = &policy.using {
            let _ = write!(sql, "\n  using ({})", using.sql(&self.tables, &table.name, 0));
        }
        if let Some(check) = &policy.check {
            let _ = write!(sql, "\n  with check ({})", check.sql(&self.tables, &table.name, 0));
        }
        sql.push_str(";\n");
    }

    fn view(&self, table: &Table, view: &View, sql: &mut String) {
        let Some(base) = self.tables.get(view.base) else { return };
        let with = if view.invoker { " with (security_invoker = true)" } else { "" };
        let columns: Vec<usize> = (0..table.columns.len()).collect();
        let _ = write!(
            sql,
            "create view {}{with} as\n  select {} from {}",
            table.full_name(),
            table.names(&columns),
            base.full_name()
        );
        if let Some(condition) = &view.condition {
            let _ = write!(sql, " where {condition}");
        }
        sql.push_str(";\n");
        protect(table, sql);
    }
}

/// Grants and the switches of row security.
fn protect(table: &Table, sql: &mut String) {
    let others: Vec<&str> = ROLES.into_iter().filter(|r| *r != table.owner).collect();
    let name = table.full_name();
    let _ = writeln!(sql, "revoke all on {name} from {};", others.join(", "));
    for grant in &table.grants {
        let _ = match &grant.columns {
            None => writeln!(sql, "grant {} on {name} to {};", grant.command.word(), grant.role),
            Some(columns) => {
                writeln!(sql, "grant {} ({}) on {name} to {};", grant.command.word(), table.names(columns), grant.role)
            }
        };
    }
    if table.security {
        let _ = writeln!(sql, "alter table {name} enable row level security;");
    }
    if table.force {
        let _ = writeln!(sql, "alter table {name} force row level security;");
    }
}

fn insert(table: &Table, sql: &mut String) {
    if table.rows.is_empty() {
        return;
    }
    let is_written = |c: &usize| !matches!(table.columns.get(*c).map(|c| &c.source), Some(Source::Generated(_)));
    let columns: Vec<usize> = (0..table.columns.len()).filter(is_written).collect();
    let row = |row: &Vec<Cell>| {
        let cells: Vec<String> = columns.iter().filter_map(|c| row.get(*c)).map(literal).collect();
        format!("({})", cells.join(", "))
    };
    let rows: Vec<String> = table.rows.iter().map(row).collect();
    let is_always = table.columns.iter().any(|c| c.source == Source::Identity { always: true });
    let overriding = if is_always { " overriding system value" } else { "" };
    let names = table.names(&columns);
    let _ = writeln!(sql, "insert into {} ({names}){overriding} values\n  {};", table.full_name(), rows.join(",\n  "));
}

fn trigger(table: &Table, kind: Trigger, sql: &mut String) {
    let (when, body) = match kind {
        Trigger::Upper => ("before insert or update", "new.title := upper(new.title);"),
        Trigger::Bump => ("before update", "new.amount := new.amount + 1;"),
        Trigger::Journal => ("after insert", "insert into public.journal (title, what) values (TG_TABLE_NAME, TG_OP);"),
    };
    let (name, full) = (&table.name, table.full_name());
    let _ = writeln!(
        sql,
        "create function {}.{name}_trigger() returns trigger language plpgsql as $$\nbegin\n  {body}\n  return new;\nend\n$$;\n\
         create trigger {name}_trigger {when} on {full} for each row execute function {}.{name}_trigger();",
        table.schema, table.schema
    );
}
