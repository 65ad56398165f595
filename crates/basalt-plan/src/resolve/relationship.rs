//! Relationships between tables, from foreign keys: to-one, to-many, one-to-one, and many-to-many through a junction table. Views have
//! those of the tables whose keys they show.

use basalt_catalog::{Catalog, ConstraintKind, ForeignKey, Function, Relation, RelationKind};
use basalt_types::Oid;

use super::error::{Candidate, ResolveError};
use super::near::nearest;

/// A way from one table to another.
#[derive(Debug, Clone)]
pub struct Relationship<'c> {
    /// Where it leads.
    pub foreign: &'c Relation,
    /// How.
    pub link: Link<'c>,
}

/// Kinds of relationship; columns are pairs of attnums (here, there).
#[derive(Debug, Clone)]
pub enum Link<'c> {
    /// By one foreign key.
    Key {
        /// Its name.
        constraint: &'c str,
        /// Which way.
        kind: Kind,
        /// Pairs.
        columns: Vec<(i16, i16)>,
    },
    /// By a function from a row here to rows there.
    Function {
        /// It.
        function: &'c Function,
        /// It gives at most one.
        is_to_one: bool,
    },
    /// Through a table with foreign keys to both.
    Junction {
        /// That table.
        table: &'c Relation,
        /// Name of its key to here.
        near_constraint: &'c str,
        /// Name of its key to there.
        far_constraint: &'c str,
        /// (here, junction).
        near: Vec<(i16, i16)>,
        /// (junction, there).
        far: Vec<(i16, i16)>,
    },
}

/// Which way a foreign key is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// From the referencing table.
    ManyToOne,
    /// From the referenced table.
    OneToMany,
    /// Either way, the referencing columns being unique.
    OneToOne,
}

impl Relationship<'_> {
    /// Whether there is at most one row at the other end.
    pub fn is_to_one(&self) -> bool {
        matches!(self.link, Link::Key { kind: Kind::ManyToOne | Kind::OneToOne, .. } | Link::Function { is_to_one: true, .. })
    }
}

/// Finds the relationship an embed names.
pub fn find<'c>(
    catalog: &'c Catalog,
    schema: &str,
    origin: &'c Relation,
    target: &str,
    hint: Option<&str>,
) -> Result<Relationship<'c>, ResolveError> {
    let all = relationships(catalog, schema, origin);
    let mut found: Vec<&Relationship<'c>> = all.iter().filter(|r| fits(r, origin, target, hint)).collect();
    match found.len() {
        1 => found.pop().cloned().ok_or(ResolveError::NotEmbedded(target.to_owned())),
        0 => Err(ResolveError::NoRelationship {
            origin: origin.name.clone(),
            target: target.to_owned(),
            hint: hint.map(str::to_owned),
            schema: schema.to_owned(),
            near: near(catalog, schema, origin, target, &all),
        }),
        _ => Err(ResolveError::AmbiguousRelationship {
            origin: origin.name.clone(),
            target: target.to_owned(),
            candidates: found.into_iter().map(|r| candidate(r, origin)).collect(),
        }),
    }
}

/// What was perhaps meant: another child when the parent has relationships, else another parent.
fn near(catalog: &Catalog, schema: &str, origin: &Relation, target: &str, all: &[Relationship<'_>]) -> Option<(String, String)> {
    const LEAST: f64 = 0.33;
    if all.is_empty() {
        let parents = exposed(catalog, schema).filter(|r| r.oid != origin.oid && !relationships(catalog, schema, r).is_empty());
        let name = nearest(&origin.name, parents.map(|r| r.name.as_str()), LEAST)?;
        return Some((name.to_owned(), origin.name.clone()));
    }
    // A child that exists was excluded by its hint: nothing to suggest.
    let others = all.iter().map(|r| r.foreign.name.as_str());
    if others.clone().any(|n| n.eq_ignore_ascii_case(target)) {
        return None;
    }
    nearest(target, others, LEAST).map(|name| (name.to_owned(), target.to_owned()))
}

/// Tables and views of a schema.
pub fn exposed<'c>(catalog: &'c Catalog, schema: &str) -> impl Iterator<Item = &'c Relation> {
    let oid = catalog.schema(schema).map(|s| s.oid);
    catalog.relations().map(AsRef::as_ref).filter(move |r| Some(r.schema) == oid && is_resource(r))
}

