//! What names mean at a place: the row sources of each query level, innermost last.

use basalt_catalog::Relation;
use basalt_types::{Oid, SqlState, TypeRef};

use super::error::{AnalyzeError, error, unsupported};
use super::{Analyzer, Result};
use crate::tree;
use crate::typed::{Expr, ExprKind, From, RangeId};

/// A column that may be named.
#[derive(Debug, Clone)]
pub(super) struct ScopeColumn {
    pub name: String,
    pub expr: Expr,
}

/// A row source that may be named.
#[derive(Debug, Clone)]
pub(super) struct ScopeTable {
    pub alias: String,
    /// The schema, when the table may be named with it (no alias was given).
    pub schema: Option<String>,
    /// `None` for the alias of a join.
    pub range: Option<RangeId>,
    pub columns: Vec<ScopeColumn>,
}

/// The row sources of one query level.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    pub tables: Vec<ScopeTable>,
    /// Columns that may be named without their table, which is what `*` stands for.
    pub columns: Vec<ScopeColumn>,
    /// Set-returning functions of the select list, which become items of FROM. `None` where they are not allowed.
    pub expanded: Option<Vec<From>>,
    pub windows: Vec<(String, tree::Window)>,
    /// Names of siblings in FROM that a subquery here could name if it were LATERAL.
    pub hidden: Vec<String>,
}

impl Scope {
    /// A level with one table.
    pub fn of_table(table: ScopeTable) -> Self {
        Self { columns: table.columns.clone(), tables: vec![table], ..Self::default() }
    }

    /// Adds another item of FROM.
    pub fn add(&mut self, other: Scope) {
        self.tables.extend(other.tables);
        self.columns.extend(other.columns);
    }
}

/// What a range is.
#[derive(Debug, Clone)]
pub(super) struct RangeInfo {
    pub alias: String,
    pub relation: Option<Oid>,
    /// Name and number of each column.
    pub columns: Vec<(String, i16, TypeRef)>,
    /// A function in FROM that yields plain values: its name means the value, not a row.
    pub scalar: bool,
}

/// The clause an expression stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clause {
    Other,
    Select,
    Where,
    JoinOn,
    FromFunction,
    GroupBy,
    Having,
    OrderBy,
    DistinctOn,
    Filter,
    WindowPart,
    AggregateArgs,
    Limit,
    Offset,
    Values,
    UpdateSet,
    Returning,
    Policy,
    Check,
    Default,
    Generated,
    Index,
    IndexPredicate,
    Transform,
    TriggerWhen,
}

