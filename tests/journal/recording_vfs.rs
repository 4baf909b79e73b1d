//! A SQLite VFS that stands before the platform's own and records, in one sequence with the
//! journal's answers, what is written to the WAL and when it is synced; and which files and folders
//! beside the database are synced. It can also make the disk full, or fail its syncs.
//!
//! A VFS is a C interface: tables of functions over raw pointers that SQLite hands back. It cannot
//! be written without `unsafe`, which stays in this file.
#![allow(unsafe_code)]

use portolan::journal::sqlite::Witness;
use portolan::seams::{Disk, SystemDisk};
use rusqlite::ffi;
use std::ffi::{CString, c_char, c_int, c_void};
use std::io;
use std::mem::size_of;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    WalWritten,
    WalSynced,
    /// A file by its inode, which stays the same when it is renamed.
    FileSynced(u64),
    /// The inodes in a folder at that time.
    FolderSynced(Vec<u64>),
    Answering(usize),
    DiskFailed,
}

/// What happened, in order, and what is to fail from now on.
#[derive(Default)]
pub struct Recorder {
    events: Mutex<Vec<Event>>,
    pub disk_is_full: AtomicBool,
    pub syncs_fail: AtomicBool,
}

impl Recorder {
    /// A new recorder behind a VFS of its own; the VFS's name comes with it.
    pub fn register() -> (Arc<Self>, String) {
        static REGISTERED: AtomicUsize = AtomicUsize::new(0);
        let recorder = Arc::new(Self::default());
        let name = format!("recording-{}", REGISTERED.fetch_add(1, Ordering::SeqCst));
        register_vfs(&name, recorder.clone());
        (recorder, name)
    }

    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    /// Forgets what happened so far.
    pub fn forget(&self) {
        self.events.lock().unwrap().clear();
    }

    fn note(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }
}

impl Witness for Recorder {
    fn answering(&self, calls: usize) {
        self.note(Event::Answering(calls));
    }

    fn disk_failed(&self, _error: &str) {
        self.note(Event::DiskFailed);
    }
}

impl Disk for Recorder {
    fn sync_file(&self, file: &Path) -> io::Result<()> {
        SystemDisk.sync_file(file)?;
        self.note(Event::FileSynced(std::fs::metadata(file)?.ino()));
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let inodes = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.ino())).collect::<io::Result<_>>()?;
        SystemDisk.sync_folder(folder)?;
        self.note(Event::FolderSynced(inodes));
        Ok(())
    }
}

/// What stands behind a registered VFS, never freed: SQLite keeps a VFS until the process ends.
struct Behind {
    platform: *mut ffi::sqlite3_vfs,
    recorder: Arc<Recorder>,
}

/// An open file; the platform's own lies right behind it in the memory that SQLite gave.
#[repr(C)]
struct RecordingFile {
    base: ffi::sqlite3_file,
    is_wal: bool,
    recorder: *const Recorder,
}

fn register_vfs(name: &str, recorder: Arc<Recorder>) {
    // SAFETY: initializing is idempotent; the platform's VFS is static; what is registered is leaked.
    unsafe {
        assert_eq!(ffi::sqlite3_initialize(), ffi::SQLITE_OK);
        let platform = ffi::sqlite3_vfs_find(ptr::null());
        assert!(!platform.is_null());
        let mut vfs = *platform;
        vfs.zName = CString::new(name).unwrap().into_raw();
        vfs.pNext = ptr::null_mut();
        vfs.szOsFile = (size_of::<RecordingFile>() as c_int) + (*platform).szOsFile;
        vfs.pAppData = Box::into_raw(Box::new(Behind { platform, recorder })).cast();
        vfs.xOpen = Some(open);
        vfs.xDelete = Some(delete);
        vfs.xAccess = Some(access);
        vfs.xFullPathname = Some(full_pathname);
        assert_eq!(ffi::sqlite3_vfs_register(Box::into_raw(Box::new(vfs)), 0), ffi::SQLITE_OK);
    }
}

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

unsafe fn behind<'a>(vfs: *mut ffi::sqlite3_vfs) -> &'a Behind {
    // SAFETY: set when the VFS was registered, and never freed.
    unsafe { &*(*vfs).pAppData.cast() }
}

/// The platform's file, and its methods.
unsafe fn inner<'a>(file: *mut ffi::sqlite3_file) -> (*mut ffi::sqlite3_file, &'a ffi::sqlite3_io_methods) {
    // SAFETY: `open` has opened it there, in memory that `szOsFile` asked for.
    unsafe {
        let inner = file.cast::<u8>().add(size_of::<RecordingFile>()).cast::<ffi::sqlite3_file>();
        (inner, &*(*inner).pMethods)
    }
}