/// Whether requests can name it: neither sequences nor parts of partitioned tables.
pub fn is_resource(relation: &Relation) -> bool {
    relation.kind != RelationKind::Sequence && !relation.partition
}

/// A column that refers to another relation's, by a foreign key of this column alone.
#[derive(Debug, Clone, Copy)]
pub struct Reference<'c> {
    /// The column's attnum.
    pub column: i16,
    /// The other relation.
    pub foreign: &'c Relation,
    /// The attnum there.
    pub there: i16,
}

/// The references of a relation to those of a schema, through views too: tables before views, by name of constraint.
pub fn references<'c>(catalog: &'c Catalog, schema: &str, origin: &'c Relation) -> Vec<Reference<'c>> {
    let views = views_of(catalog, schema);
    let schema = catalog.schema(schema).map(|s| s.oid);
    let mut found = Vec::new();
    for (table, face) in faces_of(catalog, origin) {
        for key in catalog.foreign_keys_from(Oid(table.oid)).into_iter().filter(|key| key.columns.len() == 1) {
            for foreign in shown_by(catalog, schema, key.target, &views) {
                let (near, far) = (face.shows(key.columns).concat(), foreign.shows(key.target_columns).concat());
                for (column, there) in near.iter().flat_map(|near| far.iter().map(move |far| (*near, *far))) {
                    let reference = Reference { column, foreign: foreign.relation, there };
                    found.push(((foreign.relation.view.is_some(), key.constraint.name.as_str()), reference));
                }
            }
        }
    }
    found.sort_by_key(|(order, _)| *order);
    found.into_iter().map(|(_, reference)| reference).collect()
}

/// The views of a schema that show columns of tables.
fn views_of<'c>(catalog: &'c Catalog, schema: &str) -> Vec<&'c Relation> {
    let oid = catalog.schema(schema).map(|s| s.oid);
    let all = catalog.relations().map(AsRef::as_ref);
    all.filter(|r: &&Relation| Some(r.schema) == oid && r.view.as_ref().is_some_and(|view| !view.origins.is_empty())).collect()
}

/// How a relation shows a table: (attnum in the table, attnum here).
struct Face<'c> {
    relation: &'c Relation,
    columns: Vec<(i16, i16)>,
}

impl Face<'_> {
    /// Where the columns of a key are shown: once for each way, as a view may show a column twice; not at all if one is missing.
    fn shows(&self, key: &[i16]) -> Vec<Vec<i16>> {
        key.iter().fold(vec![Vec::new()], |ways, column| {
            let shown = || self.columns.iter().filter(|(source, _)| source == column).map(|(_, own)| *own);
            ways.iter().flat_map(|way| shown().map(|own| [way.as_slice(), &[own]].concat())).collect()
        })
    }
}

/// The tables that a relation shows columns of: itself, if it is one.
fn faces_of<'c>(catalog: &'c Catalog, relation: &'c Relation) -> Vec<(&'c Relation, Face<'c>)> {
    let mut faces: Vec<(&'c Relation, Face<'c>)> = Vec::new();
    for (own, table, source) in catalog.shown_columns(relation) {
        if let Some((_, face)) = faces.iter_mut().find(|(known, _)| known.oid == table.0) {
            face.columns.push((source, own));
        } else if let Some(found) = catalog.relation_by_oid(table) {
            faces.push((found, Face { relation, columns: vec![(source, own)] }));
        }
    }
    faces
}