impl Clause {
    /// As PostgreSQL's messages say it ("… are not allowed in X").
    fn plural(self) -> &'static str {
        match self {
            Self::Other | Self::Select | Self::AggregateArgs => "this context",
            Self::Where => "WHERE",
            Self::JoinOn => "JOIN conditions",
            Self::FromFunction => "functions in FROM",
            Self::GroupBy => "GROUP BY",
            Self::Having => "HAVING",
            Self::OrderBy => "ORDER BY",
            Self::DistinctOn => "DISTINCT ON",
            Self::Filter => "FILTER",
            Self::WindowPart => "window definitions",
            Self::Limit => "LIMIT",
            Self::Offset => "OFFSET",
            Self::Values => "VALUES",
            Self::UpdateSet => "UPDATE",
            Self::Returning => "RETURNING",
            Self::Policy => "policy expressions",
            Self::Check => "check constraints",
            Self::Default => "DEFAULT expressions",
            Self::Generated => "column generation expressions",
            Self::Index => "index expressions",
            Self::IndexPredicate => "index predicates",
            Self::Transform => "transform expressions",
            Self::TriggerWhen => "trigger WHEN conditions",
        }
    }

    pub fn check_subquery(self) -> Result<()> {
        let place = match self {
            Self::Check => "check constraint",
            Self::Default => "DEFAULT expression",
            Self::Generated => "column generation expression",
            Self::Index => "index expression",
            Self::IndexPredicate => "index predicate",
            Self::Transform => "transform expression",
            Self::TriggerWhen => "trigger WHEN condition",
            _ => return Ok(()),
        };
        Err(error(SqlState::FEATURE_NOT_SUPPORTED, format!("cannot use subquery in {place}")))
    }

    pub fn check_aggregate(self) -> Result<()> {
        match self {
            Self::Select | Self::Having | Self::OrderBy | Self::DistinctOn | Self::WindowPart => Ok(()),
            Self::AggregateArgs => Err(error(SqlState::GROUPING_ERROR, "aggregate function calls cannot be nested")),
            _ => Err(error(SqlState::GROUPING_ERROR, format!("aggregate functions are not allowed in {}", self.plural()))),
        }
    }

    pub fn check_window(self) -> Result<()> {
        match self {
            Self::Select | Self::OrderBy | Self::DistinctOn => Ok(()),
            Self::AggregateArgs => {
                Err(error(SqlState::GROUPING_ERROR, "aggregate function calls cannot contain window function calls"))
            }
            _ => Err(error(SqlState::new(b"42P20"), format!("window functions are not allowed in {}", self.plural()))),
        }
    }

    pub fn no_set_function(self) -> AnalyzeError {
        match self {
            Self::AggregateArgs => {
                error(SqlState::FEATURE_NOT_SUPPORTED, "aggregate function calls cannot contain set-returning function calls")
            }
            _ => error(SqlState::FEATURE_NOT_SUPPORTED, format!("set-returning functions are not allowed in {}", self.plural())),
        }
    }

    /// Whether columns may be named at all.
    fn check_column(self) -> Result<()> {
        match self {
            Self::Default => Err(error(SqlState::FEATURE_NOT_SUPPORTED, "cannot use column reference in DEFAULT expression")),
            _ => Ok(()),
        }
    }
}

