//! Compiled functions, as long as the catalog stays. Each thread has its own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use basalt_catalog::Catalog;
use basalt_types::SqlError;

use super::code::Code;

/// What a function is compiled for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub function: u32,
    /// The trigger's table and name.
    pub trigger: Option<(u32, String)>,
    pub role: String,
    pub search_path: Vec<String>,
}

/// Most functions kept; beyond, all go.
const MOST: usize = 1024;

#[derive(Default)]
struct Kept {
    /// The catalog the entries are of. It is held, so that no other one gets its address.
    catalog: Option<Arc<Catalog>>,
    codes: HashMap<Key, Rc<Code>>,
}

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

/// The code of a key, made when there is none.
///
/// # Errors
/// What making it reports; nothing is kept then.
pub(super) fn of(catalog: &Arc<Catalog>, key: Key, make: impl FnOnce() -> Result<Code, SqlError>) -> Result<Rc<Code>, SqlError> {
    let found = KEPT.with_borrow_mut(|kept| {
        if !kept.catalog.as_ref().is_some_and(|of| Arc::ptr_eq(of, catalog)) {
            *kept = Kept { catalog: Some(Arc::clone(catalog)), ..Kept::default() };
        }
        kept.codes.get(&key).cloned()
    });
    if let Some(found) = found {
        return Ok(found);
    }
    let made = Rc::new(make()?);
    KEPT.with_borrow_mut(|kept| {
        if kept.catalog.as_ref().is_some_and(|of| Arc::ptr_eq(of, catalog)) {
            if kept.codes.len() >= MOST {
                kept.codes.clear();
            }
            kept.codes.insert(key, Rc::clone(&made));
        }
    });
    Ok(made)
}
