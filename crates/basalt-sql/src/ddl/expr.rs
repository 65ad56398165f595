//! Expressions that the catalog stores: validated, made independent of the search path, printed canonically.

use std::collections::BTreeSet;

use basalt_catalog::{Catalog, Relation, quote_name};
use basalt_types::{Oid, SqlState, TypeRef};

use crate::analyze::{self, Context, ExprUse};
use crate::typed::RangeId;

use super::walk::{Visit, Walker};
use super::{Ddl, Refusal, Result};
use crate::tree::{Call, Expr, ExprKind, Name, Query, TypeName};

/// Puts schemas on everything that the search path resolved.
struct Qualify<'a> {
    catalog: &'a Catalog,
    path: &'a [String],
}

impl Visit for Qualify<'_> {
    fn table(&mut self, name: &mut Name, relation: Option<Oid>) {
        if let Some(relation) = relation.and_then(|oid| self.catalog.relation_by_oid(oid)) {
            name.schema = Some(self.catalog.schema_name(relation.schema).to_owned());
        }
    }

    fn call(&mut self, call: &mut Call) {
        // `nextval('s')` means the sequence of now: `nextval('public.s'::regclass)`.
        if matches!(call.name.name.as_str(), "nextval" | "currval" | "setval")
            && let Some(first) = call.args.first_mut()
            && let ExprKind::String(text) = &first.value.kind
        {
            let ty = TypeName {
                schema: None,
                name: "regclass".to_owned(),
                modifiers: Vec::new(),
                dimensions: 0,
                setof: false,
                percent_type: false,
                interval_fields: None,
                pos: first.value.pos,
            };
            let literal = Expr { kind: ExprKind::String(text.clone()), pos: first.value.pos };
            first.value.kind = ExprKind::Cast(Box::new(literal), ty);
        }
        if call.name.schema.is_none() {
            call.name.schema = self.path.iter().find(|s| !self.catalog.functions_named(s, &call.name.name).is_empty()).cloned();
        }
    }

    fn type_name(&mut self, ty: &mut TypeName) {
        let built_in = basalt_types::pg::builtins().iter().any(|row| row.name == ty.name);
        if ty.schema.is_none()
            && !built_in
            && let Some(def) = self.catalog.type_in_path(self.path, &ty.name)
        {
            ty.schema = Some(self.catalog.schema_name(def.schema).to_owned());
        }
    }

    fn literal(&mut self, text: &mut String, ty: &TypeName) {
        if ty.name == "regclass"
            && let Some(relation) = regclass(self.catalog, self.path, text)
        {
            *text = self.catalog.qualified_name(&relation);
        }
    }
}

/// The relation that a `regclass` constant names.
pub(super) fn regclass(catalog: &Catalog, path: &[String], text: &str) -> Option<std::sync::Arc<Relation>> {
    let parts = split_name(text)?;
    match parts.as_slice() {
        [name] => catalog.relation_in_path(path, name).cloned(),
        [schema, name] => catalog.relation(schema, name).cloned(),
        _ => None,
    }
}

/// Splits `schema.name` at dots outside of quotes; unquoted parts fold to lower case.
fn split_name(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut part = String::new();
            let mut chars = quoted.char_indices().peekable();
            let end = loop {
                match chars.next()? {
                    (_, '"') if chars.peek().is_some_and(|(_, c)| *c == '"') => {
                        part.push('"');
                        chars.next();
                    }
                    (at, '"') => break at + 1,
                    (_, c) => part.push(c),
                }
            };
            parts.push(part);
            rest = quoted.get(end..)?;
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            parts.push(rest.get(..end)?.to_lowercase());
            rest = rest.get(end..)?;
        }
        match rest.strip_prefix('.') {
            Some(next) => rest = next,
            None if rest.is_empty() => return Some(parts),
            None => return None,
        }
    }
}

/// What an expression uses.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// Tables and views in FROM, and sequences named as `regclass`.
    pub relations: BTreeSet<Oid>,
    /// Columns of known relations.
    pub columns: BTreeSet<(Oid, i16)>,
    /// Users' functions by name; overloads are not told apart.
    pub functions: BTreeSet<(String, String)>,
    /// Users' types.
    pub types: BTreeSet<Oid>,
    /// Whether any table is read.
    pub reads: bool,
}

struct Collect<'a> {
    catalog: &'a Catalog,
    path: &'a [String],
    uses: Uses,
}

