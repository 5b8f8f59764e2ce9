//! Values to the text of a lock: sorted, and laid out for diffs.
//!
//! A package is one line, an inline table in an array. So an upgrade is one line less and one more, with the name
//! in front of both; in a table of its own it would be a hunk of four changed lines that may not even show the
//! name, and two hundred packages would be two thousand lines.

use std::fmt::Write;

use toml::Value;

use super::lockfile::{LockedModule, LockedPackage, LockedSet, Lockfile};

/// The version that this pimg reads and writes.
pub(super) const VERSION: u64 = 1;

/// The newest revision of it that this pimg knows: the first that has modules.
pub(super) const REVISION: u64 = 2;

/// The one that is written where there is nothing that it does not have, so that an older pimg reads it.
const PLAIN: u64 = 1;

const HEAD: &str = "\
# What `pimg build` installs, byte for byte. Written by `pimg lock`; keep it in git.
";

impl Lockfile {
    /// The text of the lock. The order of the values makes no difference to it.
    pub fn to_text(&self) -> String {
        let revision = if self.module.is_empty() { PLAIN } else { REVISION };
        let mut text = format!("{HEAD}version = {VERSION}\nrevision = {revision}\n");
        for base in sorted(&self.base, |base| &base.url) {
            text.push_str("\n[[base]]\n");
            let (sha256, raw_sha256) = (&base.sha256, &base.raw_sha256);
            strings(&mut text, [("url", &base.url), ("sha256", sha256), ("raw_sha256", raw_sha256)]);
        }
        for one in sorted(&self.repository, |one| &one.name) {
            text.push_str("\n[[repository]]\n");
            strings(&mut text, [("name", &one.name), ("uri", &one.uri), ("suite", &one.suite)]);
            // apt reads them in this order
            list(&mut text, "components", &one.components);
            strings(&mut text, [("date", &one.date), ("sha256", &one.sha256), ("signed_by", &one.signed_by)]);
        }
        for one in sorted(&self.keyring, |one| &one.name) {
            text.push_str("\n[[keyring]]\n");
            strings(&mut text, [("name", &one.name), ("url", &one.url), ("sha256", &one.sha256)]);
            list(&mut text, "fingerprints", &in_order(&one.fingerprints));
            let _ = writeln!(text, "size = {}", one.size);
        }
        for one in sorted(&self.download, |one| &one.name) {
            text.push_str("\n[[download]]\n");
            strings(&mut text, [("name", &one.name), ("url", &one.url), ("sha256", &one.sha256)]);
            let _ = writeln!(text, "size = {}", one.size);
        }
        let mut sets: Vec<_> = self.set.iter().collect();
        sets.sort_by_key(|set| in_order(&set.profiles));
        for one in sets {
            set(&mut text, one);
        }
        let mut modules: Vec<_> = self.module.iter().collect();
        modules.sort_by_key(|module| (&module.name, &module.version));
        for one in modules {
            module(&mut text, one);
        }
        text
    }
}

fn set(text: &mut String, set: &LockedSet) {
    text.push_str("\n[[set]]\n");
    list(text, "profiles", &in_order(&set.profiles));
    strings(text, [("base", &set.base), ("request", &set.request)]);
    list(text, "remove", &in_order(&set.remove));
    list(text, "hold", &in_order(&set.hold));
    list(text, "manual", &in_order(&set.manual));
    packages(text, &set.package);
}

fn module(text: &mut String, module: &LockedModule) {
    text.push_str("\n[[module]]\n");
    strings(text, [("name", &module.name), ("version", &module.version)]);
    list(text, "profiles", &in_order(&module.profiles));
    strings(
        text,
        [
            ("kernel", &module.kernel),
            ("kernel_version", &module.kernel_version),
            ("zfs", &module.zfs),
            ("compiler", &module.compiler),
            ("machine", &module.machine),
            ("file", &module.file),
        ],
    );
    if let Some(url) = &module.url {
        strings(text, [("url", url)]);
    }
    let _ = writeln!(text, "size = {}", module.size);
    strings(text, [("sha256", &module.sha256)]);
    packages(text, &module.package);
}

fn packages(text: &mut String, packages: &[LockedPackage]) {
    text.push_str("package = [\n");
    let mut packages: Vec<_> = packages.iter().collect();
    packages.sort_by_key(|package| (&package.name, &package.architecture));
    for package in packages {
        let _ = writeln!(text, "  {},", inline(package));
    }
    text.push_str("]\n");
}

