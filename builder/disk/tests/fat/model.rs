//! Random sequences of calls against a model in memory.

use std::collections::BTreeMap;

use pimg_disk::block::BlockWrite;
use pimg_disk::fat::{Volume, check};
use proptest::prelude::*;

use crate::image::{bytes, tools};

/// Directories and files by path in lower case: the path as created, and the content of a file.
type Model = BTreeMap<String, (String, Option<Vec<u8>>)>;

#[derive(Debug, Clone)]
enum Call {
    Write(String, usize, u64),
    MakeDirectory(String),
    RemoveFile(String),
    RemoveTree(String),
    Rename(String, String),
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "a",
        "A",
        "cmdline.txt",
        "CONFIG.TXT",
        "config.txt",
        "Config.Txt",
        "a long name with spaces.dtbo",
        "A Long Name With Spaces.dtbo",
        "a long name with spaces and more.dtbo",
        "longna~1.txt",
        "Ünïcödé ноль",
        "x.y.z",
        ".hidden",
        "+plus,[brackets]=;",
    ])
    .prop_map(str::to_owned)
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(name(), 1..4).prop_map(|names| names.join("/"))
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        4 => (path(), prop_oneof![0..3_000_usize, Just(0), Just(512), Just(1024)], any::<u64>())
            .prop_map(|(path, length, seed)| Call::Write(path, length, seed)),
        3 => path().prop_map(Call::MakeDirectory),
        1 => path().prop_map(Call::RemoveFile),
        1 => path().prop_map(Call::RemoveTree),
        2 => (path(), path()).prop_map(|(from, to)| Call::Rename(from, to)),
    ]
}

fn key(path: &str) -> String {
    path.to_lowercase()
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent)
}

fn is_directory(model: &Model, path: &str) -> bool {
    model.get(&key(path)).is_some_and(|(_, content)| content.is_none())
}

fn parent_is_there(model: &Model, path: &str) -> bool {
    parent(path).is_none_or(|parent| is_directory(model, parent))
}

fn below(model: &Model, path: &str) -> Vec<String> {
    let prefix = format!("{}/", key(path));
    model.keys().filter(|key| key.starts_with(&prefix)).cloned().collect()
}

/// Whether the call is possible; changes the model where it is.
fn expect(model: &mut Model, call: &Call) -> bool {
    match call {
        Call::Write(path, length, seed) => {
            if is_directory(model, path) || !parent_is_there(model, path) {
                return false;
            }
            let content = Some(bytes(*length, *seed));
            model.entry(key(path)).or_insert_with(|| (path.clone(), None)).1 = content;
        }
        Call::MakeDirectory(path) => {
            let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
            for end in ends {
                let path = &path[..end];
                match model.get(&key(path)) {
                    Some((_, Some(_))) => return false,
                    Some((_, None)) => {}
                    None => {
                        model.insert(key(path), (path.to_owned(), None));
                    }
                }
            }
        }
        Call::RemoveFile(path) => {
            if is_directory(model, path) || model.remove(&key(path)).is_none() {
                return false;
            }
        }
        Call::RemoveTree(path) => {
            if model.remove(&key(path)).is_none() {
                return false;
            }
            for path in below(model, path) {
                model.remove(&path);
            }
        }
        Call::Rename(from, to) => return rename(model, from, to),
    }
    true
}

fn rename(model: &mut Model, from: &str, to: &str) -> bool {
    let Some((_, content)) = model.get(&key(from)).cloned() else { return false };
    if !parent_is_there(model, to) || (content.is_none() && key(to).starts_with(&format!("{}/", key(from)))) {
        return false;
    }
    if key(from) != key(to)
        && let Some((_, target)) = model.get(&key(to))
        && (target.is_some() != content.is_some() || !below(model, to).is_empty())
    {
        return false;
    }
    let moved = below(model, from);
    model.remove(&key(from));
    model.insert(key(to), (to.to_owned(), content));
    for path in moved {
        let (name, content) = model.remove(&path).expect("it was listed");
        let rest = &path[from.to_lowercase().len()..];
        let name = format!("{to}{}", &name[name.len() - rest.len()..]);
        model.insert(format!("{}{rest}", key(to)), (name, content));
    }
    true
}

fn act(volume: &mut Volume<'_>, call: &Call, time: i64) -> bool {
    match call {
        Call::Write(path, length, seed) => volume.write(path, &bytes(*length, *seed), time),
        Call::MakeDirectory(path) => volume.create_dir_all(path, time),
        Call::RemoveFile(path) => volume.remove_file(path),
        Call::RemoveTree(path) => volume.remove_tree(path),
        Call::Rename(from, to) => volume.rename(from, to),
    }
    .is_ok()
}

/// All that a volume holds, in the form of the model; names without the case of the directories above.
fn tree(volume: &mut Volume<'_>) -> BTreeMap<String, (String, Option<Vec<u8>>)> {
    let mut found = BTreeMap::new();
    let mut directories = vec![String::new()];
    while let Some(directory) = directories.pop() {
        for entry in volume.list(&directory).expect("a directory") {
            let path =
                if directory.is_empty() { entry.name.clone() } else { format!("{directory}/{}", entry.name) };
            let content = (!entry.metadata.is_dir).then(|| volume.read(&path, 1 << 20).expect("a file"));
            if entry.metadata.is_dir {
                directories.push(path.clone());
            }
            assert!(found.insert(key(&path), (entry.name, content)).is_none(), "{path} is there twice");
        }
    }
    found
}

fn run(device: &impl BlockWrite, calls: &[Call]) -> Result<(), TestCaseError> {
    let mut model = Model::new();
    let mut volume = Volume::open(device).expect("a clean volume");
    for (time, call) in (1_700_000_000..).zip(calls) {
        let expected = expect(&mut model, call);
        prop_assert_eq!(act(&mut volume, call, time), expected, "{:?}", call);
        check(device).map_err(|error| TestCaseError::fail(format!("{call:?}: {error}")))?;
    }
    let model: BTreeMap<_, _> = model
        .into_iter()
        .map(|(key, (path, content))| {
            (key, (path.rsplit('/').next().unwrap_or_default().to_owned(), content))
        })
        .collect();
    prop_assert_eq!(&tree(&mut volume), &model);
    drop(volume);
    // and what a second look at the bytes says
    prop_assert_eq!(&tree(&mut Volume::open(device).expect("a clean volume")), &model);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn does_what_the_model_does(calls in prop::collection::vec(call(), 1..60), large in any::<bool>()) {
        if let Some(tools) = tools() {
            let image = tools.make(2 << 10, &["-F", "32", "-s", if large { "8" } else { "1" }]);
            run(&image, &calls)?;
            tools.judge(&image);
        }
    }
}
