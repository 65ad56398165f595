//! Media type handlers: code of the database that makes a body of a media type.
//!
//! A domain whose name is that of a media type makes handlers of aggregates and functions in the exposed schemas: an aggregate that
//! gives it, over the rows of one relation (or of any: `anyelement`), and a function that returns it. `*/*` stands for every type.
//! Source: PostgREST 16, "Media Type Handlers".

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use basalt_catalog::{Catalog, Function, TypeKind};
use basalt_plan::ask::Item;
use basalt_plan::plan::Handler;
use basalt_types::Oid;
use http::header::HeaderValue;

use crate::error::RestError as Error;
use crate::parse::media::{self, Media};
use crate::{Asked, Rest};

/// The pseudo-type of an argument that takes any row.
const ANYELEMENT: Oid = Oid(2283);

/// What makes a body of a media type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub(crate) handler: Handler,
    pub(crate) content_type: HeaderValue,
}

/// Handlers by the name of their type, as [`media::named`] has it.
type ByType = HashMap<String, Found>;

/// The handlers of a catalog.
#[derive(Debug, Default)]
pub(crate) struct Handlers {
    /// Over any rows.
    any: ByType,
    /// Of relations and functions, by schema and name.
    own: HashMap<String, HashMap<String, ByType>>,
}

/// The handlers that an answer may be made by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offered<'h> {
    any: &'h ByType,
    own: Option<&'h ByType>,
}

impl Offered<'_> {
    /// The handler of a type, by its name. One of the resource's own for `*/*` is before all others.
    pub(crate) fn find(&self, name: &str) -> Option<&Found> {
        let own = self.own.and_then(|own| own.get("*/*").or_else(|| own.get(name)));
        own.or_else(|| self.any.get(name))
    }
}

impl Handlers {
    /// The handlers in these schemas.
    pub(crate) fn of(catalog: &Catalog, schemas: &[String]) -> Self {
        let mut handlers = Self::default();
        let exposed: HashMap<u32, &str> =
            schemas.iter().filter_map(|name| Some((catalog.schema(name)?.oid, name.as_str()))).collect();
        let mut functions: Vec<(&str, &Function)> = catalog
            .functions()
            .filter(|f| !f.setof && !f.procedure)
            .filter_map(|f| Some((*exposed.get(&f.schema)?, f.as_ref())))
            .collect();
        // Of two for the same, the last by name counts.
        functions.sort_by_key(|(schema, f)| (*schema, f.name.as_str(), f.oid));
        for (schema, function) in functions {
            let Some(domain) = catalog.type_by_oid(Oid(function.returns)).filter(|def| def.oid == function.returns) else {
                continue;
            };
            if !matches!(domain.kind, TypeKind::Domain { .. }) || !is_media_type(&domain.name) {
                continue;
            }
            let says = if domain.name == "*/*" { "application/octet-stream" } else { domain.name.as_str() };
            let Some(content_type) = media::content_type_of(says) else { continue };
            let name = media::named(&domain.name.to_lowercase());
            if !function.aggregate && function.outputs().next().is_some() {
                // It returns a row.
                continue;
            }
            if !function.aggregate {
                let found = Found { handler: Handler::Domain(Oid(domain.oid)), content_type };
                handlers.of_resource(schema, &function.name).insert(name, found);
                continue;
            }
            let mut inputs = function.inputs();
            let (Some(argument), None) = (inputs.next(), inputs.next()) else { continue };
            let made = |rows| {
                let handler = Handler::Aggregate { function: Oid(function.oid), rows };
                Found { handler, content_type: content_type.clone() }
            };
            if Oid(argument.ty) == ANYELEMENT {
                handlers.any.insert(name, made(None));
            } else if let Some(def) = catalog.type_by_oid(Oid(argument.ty)).filter(|def| def.oid == argument.ty)
                && let TypeKind::Row { relation } = def.kind
                && let Some(relation) = catalog.relation_by_oid(Oid(relation))
                && let Some(schema) = catalog.schema_by_oid(Oid(relation.schema))
            {
                handlers.of_resource(&schema.name, &relation.name).insert(name, made(Some(Oid(relation.oid))));
            }
        }
        handlers
    }

    fn of_resource(&mut self, schema: &str, name: &str) -> &mut ByType {
        self.own.entry(schema.to_owned()).or_default().entry(name.to_owned()).or_default()
    }

    fn is_empty(&self) -> bool {
        self.any.is_empty() && self.own.is_empty()
    }

    /// What a relation or function may answer with. Its own handlers are for its rows as they are; those over any rows are for all.
    pub(crate) fn offered(&self, schema: &str, name: &str, has_own_rows: bool) -> Offered<'_> {
        let own = || self.own.get(schema)?.get(name);
        Offered { any: &self.any, own: if has_own_rows { own() } else { None } }
    }
}

/// `*/*`, or two words as RFC 6838 has them.
fn is_media_type(name: &str) -> bool {
    let is_word =
        |word: &str, others: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c));
    name == "*/*" || name.split_once('/').is_some_and(|(main, sub)| is_word(main, ".-") && is_word(sub, ".+-"))
}

/// The handlers of the catalog that was asked about last.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The catalog's version, twice, and one more when it has any.
    known: AtomicU64,
    handlers: RwLock<Arc<Handlers>>,
}

impl Kept {
    pub(crate) fn new() -> Self {
        Self { known: AtomicU64::new(u64::MAX), handlers: RwLock::default() }
    }

    /// The handlers of a catalog; `None` when it has none, as nearly every one.
    pub(crate) fn of(&self, catalog: &Catalog, schemas: &[String]) -> Option<Arc<Handlers>> {
        let known = self.known.load(Ordering::Acquire);
        if known == catalog.version() << 1 {
            return None;
        }
        if known == catalog.version() << 1 | 1
            && let Ok(handlers) = self.handlers.read()
        {
            return Some(Arc::clone(&handlers));
        }
        let handlers = Arc::new(Handlers::of(catalog, schemas));
        let has_any = !handlers.is_empty();
        if let Ok(mut kept) = self.handlers.write() {
            *kept = Arc::clone(&handlers);
            self.known.store(catalog.version() << 1 | u64::from(has_any), Ordering::Release);
        }
        has_any.then_some(handlers)
    }
}

impl Rest {
    /// How the rows of a relation or function are answered. `shown`: what is selected of them.
    pub(crate) fn negotiated(&self, asked: &Asked<'_>, (schema, name): (&str, &str), shown: &[Item]) -> Result<Media, Error> {
        let catalog = self.engine.catalog();
        let handlers = self.handlers.of(&catalog, &self.config.schemas);
        let handlers = handlers.as_ref().map(|handlers| {
            let is_whole = matches!(shown, [Item::Star]) && !is_represented(&catalog, schema, name);
            handlers.offered(schema, name, is_whole)
        });
        media::negotiate(asked.headers, media::Offer { plans: self.config.plan_enabled, handlers })
    }
}

/// Whether a relation has a column that is shown as something else than it is.
fn is_represented(catalog: &Catalog, schema: &str, name: &str) -> bool {
    let json = basalt_types::pg::oid::JSON;
    let is_represented = |column: &basalt_catalog::Column| catalog.representation(column.type_ref().oid, json).is_some();
    catalog.relation(schema, name).is_some_and(|relation| relation.columns.iter().any(is_represented))
}