/// The relations of a schema that show a table, the table itself first.
fn shown_by<'c>(catalog: &'c Catalog, schema: Option<u32>, table: Oid, views: &[&'c Relation]) -> Vec<Face<'c>> {
    let own = catalog.relation_by_oid(table).map(AsRef::as_ref).filter(|r: &&Relation| Some(r.schema) == schema);
    let over =
        |relation: &'c Relation| faces_of(catalog, relation).into_iter().find(|(t, _)| t.oid == table.0).map(|(_, face)| face);
    own.into_iter().chain(views.iter().copied()).filter_map(over).collect()
}

/// All relationships of a relation to those of a schema, by name of constraint, junctions last. A view has those of the keys it shows.
fn relationships<'c>(catalog: &'c Catalog, schema: &str, origin: &'c Relation) -> Vec<Relationship<'c>> {
    let schema_name = schema;
    let views = views_of(catalog, schema);
    let schema = catalog.schema(schema).map(|s| s.oid);
    let (mut keys, mut junctions) = (Vec::new(), Vec::new());
    for (table, face) in faces_of(catalog, origin) {
        let mut add = |constraint: &'c str, kind: Kind, near: &[i16], far: &[i16], target: Oid| {
            for foreign in shown_by(catalog, schema, target, &views) {
                for (near, far) in
                    face.shows(near).iter().flat_map(|n| foreign.shows(far).into_iter().map(move |f| (n.clone(), f)))
                {
                    let link = Link::Key { constraint, kind, columns: pairs(&near, &far) };
                    keys.push(Relationship { foreign: foreign.relation, link });
                }
            }
        };
        for key in catalog.foreign_keys_from(Oid(table.oid)) {
            let kind = if is_unique(table, key.columns) { Kind::OneToOne } else { Kind::ManyToOne };
            add(&key.constraint.name, kind, key.columns, key.target_columns, key.target);
        }
        let to_here = catalog.foreign_keys_to(Oid(table.oid));
        for key in &to_here {
            let kind = if is_unique(key.source, key.columns) { Kind::OneToOne } else { Kind::OneToMany };
            add(&key.constraint.name, kind, key.target_columns, key.columns, Oid(key.source.oid));
        }
        for near in &to_here {
            junctions.extend(through(catalog, schema, near, &face, &views));
        }
    }
    keys.sort_by(|a, b| name_of(a).cmp(name_of(b)));
    junctions.sort_by(|a, b| name_of(a).cmp(name_of(b)));
    keys.extend(junctions);
    let computed = super::computed::relationships(catalog, schema_name, origin);
    // A function that is named like a table stands for the keys that lead there.
    keys.retain(|r: &Relationship<'_>| !computed.iter().any(|(f, _)| f.name == r.foreign.name));
    keys.extend(computed.into_iter().map(|(function, foreign)| {
        let is_to_one = !function.setof || function.one_row;
        Relationship { foreign, link: Link::Function { function, is_to_one } }
    }));
    keys
}

/// The many-to-many relationships over one key that refers to here.
fn through<'c>(
    catalog: &'c Catalog,
    schema: Option<u32>,
    near: &ForeignKey<'c>,
    here: &Face<'c>,
    views: &[&'c Relation],
) -> Vec<Relationship<'c>> {
    let mut found = Vec::new();
    let table: &'c Relation = near.source;
    let by_views =
        views.iter().flat_map(|view| faces_of(catalog, view)).filter(|(t, _)| t.oid == table.oid).map(|(_, face)| face);
    let own = Face { relation: table, columns: table.columns.iter().map(|c| (c.attnum, c.attnum)).collect() };
    let junctions: Vec<Face<'c>> = std::iter::once(own).chain(by_views).collect();
    for far in catalog.foreign_keys_from(Oid(table.oid)) {
        if far.constraint.oid == near.constraint.oid || !in_primary_key(table, near, &far) {
            continue;
        }
        let foreigns = shown_by(catalog, schema, far.target, views);
        for junction in &junctions {
            // A junction shows each key once, or it would not be known which is meant.
            let (Some(near_own), Some(far_own)) = (junction.shows(near.columns).pop(), junction.shows(far.columns).pop()) else {
                continue;
            };
            for foreign in &foreigns {
                let (heres, theres) = (here.shows(near.target_columns), foreign.shows(far.target_columns));
                for (at, there) in heres.iter().flat_map(|h| theres.iter().map(move |t| (h, t))) {
                    found.push(Relationship {
                        foreign: foreign.relation,
                        link: Link::Junction {
                            table: junction.relation,
                            near_constraint: &near.constraint.name,
                            far_constraint: &far.constraint.name,
                            near: pairs(at, &near_own),
                            far: pairs(&far_own, there),
                        },
                    });
                }
            }
        }
    }
    found
}

fn name_of<'r>(relationship: &'r Relationship<'_>) -> &'r str {
    match &relationship.link {
        Link::Key { constraint, .. } => constraint,
        Link::Function { function, .. } => &function.name,
        Link::Junction { table, .. } => &table.name,
    }
}

fn pairs(here: &[i16], there: &[i16]) -> Vec<(i16, i16)> {
    here.iter().copied().zip(there.iter().copied()).collect()
}