impl Visit for Collect<'_> {
    fn table(&mut self, _: &mut Name, relation: Option<Oid>) {
        self.uses.reads = true;
        self.uses.relations.extend(relation);
    }

    fn column(&mut self, _: &mut Vec<String>, relation: Oid, attnum: i16, _: bool) {
        self.uses.columns.insert((relation, attnum));
    }

    fn using(&mut self, _: &mut String, sides: &[(Oid, i16)]) {
        self.uses.columns.extend(sides);
    }

    fn call(&mut self, call: &mut Call) {
        let schema = match &call.name.schema {
            Some(schema) => Some(schema.clone()),
            None => self.path.iter().find(|s| !self.catalog.functions_named(s, &call.name.name).is_empty()).cloned(),
        };
        if let Some(schema) = schema {
            self.uses.functions.insert((schema, call.name.name.clone()));
        }
    }

    fn type_name(&mut self, ty: &mut TypeName) {
        let found = match &ty.schema {
            Some(schema) => self.catalog.type_named(schema, &ty.name),
            None => self.catalog.type_in_path(self.path, &ty.name),
        };
        self.uses.types.extend(found.map(|def| Oid(def.oid)));
    }

    fn literal(&mut self, text: &mut String, ty: &TypeName) {
        if ty.name == "regclass" {
            self.uses.relations.extend(regclass(self.catalog, self.path, text).map(|r| Oid(r.oid)));
        }
    }
}

/// What an expression over a relation's row uses.
pub(super) fn uses_of_expr(catalog: &Catalog, path: &[String], relation: Option<&Relation>, expr: &Expr) -> Uses {
    let collect = Collect { catalog, path, uses: Uses::default() };
    let mut walker = match relation {
        Some(relation) => Walker::on_relation(catalog, path, relation, collect).with_rows(relation, &["new", "old"]),
        None => Walker::new(catalog, path, collect),
    };
    walker.expr(&mut expr.clone());
    walker.visit.uses
}

/// What a query uses.
pub(super) fn uses_of_query(catalog: &Catalog, path: &[String], query: &Query) -> Uses {
    let mut walker = Walker::new(catalog, path, Collect { catalog, path, uses: Uses::default() });
    walker.query(&mut query.clone());
    walker.visit.uses
}

/// Where an expression stands, for what it may contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Check,
    Policy,
    /// With the column's type.
    Generated(TypeRef),
    Index,
    IndexPredicate,
    /// USING of a type change, with the new type.
    Transform(TypeRef),
    /// WHEN of a trigger: whether OLD and NEW exist.
    When {
        old: bool,
        new: bool,
    },
}

impl Ddl {
    /// Validates an expression over a table's row and gives its canonical text.
    pub(super) fn row_expr(&self, expr: &Expr, relation: &Relation, place: Place) -> Result<String> {
        self.no_subquery(expr, place)?;
        let range = RangeId(0);
        let ranges = |wanted: bool, n: u32| wanted.then_some(RangeId(n));
        let kind = match place {
            Place::Check => ExprUse::Check,
            Place::Policy => ExprUse::Policy,
            Place::Generated(ty) => ExprUse::Generated(ty),
            Place::Index => ExprUse::Index,
            Place::IndexPredicate => ExprUse::IndexPredicate,
            Place::Transform(ty) => ExprUse::Transform(ty),
            Place::When { old, new } => ExprUse::TriggerWhen { old: ranges(old, 1), new: ranges(new, 2) },
        };
        let ctx = Context { first_range: 3, ..self.analysis() };
        analyze::expr_on_relation(expr, relation, range, &self.catalog, &ctx, kind)?;
        Ok(self.canonical(expr, Some(relation)))
    }

    /// How texts are analysed here: by the current search path.
    pub(super) fn analysis(&self) -> Context {
        Context { search_path: self.path(), ..Context::default() }
    }

    fn no_subquery(&self, expr: &Expr, place: Place) -> Result {
        let what = match place {
            // Analysis itself has the words for these.
            Place::Policy | Place::When { .. } => return Ok(()),
            Place::Check => "check constraint",
            Place::Generated(_) => "column generation expression",
            Place::Index => "index expression",
            Place::IndexPredicate => "index predicate",
            Place::Transform(_) => "transform expression",
        };
        if contains_subquery(expr, &self.catalog) {
            return Err(Refusal::invalid(SqlState::FEATURE_NOT_SUPPORTED, format!("cannot use subquery in {what}")).at(expr.pos));
        }
        Ok(())
    }

    /// The canonical text of an expression: schemas written out, printed.
    pub(super) fn canonical(&self, expr: &Expr, relation: Option<&Relation>) -> String {
        let path = self.path();
        let qualify = Qualify { catalog: &self.catalog, path: &path };
        let mut walker = match relation {
            Some(relation) => Walker::on_relation(&self.catalog, &path, relation, qualify).with_rows(relation, &["new", "old"]),
            None => Walker::new(&self.catalog, &path, qualify),
        };
        let mut expr = expr.clone();
        walker.expr(&mut expr);
        crate::print::expr(&expr)
    }

