use super::*;

fn bytes_of(disk: &Disk, path: &str, seed: u64) -> Option<Vec<u8>> {
    let cut = disk.cut(seed);
    cut.files.into_iter().find(|file| file.path == Path::new(path)).map(|file| file.inode.after_cut(&mut Random::new(file.seed)))
}

/// What 400 cuts of the same record leave of one file.
fn outcomes(disk: &Disk, path: &str) -> BTreeSet<Option<Vec<u8>>> {
    (0..400).map(|seed| bytes_of(disk, path, seed)).collect()
}

#[test]
fn synced_bytes_are_always_there() {
    let mut disk = Disk::default();
    let file = disk.create(Path::new("/a"));
    disk.write(file, 0, b"kept");
    let position = disk.begin_sync(file);
    disk.write(file, 2, b"--");
    disk.end_sync(file, position);
    let expected = [Some(b"kept".to_vec()), Some(b"ke--".to_vec())];
    assert_eq!(outcomes(&disk, "/a"), expected.into(), "a write during the sync is not covered by it");
}

#[test]
fn a_new_name_may_be_missing_until_synced() {
    let mut disk = Disk::default();
    let file = disk.create(Path::new("/a"));
    assert_eq!(outcomes(&disk, "/a"), [None, Some(Vec::new())].into());
    let position = disk.begin_sync(file);
    disk.end_sync(file, position);
    assert_eq!(outcomes(&disk, "/a"), [Some(Vec::new())].into());
}

#[test]
fn a_deleted_file_may_come_back_until_its_directory_is_synced() {
    let mut disk = Disk::default();
    disk.adopt(Path::new("/d/a"), || Ok(b"old".to_vec())).expect("adopted");
    disk.delete(Path::new("/d/a"), false);
    assert!(!disk.knows(Path::new("/d/a")));
    assert_eq!(outcomes(&disk, "/d/a"), [None, Some(b"old".to_vec())].into());
    let again = disk.create(Path::new("/d/a"));
    disk.write(again, 0, b"new");
    assert_eq!(outcomes(&disk, "/d/a"), [None, Some(b"old".to_vec()), Some(Vec::new()), Some(b"new".to_vec())].into());
    disk.adopt(Path::new("/d/b"), || Ok(Vec::new())).expect("adopted");
    disk.delete(Path::new("/d/b"), true);
    assert_eq!(outcomes(&disk, "/d/a"), [Some(Vec::new()), Some(b"new".to_vec())].into(), "the directory was synced");
    assert_eq!(outcomes(&disk, "/d/b"), [None].into());
    assert_eq!(disk.inodes.len(), 1, "what nothing can name is forgotten");
}

#[test]
fn unsynced_sectors_arrive_in_any_combination() {
    let mut disk = Disk::default();
    let file = disk.adopt(Path::new("/a"), || Ok(vec![0; 1024])).expect("adopted");
    disk.write(file, 0, &[1; 1024]);
    disk.write(file, 0, &[2; 512]);
    let seen: BTreeSet<(u8, u8)> = outcomes(&disk, "/a")
        .into_iter()
        .flatten()
        .map(|bytes| {
            let (left, right) = bytes.split_at(512);
            assert!(
                left.iter().all(|byte| *byte == left[0]) && right.iter().all(|byte| *byte == right[0]),
                "a sector is never torn"
            );
            (left[0], right[0])
        })
        .collect();
    assert_eq!(seen, [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)].into());
}

#[test]
fn truncation_is_unsynced_too() {
    let mut disk = Disk::default();
    let file = disk.adopt(Path::new("/a"), || Ok(b"longer".to_vec())).expect("adopted");
    disk.resize(file, 4);
    assert_eq!(outcomes(&disk, "/a"), [Some(b"long".to_vec()), Some(b"longer".to_vec())].into());
    let position = disk.begin_sync(file);
    disk.end_sync(file, position);
    assert_eq!(outcomes(&disk, "/a"), [Some(b"long".to_vec())].into());
    assert_eq!(disk.counts, Counts { syncs: 1, truncates: 1, ..Counts::default() });
}

#[test]
fn equal_seeds_give_equal_cuts() {
    let mut disk = Disk::default();
    let file = disk.create(Path::new("/a"));
    disk.write(file, 100, &[7; 5000]);
    for seed in 0..50 {
        assert_eq!(bytes_of(&disk, "/a", seed), bytes_of(&disk, "/a", seed));
    }
}
