//! What is compiled of routines, kept by each thread as long as the catalog stays.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use basalt_catalog::{Catalog, Function};
use basalt_types::{SqlError, Value};

use super::{Scene, sql};

/// Most bodies kept; beyond it all go.
const MOST: usize = 1024;

#[derive(Default)]
struct Kept {
    /// The catalog the entries are of. It is held, so that no other one gets its address.
    catalog: Option<Arc<Catalog>>,
    /// By function, role and search path.
    bodies: HashMap<(u32, String, Vec<String>), Rc<sql::Compiled>>,
    /// Who may call what, by function and role.
    callers: HashMap<(u32, String), bool>,
}

/// Most values remembered of one statement; beyond it none is added.
const MOST_VALUES: usize = 10_000;

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
    /// Values that functions gave in the read that runs, by function and arguments.
    static VALUES: RefCell<HashMap<u32, HashMap<Vec<u8>, Value>>> = RefCell::default();
}

/// Forgets the values of the read that ended.
pub(super) fn forget_values() {
    VALUES.with_borrow_mut(HashMap::clear);
}

/// The value a function gave for the same arguments earlier in the same read.
pub(super) fn value(function: &Function, arguments: &[u8]) -> Option<Value> {
    VALUES.with_borrow(|values| values.get(&function.oid)?.get(arguments).cloned())
}

/// Keeps a value for the rest of the read.
pub(super) fn keep_value(function: &Function, arguments: Vec<u8>, value: &Value) {
    VALUES.with_borrow_mut(|values| {
        let of_function = values.entry(function.oid).or_default();
        if of_function.len() < MOST_VALUES {
            of_function.insert(arguments, value.clone());
        }
    });
}

fn with<T>(catalog: &Arc<Catalog>, work: impl FnOnce(&mut Kept) -> T) -> T {
    KEPT.with_borrow_mut(|kept| {
        let is_same = kept.catalog.as_ref().is_some_and(|of| Arc::ptr_eq(of, catalog));
        if !is_same || kept.bodies.len() > MOST {
            *kept = Kept { catalog: Some(Arc::clone(catalog)), ..Kept::default() };
        }
        work(kept)
    })
}

/// The body of a function for the scene's role and search path, compiled when it is not there.
///
/// # Errors
/// What compiling reports; nothing is kept then.
pub(super) fn body(scene: &Scene<'_>, function: &Function) -> Result<Rc<sql::Compiled>, SqlError> {
    let catalog = scene.catalog();
    let key = (function.oid, scene.role().to_owned(), scene.search_path().to_vec());
    if let Some(found) = with(&catalog, |kept| kept.bodies.get(&key).cloned()) {
        return Ok(found);
    }
    let made = Rc::new(sql::compile(scene, function)?);
    with(&catalog, |kept| kept.bodies.insert(key, Rc::clone(&made)));
    Ok(made)
}

/// Whether a role may call a function.
///
/// # Errors
/// 42501 when it may not.
pub(super) fn may_call(scene: &Scene<'_>, function: &Function) -> Result<(), SqlError> {
    let catalog = scene.catalog();
    let key = (function.oid, scene.role().to_owned());
    let asked = || {
        basalt_plan::guard::may_call(
            &catalog,
            &basalt_plan::guard::Caller { role: scene.role() },
            basalt_types::Oid(function.oid),
        )
    };
    match with(&catalog, |kept| kept.callers.get(&key).copied()) {
        Some(true) => Ok(()),
        Some(false) => asked(),
        None => {
            let answer = asked();
            with(&catalog, |kept| kept.callers.insert(key, answer.is_ok()));
            answer
        }
    }
}