fn inline(package: &LockedPackage) -> String {
    let LockedPackage { name, version, architecture, repository, file, size, sha256, reason } = package;
    // what a person looks for stands in front, what only machines compare behind
    let cells = [
        ("name", name),
        ("version", version),
        ("architecture", architecture),
        ("reason", reason),
        ("repository", repository),
        ("file", file),
    ];
    let mut line = String::from("{ ");
    for (key, value) in cells {
        let _ = write!(line, "{key} = {}, ", quoted(value));
    }
    let _ = write!(line, "size = {size}, sha256 = {} }}", quoted(sha256));
    line
}

fn strings<const N: usize>(text: &mut String, pairs: [(&str, &String); N]) {
    for (key, value) in pairs {
        let _ = writeln!(text, "{key} = {}", quoted(value));
    }
}

/// One item a line where there are several; nothing at all where there are none.
fn list(text: &mut String, key: &str, items: &[String]) {
    match items {
        [] => {}
        [only] => {
            let _ = writeln!(text, "{key} = [{}]", quoted(only));
        }
        items => {
            let _ = writeln!(text, "{key} = [");
            for item in items {
                let _ = writeln!(text, "  {},", quoted(item));
            }
            text.push_str("]\n");
        }
    }
}

fn quoted(value: &str) -> String {
    Value::String(value.to_owned()).to_string()
}

fn in_order(items: &[String]) -> Vec<String> {
    let mut sorted = items.to_vec();
    sorted.sort();
    sorted
}

fn sorted<T>(items: &[T], key: impl Fn(&T) -> &String) -> Vec<&T> {
    let mut sorted: Vec<&T> = items.iter().collect();
    sorted.sort_by(|a, b| key(a).cmp(key(b)));
    sorted
}

#[cfg(test)]
mod tests {
    use super::Lockfile;
    use crate::lock::error::{LockError, Mistake};
    use crate::lock::lockfile::LockedSet;
    use crate::lock::lockfile::tests::{base, full, package};

