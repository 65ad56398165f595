//! The C interface: SQLite calls these functions, they call the default VFS and keep the record.
//!
//! Layout: SQLite allocates `szOsFile` bytes per file. The first part is our [`FaultFile`], the rest belongs to the default
//! VFS's own file structure, at [`INNER_OFFSET`].

use crate::disk::{Counts, Cut, Disk, InodeId};
use crate::fault::{Failure, Fault, Faults, FileKind, Operation};
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags, ffi};
use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::{fmt, fs, ptr, slice};

/// A recording VFS under a name of its own. Clones share one record.
///
/// The registration lasts as long as the process: SQLite may hold the name's structure in any open connection.
#[derive(Clone)]
pub struct FaultFs {
    shared: Arc<Shared>,
    name: Arc<str>,
}

/// SQLite did not accept the VFS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisterError {
    /// SQLite's result code.
    pub code: i32,
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SQLite refused the recording VFS (code {})", self.code)
    }
}

impl std::error::Error for RegisterError {}

impl fmt::Debug for FaultFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultFs").field("name", &self.name).field("counts", &self.counts()).finish()
    }
}

impl FaultFs {
    /// Registers a new VFS over the default one, with an empty record and no fault.
    ///
    /// # Errors
    /// When there is no default VFS or SQLite refuses the registration (out of memory).
    pub fn register() -> Result<Self, RegisterError> {
        static REGISTERED: AtomicU64 = AtomicU64::new(0);
        let name = format!("basalt-faultfs-{}", REGISTERED.fetch_add(1, Ordering::Relaxed));
        let Ok(c_name) = CString::new(name.as_str()) else { return Err(RegisterError { code: ffi::SQLITE_MISUSE }) };
        // SAFETY: a null name asks for the default VFS; initialization is done by SQLite itself.
        let inner = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
        // SAFETY: SQLite answers null or a structure that lives as long as the process.
        let Some(defaults) = (unsafe { inner.as_ref() }) else { return Err(RegisterError { code: ffi::SQLITE_ERROR }) };
        let shared = Arc::new(Shared {
            inner,
            disk: Mutex::new(Disk::default()),
            faults: Mutex::new(Faults::default()),
            is_syncing_really: AtomicBool::new(false),
        });
        let inner_size = usize::try_from(defaults.szOsFile).unwrap_or(0);
        let size = c_int::try_from(INNER_OFFSET + inner_size).map_err(|_| RegisterError { code: ffi::SQLITE_ERROR })?;
        let vfs = Box::new(ffi::sqlite3_vfs {
            iVersion: 2,
            szOsFile: size,
            mxPathname: defaults.mxPathname,
            pNext: ptr::null_mut(),
            zName: c_name.into_raw(),
            pAppData: Arc::into_raw(Arc::clone(&shared)).cast_mut().cast(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_pathname),
            xDlOpen: Some(dl_open),
            xDlError: Some(dl_error),
            xDlSym: Some(dl_sym),
            xDlClose: Some(dl_close),
            xRandomness: Some(randomness),
            xSleep: Some(sleep),
            xCurrentTime: Some(current_time),
            xGetLastError: Some(last_error),
            xCurrentTimeInt64: Some(current_time_int64),
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        });
        // SAFETY: the structure, its name and its data are leaked on purpose, so the pointers stay valid for ever.
        let code = unsafe { ffi::sqlite3_vfs_register(Box::into_raw(vfs), 0) };
        if code == ffi::SQLITE_OK { Ok(Self { shared, name: name.into() }) } else { Err(RegisterError { code }) }
    }

    /// The name to give to `Connection::open_with_flags_and_vfs`, or to `vfs=` in a file URI.
    pub fn vfs_name(&self) -> &str {
        &self.name
    }

