//! Compiled functions, as long as the catalog stays. Each thread has its own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use basalt_catalog::Catalog;
use basalt_types::SqlError;

use super::code::Code;
use crate::routine::Scene;

/// Most functions kept; beyond, all go.
const MOST: usize = 1024;

/// What a function was compiled for.
struct Entry {
    /// The trigger's table and name.
    trigger: Option<(u32, String)>,
    role: String,
    search_path: Vec<String>,
    code: Rc<Code>,
}

#[derive(Default)]
struct Kept {
    /// The catalog the entries are of. It is held, so that no other one gets its address.
    catalog: Option<Arc<Catalog>>,
    /// By function.
    entries: HashMap<u32, Vec<Entry>>,
    count: usize,
}

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

/// A function's code for the role and search path of a scene, made when there is none.
///
/// # Errors
/// What making it reports; nothing is kept then.
pub(super) fn of(
    scene: &Scene<'_>,
    catalog: &Arc<Catalog>,
    function: u32,
    trigger: Option<(u32, &str)>,
    make: impl FnOnce() -> Result<Code, SqlError>,
) -> Result<Rc<Code>, SqlError> {
    let (role, search_path) = (scene.role(), scene.search_path());
    let found = KEPT.with_borrow_mut(|kept| {
        if !kept.catalog.as_ref().is_some_and(|of| Arc::ptr_eq(of, catalog)) {
            *kept = Kept { catalog: Some(Arc::clone(catalog)), ..Kept::default() };
        }
        let entry = kept.entries.get(&function)?.iter().find(|entry| {
            entry.trigger.as_ref().map(|(table, name)| (*table, name.as_str())) == trigger
                && entry.role == role
                && entry.search_path == search_path
        });
        entry.map(|entry| Rc::clone(&entry.code))
    });
    if let Some(found) = found {
        return Ok(found);
    }
    let made = Rc::new(make()?);
    KEPT.with_borrow_mut(|kept| {
        if kept.catalog.as_ref().is_some_and(|of| Arc::ptr_eq(of, catalog)) {
            if kept.count >= MOST {
                kept.entries.clear();
                kept.count = 0;
            }
            kept.count += 1;
            kept.entries.entry(function).or_default().push(Entry {
                trigger: trigger.map(|(table, name)| (table, name.to_owned())),
                role: role.to_owned(),
                search_path: search_path.to_vec(),
                code: Rc::clone(&made),
            });
        }
    });
    Ok(made)
}
