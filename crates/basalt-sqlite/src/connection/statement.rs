//! Prepared statements on the raw interface: no allocation per row, and a cache that a connection owns.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int};
use std::hash::{BuildHasherDefault, Hasher};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use basalt_types::{Value, ValueRef};
use rusqlite::ffi;

use crate::error::Failure;

/// A statement's text; its address is the key of the cache, so it must stay where it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sql<'a> {
    /// A constant of ours.
    Fixed(&'static str),
    /// Generated text, owned by a program.
    Shared(&'a Arc<str>),
}

impl Sql<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Fixed(text) => text,
            Self::Shared(text) => text,
        }
    }

    fn key(&self) -> Key {
        let text = self.text();
        (text.as_ptr() as usize, text.len())
    }
}

impl From<&'static str> for Sql<'_> {
    fn from(text: &'static str) -> Self {
        Self::Fixed(text)
    }
}

impl<'a> From<&'a Arc<str>> for Sql<'a> {
    fn from(text: &'a Arc<str>) -> Self {
        Self::Shared(text)
    }
}

/// Address and length of a text.
type Key = (usize, usize);

/// One prepared statement. Must not outlive its connection: [`Statements`] and [`Prepared`] see to that.
pub(crate) struct Statement {
    raw: NonNull<ffi::sqlite3_stmt>,
}

// SAFETY: a statement is used by one thread at a time, together with its connection, which may move between threads.
unsafe impl Send for Statement {}

impl Drop for Statement {
    fn drop(&mut self) {
        // SAFETY: `raw` came from sqlite3_prepare_v3 and is finalized once.
        unsafe { ffi::sqlite3_finalize(self.raw.as_ptr()) };
    }
}

/// Reads the connection's last failure.
///
/// # Safety
/// `db` is an open connection.
pub(crate) unsafe fn failure(db: *mut ffi::sqlite3) -> Failure {
    // SAFETY: the caller's promise; errmsg is valid until the next call on the connection.
    unsafe {
        let code = ffi::sqlite3_extended_errcode(db);
        let text = ffi::sqlite3_errmsg(db);
        let message = if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().into_owned() };
        Failure { code, message }
    }
}

impl Statement {
    /// # Safety
    /// `db` is an open connection that outlives the statement.
    unsafe fn prepare(db: *mut ffi::sqlite3, sql: &str, keep: bool) -> Result<Self, Failure> {
        let too_big = || Failure { code: ffi::SQLITE_TOOBIG, message: String::new() };
        let length = c_int::try_from(sql.len()).map_err(|_| too_big())?;
        let mut raw = ptr::null_mut();
        let flags = if keep { ffi::SQLITE_PREPARE_PERSISTENT } else { 0 };
        // SAFETY: the text is `length` bytes long; `raw` is written by the call.
        let rc =
            unsafe { ffi::sqlite3_prepare_v3(db, sql.as_ptr().cast::<c_char>(), length, flags, &raw mut raw, ptr::null_mut()) };
        match NonNull::new(raw) {
            Some(raw) if rc == ffi::SQLITE_OK => Ok(Self { raw }),
            // SAFETY: the caller's promise.
            _ if rc != ffi::SQLITE_OK => Err(unsafe { failure(db) }),
            _ => Err(Failure { code: ffi::SQLITE_MISUSE, message: "an empty statement".into() }),
        }
    }

    fn db(&self) -> *mut ffi::sqlite3 {
        // SAFETY: the statement is alive.
        unsafe { ffi::sqlite3_db_handle(self.raw.as_ptr()) }
    }

