//! Finding things: foreign keys in both directions, near names, type names, search-path resolution.

use std::sync::Arc;

use basalt_types::{Oid, TypeRef, pg};

use crate::relation::{Constraint, ConstraintKind, Relation};
use crate::{Catalog, TypeDef, TypeKind};

/// Quotes an identifier when PostgreSQL's scanner would not read it back as it is: anything but lower-case letters, digits, `_` and
/// `$`, or beginning with a digit or `$`. Keywords are not known here; a name that is one is quoted by whoever prints SQL.
pub fn quote_name(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '$');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A foreign key with the table it stands on.
#[derive(Debug, Clone)]
pub struct ForeignKey<'a> {
    /// The referencing table.
    pub source: &'a Arc<Relation>,
    /// The constraint, always of kind [`ConstraintKind::ForeignKey`].
    pub constraint: &'a Constraint,
    /// Referencing columns.
    pub columns: &'a [i16],
    /// The referenced table.
    pub target: Oid,
    /// Referenced columns, pairwise.
    pub target_columns: &'a [i16],
}

fn foreign_keys_of(source: &Arc<Relation>) -> impl Iterator<Item = ForeignKey<'_>> {
    source.constraints.iter().filter_map(move |constraint| match &constraint.kind {
        ConstraintKind::ForeignKey { columns, target, target_columns, .. } => {
            Some(ForeignKey { source, constraint, columns, target: Oid(*target), target_columns })
        }
        _ => None,
    })
}

impl Catalog {
    /// The foreign keys of a table, in the order they were made.
    pub fn foreign_keys_from(&self, table: Oid) -> Vec<ForeignKey<'_>> {
        self.relation_by_oid(table).map(|r| foreign_keys_of(r).collect()).unwrap_or_default()
    }

    /// The foreign keys that refer to a table, its own included.
    pub fn foreign_keys_to(&self, table: Oid) -> Vec<ForeignKey<'_>> {
        self.relations().flat_map(foreign_keys_of).filter(|fk| fk.target == table).collect()
    }

    /// The columns of tables that a relation shows: (its own attnum, the table, the attnum there), of a table all of its own. Views over
    /// views are looked through.
    pub fn shown_columns(&self, relation: &Relation) -> Vec<(i16, Oid, i16)> {
        // Views cannot be circular; the bound guards a damaged store.
        const DEEPEST: usize = 32;
        fn look(catalog: &Catalog, relation: &Relation, depth: usize) -> Vec<(i16, Oid, i16)> {
            let Some(view) = &relation.view else {
                return relation.columns.iter().map(|c| (c.attnum, Oid(relation.oid), c.attnum)).collect();
            };
            let mut found = Vec::new();
            for origin in &view.origins {
                match catalog.relation_by_oid(Oid(origin.relation)) {
                    Some(below) if below.view.is_some() && depth < DEEPEST => {
                        let below = look(catalog, below, depth + 1);
                        found.extend(
                            below
                                .into_iter()
                                .filter(|(at, ..)| *at == origin.source)
                                .map(|(_, table, at)| (origin.column, table, at)),
                        );
                    }
                    Some(_) => found.push((origin.column, Oid(origin.relation), origin.source)),
                    None => {}
                }
            }
            found
        }
        look(self, relation, 0)
    }

    /// What identifies a row: a table's primary key; of a view those of its tables that it shows as a whole.
    pub fn key_of(&self, relation: &Relation) -> Vec<i16> {
        if relation.view.is_none() {
            return relation.primary_key().unwrap_or_default().to_vec();
        }
        let shown = self.shown_columns(relation);
        let mut tables: Vec<Oid> = shown.iter().map(|(_, table, _)| *table).collect();
        tables.sort_unstable();
        tables.dedup();
        let key_in_view = |table: Oid| -> Option<Vec<i16>> {
            let key = self.relation_by_oid(table)?.primary_key()?;
            let own = |at: &i16| shown.iter().find(|(_, t, source)| *t == table && source == at).map(|(own, ..)| *own);
            key.iter().map(own).collect()
        };
        tables.into_iter().filter_map(key_in_view).flatten().collect()
    }

    /// Whether a relation or an index of that name exists in a schema: they share one name space.
    pub fn relation_name_taken(&self, schema: &str, name: &str) -> bool {
        self.relation(schema, name).is_some() || self.index(schema, name).is_some()
    }

    /// An index by identity, with its table.
    pub fn index_by_oid(&self, oid: Oid) -> Option<(&Arc<Relation>, &crate::Index)> {
        self.relations().find_map(|r| r.indexes.iter().find(|i| i.oid == oid.0).map(|i| (r, i)))
    }

    /// The first relation of that name along a search path.
    pub fn relation_in_path(&self, path: &[String], name: &str) -> Option<&Arc<Relation>> {
        path.iter().find_map(|schema| self.relation(schema, name))
    }

    /// The first user-defined type of that name along a search path.
    pub fn type_in_path(&self, path: &[String], name: &str) -> Option<&Arc<TypeDef>> {
        path.iter().find_map(|schema| self.type_named(schema, name))
    }

    /// A schema's name by identity; empty for an unknown one.
    pub fn schema_name(&self, oid: u32) -> &str {
        self.schema_by_oid(Oid(oid)).map_or("", |s| s.name.as_str())
    }

    /// A relation's `schema.name`, quoted where needed.
    pub fn qualified_name(&self, relation: &Relation) -> String {
        format!("{}.{}", quote_name(self.schema_name(relation.schema)), quote_name(&relation.name))
    }

    /// The type a value is stored as: domains resolved to what they rest on, with the modifier of the innermost domain.
    pub fn base_type(&self, ty: TypeRef) -> TypeRef {
        let mut ty = ty;
        // Domains over domains cannot be circular; the bound guards a damaged store.
        for _ in 0..32 {
            match self.type_by_oid(ty.oid) {
                Some(def) if def.oid == ty.oid.0 => match &def.kind {
                    TypeKind::Domain { base, typmod, .. } => ty = TypeRef { oid: Oid(*base), typmod: *typmod },
                    TypeKind::Enum { .. } | TypeKind::Composite { .. } | TypeKind::Row { .. } | TypeKind::Other => return ty,
                },
                _ => return ty,
            }
        }
        ty
    }

    /// A type as PostgreSQL's `format_type` prints it: `integer`, `character varying(20)`, `numeric(10,2)[]`, `mood`,
    /// `app.mood`. Users' types carry their schema unless it is `public` or `extensions`, the database's search path.
    pub fn format_type(&self, ty: TypeRef) -> String {
        if let Some(def) = self.type_by_oid(ty.oid) {
            let schema = self.schema_name(def.schema);
            let mut text = if matches!(schema, "public" | "extensions" | "") {
                quote_name(&def.name)
            } else {
                format!("{}.{}", quote_name(schema), quote_name(&def.name))
            };
            if def.oid != ty.oid.0 {
                text.push_str("[]");
            }
            return text;
        }
        let Some(row) = pg::builtin(ty.oid) else { return "???".to_owned() };
        if row.elem.0 != 0 {
            return self.format_type(TypeRef { oid: row.elem, typmod: ty.typmod }) + "[]";
        }
        with_modifier(row.oid, row.sql_name, ty.typmod)
    }

    /// Names among `candidates` that a user may have meant, nearest first: at most three, at a trigram similarity of 0.3 or more, or
    /// at an edit distance of up to a third of the length.
    pub fn similar_names<'a>(asked: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        let mut scored: Vec<(usize, &str)> = candidates
            .into_iter()
            .map(|name| (edit_distance(asked, name), name))
            .filter(|(distance, name)| {
                *distance * 3 <= asked.chars().count().max(name.chars().count()) || shares_word(asked, name)
            })
            .collect();
        scored.sort();
        scored.truncate(3);
        scored.into_iter().map(|(_, name)| name).collect()
    }
}

