//! The model of what a disk promises, without any I/O.
//!
//! A file's bytes are durable once the file was synced after they were written. Until then every 512-byte sector holds, after
//! a power cut, any of the versions written to it since the last sync, or the synced one. A name is durable once its directory
//! or the file itself was synced; until then the old entry, the new one, or any in between may be found. The promise that
//! neighbouring sectors are left alone by an interrupted write is SQLite's "powersafe overwrite", its default assumption.

use crate::random::Random;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

#[cfg(test)]
mod tests;

/// The unit that a disk writes whole or not at all, in bytes.
const SECTOR: u64 = 512;

/// Names one file's content independently of its path.
pub(crate) type InodeId = u64;

/// What has been recorded so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Writes into files.
    pub writes: u64,
    /// Syncs of files.
    pub syncs: u64,
    /// Truncations.
    pub truncates: u64,
    /// Files created.
    pub creates: u64,
    /// Files deleted.
    pub deletes: u64,
    /// Operations that an injected fault made fail; they are in none of the other counts.
    pub failed: u64,
}

/// A change of a file's bytes that no sync has covered yet.
#[derive(Debug, Clone)]
enum Change {
    Write { offset: u64, bytes: Arc<[u8]> },
    Resize { size: u64 },
}

/// A file's content: what is certainly on the disk, and what may be.
#[derive(Debug, Clone, Default)]
struct Inode {
    synced: Vec<u8>,
    unsynced: Vec<Change>,
    /// How many changes were folded into `synced` so far; positions stay valid while another thread's sync runs.
    folded: u64,
}

/// An unsynced change of a directory: from now on the path names this file, or nothing.
#[derive(Debug, Clone)]
struct Naming {
    path: PathBuf,
    inode: Option<InodeId>,
}

/// All recorded files.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    inodes: HashMap<InodeId, Inode>,
    /// Names as the running program sees them.
    live: BTreeMap<PathBuf, InodeId>,
    /// Names that are certainly on the disk.
    durable: BTreeMap<PathBuf, InodeId>,
    /// What happened to names since, in order.
    namings: Vec<Naming>,
    next: InodeId,
    pub(crate) counts: Counts,
}

impl Disk {
    /// A file that was there before the recording began, with its bytes; already known ones are left alone.
    pub(crate) fn adopt(&mut self, path: &Path, bytes: impl FnOnce() -> io::Result<Vec<u8>>) -> io::Result<InodeId> {
        if let Some(&id) = self.live.get(path) {
            return Ok(id);
        }
        let id = self.add(Inode { synced: bytes()?, ..Inode::default() });
        self.live.insert(path.to_owned(), id);
        self.durable.insert(path.to_owned(), id);
        Ok(id)
    }

    /// A file created just now.
    pub(crate) fn create(&mut self, path: &Path) -> InodeId {
        self.counts.creates += 1;
        let id = self.add(Inode::default());
        self.live.insert(path.to_owned(), id);
        self.namings.push(Naming { path: path.to_owned(), inode: Some(id) });
        id
    }

    /// A write that the running program can see.
    pub(crate) fn write(&mut self, id: InodeId, offset: u64, bytes: &[u8]) {
        self.counts.writes += 1;
        if let Some(inode) = self.inodes.get_mut(&id) {
            inode.unsynced.push(Change::Write { offset, bytes: bytes.into() });
        }
    }

    /// A truncation (or extension with zeros) that the running program can see.
    pub(crate) fn resize(&mut self, id: InodeId, size: u64) {
        self.counts.truncates += 1;
        if let Some(inode) = self.inodes.get_mut(&id) {
            inode.unsynced.push(Change::Resize { size });
        }
    }

    /// The position up to which a sync that begins now will have covered the file's changes.
    pub(crate) fn begin_sync(&self, id: InodeId) -> u64 {
        self.inodes.get(&id).map_or(0, |inode| inode.folded + inode.unsynced.len() as u64)
    }

    /// A sync has ended: the file's changes up to `position`, and its own name, are durable.
    pub(crate) fn end_sync(&mut self, id: InodeId, position: u64) {
        self.counts.syncs += 1;
        if let Some(inode) = self.inodes.get_mut(&id) {
            let covered = usize::try_from(position.saturating_sub(inode.folded)).unwrap_or(usize::MAX).min(inode.unsynced.len());
            for change in inode.unsynced.drain(..covered) {
                match change {
                    Change::Write { offset, bytes } => put(&mut inode.synced, offset, &bytes),
                    Change::Resize { size } => inode.synced.resize(to_len(size), 0),
                }
            }
            inode.folded += covered as u64;
        }
        let paths: BTreeSet<PathBuf> =
            self.live.iter().filter(|(_, named)| **named == id).map(|(path, _)| path.clone()).collect();
        self.settle_names(|path| paths.contains(path));
    }

    /// A file's name is gone; `is_synced` says that its directory was synced too.
    pub(crate) fn delete(&mut self, path: &Path, is_synced: bool) {
        self.counts.deletes += 1;
        if self.live.remove(path).is_some() {
            self.namings.push(Naming { path: path.to_owned(), inode: None });
        }
        if is_synced {
            self.sync_directory_of(path);
        }
    }

    /// The directory of a file was synced: all names in it are durable.
    pub(crate) fn sync_directory_of(&mut self, path: &Path) {
        let directory = path.parent();
        self.settle_names(|other| other.parent() == directory);
    }

    /// Whether the running program sees a file of this name.
    pub(crate) fn knows(&self, path: &Path) -> bool {
        self.live.contains_key(path)
    }

    /// Forgets everything recorded, as if the files had been there from the start and were never opened.
    pub(crate) fn forget(&mut self) {
        let (next, counts) = (self.next, self.counts);
        *self = Self { next, counts, ..Self::default() };
    }

