//! Functions over a table's rows: computed columns and computed relationships, and the conversions that represent domains.

use basalt_catalog::{Catalog, Function, Relation, TypeKind};
use basalt_sql::typed::{Expr, ExprKind, From, Param, RangeId, Target};
use basalt_types::pg::oid;
use basalt_types::{Oid, TypeRef};

use super::level::{Level, Rows, literal};
use super::native::SERVER;
use super::{Resolver, plain_query};
use crate::ask::{LiteralId, Operator};

/// Schemas in which functions over rows are looked for besides the request's and the table's.
const SEARCHED: [&str; 2] = ["public", "extensions"];

/// The values of a list that are converted one by one: a subquery that has no other in it.
const VALUES: RangeId = RangeId(u32::MAX - 1);

/// The type of a table's rows.
fn row_type(catalog: &Catalog, relation: &Relation) -> Option<TypeRef> {
    let schema = catalog.schema_by_oid(Oid(relation.schema))?;
    let def = catalog.type_named(&schema.name, &relation.name)?;
    let is_it = matches!(def.kind, TypeKind::Row { relation: of } if of == relation.oid);
    is_it.then_some(TypeRef::of(Oid(def.oid)))
}

/// Whether a function can be called with a row of this type alone.
fn takes_row(function: &Function, row: TypeRef) -> bool {
    let mut inputs = function.inputs();
    !function.procedure
        && !function.aggregate
        && inputs.next().is_some_and(|a| a.ty == row.oid.0)
        && inputs.all(|a| a.default.is_some())
}

/// The functions of a schema that lead from a table's row to rows of other tables, with those tables.
pub(super) fn relationships<'c>(catalog: &'c Catalog, schema: &str, origin: &Relation) -> Vec<(&'c Function, &'c Relation)> {
    let Some(row) = row_type(catalog, origin) else { return Vec::new() };
    let Some(schema) = catalog.schema(schema).map(|s| s.oid) else { return Vec::new() };
    let leads = |function: &'c Function| match &catalog.type_by_oid(Oid(function.returns))?.kind {
        TypeKind::Row { relation } => catalog.relation_by_oid(Oid(*relation)).map(|r| (function, r.as_ref())),
        _ => None,
    };
    let functions = catalog.functions().map(AsRef::as_ref);
    functions.filter(|f| f.schema == schema && f.args.len() == 1 && takes_row(f, row)).filter_map(leads).collect()
}

impl<'c> Resolver<'c> {
    /// The whole row of a level, as a value of its table's row type.
    pub(super) fn row(&self, level: &Level<'c>) -> Option<Expr> {
        let ty = row_type(self.catalog, level.relation)?;
        if matches!(level.rows, Rows::Table) {
            return Some(Expr::new(ExprKind::WholeRow { range: level.range }, ty));
        }
        let columns = level.relation.columns.iter().map(|column| level.expr(column)).collect();
        let row = Expr::new(ExprKind::Row(columns), TypeRef::of(oid::RECORD));
        Some(Expr::new(ExprKind::Cast { expr: Box::new(row), explicit: true }, ty))
    }

    /// A function over the level's row that is named like a column.
    pub(super) fn computed(&self, level: &Level<'c>, name: &str) -> Option<Expr> {
        let ty = row_type(self.catalog, level.relation)?;
        let of_table = self.catalog.schema_by_oid(Oid(level.relation.schema)).map_or("", |s| s.name.as_str());
        let schemas = [self.schema, of_table].into_iter().chain(SEARCHED);
        let mut all = schemas.flat_map(|schema| self.catalog.functions_named(schema, name));
        let found = all.find(|f| !f.setof && takes_row(f, ty))?;
        let kind = ExprKind::UserFunc { function: Oid(found.oid), args: vec![self.row(level)?] };
        Some(Expr::new(kind, TypeRef::of(Oid(found.returns))))
    }

    /// The rows a function leads to from a level's row, as a source.
    pub(super) fn led_to(
        &mut self,
        parent: &Level<'c>,
        function: &'c Function,
        foreign: &'c Relation,
        depth: usize,
    ) -> Option<(Level<'c>, From)> {
        let range: RangeId = self.ranges.next();
        let kind = ExprKind::UserFunc { function: Oid(function.oid), args: vec![self.row(parent)?] };
        let call = Box::new(Expr::new(kind, TypeRef::of(Oid(function.returns))));
        let columns = foreign.columns.iter().map(|c| (c.name.clone(), c.type_ref())).collect();
        let alias = format!("{}_{depth}", foreign.name);
        let from = From::Function { range, call, columns, with_ordinality: false, lateral: true, alias: alias.clone() };
        Some((Level { relation: foreign, range, alias, rows: Rows::View, depth }, from))
    }

    /// A column as it is shown: by its domain's conversion to json, if there is one.
    pub(super) fn shown(&self, expr: Expr) -> Expr {
        match self.representation(expr.ty, TypeRef::of(oid::JSON)) {
            Some(function) => converted(function, expr, TypeRef::of(oid::JSON)),
            None => expr,
        }
    }

    /// A value of the request for a comparison with an operand of this type: by its domain's conversion from text, if there is one.
    pub(super) fn compared_value(&self, op: &Operator, left: TypeRef, id: LiteralId) -> Expr {
        match op {
            Operator::Like | Operator::ILike | Operator::Match | Operator::IMatch | Operator::IsDistinct => literal(id),
            _ => match self.representation(TypeRef::of(oid::TEXT), left) {
                Some(function) => {
                    let text = Expr::new(ExprKind::Param(Param::Literal(id)), TypeRef::of(oid::TEXT));
                    converted(function, text, left)
                }
                None => literal(id),
            },
        }
    }

    /// `left = ANY (SELECT conversion(text) …)`, when the operand's domain has a conversion from text.
    pub(super) fn in_converted(&self, left: &Expr, id: LiteralId) -> Option<Expr> {
        let function = self.representation(TypeRef::of(oid::TEXT), left.ty)?;
        let text = TypeRef::of(oid::TEXT);
        let list = Expr::new(ExprKind::Param(Param::LiteralList(id)), TypeRef::of(oid::TEXT_ARRAY));
        let unnest = ExprKind::Func { schema: "pg_catalog", name: "unnest", imp: SERVER, args: vec![list] };
        let from = From::Function {
            range: VALUES,
            call: Box::new(Expr::new(unnest, text)),
            columns: vec![("unnest".to_owned(), text)],
            with_ordinality: false,
            lateral: false,
            alias: "unnest".to_owned(),
        };
        let value = converted(function, Expr::column(VALUES, 1, text), left.ty);
        let query = plain_query(vec![Target { expr: value, name: "value".to_owned() }], vec![from], None);
        let left = vec![left.clone()];
        let kind = ExprKind::QuantifiedQuery { symbol: "=", imp: SERVER, all: false, left, query: Box::new(query) };
        Some(Expr::new(kind, TypeRef::of(oid::BOOL)))
    }

    /// The function of an implicit conversion from or to a domain.
    fn representation(&self, source: TypeRef, target: TypeRef) -> Option<Oid> {
        self.catalog.representation(source.oid, target.oid)
    }
}

fn converted(function: Oid, expr: Expr, ty: TypeRef) -> Expr {
    Expr::new(ExprKind::UserFunc { function, args: vec![expr] }, ty)
}
