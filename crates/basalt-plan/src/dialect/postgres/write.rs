//! INSERT, UPDATE and DELETE as the CTE `pgrst_source`, whose columns are `c1`, `c2`, … in the order of RETURNING.

use basalt_catalog::{Column, IndexTerm, Relation, TypeKind};
use basalt_sql::typed::{Expr, ExprKind, From, Insert, InsertSource, Order, RangeId, Statement, Target, UpdateSet};
use basalt_types::pg::oid;
use basalt_types::{Oid, SqlError, TypeRef};

use super::PgBind;
use super::printer::{Names, Printer, Source};

/// The setting in which an upsert counts the rows that met an existing one. PostgreSQL has no other way to tell them that takes no
/// privilege: a row's system columns are columns.
const CONFLICTS: &str = "coalesce(nullif(pg_catalog.current_setting('basalt.conflicts', true), '')::bigint, 0)";

impl Printer<'_> {
    /// Prints the CTE.
    pub(super) fn write(&mut self, statement: &Statement) -> Result<(), SqlError> {
        self.raw("WITH pgrst_source AS (");
        match statement {
            Statement::Query(_) => return Err(SqlError::internal("a query is no write")),
            Statement::Insert(insert) => {
                self.insert(insert)?;
                self.returning(&insert.returning)?;
            }
            Statement::Update(update) => {
                self.declare(update.range, Source::Table(update.relation));
                self.declare_all(&update.from);
                self.raw("UPDATE ").table(update.relation)?.raw(" AS ").alias(update.range).raw(" SET ");
                let mut others = Vec::new();
                match &update.set {
                    UpdateSet::Exprs(set) => self.assignments(update.relation, set)?,
                    UpdateSet::Payload { columns, missing_default } => {
                        let relation = self.relation(update.relation)?;
                        for (i, attnum) in columns.iter().enumerate() {
                            let column = relation.column_at(*attnum).ok_or_else(|| SqlError::internal("a column has gone"))?;
                            self.raw(if i == 0 { "" } else { ", " })
                                .ident(&column.name)
                                .raw(" = pgrst_body.")
                                .ident(&column.name);
                        }
                        others.push((columns.as_slice(), *missing_default));
                    }
                }
                let mut word = " FROM ";
                for (columns, missing_default) in others {
                    self.raw(word);
                    word = ", ";
                    self.payload(update.relation, columns, missing_default, true)?;
                }
                for item in &update.from {
                    self.raw(word);
                    word = ", ";
                    self.from(item)?;
                }
                let tail = (update.order_by.as_slice(), update.limit.as_ref(), update.offset.as_ref());
                self.target_filter(update.relation, update.range, update.filter.as_ref(), tail)?;
                self.returning(&update.returning)?;
            }
            Statement::Delete(delete) => {
                self.declare(delete.range, Source::Table(delete.relation));
                self.declare_all(&delete.using);
                self.raw("DELETE FROM ").table(delete.relation)?.raw(" AS ").alias(delete.range);
                self.using(&delete.using)?;
                let tail = (delete.order_by.as_slice(), delete.limit.as_ref(), delete.offset.as_ref());
                self.target_filter(delete.relation, delete.range, delete.filter.as_ref(), tail)?;
                self.returning(&delete.returning)?;
            }
        }
        self.raw(")");
        Ok(())
    }

    /// The returned columns under their output names.
    pub(super) fn returned_names(&mut self, statement: &Statement) {
        let targets = match statement {
            Statement::Insert(i) => i.returning.as_slice(),
            Statement::Update(u) => u.returning.as_slice(),
            Statement::Delete(d) => d.returning.as_slice(),
            Statement::Query(_) => &[],
        };
        for (i, target) in targets.iter().enumerate() {
            self.raw(if i == 0 { "" } else { ", " }).raw(&format!("c{} AS ", i + 1)).ident(&target.name);
        }
    }

    /// How many rows met no existing one: as in PostgREST, those proposed less those in conflict, whatever triggers made of them.
    pub(super) fn inserted(&mut self, statement: &Statement) {
        match statement {
            Statement::Insert(insert) if insert.on_conflict.as_ref().is_some_and(|c| c.update.is_some()) => {
                if matches!(insert.source, InsertSource::Payload { .. }) {
                    self.raw(
                        "(SELECT CASE WHEN json_typeof(data) = 'array' THEN json_array_length(data) ELSE 1 END FROM (SELECT ",
                    );
                    self.bind(PgBind::Payload).raw("::json AS data) AS pgrst_payload)");
                } else {
                    self.raw("(SELECT count(*) FROM pgrst_source)");
                }
                // An inner embed that shows nothing may leave the written rows unread until now: reading them writes them all.
                self.raw(" - (SELECT ").raw(CONFLICTS).raw(" FROM pgrst_source HAVING count(*) >= 0)");
            }
            Statement::Insert(_) => {
                self.raw("(SELECT count(*) FROM pgrst_source)");
            }
            _ => {
                self.raw("0::bigint");
            }
        }
    }

    /// The key of the first written row, from its returned columns: texts as JSON has them.
    pub(super) fn location(&mut self, statement: &Statement, key: &[(i16, String)]) -> Result<(), SqlError> {
        if key.is_empty() {
            self.raw("NULL::text[]");
            return Ok(());
        }
        let returning = match statement {
            Statement::Insert(i) => i.returning.as_slice(),
            Statement::Update(u) => u.returning.as_slice(),
            Statement::Delete(d) => d.returning.as_slice(),
            Statement::Query(_) => &[],
        };
        self.raw("(SELECT ARRAY[");
        for (i, (attnum, _)) in key.iter().enumerate() {
            let is_it = |t: &Target| matches!(t.expr.kind, ExprKind::Column { column, .. } if column == *attnum);
            let at = returning.iter().position(is_it).ok_or_else(|| SqlError::internal("a key column is not returned"))?;
            // A list of one: `->>` gives an element's text.
            self.raw(if i == 0 { "" } else { ", " }).raw(&format!("json_build_array(c{}) ->> 0", at + 1));
        }
        self.raw("] FROM pgrst_source LIMIT 1)");
        Ok(())
    }

    fn using(&mut self, items: &[From]) -> Result<(), SqlError> {
        for (i, item) in items.iter().enumerate() {
            self.raw(if i == 0 { " USING " } else { ", " });
            self.from(item)?;
        }
        Ok(())
    }

    /// WHERE; a limit is put on the target's row addresses.
    fn target_filter(
        &mut self,
        relation: Oid,
        range: RangeId,
        filter: Option<&Expr>,
        (order_by, limit, offset): (&[Order], Option<&Expr>, Option<&Expr>),
    ) -> Result<(), SqlError> {
        if limit.is_none() && offset.is_none() {
            if let Some(filter) = filter {
                self.raw(" WHERE ");
                self.expr(filter)?;
            }
            return Ok(());
        }
        self.raw(" WHERE ").alias(range).raw(".ctid = ANY (ARRAY(SELECT ").alias(range).raw(".ctid FROM ");
        self.table(relation)?.raw(" AS ").alias(range);
        if let Some(filter) = filter {
            self.raw(" WHERE ");
            self.expr(filter)?;
        }
        self.order_by(order_by)?;
        if let Some(limit) = limit {
            self.raw(" LIMIT ");
            self.expr(limit)?;
        }
        if let Some(offset) = offset {
            self.raw(" OFFSET ");
            self.expr(offset)?;
        }
        self.raw("))");
        Ok(())
    }

    fn returning(&mut self, targets: &[Target]) -> Result<(), SqlError> {
        self.raw(" RETURNING ");
        if targets.is_empty() {
            self.raw("1 AS c1");
        }
        for (i, target) in targets.iter().enumerate() {
            self.raw(if i == 0 { "" } else { ", " });
            self.expr(&target.expr)?;
            self.raw(&format!(" AS c{}", i + 1));
        }
        Ok(())
    }

    fn assignments(&mut self, relation: Oid, set: &[(i16, Option<Expr>)]) -> Result<(), SqlError> {
        let relation = self.relation(relation)?;
        for (i, (attnum, value)) in set.iter().enumerate() {
            let column = relation.column_at(*attnum).ok_or_else(|| SqlError::internal("a column has gone"))?;
            self.raw(if i == 0 { "" } else { ", " }).ident(&column.name).raw(" = ");
            match value {
                None => {
                    self.raw("DEFAULT");
                }
                Some(value) => self.expr(value)?,
            }
        }
        Ok(())
    }

    fn insert(&mut self, insert: &Insert) -> Result<(), SqlError> {
        let relation = self.relation(insert.relation)?;
        self.declare(insert.range, Source::Table(insert.relation));
        self.raw("INSERT INTO ").table(insert.relation)?.raw(" AS ").alias(insert.range);
        let is_empty = insert.columns.is_empty();
        if !is_empty {
            self.raw(" (");
            self.column_names(relation, &insert.columns, "")?;
            self.raw(")");
        }
        match insert.overriding_system {
            Some(true) => self.raw(" OVERRIDING SYSTEM VALUE"),
            Some(false) => self.raw(" OVERRIDING USER VALUE"),
            None => self,
        };
        match &insert.source {
            InsertSource::Payload { .. } if is_empty => {
                // As many rows as there are objects, of defaults only.
                self.raw(" SELECT FROM ");
                self.objects();
            }
            _ if is_empty => {
                self.raw(" DEFAULT VALUES");
            }
            InsertSource::Values(rows) => {
                for (i, row) in rows.iter().enumerate() {
                    self.raw(if i == 0 { " VALUES (" } else { ", (" });
                    for (j, value) in row.iter().enumerate() {
                        self.raw(if j == 0 { "" } else { ", " });
                        match value {
                            None => {
                                self.raw("DEFAULT");
                            }
                            Some(value) => self.expr(value)?,
                        }
                    }
                    self.raw(")");
                }
            }
            InsertSource::Query(query) => {
                self.raw(" ");
                self.query(query, Names::Positions)?;
            }
            InsertSource::Payload { missing_default } => {
                self.raw(" SELECT ");
                self.column_names(relation, &insert.columns, "pgrst_body.")?;
                self.raw(" FROM ");
                self.payload(insert.relation, &insert.columns, *missing_default, false)?;
            }
        }
        let Some(conflict) = &insert.on_conflict else { return Ok(()) };
        self.raw(" ON CONFLICT");
        if !conflict.columns.is_empty() {
            self.raw(" (");
            self.column_names(relation, &conflict.columns, "")?;
            self.raw(")");
        } else if let Some(index) = conflict.arbiters.first().and_then(|a| relation.indexes.iter().find(|i| Oid(i.oid) == *a)) {
            self.raw(" (");
            for (i, key) in index.keys.iter().enumerate() {
                self.raw(if i == 0 { "" } else { ", " });
                match &key.term {
                    IndexTerm::Column(attnum) => self.column_names(relation, &[*attnum], "")?,
                    IndexTerm::Expr(text) => {
                        self.raw("(").raw(text).raw(")");
                    }
                }
            }
            self.raw(")");
            if let Some(filter) = &index.filter {
                self.raw(" WHERE ").raw(filter);
            }
        }
        match &conflict.update {
            None => {
                self.raw(" DO NOTHING");
            }
            Some(update) => {
                self.declare(update.excluded, Source::Excluded(insert.relation));
                self.raw(" DO UPDATE SET ");
                self.assignments(insert.relation, &update.set)?;
                self.raw(" WHERE pg_catalog.set_config('basalt.conflicts', (")
                    .raw(CONFLICTS)
                    .raw(" + 1)::text, true) IS NOT NULL");
                if let Some(filter) = &update.filter {
                    self.raw(" AND (");
                    self.expr(filter)?;
                    self.raw(")");
                }
            }
        }
        Ok(())
    }

    fn column_names(&mut self, relation: &Relation, columns: &[i16], prefix: &str) -> Result<(), SqlError> {
        for (i, attnum) in columns.iter().enumerate() {
            let column = relation.column_at(*attnum).ok_or_else(|| SqlError::internal("a column has gone"))?;
            self.raw(if i == 0 { "" } else { ", " }).raw(prefix).ident(&column.name);
        }
        Ok(())
    }

    /// The request's objects, a row for each, without columns.
    fn objects(&mut self) {
        self.raw("(SELECT FROM (SELECT ")
            .bind(PgBind::Payload)
            .raw("::json AS data) AS pgrst_payload, LATERAL json_array_elements(");
        self.raw("CASE WHEN json_typeof(data) = 'array' THEN data ELSE json_build_array(data) END)) AS pgrst_body");
    }

    /// What a body lacks of a column where it is merged with defaults, as in PostgREST: the column's default, its identity's next number,
    /// or its domain's default.
    fn merged_default(&self, column: &Column) -> Option<String> {
        match (&column.default, &column.identity) {
            (Some(default), _) => Some(default.clone()),
            (None, Some(identity)) if !identity.always => {
                Some(format!("pg_catalog.nextval({}::pg_catalog.oid::pg_catalog.regclass)", identity.sequence))
            }
            (None, Some(_)) => None,
            (None, None) => match &self.catalog.type_by_oid(Oid(column.ty)).filter(|d| d.oid == column.ty)?.kind {
                TypeKind::Domain { default, .. } => default.clone(),
                _ => None,
            },
        }
    }

    /// The request's objects as rows `pgrst_body`.
    fn payload(&mut self, relation: Oid, columns: &[i16], missing_default: bool, only_first: bool) -> Result<(), SqlError> {
        let relation = self.relation(relation)?;
        let defaults: Vec<(&str, String)> = columns
            .iter()
            .filter_map(|a| relation.column_at(*a))
            .filter_map(|c| self.merged_default(c).map(|d| (c.name.as_str(), d)))
            .collect();
        // A domain may say how it is read from JSON.
        let reading = |ty: u32| self.catalog.representation(oid::JSON, Oid(ty));
        let readings: Vec<Option<Oid>> = columns.iter().map(|a| relation.column_at(*a).and_then(|c| reading(c.ty))).collect();
        if readings.iter().any(Option::is_some) {
            self.raw("(SELECT ");
            for (i, (attnum, reading)) in columns.iter().zip(&readings).enumerate() {
                let column = relation.column_at(*attnum).ok_or_else(|| SqlError::internal("a column has gone"))?;
                self.raw(if i == 0 { "" } else { ", " });
                if let Some(function) = reading {
                    self.function_name(*function)?.raw("(_.").ident(&column.name).raw(")");
                } else {
                    self.raw("_.").ident(&column.name);
                }
                self.raw(" AS ").ident(&column.name);
            }
        } else {
            self.raw("(SELECT _.*");
        }
        self.raw(" FROM (SELECT ").bind(PgBind::Payload).raw("::json AS data) AS pgrst_payload, ");
        self.raw("LATERAL (SELECT CASE WHEN json_typeof(data) = 'array' THEN data ELSE json_build_array(data) END AS val) AS pgrst_uniform, ");
        if missing_default && !defaults.is_empty() {
            self.raw("LATERAL (SELECT jsonb_agg(jsonb_build_object(");
            for (i, (name, default)) in defaults.iter().enumerate() {
                self.raw(if i == 0 { "" } else { ", " }).text(name).raw(", ").raw(default);
            }
            self.raw(") || elem) AS val FROM jsonb_array_elements(pgrst_uniform.val::jsonb) AS elem) AS pgrst_full, ");
            self.raw("LATERAL jsonb_to_recordset(pgrst_full.val) AS _(");
        } else {
            self.raw("LATERAL json_to_recordset(pgrst_uniform.val) AS _(");
        }
        for (i, attnum) in columns.iter().enumerate() {
            let column = relation.column_at(*attnum).ok_or_else(|| SqlError::internal("a column has gone"))?;
            let is_read = readings.get(i).is_some_and(Option::is_some);
            let ty = if is_read { TypeRef::of(oid::JSON) } else { column.type_ref() };
            self.raw(if i == 0 { "" } else { ", " }).ident(&column.name).raw(" ").type_name(ty);
        }
        self.raw(")").raw(if only_first { " LIMIT 1" } else { "" }).raw(") AS pgrst_body");
        Ok(())
    }
}