    /// Binds the n-th parameter, 1-based. The value is copied.
    pub(crate) fn bind(&mut self, index: usize, value: ValueRef<'_>) -> Result<(), Failure> {
        let Ok(index) = c_int::try_from(index) else {
            return Err(Failure { code: ffi::SQLITE_RANGE, message: "too many parameters".into() });
        };
        let raw = self.raw.as_ptr();
        // SAFETY: the statement is alive; texts and blobs are copied by SQLITE_TRANSIENT before the call returns.
        let rc = unsafe {
            match value {
                ValueRef::Null => ffi::sqlite3_bind_null(raw, index),
                ValueRef::Int(n) => ffi::sqlite3_bind_int64(raw, index, n),
                ValueRef::Real(x) => ffi::sqlite3_bind_double(raw, index, x),
                ValueRef::Text(text) => ffi::sqlite3_bind_text64(
                    raw,
                    index,
                    text.as_ptr().cast::<c_char>(),
                    text.len() as u64,
                    ffi::SQLITE_TRANSIENT(),
                    ffi::SQLITE_UTF8 as u8,
                ),
                ValueRef::Blob([]) => ffi::sqlite3_bind_zeroblob(raw, index, 0),
                ValueRef::Blob(bytes) => {
                    ffi::sqlite3_bind_blob64(raw, index, bytes.as_ptr().cast(), bytes.len() as u64, ffi::SQLITE_TRANSIENT())
                }
            }
        };
        if rc == ffi::SQLITE_OK {
            Ok(())
        } else {
            // SAFETY: the connection of a live statement is open.
            Err(unsafe { failure(self.db()) })
        }
    }

    /// The next row: true when there is one.
    pub(crate) fn step(&mut self) -> Result<bool, Failure> {
        // SAFETY: the statement is alive.
        match unsafe { ffi::sqlite3_step(self.raw.as_ptr()) } {
            ffi::SQLITE_ROW => Ok(true),
            ffi::SQLITE_DONE => Ok(false),
            // SAFETY: the connection of a live statement is open.
            _ => Err(unsafe { failure(self.db()) }),
        }
    }

    /// Columns of a row.
    pub(crate) fn columns(&self) -> usize {
        // SAFETY: the statement is alive.
        usize::try_from(unsafe { ffi::sqlite3_column_count(self.raw.as_ptr()) }).unwrap_or(0)
    }

    /// A column of the current row, 0-based; NULL when there is no row or no such column. Valid until the next step.
    pub(crate) fn column(&self, index: usize) -> ValueRef<'_> {
        let (raw, Ok(index)) = (self.raw.as_ptr(), c_int::try_from(index)) else { return ValueRef::Null };
        // SAFETY: SQLite answers NULL for columns out of range; pointers are valid for the given length until the next step or
        // reset, both of which need `&mut self`. The type is asked before any conversion.
        unsafe {
            match ffi::sqlite3_column_type(raw, index) {
                ffi::SQLITE_INTEGER => ValueRef::Int(ffi::sqlite3_column_int64(raw, index)),
                ffi::SQLITE_FLOAT => ValueRef::Real(ffi::sqlite3_column_double(raw, index)),
                ffi::SQLITE_TEXT => {
                    let start = ffi::sqlite3_column_text(raw, index);
                    let bytes = slice(start, ffi::sqlite3_column_bytes(raw, index));
                    std::str::from_utf8(bytes).map_or(ValueRef::Blob(bytes), ValueRef::Text)
                }
                ffi::SQLITE_BLOB => {
                    let start = ffi::sqlite3_column_blob(raw, index).cast::<u8>();
                    ValueRef::Blob(slice(start, ffi::sqlite3_column_bytes(raw, index)))
                }
                _ => ValueRef::Null,
            }
        }
    }

    /// The current row, copied.
    pub(crate) fn row(&self) -> Vec<Value> {
        (0..self.columns()).map(|i| self.column(i).to_value()).collect()
    }

    /// Ends the run and forgets the values.
    pub(crate) fn reset(&mut self) {
        // SAFETY: the statement is alive. Results repeat the error of the last step, which was reported already.
        unsafe {
            ffi::sqlite3_reset(self.raw.as_ptr());
            ffi::sqlite3_clear_bindings(self.raw.as_ptr());
        }
    }
}

/// # Safety
/// `start` is null or valid for `length` bytes for `'a`.
unsafe fn slice<'a>(start: *const u8, length: c_int) -> &'a [u8] {
    match usize::try_from(length) {
        // SAFETY: the caller's promise.
        Ok(length) if !start.is_null() => unsafe { std::slice::from_raw_parts(start, length) },
        _ => &[],
    }
}

