//! ALTER TYPE … RENAME VALUE: stored expressions follow, since PostgreSQL's name labels by identity.
//!
//! In a stored text a label is a string like any other: `status <> 'open'`. Which strings are labels of the enum, analysis decides: a
//! string is one when its place takes a label that is new to the enum, and takes it no more without that label.

use basalt_catalog::{Catalog, ConstraintKind, IndexTerm, Relation, TypeDef, TypeKind};
use basalt_types::{Oid, TypeRef, Value, pg};

use super::expr::value_relation;
use super::index::is_stored;
use super::walk::{Visit, Walker};
use super::{Ddl, Step};
use crate::analyze::{self, Context, ExprUse};
use crate::tree::{Expr, Query};
use crate::typed::RangeId;

/// A label that no enum has: longer than labels may be.
const STRANGER: &str = "basalt: a label that is longer than the sixty-three bytes a label may have";

/// An index of a table: table, index, schema and name.
pub(super) type Stored = (Oid, Oid, String, String);

/// Replaces one label in the n-th of the strings that hold it.
struct Replace<'a> {
    from: &'a str,
    to: &'a str,
    /// Which one, counted down.
    wanted: usize,
    done: bool,
}

impl Visit for Replace<'_> {
    fn string(&mut self, text: &mut String) {
        if self.done {
            return;
        }
        let Some(replaced) = replaced(text, self.from, self.to) else { return };
        if self.wanted > 0 {
            self.wanted -= 1;
            return;
        }
        self.done = true;
        *text = replaced;
    }
}

/// The text with the label replaced, when it is the label or an array that holds it.
fn replaced(text: &str, from: &str, to: &str) -> Option<String> {
    if text == from {
        return Some(to.to_owned());
    }
    if !text.trim_start().starts_with('{') || !text.contains(from) {
        return None;
    }
    let array = TypeRef::of(pg::oid::TEXT_ARRAY);
    let Ok(Value::Text(stored)) = pg::input(text, array) else { return None };
    let mut rename = |value: &Value| Ok(if *value == Value::from(from) { Value::from(to) } else { value.clone() });
    let renamed = pg::Nested::from_stored(&stored, pg::oid::TEXT).ok()?.map(&mut rename).ok()?.store(pg::oid::TEXT);
    if renamed == stored {
        return None;
    }
    let mut out = String::new();
    pg::text(Value::Text(renamed).as_ref(), array, &mut out);
    Some(out)
}

/// What is rewritten, and how it is analysed.
struct Rename<'a> {
    /// As it was.
    old: &'a Catalog,
    /// With [`STRANGER`] among the enum's labels.
    stranger: Catalog,
    from: &'a str,
    to: &'a str,
}

impl Rename<'_> {
    /// Renames in a tree; `change` does one replacement, `is_valid` analyses. `None`: no string of it is the label.
    fn tree<T: Clone>(
        &self,
        tree: &T,
        change: impl Fn(&mut T, &mut Replace<'_>),
        is_valid: impl Fn(&T, &Catalog) -> bool,
    ) -> Option<T> {
        let replace = |tree: &mut T, to: &str, wanted: usize| {
            let mut replace = Replace { from: self.from, to, wanted, done: false };
            change(tree, &mut replace);
            replace.done
        };
        let mut labels = Vec::new();
        for at in 0.. {
            let mut tried = tree.clone();
            if !replace(&mut tried, STRANGER, at) {
                break;
            }
            if !is_valid(&tried, self.old) && is_valid(&tried, &self.stranger) {
                labels.push(at);
            }
        }
        let mut out = tree.clone();
        // From the last on: those before keep their numbers.
        for at in labels.iter().rev() {
            replace(&mut out, self.to, *at);
        }
        (!labels.is_empty()).then_some(out)
    }

    fn expr(&self, table: &Relation, kind: ExprUse, text: &mut String) {
        let Some(expr) = self.written(text, crate::parse::expr) else { return };
        let settings = Context { first_range: 3, ..Context::default() };
        let is_valid =
            |expr: &Expr, catalog: &Catalog| analyze::expr_on_relation(expr, table, RangeId(0), catalog, &settings, kind).is_ok();
        let change = |expr: &mut Expr, replace: &mut Replace<'_>| Walker::new(self.old, &[], Through(replace)).expr(expr);
        if let Some(renamed) = self.tree(&expr, change, is_valid) {
            *text = crate::print::expr(&renamed);
        }
    }

    fn query(&self, text: &mut String) {
        let Some(query) = self.written(text, crate::parse::query) else { return };
        let is_valid = |query: &Query, catalog: &Catalog| analyze::query(query, catalog, &Context::default()).is_ok();
        let change = |query: &mut Query, replace: &mut Replace<'_>| Walker::new(self.old, &[], Through(replace)).query(query);
        if let Some(renamed) = self.tree(&query, change, is_valid) {
            *text = crate::print::query(&renamed);
        }
    }

    /// The tree of a stored text that may hold the label.
    fn written<T, E>(&self, text: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        // Quotes are doubled in the text.
        if text.contains(&self.from.replace('\'', "''")) { parse(text).ok() } else { None }
    }

    /// All stored texts of a relation.
    fn relation(&self, old: &Relation) -> Relation {
        let mut new = old.clone();
        for column in &mut new.columns {
            let ty = column.type_ref();
            if let Some(text) = &mut column.default {
                self.expr(old, ExprUse::Default(ty), text);
            }
            if let Some(text) = &mut column.generated {
                self.expr(old, ExprUse::Generated(ty), text);
            }
        }
        for constraint in &mut new.constraints {
            if let ConstraintKind::Check { expr } = &mut constraint.kind {
                self.expr(old, ExprUse::Check, expr);
            }
        }
        for index in &mut new.indexes {
            for key in &mut index.keys {
                if let IndexTerm::Expr(text) = &mut key.term {
                    self.expr(old, ExprUse::Index, text);
                }
            }
            if let Some(text) = &mut index.filter {
                self.expr(old, ExprUse::IndexPredicate, text);
            }
        }
        for policy in &mut new.policies {
            for text in [&mut policy.using, &mut policy.check].into_iter().flatten() {
                self.expr(old, ExprUse::Policy, text);
            }
        }
        for trigger in &mut new.triggers {
            let rows = ExprUse::TriggerWhen {
                old: (!trigger.events.insert).then_some(RangeId(1)),
                new: (!trigger.events.delete).then_some(RangeId(2)),
            };
            if let Some(text) = &mut trigger.when {
                self.expr(old, rows, text);
            }
        }
        if let Some(view) = &mut new.view {
            self.query(&mut view.query);
        }
        new
    }
}

