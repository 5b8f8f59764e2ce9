//! Which room may know which: the arrows of `builder/README.md`, compared with what the code says.
//!
//! Arrows between packages are kept by the compiler; this keeps those between the modules of one package, and
//! the fences that no lint knows. Tests inside a file (below `#[cfg(test)]`) may reach further.

use std::fs;
use std::path::{Path, PathBuf};

/// A room of the package `pimg`, and all that it may import: other rooms, or modules of them, or packages of ours.
const ARROWS: [(&str, &[&str]); 21] = [
    ("main", &["cli"]),
    (
        "cli",
        &[
            "command",
            "failure",
            "host::env",
            "image::format",
            "packages::Fingerprint",
            "packages::Options",
            "packages::Update",
            "plan::change",
            "profile::host",
            "profile::mirrors",
            "profile::values::size",
            "progress",
        ],
    ),
    (
        "command",
        &[
            "bake",
            "failure",
            "guest",
            "host",
            "image",
            "inventory",
            "lock",
            "machine",
            "overlay",
            "packages",
            "pipeline",
            "plan",
            "profile",
            "progress",
            "secret",
            "pimg_deb",
            "pimg_disk",
            "pimg_fetch",
        ],
    ),
    (
        "pipeline",
        &[
            "bake",
            "command::Context",
            "command::outcome",
            "command::watch",
            "command::request",
            "failure",
            "guest",
            "host",
            "image",
            "lock",
            "overlay",
            "packages",
            "plan",
            "profile",
            "progress",
            "secret",
            "pimg_deb",
            "pimg_disk",
            "pimg_fetch",
        ],
    ),
    (
        "packages",
        &[
            "command::Context",
            "command::watch",
            "failure",
            "guest",
            "host",
            "lock",
            "module",
            "overlay",
            "plan",
            "profile",
            "progress",
            "pimg_deb",
            "pimg_fetch",
        ],
    ),
    ("module", &["failure", "host", "progress", "pimg_deb"]),
    (
        "bake",
        &[
            "failure",
            "guest",
            "host",
            "image",
            "packages",
            "plan",
            "profile",
            "progress",
            "pimg_deb",
            "pimg_disk",
            "pimg_fetch",
        ],
    ),
    (
        "image",
        &[
            "failure",
            "guest::base_files",
            "host",
            "lock",
            "plan",
            "profile::host",
            "progress",
            "secret",
            "pimg_deb",
            "pimg_disk",
            "pimg_fetch",
        ],
    ),
    ("overlay", &["failure", "guest", "plan", "profile", "secret"]),
    ("guest", &["failure", "plan", "profile", "secret", "pimg_deb"]),
    ("plan", &["failure", "profile::host", "secret"]),
    ("profile", &["failure", "secret"]),
    ("inventory", &["profile"]),
    ("lock", &["failure", "pimg_deb"]),
    ("machine", &["failure", "guest::node_status", "profile::types"]),
    ("host", &["failure", "profile::host", "secret", "pimg_disk"]),
    ("failure", &[]),
    ("fuzzing", &["bake", "image::baked", "image::frames", "image::provenance", "pimg_fetch"]),
    ("progress", &[]),
    ("secret", &[]),
    ("lib", &[]),
];

/// Words that stand for a reach into the world, and the only places that may have them (prefixes of paths).
const FENCES: [(&[&str], &[&str]); 5] = [
    (
        &["std::fs", "fs_err", "tempfile"],
        &[
            "pimg/host/",
            "pimg/image/",
            "pimg/bake/",
            "pimg/profile/load.rs",
            "pimg/overlay/",
            "fetch/",
            "embed.rs",
        ],
    ),
    (&["std::net::Tcp", "std::net::Udp", "reqwest"], &["fetch/"]),
    (
        &["process::Command", "process::exit"],
        &[
            "pimg/host/tools.rs",
            "pimg/host/machine.rs",
            "pimg/host/namespace.rs",
            "pimg/host/inside.rs",
            "pimg/cli/interrupt.rs",
        ],
    ),
    (&["env::var", "SystemTime::now"], &["pimg/host/env.rs", "embed.rs"]),
    (&["serde"], &["pimg/", "fetch/"]),
];

#[derive(Debug)]
struct Source {
    /// Path below `builder/`.
    path: String,
    /// The code without comments and tests.
    code: String,
}

fn builder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("builder")
}

/// Every file of the program itself, sorted; test programs and test helpers are left out.
fn sources() -> Vec<Source> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).expect("builder can be read") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !["tests", "benches", "examples", "target"].contains(&name.as_str()) {
                walk(&path, found);
            } else if name.ends_with(".rs") && !name.contains("test") {
                found.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    walk(&builder(), &mut paths);
    paths.sort();
    assert!(paths.len() > 50, "only {} files found in builder/", paths.len());
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("UTF-8");
        let path = path.strip_prefix(builder()).expect("below builder").display().to_string();
        Source { path, code: code_of(&text) }
    };
    paths.into_iter().map(read).collect()
}