    /// The canonical text of a query.
    pub(super) fn canonical_query(&self, query: &Query) -> String {
        let path = self.path();
        let mut walker = Walker::new(&self.catalog, &path, Qualify { catalog: &self.catalog, path: &path });
        let mut query = query.clone();
        walker.query(&mut query);
        crate::print::query(&query)
    }

    /// Validates a DEFAULT for a type and gives its canonical text.
    pub(super) fn default_text(&self, expr: &Expr, ty: TypeRef, column: &str) -> Result<String> {
        let row = super::table::blank_relation(Oid(0), 0, column, basalt_catalog::RelationKind::Table, "");
        let ctx = Context { first_range: 1, ..self.analysis() };
        let checked = analyze::expr_on_relation(expr, &row, RangeId(0), &self.catalog, &ctx, ExprUse::Default(ty));
        checked.map_err(|e| {
            let mut refusal: Box<Refusal> = e.into();
            // Analysis does not know which column it is for.
            if refusal.error.state == SqlState::DATATYPE_MISMATCH {
                refusal.error.message =
                    refusal.error.message.replacen("column is of type", &format!("column \"{column}\" is of type"), 1);
            }
            refusal.at(expr.pos)
        })?;
        Ok(self.canonical(expr, None))
    }

    /// Validates a domain's CHECK over VALUE and gives its canonical text.
    pub(super) fn domain_check_text(&self, expr: &Expr, ty: TypeRef) -> Result<String> {
        let row = value_relation(ty);
        self.row_expr(expr, &row, Place::Check)
    }

    /// Whether values of one type go into a column of another without a written cast.
    ///
    /// Source: PostgreSQL, `pg_cast` entries with context implicit or assignment, and the I/O conversions to string types.
    pub(super) fn assignable(&self, from: TypeRef, to: TypeRef) -> bool {
        use basalt_types::pg::oid::{
            BPCHAR, CIDR, CITEXT, DATE, FLOAT4, FLOAT8, INET, INT2, INT4, INT8, INTERVAL, JSON, JSONB, NAME, NUMERIC, OID,
            REGCLASS, TEXT, TIME, TIMESTAMP, TIMESTAMPTZ, TIMETZ, UNKNOWN, VARCHAR,
        };
        let base = |t: TypeRef| self.catalog.base_type(t).oid;
        let (f, t) = (base(from), base(to));
        let number = |o| [INT2, INT4, INT8, FLOAT4, FLOAT8, NUMERIC].contains(&o);
        let string = |o| [TEXT, VARCHAR, BPCHAR, NAME, CITEXT].contains(&o);
        let moment = |o| [DATE, TIMESTAMP, TIMESTAMPTZ].contains(&o);
        f == t
            || f == UNKNOWN
            || string(t)
            || (number(f) && number(t))
            || (moment(f) && (moment(t) || (f != DATE && (t == TIME || (f == TIMESTAMPTZ && t == TIMETZ)))))
            || matches!(
                (f, t),
                (TIME, TIMETZ | INTERVAL)
                    | (TIMETZ | INTERVAL, TIME)
                    | (JSON, JSONB)
                    | (JSONB, JSON)
                    | (CIDR, INET)
                    | (INET, CIDR)
                    | (INT2 | INT4 | INT8, OID | REGCLASS)
                    | (OID | REGCLASS, INT4 | INT8 | OID)
            )
            || match (basalt_types::pg::builtin(f), basalt_types::pg::builtin(t)) {
                (Some(a), Some(b)) if a.elem.0 != 0 && b.elem.0 != 0 => self.assignable(TypeRef::of(a.elem), TypeRef::of(b.elem)),
                _ => false,
            }
    }
}

/// A made-up relation whose only column is the keyword VALUE of a domain's check.
pub(super) fn value_relation(ty: TypeRef) -> Relation {
    let mut row = super::table::blank_relation(Oid(0), 0, "value", basalt_catalog::RelationKind::Table, "");
    row.columns.push(super::table::blank_column(1, "value", ty));
    row
}

/// Whether a subquery stands in an expression as it is written, also one that reads no table, such as `(select auth.uid())`: analysis
/// puts the value in its place.
pub fn contains_subquery(expr: &Expr, catalog: &Catalog) -> bool {
    struct Search(bool);
    impl Visit for Search {
        fn query(&mut self) {
            self.0 = true;
        }
    }
    let mut walker = Walker::new(catalog, &[], Search(false));
    walker.expr(&mut expr.clone());
    walker.visit.0
}

/// The canonical default of a serial column.
pub(super) fn nextval_text(schema: &str, sequence: &str) -> String {
    let name = format!("{}.{}", quote_name(schema), quote_name(sequence));
    format!("nextval('{}'::regclass)", name.replace('\'', "''"))
}