/// Lends a visitor to a walk.
struct Through<'v, V>(&'v mut V);

impl<V: Visit> Visit for Through<'_, V> {
    fn string(&mut self, text: &mut String) {
        self.0.string(text);
    }
}

impl Ddl {
    /// Rewrites all stored text for a label's new name, which the catalog does not have yet.
    pub(super) fn follow_label(&mut self, ty: Oid, from: &str, to: &str) {
        let old = self.catalog.clone();
        let mut stranger = old.clone();
        let Some(mut def) = stranger.type_by_oid(ty).map(|def| (**def).clone()) else { return };
        if let TypeKind::Enum { labels } = &mut def.kind {
            labels.push(STRANGER.to_owned());
        }
        stranger.put_type(def);
        let rename = Rename { old: &old, stranger, from, to };
        for relation in old.relations() {
            let new = rename.relation(relation);
            if new != **relation {
                self.catalog.put_relation(new);
            }
        }
        let blank = super::table::blank_relation(Oid(0), 0, "", basalt_catalog::RelationKind::Table, "");
        for def in old.types() {
            let mut new = (**def).clone();
            if let TypeKind::Domain { base, typmod, default, checks, .. } = &mut new.kind {
                let ty = TypeRef { oid: Oid(*base), typmod: *typmod };
                if let Some(text) = default {
                    rename.expr(&blank, ExprUse::Default(ty), text);
                }
                for (_, text) in checks {
                    rename.expr(&value_relation(ty), ExprUse::Check, text);
                }
            }
            if new != **def {
                self.catalog.put_type(new);
            }
        }
        for function in old.functions() {
            let mut new = (**function).clone();
            for arg in &mut new.args {
                let ty = TypeRef::of(Oid(arg.ty));
                if let Some(text) = &mut arg.default {
                    rename.expr(&blank, ExprUse::Default(ty), text);
                }
            }
            if new != **function {
                self.catalog.put_function(new);
            }
        }
    }

    /// Stored indexes with expressions or predicates on tables that have columns of an enum: their texts in storage hold its labels.
    pub(super) fn indexes_over_enum(&self, def: &TypeDef) -> Vec<Stored> {
        let is_of = |ty: u32| {
            let base = self.catalog.base_type(TypeRef::of(Oid(ty))).oid;
            base.0 == def.oid || base.0 == def.array_oid
        };
        let has_text = |index: &basalt_catalog::Index| {
            index.filter.is_some() || index.keys.iter().any(|k| matches!(k.term, IndexTerm::Expr(_)))
        };
        let tables = self.catalog.relations().filter(|r| r.columns.iter().any(|c| is_of(c.ty)));
        tables
            .flat_map(|table| {
                let schema = self.catalog.schema_name(table.schema);
                let stored = table.indexes.iter().filter(move |i| is_stored(i) && has_text(i));
                stored.map(move |i| (Oid(table.oid), Oid(i.oid), schema.to_owned(), i.name.clone()))
            })
            .collect()
    }

    /// Steps that take indexes out of storage.
    pub(super) fn drop_stored(&mut self, indexes: &[Stored]) {
        let steps = indexes.iter().map(|(_, _, schema, name)| Step::DropIndex { schema: schema.clone(), name: name.clone() });
        self.steps.extend(steps);
    }

    /// Steps that make them again.
    pub(super) fn make_stored(&mut self, indexes: &[Stored]) {
        self.steps.extend(indexes.iter().map(|(table, index, _, _)| Step::CreateIndex { table: *table, index: *index }));
    }
}
