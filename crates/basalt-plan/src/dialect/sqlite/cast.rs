//! Conversions between types: by nothing, by SQLite, or by the host.

use basalt_catalog::TypeKind;
use basalt_sql::typed::{Expr, ExprKind};
use basalt_types::pg::oid;
use basalt_types::{Oid, SqlError, TypeRef};

use super::printer::Printer;
use super::storage;
use crate::dialect::types;
use crate::expressions::ExprUse;

impl Printer<'_> {
    /// `expr::ty`.
    pub(super) fn cast(&mut self, expr: &Expr, to: TypeRef, explicit: bool) -> Result<(), SqlError> {
        let from = expr.ty;
        if let Some(done) = self.cast_to_enum_array(expr, to)? {
            return Ok(done);
        }
        if let Some(def) = self.catalog.type_by_oid(to.oid).filter(|d| d.oid == to.oid.0).cloned() {
            match &def.kind {
                TypeKind::Enum { labels } => {
                    if types::enum_of(self.catalog, from).is_some_and(|e| e.oid == def.oid) {
                        return self.expr(expr);
                    }
                    self.raw("pg_enum_in(");
                    self.expr(expr)?;
                    self.raw(", ").text(&def.name).raw(", ");
                    let labels = serde_json::to_string(labels).map_err(|e| SqlError::internal(e.to_string()))?;
                    self.text(&labels).raw(")");
                    return Ok(());
                }
                TypeKind::Domain { base, typmod, not_null, checks, .. } => {
                    let inner = Expr::new(
                        ExprKind::Cast { expr: Box::new(expr.clone()), explicit },
                        TypeRef { oid: Oid(*base), typmod: *typmod },
                    );
                    if !not_null && checks.is_empty() {
                        return self.expr(&inner);
                    }
                    return self.domain(&def.name, def.oid, *not_null, checks, &inner);
                }
                TypeKind::Composite { .. } => {
                    return Err(SqlError::unsupported(format!("a cast to the composite type {}", def.name)));
                }
                TypeKind::Row { .. } | TypeKind::Other => return Err(SqlError::unsupported(format!("type {}", def.name))),
            }
        }
        let (source, target) = (self.base(from), self.base(to));
        match direct(source, target) {
            Direct::Same => self.expr(expr),
            Direct::Text => {
                self.raw("CAST(");
                self.expr(expr)?;
                self.raw(" AS TEXT)");
                Ok(())
            }
            Direct::Real => {
                self.raw("CAST(");
                self.expr(expr)?;
                self.raw(" AS REAL)");
                Ok(())
            }
            Direct::BoolText => {
                self.raw("CASE ");
                self.expr(expr)?;
                self.raw(" WHEN 1 THEN 'true' WHEN 0 THEN 'false' END");
                Ok(())
            }
            Direct::NonZero => {
                self.raw("(");
                self.expr(expr)?;
                self.raw(" <> 0)");
                Ok(())
            }
            Direct::Host => {
                self.raw("pg_cast(");
                self.expr(expr)?;
                for n in [i64::from(source.oid.0), i64::from(source.typmod), i64::from(target.oid.0), i64::from(target.typmod)] {
                    self.raw(", ").number(n);
                }
                self.raw(if explicit { ", 1)" } else { ", 0)" });
                Ok(())
            }
        }
    }

    /// A cast to an array of an enum: every element must be a label. `None` for other types, and for arrays of that enum already.
    fn cast_to_enum_array(&mut self, expr: &Expr, to: TypeRef) -> Result<Option<()>, SqlError> {
        let Some(def) = self.catalog.type_by_oid(to.oid).filter(|d| d.array_oid == to.oid.0 && d.oid != to.oid.0) else {
            return Ok(None);
        };
        let Some(def) = types::enum_of(self.catalog, TypeRef::of(Oid(def.oid))).cloned() else { return Ok(None) };
        let TypeKind::Enum { labels } = &def.kind else { return Ok(None) };
        let source = types::element(self.catalog, expr.ty).and_then(|element| types::enum_of(self.catalog, element));
        if source.is_some_and(|source| source.oid == def.oid) {
            return Ok(None);
        }
        let labels = serde_json::to_string(labels).map_err(|e| SqlError::internal(e.to_string()))?;
        self.raw("pg_enum_array_in(");
        let (source, target) = (self.base(expr.ty), TypeRef::of(oid::TEXT_ARRAY));
        if source.oid == target.oid {
            self.expr(expr)?;
        } else {
            self.raw("pg_cast(");
            self.expr(expr)?;
            for n in [i64::from(source.oid.0), i64::from(source.typmod), i64::from(target.oid.0), i64::from(target.typmod)] {
                self.raw(", ").number(n);
            }
            self.raw(", 1)");
        }
        let name = types::shown_name(self.catalog, &def);
        self.raw(", ").text(&name).raw(", ").text(&labels).raw(")");
        Ok(Some(()))
    }

    /// A value that must satisfy a domain.
    fn domain(
        &mut self,
        name: &str,
        domain: u32,
        not_null: bool,
        checks: &[(String, String)],
        value: &Expr,
    ) -> Result<(), SqlError> {
        use super::printer::Source;
        let range = self.fresh_range();
        self.declare(range, Source::Positions);
        let conditions = checks
            .iter()
            .map(|(check, text)| {
                let mut next = self.next_range;
                let analysed = self.cache.get(text, ExprUse::Domain(domain), None, self.catalog)?;
                let condition = analysed.over(range, &mut next);
                self.next_range = next;
                Ok((check.clone(), condition))
            })
            .collect::<Result<Vec<_>, SqlError>>()?;
        self.raw("(SELECT CASE");
        if not_null {
            self.raw(" WHEN ").alias(range).raw(".c1 IS NULL THEN basalt_raise('23502', ");
            self.text(&format!("domain {name} does not allow null values")).raw(")");
        }
        for (check, condition) in conditions {
            self.raw(" WHEN (");
            self.expr(&condition)?;
            self.raw(") IS 0 THEN basalt_raise('23514', ");
            self.text(&format!("value for domain {name} violates check constraint \"{check}\"")).raw(")");
        }
        self.raw(" ELSE ").alias(range).raw(".c1 END FROM (SELECT ");
        self.expr(value)?;
        self.raw(" AS c1) AS ").alias(range).raw(")");
        Ok(())
    }

    /// `x COLLATE name`: only collations that equal the database's own order.
    pub(super) fn collate(&mut self, expr: &Expr, collation: &str) -> Result<(), SqlError> {
        match collation {
            "C" | "POSIX" | "ucs_basic" | "default" => {
                self.expr(expr)?;
                if storage::collation(self.catalog, expr.ty).is_none() {
                    self.raw(" COLLATE BINARY");
                }
                Ok(())
            }
            other => Err(SqlError::unsupported(format!("the collation \"{other}\""))),
        }
    }
}