/// The code without comments, and without the tests at its end.
fn code_of(text: &str) -> String {
    let program = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = program.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| line.split(" // ").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// What `code` imports: `crate::a::b` gives `a::b`, `crate::{a::b, c}` gives `a::b` and `c`, packages their name.
fn imports(path: &str, code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = code.get(at + "crate::".len()..).unwrap_or_default();
        match rest.strip_prefix('{') {
            Some(group) => found.extend(top_level_items(group)),
            None => found.push(path_prefix(rest)),
        }
    }
    for package in ["pimg_disk", "pimg_deb", "pimg_fetch"] {
        if code.contains(package) {
            found.push(package.to_owned());
        }
    }
    found.extend(escapes(path, code));
    found
}

/// `super::super::x` that leaves the room by the roof.
fn escapes(path: &str, code: &str) -> Vec<String> {
    let file = path.strip_prefix("pimg/").unwrap_or(path).trim_end_matches(".rs").trim_end_matches("/mod");
    let depth = file.split('/').count();
    let roof = "super::".repeat(depth);
    code.match_indices(&roof)
        .map(|(at, _)| path_prefix(code.get(at + roof.len()..).unwrap_or_default()))
        .collect()
}

fn path_prefix(text: &str) -> String {
    let is_path = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    text.chars().take_while(|&c| is_path(c)).collect::<String>().trim_end_matches(':').to_owned()
}

/// The paths of a `{…}` group, at its outermost level; `group` begins behind the brace.
fn top_level_items(group: &str) -> Vec<String> {
    let mut depth = 1;
    let mut items = vec![String::new()];
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => items.push(String::new()),
            _ if depth == 1 => items.last_mut().expect("never empty").push(c),
            _ => {}
        }
    }
    items.iter().map(|item| path_prefix(item.trim())).filter(|item| !item.is_empty()).collect()
}

/// The room of a file of the package `pimg`.
fn room(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("pimg/")?;
    inside.split('/').next().map(|first| first.trim_end_matches(".rs"))
}

fn is_below(import: &str, allowed: &str) -> bool {
    import == allowed || import.strip_prefix(allowed).is_some_and(|rest| rest.starts_with("::"))
}

fn is_allowed(room: &str, import: &str) -> bool {
    let allowed = ARROWS.iter().find(|(name, _)| *name == room).map(|(_, allowed)| *allowed);
    is_below(import, room) || allowed.unwrap_or_default().iter().any(|allowed| is_below(import, allowed))
}

#[test]
fn every_room_is_in_the_table() {
    for source in sources() {
        if let Some(room) = room(&source.path) {
            assert!(
                ARROWS.iter().any(|(name, _)| *name == room),
                "builder/{} is in no room we know",
                source.path
            );
        }
    }
}

#[test]
fn the_map_names_every_room() {
    let map = fs::read_to_string(builder().join("README.md")).expect("builder/README.md is the map");
    for entry in fs::read_dir(builder().join("pimg")).expect("builder can be read") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().trim_end_matches(".rs").to_owned();
        let is_said =
            |line: &str| line.starts_with(&format!("{name}/ ")) || line.starts_with(&format!("{name}.rs "));
        let is_there = name == "lib" || map.lines().any(|line| is_said(line.trim_start()));
        assert!(is_there, "builder/README.md does not say what `{name}` is for");
    }
}

#[test]
fn rooms_import_only_what_the_arrows_allow() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(room) = room(&source.path) else { continue };
        for import in imports(&source.path, &source.code) {
            if !is_allowed(room, &import) {
                wrong.push(format!("builder/{}: `{room}` must not know `{import}`", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_rooms_for_it_reach_into_the_world() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (words, places) in FENCES {
            for word in words {
                if source.code.contains(word) && !places.iter().any(|place| source.path.starts_with(place)) {
                    wrong.push(format!("builder/{}: `{word}`", source.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn this_test_sees_what_it_looks_for() {
    let code = code_of(
        "use crate::{cli::args, plan::{change, path}};\nuse super::super::secret::Secret;\n// use crate::boot;\n\
         fn f() { crate::image::apply::run(); }\n#[cfg(test)]\nmod tests {\nuse crate::cli;",
    );
    assert_eq!(
        imports("pimg/guest/ssh.rs", &code),
        ["cli::args", "plan", "image::apply::run", "secret::Secret"]
    );
    assert!(
        !is_allowed("guest", "cli::args") && is_allowed("guest", "plan") && is_allowed("cli", "host::env::x")
    );
    assert!(!is_allowed("cli", "host::files") && !is_allowed("cli", "host::environment"));
}

#[test]
fn files_stay_short() {
    for source in sources() {
        let text = fs::read_to_string(builder().join(&source.path)).expect("UTF-8");
        let lines = text.lines().count();
        assert!(lines <= 600, "builder/{} has {lines} lines, 600 are allowed", source.path);
        assert!(text.starts_with("//! "), "builder/{} does not begin with what it is for", source.path);
    }
}
