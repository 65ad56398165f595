//! Plain SQLite under power cuts and failing disks: what the recording VFS must find, and what it must not.

mod cuts;
mod faults;
