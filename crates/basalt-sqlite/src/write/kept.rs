//! What writes compile besides their own program and keep as long as the catalog stays: referential actions, domains' checks.
//!
//! Each writer has its own thread, so these are the thread's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use basalt_catalog::Catalog;
use basalt_plan::program::{Checks, WriteProgram};
use basalt_types::SqlError;

/// By the foreign key's identity, and whether it is the action on DELETE.
pub(super) type Actions = HashMap<(u32, bool), Arc<WriteProgram>>;

/// By domain.
pub(super) type Domains = HashMap<u32, Option<Rc<Checks>>>;

#[derive(Default)]
pub(super) struct Kept {
    /// The catalog the entries are of. It is held, so that no other one gets its address.
    catalog: Option<Arc<Catalog>>,
    pub(super) actions: Actions,
    pub(super) domains: Domains,
}

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

/// The kept value of a key, made when there is none.
///
/// # Errors
/// What making it reports; nothing is kept then.
pub(super) fn of<K: Eq + std::hash::Hash, V: Clone>(
    catalog: &Arc<Catalog>,
    map: fn(&mut Kept) -> &mut HashMap<K, V>,
    key: K,
    make: impl FnOnce() -> Result<V, SqlError>,
) -> Result<V, SqlError> {
    let found = KEPT.with_borrow_mut(|kept| {
        if !kept.catalog.as_ref().is_some_and(|of| Arc::ptr_eq(of, catalog)) {
            *kept = Kept { catalog: Some(Arc::clone(catalog)), ..Kept::default() };
        }
        map(kept).get(&key).cloned()
    });
    if let Some(found) = found {
        return Ok(found);
    }
    let made = make()?;
    KEPT.with_borrow_mut(|kept| {
        // Making it may have run other jobs' code, never another catalog's.
        if kept.catalog.as_ref().is_some_and(|of| Arc::ptr_eq(of, catalog)) {
            map(kept).insert(key, made.clone());
        }
    });
    Ok(made)
}