struct Entry {
    /// Keeps the text alive whose address is the key; `None` for a constant.
    _text: Option<Arc<str>>,
    /// None while it is in use.
    statement: Option<Statement>,
    used: u64,
    /// Unlike that of any other place, also of one that had the same address before.
    number: u64,
}

/// Hashes an address and a length, which no client chooses.
#[derive(Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        // The table takes its bits from both ends.
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_usize(usize::from(*byte)));
    }

    fn write_usize(&mut self, n: usize) {
        // Multiplication by 2^64 divided by the golden ratio spreads neighbouring addresses.
        self.0 = (self.0.rotate_left(5) ^ n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// A connection's prepared statements, bounded; the one unused for longest goes first.
#[derive(Default)]
pub(crate) struct Statements {
    entries: RefCell<HashMap<Key, Entry, BuildHasherDefault<AddressHasher>>>,
    clock: Cell<u64>,
}

impl Statements {
    /// Most statements kept on a connection.
    const MOST: usize = 256;

    /// Takes a statement out, preparing it when needed; it comes back when dropped.
    ///
    /// # Safety
    /// `db` is open and outlives what is returned and the cache.
    pub(crate) unsafe fn take(&self, db: *mut ffi::sqlite3, sql: Sql<'_>) -> Result<Prepared<'_>, Failure> {
        let key = sql.key();
        let kept = self.entries.borrow_mut().get_mut(&key).and_then(|entry| Some((entry.statement.take()?, entry.number)));
        let (statement, number) = match kept {
            Some(kept) => kept,
            // SAFETY: the caller's promise.
            None => (unsafe { Statement::prepare(db, sql.text(), true)? }, self.make_place(sql)),
        };
        Ok(Prepared { statement: Some(statement), home: Some((self, key, number)) })
    }

    /// Prepares a statement that is not kept.
    ///
    /// # Safety
    /// As for [`Self::take`].
    pub(crate) unsafe fn once(db: *mut ffi::sqlite3, sql: &str) -> Result<Prepared<'_>, Failure> {
        // SAFETY: the caller's promise.
        let statement = unsafe { Statement::prepare(db, sql, false)? };
        Ok(Prepared { statement: Some(statement), home: None })
    }

    /// Forgets all.
    pub(crate) fn clear(&self) {
        self.entries.borrow_mut().clear();
    }

    /// Makes the place a statement returns to, or finds it. Answers its number.
    fn make_place(&self, sql: Sql<'_>) -> u64 {
        let mut entries = self.entries.borrow_mut();
        let key = sql.key();
        if let Some(entry) = entries.get(&key) {
            return entry.number;
        }
        if entries.len() >= Self::MOST
            && let Some(oldest) = entries.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| *key)
        {
            entries.remove(&oldest);
        }
        let text = match sql {
            Sql::Fixed(_) => None,
            Sql::Shared(text) => Some(Arc::clone(text)),
        };
        let number = self.tick();
        entries.insert(key, Entry { _text: text, statement: None, used: number, number });
        number
    }

    fn tick(&self) -> u64 {
        let used = self.clock.get() + 1;
        self.clock.set(used);
        used
    }

    /// Takes a statement back. One whose place is gone or taken ends here.
    fn put(&self, key: Key, number: u64, statement: Statement) {
        let used = self.tick();
        if let Some(entry) = self.entries.borrow_mut().get_mut(&key)
            && entry.number == number
        {
            entry.used = used;
            entry.statement.get_or_insert(statement);
        }
    }
}

/// A statement taken from the cache.
pub(crate) struct Prepared<'c> {
    statement: Option<Statement>,
    home: Option<(&'c Statements, Key, u64)>,
}

impl std::ops::Deref for Prepared<'_> {
    type Target = Statement;
    fn deref(&self) -> &Statement {
        self.statement.as_ref().expect("it is taken out only by drop")
    }
}

impl std::ops::DerefMut for Prepared<'_> {
    fn deref_mut(&mut self) -> &mut Statement {
        self.statement.as_mut().expect("it is taken out only by drop")
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        if let Some(mut statement) = self.statement.take()
            && let Some((home, key, number)) = self.home.take()
        {
            statement.reset();
            home.put(key, number, statement);
        }
    }
}
