//! Where the rows at the other end of a relationship are inserted: before a row, after it, or beside a table between both.

use basalt_catalog::{Catalog, ConstraintKind, Relation};

use super::ResolveError;
use super::relationship::{self, Kind, Link};

/// A relationship as an insert follows it. Columns are pairs of names.
#[derive(Debug, Clone)]
pub struct Nested<'c> {
    /// The table at the other end.
    pub foreign: &'c Relation,
    /// Which comes first.
    pub way: Way<'c>,
    /// Whether there is at most one row at the other end.
    pub is_to_one: bool,
}

/// Which of two related rows refers to the other.
#[derive(Debug, Clone)]
pub enum Way<'c> {
    /// The row here refers to the one there, which must be there first: (here, there).
    Before(Vec<(String, String)>),
    /// The row there refers to the one here: (here, there).
    After(Vec<(String, String)>),
    /// A row of a table between them refers to both.
    Through {
        /// That table.
        table: &'c Relation,
        /// (here, table).
        near: Vec<(String, String)>,
        /// (table, there).
        far: Vec<(String, String)>,
    },
}

/// The relationship that a name (a table, a column or a constraint, as embeds have them) means from a table.
///
/// # Errors
/// None of that name, or several.
pub fn nested<'c>(
    catalog: &'c Catalog,
    schema: &str,
    origin: &'c Relation,
    name: &str,
    hint: Option<&str>,
) -> Result<Nested<'c>, ResolveError> {
    let found = relationship::find(catalog, schema, origin, name, hint)?;
    let foreign = found.foreign;
    let named = |pairs: &[(i16, i16)], here: &Relation, there: &Relation| -> Vec<(String, String)> {
        let name = |relation: &Relation, attnum| relation.column_at(attnum).map(|c| c.name.clone()).unwrap_or_default();
        pairs.iter().map(|(a, b)| (name(here, *a), name(there, *b))).collect()
    };
    let way = match &found.link {
        Link::Key { constraint, kind, columns } => {
            let pairs = named(columns, origin, foreign);
            let refers = match kind {
                Kind::ManyToOne => true,
                Kind::OneToMany => false,
                Kind::OneToOne => origin.constraints.iter().any(|c| match &c.kind {
                    ConstraintKind::ForeignKey { columns: own, target, .. } => {
                        c.name == *constraint && *target == foreign.oid && own.iter().eq(columns.iter().map(|(here, _)| here))
                    }
                    _ => false,
                }),
            };
            if refers { Way::Before(pairs) } else { Way::After(pairs) }
        }
        // Rows that a function computes cannot be written.
        Link::Function { .. } => {
            return Err(ResolveError::NoRelationship {
                origin: origin.name.clone(),
                target: name.to_owned(),
                hint: hint.map(str::to_owned),
                schema: schema.to_owned(),
                near: None,
            });
        }
        Link::Junction { table, near, far, .. } => {
            Way::Through { table, near: named(near, origin, table), far: named(far, table, foreign) }
        }
    };
    Ok(Nested { foreign, way, is_to_one: found.is_to_one() })
}