impl Analyzer<'_> {
    /// A table, view or target as a row source.
    pub(super) fn relation_table(&mut self, relation: &Relation, range: RangeId, alias: Option<&str>) -> ScopeTable {
        let columns: Vec<(String, i16, TypeRef)> =
            relation.columns.iter().map(|c| (c.name.clone(), c.attnum, c.type_ref())).collect();
        let schema = match alias {
            Some(_) => None,
            None => self.catalog.schema_by_oid(Oid(relation.schema)).map(|s| s.name.clone()),
        };
        let alias = alias.unwrap_or(&relation.name).to_owned();
        self.scope_table(alias, schema, range, columns, Some(Oid(relation.oid)))
    }

    /// Any row source with numbered columns.
    pub(super) fn scope_table(
        &mut self,
        alias: String,
        schema: Option<String>,
        range: RangeId,
        columns: Vec<(String, i16, TypeRef)>,
        relation: Option<Oid>,
    ) -> ScopeTable {
        let scope_columns = columns
            .iter()
            .map(|(name, number, ty)| ScopeColumn { name: name.clone(), expr: Expr::column(range, *number, *ty) })
            .collect();
        self.info.insert(range, RangeInfo { alias: alias.clone(), relation, columns, scalar: false });
        ScopeTable { alias, schema, range: Some(range), columns: scope_columns }
    }

    /// Resolves `a`, `t.a`, `s.t.a`.
    pub(super) fn column(&mut self, parts: &[String]) -> Result<Expr> {
        self.clause.check_column().or_else(|e| if self.names_variable(parts) { Ok(()) } else { Err(e) })?;
        match parts {
            [name] => self.bare_column(name),
            [table, name] => self.qualified_column(None, table, name),
            [schema, table, name] => self.qualified_column(Some(schema), table, name),
            [_, schema, table, name] => self.qualified_column(Some(schema), table, name),
            _ => Err(error(
                SqlState::SYNTAX_ERROR,
                format!("improper qualified name (too many dotted names): {}", parts.join(".")),
            )),
        }
    }

    fn names_variable(&self, parts: &[String]) -> bool {
        matches!(parts, [name] if self.ctx.variables.iter().any(|v| v.name == *name))
    }

    fn variable(&self, qualifier: Option<&str>, name: &str) -> Option<Expr> {
        // The innermost declaration comes last.
        let found = self
            .ctx
            .variables
            .iter()
            .rev()
            .find(|v| v.name == name && (qualifier.is_none() || qualifier == v.qualifier.as_deref()))?;
        Some(Expr::new(ExprKind::Param(found.param.clone()), found.ty))
    }

    fn bare_column(&self, name: &str) -> Result<Expr> {
        let variable = self.variable(None, name);
        for scope in self.scopes.iter().rev() {
            let mut found = scope.columns.iter().filter(|c| c.name == name);
            if let Some(column) = found.next() {
                if found.next().is_some() {
                    return Err(error(SqlState::AMBIGUOUS_COLUMN, format!("column reference \"{name}\" is ambiguous")));
                }
                if variable.is_some() && self.ctx.variables_conflict {
                    return Err(error(SqlState::AMBIGUOUS_COLUMN, format!("column reference \"{name}\" is ambiguous"))
                        .detail("It could refer to either a PL/pgSQL variable or a table column."));
                }
                return Ok(column.expr.clone());
            }
        }
        if let Some(variable) = variable {
            return Ok(variable);
        }
        // A row without a name: VALUE of a domain's check.
        let mut nameless = self.ctx.rows.iter().rev().filter(|row| row.name.is_empty());
        if let Some((range, (_, number, ty))) =
            nameless.find_map(|row| Some((row.range, row.columns.iter().find(|(column, ..)| column == name)?)))
        {
            return Ok(Expr::column(range, *number, *ty));
        }
        if let Some(row) = self.whole_row(name) {
            return Ok(row);
        }
        if is_system_column(name) && !self.scopes.is_empty() {
            return Err(unsupported(format_args!("system column {name}")));
        }
        Err(self.unknown_column(None, name))
    }

    /// `t.*` where a value is expected.
    pub(super) fn row_of(&self, parts: &[String]) -> Result<Expr> {
        let found = match parts {
            [table] => self.whole_row(table),
            [schema, table] => self
                .find_table(Some(schema), table)?
                .and_then(|t| t.range)
                .map(|range| Expr::new(ExprKind::WholeRow { range }, TypeRef::of(basalt_types::pg::oid::RECORD))),
            _ => None,
        };
        found.ok_or_else(|| self.missing_table(parts.last().map_or("", String::as_str), &parts.join(".")))
    }

    /// `t` where a value is expected: the row of a range.
    fn whole_row(&self, name: &str) -> Option<Expr> {
        let record = TypeRef::of(basalt_types::pg::oid::RECORD);
        let table = self.scopes.iter().rev().find_map(|scope| scope.tables.iter().find(|t| t.alias == name));
        if let Some(table) = table {
            return Some(match table.range {
                Some(range) => {
                    let info = self.info.get(&range)?;
                    match info.columns.as_slice() {
                        [(_, number, ty)] if info.scalar => Expr::column(range, *number, *ty),
                        _ => Expr::new(ExprKind::WholeRow { range }, record),
                    }
                }
                None => Expr::new(ExprKind::Row(table.columns.iter().map(|c| c.expr.clone()).collect()), record),
            });
        }
        let row = self.ctx.rows.iter().rev().find(|r| r.name == name)?;
        Some(Expr::new(ExprKind::WholeRow { range: row.range }, record))
    }

    fn qualified_column(&self, schema: Option<&str>, table: &str, name: &str) -> Result<Expr> {
        if let Some(found) = self.find_table(schema, table)? {
            let mut matching = found.columns.iter().filter(|c| c.name == name);
            if let Some(column) = matching.next() {
                if matching.next().is_some() {
                    return Err(error(SqlState::AMBIGUOUS_COLUMN, format!("column reference \"{name}\" is ambiguous")));
                }
                return Ok(column.expr.clone());
            }
            if is_system_column(name) {
                return Err(unsupported(format_args!("system column {name}")));
            }
            return Err(self.unknown_column(Some(table), name));
        }
        if schema.is_none() {
            if let Some(row) = self.ctx.rows.iter().rev().find(|r| r.name == table) {
                let column = row.columns.iter().find(|(n, ..)| n == name);
                let found = column.map(|(_, number, ty)| Expr::column(row.range, *number, *ty));
                return found
                    .ok_or_else(|| error(SqlState::UNDEFINED_COLUMN, format!("record \"{table}\" has no field \"{name}\"")));
            }
            if let Some(variable) = self.variable(Some(table), name) {
                return Ok(variable);
            }
            // `column.field` of a composite column needs parentheses in PostgreSQL.
        }
        let shown = schema.map_or_else(|| table.to_owned(), |s| format!("{s}.{table}"));
        Err(self.missing_table(table, &shown))
    }

    /// The error for a table that FROM does not have, or has under another name or out of reach.
    pub(super) fn missing_table(&self, table: &str, shown: &str) -> AnalyzeError {
        let invalid =
            || error(SqlState::UNDEFINED_TABLE, format!("invalid reference to FROM-clause entry for table \"{shown}\""));
        let named = |t: &&ScopeTable| t.range.and_then(|r| self.info.get(&r)).is_some_and(|i| self.is_relation_named(i, table));
        if let Some(alias) = self.scopes.iter().rev().flat_map(|s| &s.tables).find(named) {
            return invalid().hint(format!("Perhaps you meant to reference the table alias \"{}\".", alias.alias));
        }
        if self.scopes.iter().any(|s| s.hidden.iter().any(|name| name == table)) {
            return invalid()
                .detail(format!(
                    "There is an entry for table \"{table}\", but it cannot be referenced from this part of the query."
                ))
                .hint("To reference that table, you must mark this subquery with LATERAL.");
        }
        error(SqlState::UNDEFINED_TABLE, format!("missing FROM-clause entry for table \"{shown}\""))
    }

    /// PostgreSQL's HINT for an unknown column: one or two columns in sight with a name much like it.
    fn similar_columns(&self, table: Option<&str>, name: &str) -> Option<String> {
        let tables = self.scopes.iter().rev().flat_map(|s| &s.tables).filter(|t| t.range.is_some());
        super::names::similar_columns(tables.map(|t| (t.alias.as_str(), t.columns.iter().map(|c| c.name.as_str()))), table, name)
    }

    fn unknown_column(&self, table: Option<&str>, name: &str) -> AnalyzeError {
        let message = match table {
            Some(table) => format!("column {table}.{name} does not exist"),
            None => format!("column \"{name}\" does not exist"),
        };
        let unknown = error(SqlState::UNDEFINED_COLUMN, message);
        match self.similar_columns(table, name) {
            Some(hint) => unknown.hint(hint),
            None => unknown,
        }
    }

    fn is_relation_named(&self, info: &RangeInfo, name: &str) -> bool {
        info.relation.and_then(|oid| self.catalog.relation_by_oid(oid)).is_some_and(|r| r.name == name)
    }

    /// The row source a qualified name means.
    pub(super) fn find_table(&self, schema: Option<&str>, table: &str) -> Result<Option<&ScopeTable>> {
        for scope in self.scopes.iter().rev() {
            let mut found = scope
                .tables
                .iter()
                .filter(|t| t.alias == table && schema.is_none_or(|schema| t.schema.as_deref() == Some(schema)));
            if let Some(first) = found.next() {
                if found.next().is_some() {
                    return Err(error(SqlState::new(b"42P09"), format!("table reference \"{table}\" is ambiguous")));
                }
                return Ok(Some(first));
            }
        }
        Ok(None)
    }
}

fn is_system_column(name: &str) -> bool {
    matches!(name, "ctid" | "xmin" | "xmax" | "cmin" | "cmax" | "tableoid")
}