fn with_modifier(oid: Oid, name: &str, typmod: i32) -> String {
    use pg::oid;
    if typmod < 0 {
        // `character` alone means character(1); the unlimited one is printed by its other name.
        return if oid == oid::BPCHAR { "bpchar".to_owned() } else { name.to_owned() };
    }
    match oid {
        oid::VARCHAR | oid::BPCHAR => format!("{name}({})", typmod.saturating_sub(4)),
        oid::NUMERIC => {
            let packed = typmod.saturating_sub(4);
            // The scale is an 11-bit signed number.
            let scale = ((packed & 0x7ff) ^ 1024) - 1024;
            format!("numeric({},{scale})", packed >> 16)
        }
        oid::TIME | oid::TIMETZ | oid::TIMESTAMP | oid::TIMESTAMPTZ => match name.split_once(' ') {
            Some((word, rest)) => format!("{word}({typmod}) {rest}"),
            None => format!("{name}({typmod})"),
        },
        oid::INTERVAL => interval_name(typmod),
        _ => name.to_owned(),
    }
}

/// The field sets of interval types with PostgreSQL's masks (`INTERVAL_MASK`).
pub const INTERVAL_FIELDS: [(&str, i32); 13] = [
    ("year", 1 << 2),
    ("month", 1 << 1),
    ("day", 1 << 3),
    ("hour", 1 << 10),
    ("minute", 1 << 11),
    ("second", 1 << 12),
    ("year to month", (1 << 2) | (1 << 1)),
    ("day to hour", (1 << 3) | (1 << 10)),
    ("day to minute", (1 << 3) | (1 << 10) | (1 << 11)),
    ("day to second", (1 << 3) | (1 << 10) | (1 << 11) | (1 << 12)),
    ("hour to minute", (1 << 10) | (1 << 11)),
    ("hour to second", (1 << 10) | (1 << 11) | (1 << 12)),
    ("minute to second", (1 << 11) | (1 << 12)),
];

fn interval_name(typmod: i32) -> String {
    let (range, precision) = ((typmod >> 16) & 0x7fff, typmod & 0xffff);
    let fields = INTERVAL_FIELDS.iter().find(|(_, mask)| *mask == range).map_or(String::new(), |(words, _)| format!(" {words}"));
    if precision == 0xffff { format!("interval{fields}") } else { format!("interval{fields}({precision})") }
}

/// Singular and plural, or one name containing the other.
fn shares_word(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    short.len() >= 3 && long.contains(short)
}

/// Levenshtein distance over characters; names are at most 63 bytes, longer input is cut.
pub fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(64).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, cb) in row.iter_mut().skip(1).zip(&b) {
            let above = *cell;
            left = (diagonal + usize::from(ca != *cb)).min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests;
