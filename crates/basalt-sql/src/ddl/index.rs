//! Indexes.

use basalt_catalog::{Constraint, ConstraintKind, Index, IndexKey, IndexTerm, Relation, RelationKind};
use basalt_types::{Oid, SqlState, TypeRef, pg};

use super::expr::Place;
use super::name::name_addition;
use super::walk::figure_name;
use super::{Ddl, Refusal, Result, Step};
use crate::tree::{CreateIndex, ExprKind};

/// Operator classes that an index may name; they change nothing in storage.
const OPERATOR_CLASSES: [&str; 8] =
    ["array_ops", "inet_ops", "int4_ops", "jsonb_ops", "jsonb_path_ops", "text_ops", "text_pattern_ops", "varchar_pattern_ops"];

/// Whether an index exists in storage.
pub(super) fn is_stored(index: &Index) -> bool {
    matches!(index.method.as_str(), "btree" | "hash")
}

/// The constraint whose index is the table's own in storage: the primary key, unless it is deferrable.
pub(super) fn native_key(table: &Relation) -> Option<&Constraint> {
    table.constraints.iter().find(|c| matches!(c.kind, ConstraintKind::PrimaryKey { .. }) && !c.deferral.deferrable)
}

/// The constraints' indexes of a table that storage keeps apart from the table.
pub(super) fn unique_indexes(table: &Relation) -> impl Iterator<Item = Oid> {
    let primary = native_key(table).map(|c| c.oid);
    table.indexes.iter().filter(move |i| i.constraint.is_some() && i.constraint != primary).map(|i| Oid(i.oid))
}

impl Ddl {
    /// 42P07 when the name is taken by another relation or by an index of the table's working copy.
    pub(super) fn new_index_name(&self, table: &Relation, name: &str) -> Result {
        if table.indexes.iter().any(|i| i.name == name) {
            return Err(Refusal::invalid(SqlState::DUPLICATE_TABLE, format!("relation \"{name}\" already exists")));
        }
        let schema = self.schema(self.catalog.schema_name(table.schema))?;
        self.new_relation_name(&schema, name)
    }

    /// 42704 for types without an order.
    pub(super) fn indexable(&self, column: &str, ty: TypeRef) -> Result {
        let base = self.catalog.base_type(ty).oid;
        if base == pg::oid::JSON || base == pg::oid::XML {
            return Err(Refusal::invalid(
                SqlState::UNDEFINED_OBJECT,
                format!("data type {} has no default operator class for access method \"btree\"", self.catalog.format_type(ty)),
            )
            .hint("You must specify an operator class for the index or define a default operator class for the data type.")
            .detail(format!("Column \"{column}\" cannot be a key.")));
        }
        Ok(())
    }

    /// INCLUDE columns by name.
    pub(super) fn include_columns(&self, table: &Relation, names: &[String]) -> Result<Vec<i16>> {
        names
            .iter()
            .map(|name| {
                table.column(name).map(|c| c.attnum).ok_or_else(|| {
                    Refusal::invalid(SqlState::UNDEFINED_COLUMN, format!("column \"{name}\" named in key does not exist"))
                })
            })
            .collect()
    }