    /// A file URI that opens `path` through this VFS; the connection needs `SQLITE_OPEN_URI`.
    pub fn open_uri(&self, path: &Path) -> String {
        let mut uri = String::from("file:");
        for byte in path.as_os_str().as_bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
                other => uri.push_str(&format!("%{other:02X}")),
            }
        }
        uri + "?vfs=" + &self.name
    }

    /// Opens a connection through this VFS, creating the file when it is missing.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn open(&self, path: &Path) -> rusqlite::Result<Connection> {
        Connection::open_with_flags_and_vfs(path, OpenFlags::default(), self.vfs_name())
    }

    /// The files as a power cut now may leave them; the same record and seed give the same files.
    ///
    /// A test that runs writers meanwhile notes what was acknowledged **before** it calls this.
    pub fn cut(&self, seed: u64) -> Cut {
        self.shared.disk.lock().cut(seed)
    }

    /// Makes operations fail from now on. Replaces the fault before.
    pub fn inject(&self, fault: Fault) {
        self.shared.faults.lock().arm(Some(fault));
    }

    /// Ends the injected fault.
    pub fn heal(&self) {
        self.shared.faults.lock().arm(None);
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        let failed = self.shared.faults.lock().failed;
        Counts { failed, ..self.shared.disk.lock().counts }
    }

    /// Whether syncs reach the real disk too. They do not at first: the record is what counts, and tests run faster.
    pub fn sync_really(&self, really: bool) {
        self.shared.is_syncing_really.store(really, Ordering::Relaxed);
    }

    /// Empties the record, so that its memory is free. All connections must be closed; files count as durable afterwards.
    pub fn forget(&self) {
        self.shared.disk.lock().forget();
    }
}

/// What one VFS and all its files share.
struct Shared {
    inner: *mut ffi::sqlite3_vfs,
    disk: Mutex<Disk>,
    faults: Mutex<Faults>,
    is_syncing_really: AtomicBool,
}

// SAFETY: `inner` is SQLite's default VFS: it lives as long as the process, is never changed by us, and SQLite calls it from
// any thread itself. Everything else is behind locks.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    fn failure(&self, operation: Operation, file: FileKind) -> Option<Failure> {
        self.faults.lock().meet(operation, file, 0)
    }

    /// As [`Self::failure`] for a write that ends at `end`.
    fn write_failure(&self, file: FileKind, end: u64) -> Option<Failure> {
        self.faults.lock().meet(Operation::Write, file, end)
    }
}

/// Our part of an open file. SQLite sees only the first field.
#[repr(C)]
struct FaultFile {
    base: ffi::sqlite3_file,
    shared: *const Shared,
    /// Nothing for files that are not recorded (temporary ones).
    recorded: Option<Recorded>,
}

struct Recorded {
    inode: InodeId,
    kind: FileKind,
    /// Where the file is, until its first sync has synced the directory too: the default VFS does so for logs and journals
    /// that may have been created by this opening. Source: SQLite's os_unix.c, `UNIXFILE_DIRSYNC`.
    unsynced_name: Mutex<Option<PathBuf>>,
}

/// Where the default VFS's own structure begins; 16 suits every C type.
const INNER_OFFSET: usize = size_of::<FaultFile>().next_multiple_of(16);

/// Version 2: with shared memory, without memory mapping of the file itself, so that every change passes through `write`.
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// The shared part of a VFS.
///
/// # Safety
/// `vfs` is one that [`FaultFs::register`] made.
unsafe fn shared_of<'a>(vfs: *mut ffi::sqlite3_vfs) -> &'a Shared {
    // SAFETY: `pAppData` came from `Arc::into_raw` and is never given back.
    unsafe { &*(*vfs).pAppData.cast::<Shared>() }
}

/// The default VFS below one of ours.
///
/// # Safety
/// `vfs` is one that [`FaultFs::register`] made.
unsafe fn inner_vfs<'a>(vfs: *mut ffi::sqlite3_vfs) -> (*mut ffi::sqlite3_vfs, &'a ffi::sqlite3_vfs) {
    // SAFETY: by the caller's promise; the default VFS lives as long as the process.
    unsafe {
        let inner = shared_of(vfs).inner;
        (inner, &*inner)
    }
}

/// The default VFS's file behind one of ours, with its methods.
///
/// # Safety
/// `file` was opened by [`open`] with success and is not closed yet.
unsafe fn inner_file<'a>(file: *mut ffi::sqlite3_file) -> (*mut ffi::sqlite3_file, &'a ffi::sqlite3_io_methods) {
    // SAFETY: the allocation has `INNER_OFFSET + szOsFile` bytes, and a successful open has set the inner methods.
    unsafe {
        let inner: *mut ffi::sqlite3_file = file.cast::<u8>().add(INNER_OFFSET).cast();
        (inner, &*(*inner).pMethods)
    }
}

/// Our part of a file: what is shared, and what is recorded about it.
///
/// # Safety
/// As for [`inner_file`].
unsafe fn record_of<'a>(file: *mut ffi::sqlite3_file) -> (&'a Shared, Option<&'a Recorded>) {
    // SAFETY: the first bytes of the allocation are a `FaultFile` that `open` has filled.
    unsafe {
        let ours = &*file.cast::<FaultFile>();
        (&*ours.shared, ours.recorded.as_ref())
    }
}