/// How a conversion is done.
enum Direct {
    Same,
    Text,
    Real,
    BoolText,
    NonZero,
    Host,
}

/// Conversions whose stored forms are equal or that SQLite does alike.
fn direct(from: TypeRef, to: TypeRef) -> Direct {
    use oid::{
        BOOL, BPCHAR, CIDR, CITEXT, DATE, FLOAT4, FLOAT8, INET, INT2, INT4, INT8, JSON, JSONB, NAME, NUMERIC, OID, REGCLASS,
        TEXT, UUID, VARCHAR,
    };
    if from.oid == to.oid && (from.typmod == to.typmod || to.typmod < 0) {
        return Direct::Same;
    }
    let unlimited = to.typmod < 0;
    match (from.oid, to.oid) {
        (INT2, INT4 | INT8) | (INT4, INT8) | (OID | REGCLASS, INT8) | (INT4, OID | REGCLASS) | (BOOL, INT4) => Direct::Same,
        (TEXT | VARCHAR | CITEXT | NAME | UUID | DATE | JSON | JSONB, TEXT | VARCHAR | CITEXT) if unlimited => Direct::Same,
        (TEXT, NAME) | (JSONB, JSON) | (CIDR, INET) => Direct::Same,
        (INT2 | INT4 | INT8, TEXT | VARCHAR) if unlimited => Direct::Text,
        (INT2 | INT4 | INT8, NUMERIC) if unlimited => Direct::Text,
        (NUMERIC, TEXT | VARCHAR) if unlimited => Direct::Same,
        (INT2 | INT4 | INT8, FLOAT8) => Direct::Real,
        (FLOAT4, FLOAT8) => Direct::Same,
        (BOOL, TEXT | VARCHAR) if unlimited => Direct::BoolText,
        (INT4, BOOL) => Direct::NonZero,
        (BPCHAR, BPCHAR) => Direct::Host,
        _ => Direct::Host,
    }
}