    pub(super) fn create_index(&mut self, create: &CreateIndex) -> Result {
        let found = self.relation(&create.table)?;
        match found.kind {
            RelationKind::Table | RelationKind::MaterializedView => {}
            RelationKind::View | RelationKind::Sequence => {
                let kind = if found.kind == RelationKind::View { "views" } else { "sequences" };
                return Err(Refusal::invalid(
                    SqlState::WRONG_OBJECT_TYPE,
                    format!("cannot create index on relation \"{}\"", found.name),
                )
                .detail(format!("This operation is not supported for {kind}."))
                .at(create.table.pos));
            }
        }
        self.must_own_relation(&found)?;
        let mut table = (*found).clone();
        let schema = self.catalog.schema_name(table.schema).to_owned();
        if let Some(name) = &create.name
            && create.if_not_exists
            && self.catalog.relation_name_taken(&schema, name)
        {
            self.notice(format!("relation \"{name}\" already exists, skipping"));
            return Ok(());
        }
        let method = create.method.clone().unwrap_or_else(|| "btree".to_owned());
        match method.as_str() {
            "btree" | "hash" => {}
            "gin" | "gist" | "spgist" | "brin" => {
                self.notice(format!("index method {method} has no counterpart on SQLite: the index is recorded, and not used"))
            }
            "hnsw" | "ivfflat" => {
                return Err(Refusal::unsupported(format!("index method {method}"), "vector search needs PostgreSQL for now"));
            }
            _ => {
                return Err(Refusal::invalid(SqlState::UNDEFINED_OBJECT, format!("access method \"{method}\" does not exist")));
            }
        }
        if create.unique && method != "btree" {
            return Err(Refusal::invalid(
                SqlState::FEATURE_NOT_SUPPORTED,
                format!("access method \"{method}\" does not support unique indexes"),
            ));
        }
        let (mut keys, mut names) = (Vec::new(), Vec::<String>::new());
        for column in &create.columns {
            if let Some(class) = &column.operator_class
                && !OPERATOR_CLASSES.contains(&class.name.as_str())
            {
                let of_type = pg::builtins().iter().any(|t| class.name == format!("{}_ops", t.name));
                let trigram = class.name.ends_with("_trgm_ops") && self.catalog.extensions().any(|e| e.name == "pg_trgm");
                if !of_type && !trigram {
                    return Err(Refusal::invalid(
                        SqlState::UNDEFINED_OBJECT,
                        format!("operator class \"{}\" does not exist for access method \"{method}\"", class.name),
                    ));
                }
            }
            if let Some(collation) = &column.collation
                && !matches!(collation.name.as_str(), "C" | "POSIX" | "default")
            {
                return Err(Refusal::unsupported(
                    format!("collation \"{}\"", collation.name),
                    "leave COLLATE out: the order of text is a property of the whole database",
                ));
            }
            let item = &column.item;
            let (term, name) = match &item.expr.kind {
                ExprKind::Column(parts) => {
                    let name = parts.last().cloned().unwrap_or_default();
                    let found = table.column(&name).ok_or_else(|| {
                        Refusal::invalid(SqlState::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist"))
                            .at(item.expr.pos)
                    })?;
                    if method == "btree" {
                        self.indexable(&name, found.type_ref())?;
                    }
                    (IndexTerm::Column(found.attnum), name)
                }
                _ => {
                    let text = self.row_expr(&item.expr, &table, Place::Index)?;
                    (IndexTerm::Expr(text), figure_name(&item.expr).unwrap_or_else(|| "expr".to_owned()))
                }
            };
            names.push(unique_among(&names, name));
            keys.push(IndexKey { term, descending: item.descending, nulls_first: item.nulls_first.unwrap_or(item.descending) });
        }
        let include = self.include_columns(&table, &create.include)?;
        let filter = match &create.filter {
            Some(filter) => Some(self.row_expr(filter, &table, Place::IndexPredicate)?),
            None => None,
        };
        let name = match &create.name {
            Some(name) => {
                self.new_index_name(&table, name)?;
                name.clone()
            }
            None => {
                let all = names.iter().chain(&create.include).map(String::as_str);
                self.choose_relation_name(&schema, &table.name, &name_addition(all), "idx", false, &[])
            }
        };
        let oid = self.catalog.allocate_oid();
        let index = Index {
            oid: oid.0,
            name,
            unique: create.unique,
            nulls_not_distinct: create.nulls_not_distinct,
            keys,
            include,
            filter,
            method,
            constraint: None,
            comment: None,
        };
        if is_stored(&index) {
            self.steps.push(Step::CreateIndex { table: Oid(table.oid), index: oid });
        }
        table.indexes.push(index);
        self.catalog.put_relation(table);
        Ok(())
    }
}

/// The name, with a number behind it when it is taken. Source: PostgreSQL's `ChooseIndexColumnNames`.
fn unique_among(names: &[String], name: String) -> String {
    if !names.contains(&name) {
        return name;
    }
    (1u32..).map(|n| format!("{name}{n}")).find(|n| !names.contains(n)).unwrap_or(name)
}