/// Whether a key constraint of the table covers exactly these columns.
fn is_unique(relation: &Relation, columns: &[i16]) -> bool {
    relation.constraints.iter().any(|c| match &c.kind {
        ConstraintKind::PrimaryKey { columns: key } | ConstraintKind::Unique { columns: key, .. } => {
            key.len() == columns.len() && key.iter().all(|a| columns.contains(a))
        }
        _ => false,
    })
}

/// A table is a junction when the columns of both keys belong to its primary key.
fn in_primary_key(junction: &Relation, near: &ForeignKey<'_>, far: &ForeignKey<'_>) -> bool {
    junction.primary_key().is_some_and(|key| near.columns.iter().chain(far.columns).all(|a| key.contains(a)))
}

fn fits(relationship: &Relationship<'_>, origin: &Relation, target: &str, hint: Option<&str>) -> bool {
    if let Link::Function { function, .. } = &relationship.link {
        return function.name == target;
    }
    let foreign = relationship.foreign;
    let by_name = foreign.name == target;
    // The single column of the foreign key here, and there.
    let column = |relation: &Relation, attnum: i16, name: &str| relation.column_at(attnum).is_some_and(|c| c.name == name);
    let single = |name: &str, here: bool| match &relationship.link {
        Link::Key { columns, .. } => match columns.as_slice() {
            [(near, far)] => {
                if here {
                    column(origin, *near, name)
                } else {
                    column(foreign, *far, name)
                }
            }
            _ => false,
        },
        Link::Junction { .. } | Link::Function { .. } => false,
    };
    let constraint = |name: &str| matches!(&relationship.link, Link::Key { constraint, .. } if *constraint == name);
    let kind = match &relationship.link {
        Link::Key { kind, .. } => Some(*kind),
        Link::Junction { .. } | Link::Function { .. } => None,
    };
    if foreign.oid == origin.oid {
        // By the table's name the many, by the column's name the one.
        return match hint {
            None => by_name && kind == Some(Kind::OneToMany) || single(target, true) && kind == Some(Kind::ManyToOne),
            Some(hint) => by_name && kind == Some(Kind::OneToMany) && single(hint, false),
        };
    }
    match hint {
        // Only tables may be named by a key that leads to them.
        None => by_name || foreign.view.is_none() && (constraint(target) || single(target, true)),
        Some(hint) => {
            let junction = matches!(&relationship.link, Link::Junction { table, .. } if table.name == hint);
            by_name && (constraint(hint) || single(hint, true) || single(hint, false) || junction)
        }
    }
}

fn names(relation: &Relation, columns: impl Iterator<Item = i16>) -> String {
    let names: Vec<&str> = columns.filter_map(|a| relation.column_at(a).map(|c| c.name.as_str())).collect();
    names.join(", ")
}

fn candidate(relationship: &Relationship<'_>, origin: &Relation) -> Candidate {
    let foreign = relationship.foreign;
    let embedding = format!("{} with {}", origin.name, foreign.name);
    match &relationship.link {
        Link::Key { constraint, kind, columns } => Candidate {
            cardinality: match kind {
                Kind::ManyToOne => "many-to-one",
                Kind::OneToMany => "one-to-many",
                Kind::OneToOne => "one-to-one",
            },
            embedding,
            relationship: format!(
                "{constraint} using {}({}) and {}({})",
                origin.name,
                names(origin, columns.iter().map(|(here, _)| *here)),
                foreign.name,
                names(foreign, columns.iter().map(|(_, there)| *there)),
            ),
            choice: format!("{}!{constraint}", foreign.name),
        },
        Link::Function { function, is_to_one } => Candidate {
            cardinality: if *is_to_one { "many-to-one" } else { "one-to-many" },
            embedding,
            relationship: format!("{}({})", function.name, origin.name),
            choice: function.name.clone(),
        },
        Link::Junction { table, near_constraint, far_constraint, near, far } => Candidate {
            cardinality: "many-to-many",
            embedding,
            relationship: format!(
                "{} using {near_constraint}({}) and {far_constraint}({})",
                table.name,
                names(table, near.iter().map(|(_, junction)| *junction)),
                names(table, far.iter().map(|(junction, _)| *junction)),
            ),
            choice: format!("{}!{}", foreign.name, table.name),
        },
    }
}