/// Calls a method of the default VFS, or answers `$missing` when it has none.
macro_rules! forward {
    ($method:expr, $missing:expr, $($argument:expr),*) => {
        match $method {
            // SAFETY: SQLite's own arguments are handed on unchanged, with the inner structure in place of ours.
            Some(method) => unsafe { method($($argument),*) },
            None => $missing,
        }
    };
}

fn path_of<'a>(name: *const c_char) -> &'a Path {
    // SAFETY: SQLite passes file names as C strings that outlive the call.
    Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes()))
}

/// The kind of a recorded file by SQLite's open flags; nothing for those that pass through.
fn kind_of(flags: c_int) -> Option<FileKind> {
    if flags & ffi::SQLITE_OPEN_MAIN_DB != 0 {
        Some(FileKind::Database)
    } else if flags & ffi::SQLITE_OPEN_WAL != 0 {
        Some(FileKind::Wal)
    } else if flags & (ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL) != 0 {
        Some(FileKind::Journal)
    } else {
        None
    }
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls this with our VFS and an allocation of its `szOsFile` bytes, which is ours to fill.
    let (shared, inner) = unsafe {
        ptr::write_bytes(file.cast::<u8>(), 0, INNER_OFFSET + size_of::<ffi::sqlite3_file>());
        (shared_of(vfs), file.cast::<u8>().add(INNER_OFFSET).cast::<ffi::sqlite3_file>())
    };
    let kind = if name.is_null() { None } else { kind_of(flags) };
    // Held while the file is opened, so that two connections agree on who created it.
    let mut disk = shared.disk.lock();
    let existed = kind.is_some() && path_of(name).exists();
    // SAFETY: the default VFS lives as long as the process.
    let code = forward!(unsafe { (*shared.inner).xOpen }, ffi::SQLITE_CANTOPEN, shared.inner, name, inner, flags, out_flags);
    // SAFETY: the inner structure was zeroed above; the default VFS sets its methods when there is something to close.
    let methods = unsafe { (*inner).pMethods.as_ref() };
    if code != ffi::SQLITE_OK {
        if let Some(methods) = methods {
            forward!(methods.xClose, 0, inner);
        }
        return code;
    }
    let recorded = match kind {
        None => None,
        Some(kind) => {
            let path = path_of(name);
            let inode = if existed { disk.adopt(path, || fs::read(path)) } else { Ok(disk.create(path)) };
            match inode {
                Ok(inode) => {
                    let may_be_new = kind != FileKind::Database && flags & ffi::SQLITE_OPEN_CREATE != 0;
                    Some(Recorded { inode, kind, unsynced_name: Mutex::new(may_be_new.then(|| path.to_owned())) })
                }
                Err(_) => {
                    forward!(methods.and_then(|methods| methods.xClose), 0, inner);
                    return ffi::SQLITE_CANTOPEN;
                }
            }
        }
    };
    // SAFETY: the allocation begins with room for a `FaultFile`, aligned as SQLite aligns (8), which is all that it needs.
    unsafe { file.cast::<FaultFile>().write(FaultFile { base: ffi::sqlite3_file { pMethods: &METHODS }, shared, recorded }) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync_directory: c_int) -> c_int {
    // SAFETY: SQLite calls this with our VFS.
    let (shared, (inner, methods)) = unsafe { (shared_of(vfs), inner_vfs(vfs)) };
    let path = path_of(name);
    let kind = if path.as_os_str().as_bytes().ends_with(b"-wal") { FileKind::Wal } else { FileKind::Journal };
    let is_recorded = shared.disk.lock().knows(path);
    if is_recorded && let Some(failure) = shared.failure(Operation::Delete, kind) {
        return failure.code;
    }
    let mut disk = shared.disk.lock();
    let is_syncing = sync_directory != 0 && shared.is_syncing_really.load(Ordering::Relaxed);
    let code = forward!(methods.xDelete, ffi::SQLITE_IOERR_DELETE, inner, name, c_int::from(is_syncing));
    if code == ffi::SQLITE_OK {
        disk.delete(path, sync_directory != 0);
    }
    code
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once, after opening it with success.
    let (inner, methods) = unsafe { inner_file(file) };
    let code = forward!(methods.xClose, ffi::SQLITE_OK, inner);
    // SAFETY: `open` wrote a `FaultFile` there; of a closed file SQLite only overwrites the first field, with null.
    unsafe { ptr::drop_in_place(file.cast::<FaultFile>()) };
    code
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, into: *mut c_void, amount: c_int, offset: i64) -> c_int {
    // SAFETY: the file is open.
    let (inner, methods) = unsafe { inner_file(file) };
    forward!(methods.xRead, ffi::SQLITE_IOERR_READ, inner, into, amount, offset)
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, amount: c_int, offset: i64) -> c_int {
    // SAFETY: the file is open.
    let ((inner, methods), (shared, recorded)) = unsafe { (inner_file(file), record_of(file)) };
    let Some(&Recorded { inode, kind, .. }) = recorded else {
        return forward!(methods.xWrite, ffi::SQLITE_IOERR_WRITE, inner, from, amount, offset);
    };
    let (Ok(length), Ok(place)) = (usize::try_from(amount), u64::try_from(offset)) else { return ffi::SQLITE_IOERR_WRITE };
    let failure = shared.write_failure(kind, place.saturating_add(length as u64));
    let written = match failure {
        None => length,
        Some(Failure { is_partial: true, .. }) => length / 2 / 512 * 512,
        Some(_) => 0,
    };
    if written > 0 {
        let part = c_int::try_from(written).unwrap_or(amount);
        let code = forward!(methods.xWrite, ffi::SQLITE_IOERR_WRITE, inner, from, part, offset);
        if code != ffi::SQLITE_OK {
            return code;
        }
        // SAFETY: SQLite passes `amount` readable bytes, and `written` is not more.
        let bytes = unsafe { slice::from_raw_parts(from.cast::<u8>(), written) };
        shared.disk.lock().write(inode, place, bytes);
    }
    failure.map_or(ffi::SQLITE_OK, |failure| failure.code)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    // SAFETY: the file is open.
    let ((inner, methods), (shared, recorded)) = unsafe { (inner_file(file), record_of(file)) };
    if let Some(&Recorded { kind, .. }) = recorded
        && let Some(failure) = shared.failure(Operation::Truncate, kind)
    {
        return failure.code;
    }
    let code = forward!(methods.xTruncate, ffi::SQLITE_IOERR_TRUNCATE, inner, size);
    if let (ffi::SQLITE_OK, Some(&Recorded { inode, .. }), Ok(size)) = (code, recorded, u64::try_from(size)) {
        shared.disk.lock().resize(inode, size);
    }
    code
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: the file is open.
    let ((inner, methods), (shared, recorded)) = unsafe { (inner_file(file), record_of(file)) };
    let Some(&Recorded { inode, kind, ref unsynced_name }) = recorded else {
        return forward!(methods.xSync, ffi::SQLITE_IOERR_FSYNC, inner, flags);
    };
    if let Some(failure) = shared.failure(Operation::Sync, kind) {
        return failure.code;
    }
    let position = shared.disk.lock().begin_sync(inode);
    if shared.is_syncing_really.load(Ordering::Relaxed) {
        let code = forward!(methods.xSync, ffi::SQLITE_IOERR_FSYNC, inner, flags);
        if code != ffi::SQLITE_OK {
            return code;
        }
    }
    let mut disk = shared.disk.lock();
    disk.end_sync(inode, position);
    if let Some(path) = unsynced_name.lock().take() {
        disk.sync_directory_of(&path);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    // SAFETY: the file is open.
    let (inner, methods) = unsafe { inner_file(file) };
    forward!(methods.xFileSize, ffi::SQLITE_IOERR_FSTAT, inner, size)
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: the file is open.
    let (inner, methods) = unsafe { inner_file(file) };
    forward!(methods.xLock, ffi::SQLITE_IOERR_LOCK, inner, level)
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: the file is open.
    let (inner, methods) = unsafe { inner_file(file) };
    forward!(methods.xUnlock, ffi::SQLITE_IOERR_UNLOCK, inner, level)
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, is_held: *mut c_int) -> c_int {
    // SAFETY: the file is open.
    let (inner, methods) = unsafe { inner_file(file) };
    forward!(methods.xCheckReservedLock, ffi::SQLITE_IOERR_CHECKRESERVEDLOCK, inner, is_held)
}

/// Hints about sizes are kept from the default VFS: it would extend the file past us.
unsafe extern "C" fn file_control(file: *mut ffi::sqlite3_file, operation: c_int, argument: *mut c_void) -> c_int {
    if matches!(operation, ffi::SQLITE_FCNTL_SIZE_HINT | ffi::SQLITE_FCNTL_CHUNK_SIZE | ffi::SQLITE_FCNTL_MMAP_SIZE) {
        return ffi::SQLITE_NOTFOUND;
    }
    // SAFETY: the file is open.
    let (inner, methods) = unsafe { inner_file(file) };
    forward!(methods.xFileControl, ffi::SQLITE_NOTFOUND, inner, operation, argument)
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: the file is open.
    let (inner, methods) = unsafe { inner_file(file) };
    forward!(methods.xSectorSize, 512, inner)
}

/// Of the default VFS's promises only the one that the model keeps: neighbours of a written range are left alone.
unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: the file is open.
    let (inner, methods) = unsafe { inner_file(file) };
    forward!(methods.xDeviceCharacteristics, 0, inner) & ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    size: c_int,
    extend: c_int,
    memory: *mut *mut c_void,
) -> c_int {
    // SAFETY: the file is open.
    let (inner, methods) = unsafe { inner_file(file) };
    forward!(methods.xShmMap, ffi::SQLITE_IOERR_SHMMAP, inner, region, size, extend, memory)
}

unsafe extern "C" fn shm_lock(file: *mut ffi::sqlite3_file, offset: c_int, count: c_int, flags: c_int) -> c_int {
    // SAFETY: the file is open.
    let (inner, methods) = unsafe { inner_file(file) };
    forward!(methods.xShmLock, ffi::SQLITE_IOERR_SHMLOCK, inner, offset, count, flags)
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: the file is open.
    let (inner, methods) = unsafe { inner_file(file) };
    forward!(methods.xShmBarrier, (), inner);
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    // SAFETY: the file is open.
    let (inner, methods) = unsafe { inner_file(file) };
    forward!(methods.xShmUnmap, ffi::SQLITE_OK, inner, delete)
}

unsafe extern "C" fn access(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, flags: c_int, answer: *mut c_int) -> c_int {
    // SAFETY: SQLite calls this with our VFS.
    let (inner, methods) = unsafe { inner_vfs(vfs) };
    forward!(methods.xAccess, ffi::SQLITE_IOERR_ACCESS, inner, name, flags, answer)
}

unsafe extern "C" fn full_pathname(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, size: c_int, into: *mut c_char) -> c_int {
    // SAFETY: SQLite calls this with our VFS.
    let (inner, methods) = unsafe { inner_vfs(vfs) };
    forward!(methods.xFullPathname, ffi::SQLITE_CANTOPEN, inner, name, size, into)
}

/// Loading extensions is not supported: no library is ever opened.
unsafe extern "C" fn dl_open(_: *mut ffi::sqlite3_vfs, _: *const c_char) -> *mut c_void {
    ptr::null_mut()
}

unsafe extern "C" fn dl_error(_: *mut ffi::sqlite3_vfs, size: c_int, message: *mut c_char) {
    if size > 0 {
        // SAFETY: SQLite passes `size` writable bytes.
        unsafe { message.write(0) };
    }
}

unsafe extern "C" fn dl_sym(
    _: *mut ffi::sqlite3_vfs,
    _: *mut c_void,
    _: *const c_char,
) -> Option<unsafe extern "C" fn(*mut ffi::sqlite3_vfs, *mut c_void, *const c_char)> {
    None
}

unsafe extern "C" fn dl_close(_: *mut ffi::sqlite3_vfs, _: *mut c_void) {}

unsafe extern "C" fn randomness(vfs: *mut ffi::sqlite3_vfs, size: c_int, into: *mut c_char) -> c_int {
    // SAFETY: SQLite calls this with our VFS.
    let (inner, methods) = unsafe { inner_vfs(vfs) };
    forward!(methods.xRandomness, 0, inner, size, into)
}

unsafe extern "C" fn sleep(vfs: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    // SAFETY: SQLite calls this with our VFS.
    let (inner, methods) = unsafe { inner_vfs(vfs) };
    forward!(methods.xSleep, 0, inner, microseconds)
}

unsafe extern "C" fn current_time(vfs: *mut ffi::sqlite3_vfs, julian_day: *mut f64) -> c_int {
    // SAFETY: SQLite calls this with our VFS.
    let (inner, methods) = unsafe { inner_vfs(vfs) };
    forward!(methods.xCurrentTime, ffi::SQLITE_ERROR, inner, julian_day)
}

unsafe extern "C" fn current_time_int64(vfs: *mut ffi::sqlite3_vfs, julian_ms: *mut i64) -> c_int {
    // SAFETY: SQLite calls this with our VFS.
    let (inner, methods) = unsafe { inner_vfs(vfs) };
    forward!(methods.xCurrentTimeInt64, ffi::SQLITE_ERROR, inner, julian_ms)
}

unsafe extern "C" fn last_error(vfs: *mut ffi::sqlite3_vfs, size: c_int, message: *mut c_char) -> c_int {
    // SAFETY: SQLite calls this with our VFS.
    let (inner, methods) = unsafe { inner_vfs(vfs) };
    forward!(methods.xGetLastError, 0, inner, size, message)
}
