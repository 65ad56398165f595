//! A made-up schema as data, and as PostgreSQL's SQL: the same text for both databases.

use std::fmt::Write;

use crate::predicate::Predicate;

pub const ROLES: [&str; 3] = ["anon", "authenticated", "service_role"];

/// Who owns tables unless the schema says otherwise: the role that runs migrations.
pub const OWNER: &str = "postgres";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Int,
    Text,
    Bool,
    Uuid,
}

/// What a column is for; it decides which policies and values make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    pub ty: Type,
    pub purpose: Purpose,
    pub default: Option<&'static str>,
    /// The rest of its definition: NOT NULL, CHECK.
    pub constraint: &'static str,
}

/// A foreign key of one column to the first key column of a table.
#[derive(Debug, Clone)]
pub struct Link {
    pub name: String,
    pub column: usize,
    pub target: usize,
    pub on_delete: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Command {
    Select,
    Insert,
    Update,
    Delete,
    All,
}

impl Command {
    pub const EACH: [Self; 5] = [Self::Select, Self::Insert, Self::Update, Self::Delete, Self::All];

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

#[derive(Debug, Clone)]
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
pub struct Grant {
    pub role: &'static str,
    pub command: Command,
    pub columns: Option<Vec<usize>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    Null,
    Int(i64),
    Text(String),
    Bool(bool),
}

impl Cell {
    /// As a literal of SQL.
    pub fn sql(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Int(n) => n.to_string(),
            Self::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Self::Bool(value) => value.to_string(),
        }
    }

    /// As a request's filter has it.
    pub fn text(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Int(n) => n.to_string(),
            Self::Text(text) => text.clone(),
            Self::Bool(value) => value.to_string(),
        }
    }

    pub fn json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Int(n) => (*n).into(),
            Self::Text(text) => text.as_str().into(),
            Self::Bool(value) => (*value).into(),
        }
    }
}

pub type Rows = Vec<Vec<Cell>>;

#[derive(Debug, Clone)]
pub struct Table {
    pub name: String,
    pub columns: Vec<Column>,
    pub key: Vec<usize>,
    pub links: Vec<Link>,
    pub security: bool,
    pub force: bool,
    pub owner: &'static str,
    pub policies: Vec<Policy>,
    pub grants: Vec<Grant>,
    pub rows: Rows,
}

impl Table {
    pub fn column(&self, purpose: Purpose) -> Option<usize> {
        self.columns.iter().position(|c| c.purpose == purpose)
    }

    pub fn is_junction(&self) -> bool {
        self.key.len() == 2
    }

    fn names(&self, columns: &[usize]) -> String {
        columns.iter().map(|c| self.columns[*c].name.as_str()).collect::<Vec<_>>().join(", ")
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
}

#[derive(Debug, Clone)]
pub struct Schema {
    pub tables: Vec<Table>,
}

impl Schema {
    /// The migration that makes it, rows included. It begins and ends as [`OWNER`].
    pub fn sql(&self) -> String {
        let mut sql = String::new();
        for table in &self.tables {
            self.create(table, &mut sql);
        }
        for table in self.tables.iter().filter(|t| t.owner != OWNER) {
            // Only a role that needs no CREATE on the schema may give a table away.
            let _ = writeln!(sql, "reset role;\nalter table {} owner to {};\nset role {OWNER};", table.name, table.owner);
        }
        for table in &self.tables {
            protect(table, &mut sql);
        }
        for table in &self.tables {
            for policy in &table.policies {
                self.policy(table, policy, &mut sql);
            }
        }
        for table in self.tables.iter().filter(|t| !t.rows.is_empty()) {
            let rows: Vec<String> =
                table.rows.iter().map(|row| format!("({})", row.iter().map(Cell::sql).collect::<Vec<_>>().join(", "))).collect();
            let columns: Vec<usize> = (0..table.columns.len()).collect();
            let _ = writeln!(sql, "insert into {} ({}) values\n  {};", table.name, table.names(&columns), rows.join(",\n  "));
        }
        sql
    }

    fn create(&self, table: &Table, sql: &mut String) {
        let _ = write!(sql, "create table {} (", table.name);
        for column in &table.columns {
            let ty = match column.ty {
                Type::Int => "integer",
                Type::Text => "text",
                Type::Bool => "boolean",
                Type::Uuid => "uuid",
            };
            let _ = write!(sql, "\n  {} {ty}", column.name);
            if let Some(default) = column.default {
                let _ = write!(sql, " default {default}");
            }
            let _ = write!(sql, "{},", column.constraint);
        }
        for link in &table.links {
            let target = &self.tables[link.target];
            let _ = write!(
                sql,
                "\n  constraint {} foreign key ({}) references {} ({}){},",
                link.name, table.columns[link.column].name, target.name, target.columns[target.key[0]].name, link.on_delete
            );
        }
        let _ = writeln!(sql, "\n  primary key ({})\n);", table.names(&table.key));
    }

    fn policy(&self, table: &Table, policy: &Policy, sql: &mut String) {
        let kind = if policy.restrictive { "restrictive" } else { "permissive" };
        let to = if policy.roles.is_empty() { "public".to_owned() } else { policy.roles.join(", ") };
        let _ = write!(sql, "create policy {} on {} as {kind} for {} to {to}", policy.name, table.name, policy.command.word());
        if let Some(using) = &policy.using {
            let _ = write!(sql, "\n  using ({})", using.sql(&self.tables, &table.name, 0));
        }
        if let Some(check) = &policy.check {
            let _ = write!(sql, "\n  with check ({})", check.sql(&self.tables, &table.name, 0));
        }
        sql.push_str(";\n");
    }
}

/// Grants and the switches of row security.
fn protect(table: &Table, sql: &mut String) {
    let others: Vec<&str> = ROLES.into_iter().filter(|r| *r != table.owner).collect();
    let _ = writeln!(sql, "revoke all on {} from {};", table.name, others.join(", "));
    for grant in &table.grants {
        let _ = match &grant.columns {
            None => writeln!(sql, "grant {} on {} to {};", grant.command.word(), table.name, grant.role),
            Some(columns) => {
                let names = table.names(columns);
                writeln!(sql, "grant {} ({names}) on {} to {};", grant.command.word(), table.name, grant.role)
            }
        };
    }
    if table.security {
        let _ = writeln!(sql, "alter table {} enable row level security;", table.name);
    }
    if table.force {
        let _ = writeln!(sql, "alter table {} force row level security;", table.name);
    }
}
