use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{BakeWork, Bakes, HostError, clean, remove_left_behind};

fn add(bakes: &Bakes, key: &str, bytes: usize) -> Result<(), HostError> {
    let work = bakes.work()?;
    fs::write(work.result().join("layer.json"), vec![b'7'; bytes]).expect("a work directory");
    bakes.publish(key, &work).map(drop)
}

fn used_at(bakes: &Bakes, key: &str, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let directory = fs::File::open(bakes.directory.join(key)).expect("a layer");
    directory.set_modified(time).expect("a time");
}

fn names(directory: &Path) -> Vec<String> {
    let entries = directory.read_dir().expect("a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The operator has asked to stop: whoever would have to wait does not.
fn stopped() -> bool {
    true
}

#[test]
fn a_layer_is_there_whole_or_not_at_all() -> Result<(), HostError> {
    let root = tempfile::tempdir().expect("a directory");
    let bakes = Bakes::open(root.path())?;
    let work = bakes.work()?;
    fs::write(work.path().join("half"), "half").expect("a work directory");
    assert!(bakes.get("a")?.is_none());
    drop(work);
    assert_eq!(names(&bakes.directory), [""; 0]);
    add(&bakes, "a", 10)?;
    add(&bakes, "a", 20)?;
    let found = bakes.get("a")?.expect("is there");
    assert_eq!(fs::read(found.join("layer.json")).expect("a manifest").len(), 20);
    assert_eq!(names(&bakes.directory), ["a"]);
    bakes.forget("a")?;
    bakes.forget("a")?;
    assert!(bakes.get("a")?.is_none());
    Ok(())
}

#[test]
fn what_a_killed_bake_left_goes_and_what_is_being_made_stays() -> Result<(), HostError> {
    let root = tempfile::tempdir().expect("a directory");
    let bakes = Bakes::open(root.path())?;
    let living: BakeWork = bakes.work()?;
    let dead = bakes.directory.join(".tmp-dead");
    fs::create_dir_all(dead.join("lower/etc")).expect("a directory");
    fs::write(dead.join("lower/etc/passwd"), "root").expect("a file");
    Bakes::open(root.path())?;
    assert!(living.path().exists() && !dead.exists());
    Ok(())
}

#[test]
fn the_least_recently_used_goes_first_and_the_new_one_never() -> Result<(), HostError> {
    let root = tempfile::tempdir().expect("a directory");
    let bakes = Bakes::open(root.path())?;
    for (seconds, key) in (1..).zip(["new", "old", "older"]) {
        add(&bakes, key, 100_000)?;
        used_at(&bakes, key, seconds);
    }
    bakes.get("old")?;
    bakes.trim("new", 250_000)?;
    assert_eq!(names(&bakes.directory), ["new", "old"]);
    bakes.trim("new", 0)?;
    assert_eq!(names(&bakes.directory), ["new"]);
    Ok(())
}

#[test]
fn cleaning_takes_a_layer_as_a_whole() -> Result<(), HostError> {
    let root = tempfile::tempdir().expect("a directory");
    let bakes = Bakes::open(root.path())?;
    for (key, seconds) in [("lost", 49), ("kept", 50)] {
        add(&bakes, key, 5000)?;
        used_at(&bakes, key, seconds);
    }
    let freed = clean(&bakes.directory, SystemTime::UNIX_EPOCH + Duration::from_secs(50))?;
    assert!(freed >= 5000);
    assert_eq!(names(&bakes.directory), ["kept"]);
    remove_left_behind(&root.path().join("nothing"))
}

#[test]
fn only_one_makes_a_layer() -> Result<(), HostError> {
    let root = tempfile::tempdir().expect("a directory");
    let bakes = Bakes::open(root.path())?;
    let lock = bakes.lock("a", &|| false)?.expect("nobody stops");
    assert!(bakes.lock("a", &stopped)?.is_none(), "somebody else makes it");
    drop(lock);
    assert!(bakes.lock("a", &stopped)?.is_some());
    Ok(())
}