/// The recorder, if the file is a WAL.
unsafe fn wal<'a>(file: *mut ffi::sqlite3_file) -> Option<&'a Recorder> {
    // SAFETY: `open` has filled it in; the recorder lives as long as the VFS.
    unsafe {
        let file = file.cast::<RecordingFile>();
        (*file).is_wal.then(|| &*(*file).recorder)
    }
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives `szOsFile` bytes at `file`; the platform's own begins behind ours.
    unsafe {
        let behind = behind(vfs);
        let inner = file.cast::<u8>().add(size_of::<RecordingFile>()).cast::<ffi::sqlite3_file>();
        let opened = (*behind.platform).xOpen.unwrap()(behind.platform, name, inner, flags, out_flags);
        let methods = if (*inner).pMethods.is_null() { ptr::null() } else { &raw const METHODS };
        let is_wal = flags & ffi::SQLITE_OPEN_WAL != 0;
        let recorder = Arc::as_ptr(&behind.recorder);
        file.cast::<RecordingFile>().write(RecordingFile { base: ffi::sqlite3_file { pMethods: methods }, is_wal, recorder });
        opened
    }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, bytes: *const c_void, amount: c_int, offset: ffi::sqlite3_int64) -> c_int {
    // SAFETY: forwarded as it came.
    unsafe {
        if let Some(recorder) = wal(file) {
            if recorder.disk_is_full.load(Ordering::SeqCst) {
                return ffi::SQLITE_FULL;
            }
            recorder.note(Event::WalWritten);
        }
        let (inner, methods) = inner(file);
        methods.xWrite.unwrap()(inner, bytes, amount, offset)
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: forwarded as it came.
    unsafe {
        let wal = wal(file);
        if wal.is_some_and(|recorder| recorder.syncs_fail.load(Ordering::SeqCst)) {
            return ffi::SQLITE_IOERR_FSYNC;
        }
        let (inner, methods) = inner(file);
        let synced = methods.xSync.unwrap()(inner, flags);
        if let (Some(recorder), ffi::SQLITE_OK) = (wal, synced) {
            recorder.note(Event::WalSynced);
        }
        synced
    }
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    // SAFETY: forwarded as it came, to the VFS that it is for.
    unsafe { (*behind(vfs).platform).xDelete.unwrap()(behind(vfs).platform, name, sync_folder) }
}

unsafe extern "C" fn access(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, flags: c_int, result: *mut c_int) -> c_int {
    // SAFETY: forwarded as it came, to the VFS that it is for.
    unsafe { (*behind(vfs).platform).xAccess.unwrap()(behind(vfs).platform, name, flags, result) }
}

unsafe extern "C" fn full_pathname(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, room: c_int, out: *mut c_char) -> c_int {
    // SAFETY: forwarded as it came, to the VFS that it is for.
    unsafe { (*behind(vfs).platform).xFullPathname.unwrap()(behind(vfs).platform, name, room, out) }
}

/// Methods that are handed on as they came.
macro_rules! forward {
    ($($name:ident => $method:ident ($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        $(unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file $(, $argument: $type)*) $(-> $result)? {
            // SAFETY: forwarded as it came.
            unsafe {
                let (inner, methods) = inner(file);
                methods.$method.unwrap()(inner $(, $argument)*)
            }
        })*
    };
}

forward! {
    close => xClose() -> c_int;
    read => xRead(into: *mut c_void, amount: c_int, offset: ffi::sqlite3_int64) -> c_int;
    truncate => xTruncate(size: ffi::sqlite3_int64) -> c_int;
    file_size => xFileSize(size: *mut ffi::sqlite3_int64) -> c_int;
    lock => xLock(level: c_int) -> c_int;
    unlock => xUnlock(level: c_int) -> c_int;
    check_reserved_lock => xCheckReservedLock(result: *mut c_int) -> c_int;
    file_control => xFileControl(operation: c_int, argument: *mut c_void) -> c_int;
    sector_size => xSectorSize() -> c_int;
    device_characteristics => xDeviceCharacteristics() -> c_int;
    shm_map => xShmMap(page: c_int, size: c_int, extend: c_int, memory: *mut *mut c_void) -> c_int;
    shm_lock => xShmLock(offset: c_int, count: c_int, flags: c_int) -> c_int;
    shm_barrier => xShmBarrier();
    shm_unmap => xShmUnmap(delete: c_int) -> c_int;
}
