//! Both engines answer made-up requests alike, and faults in the guard would be noticed.
//!
//! `BASALT_DIFF_REQUESTS` sets the size of the run, `BASALT_DIFF_SEED` repeats one, `BASALT_DIFF_THREADS` divides it; failing cases go to
//! the folder `BASALT_DIFF_OUT`, if there is one named, besides being printed. `BASALT_DIFF_FAILURES` kinds of failures end a run;
//! `BASALT_DIFF_SHOWN` of them, those whose line has the text `BASALT_DIFF_ONLY`, are made small. `BASALT_DIFF_WORLD` runs one world of the
//! seed's run alone.
#![allow(clippy::print_stdout)]

mod property;
mod table;

use std::sync::{Mutex, MutexGuard};

/// Faults are put in for the whole process: the tests of this binary take turns.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A number from the environment.
fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}