    /// The files as a power cut at this moment may leave them; the seed decides among the possibilities.
    pub(crate) fn cut(&self, seed: u64) -> Cut {
        let mut random = Random::new(seed);
        let mut names = self.durable.clone();
        // Directories are journalled by most file systems: mostly some first part of the changes is there, else any mixture.
        if random.chance(10) {
            let kept = random.below(self.namings.len() + 1);
            for naming in self.namings.iter().take(kept) {
                apply_naming(&mut names, naming);
            }
        } else {
            let paths: BTreeSet<&PathBuf> = self.namings.iter().map(|naming| &naming.path).collect();
            for path in paths {
                let versions: Vec<&Naming> = self.namings.iter().filter(|naming| naming.path == *path).collect();
                let kept = random.below(versions.len() + 1);
                for naming in versions.into_iter().take(kept) {
                    apply_naming(&mut names, naming);
                }
            }
        }
        let files = names
            .into_iter()
            .map(|(path, id)| (path, self.inodes.get(&id).cloned().unwrap_or_default()))
            .map(|(path, inode)| CutFile { path, inode, seed: random.bits() })
            .collect();
        Cut { seed, files }
    }

    fn add(&mut self, inode: Inode) -> InodeId {
        self.next += 1;
        self.inodes.insert(self.next, inode);
        self.next
    }

    /// Makes the pending names that match durable, and forgets files that nothing can name any more.
    fn settle_names(&mut self, matches: impl Fn(&Path) -> bool) {
        let mut kept = Vec::new();
        for naming in self.namings.drain(..) {
            if matches(&naming.path) {
                apply_naming(&mut self.durable, &naming);
            } else {
                kept.push(naming);
            }
        }
        self.namings = kept;
        let named: BTreeSet<InodeId> = (self.live.values().copied())
            .chain(self.durable.values().copied())
            .chain(self.namings.iter().filter_map(|naming| naming.inode))
            .collect();
        self.inodes.retain(|id, _| named.contains(id));
    }
}

fn apply_naming(names: &mut BTreeMap<PathBuf, InodeId>, naming: &Naming) {
    match naming.inode {
        Some(id) => names.insert(naming.path.clone(), id),
        None => names.remove(&naming.path),
    };
}

/// The files as one power cut leaves them. Taken in an instant; the choice of bytes is made when it is rebuilt.
#[derive(Debug)]
pub struct Cut {
    seed: u64,
    files: Vec<CutFile>,
}

#[derive(Debug)]
struct CutFile {
    path: PathBuf,
    inode: Inode,
    seed: u64,
}

impl Cut {
    /// The seed that reproduces this cut from the same record.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Writes the files that were below `root` to the same places below `into`, and answers their paths there.
    ///
    /// # Errors
    /// When `root` cannot be resolved or a file cannot be written.
    pub fn rebuild(&self, root: &Path, into: &Path) -> io::Result<Vec<PathBuf>> {
        let root = root.canonicalize()?;
        let mut written = Vec::new();
        for file in &self.files {
            let Ok(place) = file.path.strip_prefix(&root) else { continue };
            let path = into.join(place);
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory)?;
            }
            fs::write(&path, file.inode.after_cut(&mut Random::new(file.seed)))?;
            written.push(path);
        }
        Ok(written)
    }
}

impl Inode {
    /// The bytes that a power cut leaves. The extremes (nothing or everything arrived) are as likely as the mixtures.
    fn after_cut(&self, random: &mut Random) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        let changes = &self.unsynced;
        match random.below(6) {
            0 => {}
            1 => changes.iter().for_each(|change| change.apply(&mut bytes)),
            // In order, up to some point, the last one torn.
            2 | 3 => {
                let whole = random.below(changes.len() + 1);
                changes.iter().take(whole).for_each(|change| change.apply(&mut bytes));
                if let Some(torn) = changes.get(whole) {
                    let share = random.below(17);
                    torn.apply_sectors(&mut bytes, |_| random.chance(share));
                }
            }
            // Whole changes in any combination: later ones may have arrived without earlier ones.
            4 => {
                let share = random.below(17);
                for change in changes {
                    if random.chance(share) {
                        change.apply(&mut bytes);
                    }
                }
            }
            // Sectors in any combination.
            _ => {
                let share = random.below(17);
                for change in changes {
                    change.apply_sectors(&mut bytes, |_| random.chance(share));
                }
            }
        }
        bytes
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        self.apply_sectors(bytes, |_| true);
    }

    /// Applies the parts of a write that fall into the sectors that `arrives` accepts; a change of size is one such part.
    fn apply_sectors(&self, bytes: &mut Vec<u8>, mut arrives: impl FnMut(u64) -> bool) {
        match self {
            Self::Write { offset, bytes: written } => {
                let mut rest: &[u8] = written;
                let mut at = *offset;
                while !rest.is_empty() {
                    let room = to_len(SECTOR - at % SECTOR).min(rest.len());
                    let (part, later) = rest.split_at(room);
                    if arrives(at / SECTOR) {
                        put(bytes, at, part);
                    }
                    at += room as u64;
                    rest = later;
                }
            }
            Self::Resize { size } => {
                if arrives(size / SECTOR) {
                    bytes.resize(to_len(*size), 0);
                }
            }
        }
    }
}

/// Puts bytes at an offset, filling a gap before it with zeros, as a file system shows a hole.
fn put(bytes: &mut Vec<u8>, offset: u64, part: &[u8]) {
    let start = to_len(offset);
    let end = start.saturating_add(part.len());
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    if let Some(place) = bytes.get_mut(start..end) {
        place.copy_from_slice(part);
    }
}

fn to_len(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}