    #[test]
    fn the_text_is_sorted_and_a_package_is_one_line() {
        insta::assert_snapshot!(full().to_text(), @r#"
        # What `pimg build` installs, byte for byte. Written by `pimg lock`; keep it in git.
        version = 1
        revision = 1

        [[base]]
        url = "https://example.com/base.img.xz"
        sha256 = "abababababababababababababababababababababababababababababababab"
        raw_sha256 = "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"

        [[repository]]
        name = "debian"
        uri = "https://example.com/debian"
        suite = "trixie"
        components = [
          "main",
          "contrib",
        ]
        date = "2026-08-19T08:12:01Z"
        sha256 = "1212121212121212121212121212121212121212121212121212121212121212"
        signed_by = "4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D4D"

        [[keyring]]
        name = "pxvirt"
        url = "https://example.com/key.gpg"
        sha256 = "3434343434343434343434343434343434343434343434343434343434343434"
        fingerprints = ["5E5E5E5E5E5E5E5E5E5E5E5E5E5E5E5E5E5E5E5E"]
        size = 1187

        [[download]]
        name = "acme.sh"
        url = "https://example.com/acme.tar.gz"
        sha256 = "5656565656565656565656565656565656565656565656565656565656565656"
        size = 220000

        [[set]]
        profiles = [
          "node-a",
          "node-b",
        ]
        base = "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
        request = "7878787878787878787878787878787878787878787878787878787878787878"
        remove = ["dphys-swapfile"]
        manual = ["zsh"]
        package = [
          { name = "byobu", version = "6.11-2", architecture = "arm64", reason = "asked for", repository = "debian", file = "pool/main/byobu_6.11-2_arm64.deb", size = 1000, sha256 = "62796f6275362e31312d32000000000000000000000000000000000000000000" },
          { name = "zsh", version = "5.9-8+b15", architecture = "arm64", reason = "asked for", repository = "debian", file = "pool/main/zsh_5.9-8+b15_arm64.deb", size = 1000, sha256 = "7a7368352e392d382b6231350000000000000000000000000000000000000000" },
        ]
        "#);
    }

    #[test]
    fn reads_back_what_it_wrote() {
        let mut lock = full();
        lock.set[0].package.reverse();
        assert_eq!(Lockfile::parse(&lock.to_text()), Ok(lock.clone()));
        assert_eq!(Lockfile::parse(&Lockfile::new().to_text()), Ok(Lockfile::new()));
        // what TOML has to escape
        lock.set[0].package[0].reason = "needed by \"x\" \\ 'y'".into();
        lock.base[0].url = "/home/ä b/base.img".into();
        assert_eq!(Lockfile::parse(&lock.to_text()), Ok(lock));
    }

    #[test]
    fn an_upgrade_is_one_line() {
        let old = full().to_text();
        let mut lock = full();
        lock.set[0].package[0] = package("zsh", "5.9-9");
        let new = lock.to_text();
        let changed: Vec<_> = old.lines().zip(new.lines()).filter(|(old, new)| old != new).collect();
        assert_eq!((changed.len(), old.lines().count()), (1, new.lines().count()));
        assert!(changed[0].1.starts_with("  { name = \"zsh\", version = \"5.9-9\""), "{changed:?}");
    }

    #[test]
    fn the_order_of_values_makes_no_difference() {
        let mut lock = full();
        lock.set.push(LockedSet { profiles: vec!["node-0".into()], ..LockedSet::default() });
        let text = lock.to_text();
        lock.set.reverse();
        lock.set[1].package.reverse();
        lock.set[1].profiles.reverse();
        assert_eq!(lock.to_text(), text);
    }

    #[test]
    fn a_lock_written_by_hand_before_packages_existed() {
        let text = format!(
            "version = 1\n[base]\nurl = \"{}\"\nsha256 = \"{}\"\nraw_sha256 = \"{}\"\n",
            base().url,
            base().sha256,
            base().raw_sha256
        );
        assert_eq!(Lockfile::parse(&text).map(|lock| lock.base), Ok(vec![base()]));
    }

    #[test]
    fn a_later_revision_may_add_keys() {
        let text = full().to_text().replace("revision = 1", "revision = 7");
        let text = text.replace("suite =", "colour = 1\nsuite =") + "[news]\nx = 1\n";
        assert_eq!(Lockfile::parse(&text).map(|lock| lock.totals().packages), Ok(2));
        assert!(Lockfile::parse(&text.replace("revision = 7", "revision = 1")).is_err());
        assert_eq!(
            Lockfile::parse("version = 2\nnews = 1\n"),
            Err(LockError::Version { got: 2, expected: 1 })
        );
    }

    /// The full lock with one text replaced: line, column and message of what is wrong.
    fn refused(from: &str, to: &str) -> String {
        let text = full().to_text();
        assert!(text.contains(from), "{from}");
        match Lockfile::parse(&text.replacen(from, to, 1)) {
            Err(error) => error.to_string(),
            Ok(_) => format!("`{to}` is accepted"),
        }
    }

    #[test]
    fn refuses_what_it_cannot_have_written_and_says_where() {
        let digest = "a SHA-256 digest in lower-case hexadecimal, got";
        let below = "a path below the repository, without `..`, got";
        let again = format!(
            "[[keyring]]\nname = \"pxvirt\"\nurl = \"x\"\nsize = 1\nsha256 = \"{}\"\n[[download]]",
            "34".repeat(32)
        );
        for (from, to, expected) in [
            ("version = 1\n", "", "1:1 the lock has no key `version`"),
            ("[[base]]", "[[bse]]", "5:3 unknown key `bse`"),
            ("raw_sha256 = \"cd", "raw_sha256 = \"C", &format!("8:14 `raw_sha256` is to be {digest} `Ccd")),
            ("suite =", "suit =", "10:1 repository has no key `suite`"),
            ("suite =", "suit = 1\nsuite =", "13:1 unknown key `suit`"),
            (
                "2026-08",
                "08-2026",
                "18:8 `date` is to be a date such as `2026-08-19T08:12:01Z`, got `08-2026-19T",
            ),
            ("size = 1187", "size = -1", "27:8 `size` is to be a whole number"),
            ("size = 1187", "size = \"1187\"", "27:8 `size` is to be a whole number"),
            ("signed_by = \"4D", "signed_by = \"", "20:13 `signed_by` is to be a fingerprint of 40 or 64"),
            ("\"pool/", "\"/pool/", &format!("45:117 `file` is to be {below} `/pool/main/byobu")),
            ("\"pool/", "\"pool/../../", &format!("45:117 `file` is to be {below} `pool/../../main")),
            (
                "repository = \"debian\"",
                "repository = \"debain\"",
                "45:3 package `byobu` comes from repository `debain`, which the lock does not name",
            ),
            ("name = \"byobu\"", "name = \"zsh\"", "46:3 package `zsh:arm64` is named twice"),
            ("\"node-b\"", "\"node-a\"", "35:1 profile `node-a` is named twice"),
            ("[[download]]", &again, "29:1 keyring `pxvirt` is named twice"),
        ] {
            let told = refused(from, to);
            assert!(told.starts_with(&format!("`pimg.lock`:{expected}")), "{to}: {told}");
        }
    }

    #[test]
    fn what_is_no_toml_has_a_place_too() {
        let Err(LockError::Syntax { line, column, .. }) = Lockfile::parse("version = 1\nbase = [\n") else {
            panic!("an array that does not end");
        };
        assert!(line >= 2 && column >= 1);
        let error = Lockfile::parse("version = 1\nbase = 3\n").expect_err("no table");
        let mistake = Mistake::WrongType { key: "base".into(), expected: "a list of tables" };
        assert_eq!(error, LockError::Invalid { line: 2, column: 8, mistake });
    }
}
