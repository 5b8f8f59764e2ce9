//! Language, time zone and keyboard.
//!
//! A locale that the base has not generated cannot be made here: `localedef` runs on the node. Until it has, the
//! node speaks `C.UTF-8`, so that nothing warns; the step `locale` of an overlay can generate what `/etc/locale.gen`
//! names and then set `LANG` to the `language` that `/etc/pimg/locale.conf` tells.

use super::base_files::EntryKind;
use super::error::Error;
use super::inputs::{Changes, Inputs};
use super::shell;
use crate::plan::change::{Change, Partition};
use crate::plan::path::GuestPath;

const FALLBACK: &str = "C.UTF-8";
/// Time zones, of the package `tzdata`.
const ZONES: &str = "/usr/share/zoneinfo";

/// The changes of this file.
///
/// # Errors
/// The base knows no such locale or time zone, or cannot be read.
pub fn changes(inputs: &Inputs<'_>) -> Result<Vec<Change>, Error> {
    let mut changes = Changes::default();
    time_zone(inputs, &mut changes)?;
    language(inputs, &mut changes)?;
    let locale = &inputs.host.locale;
    let keyboard = inputs.read("/etc/default/keyboard")?.unwrap_or_default();
    let values = [
        ("XKBMODEL", locale.keyboard_model.as_str()),
        ("XKBLAYOUT", locale.keyboard_layout.as_str()),
        ("XKBVARIANT", locale.keyboard_variant.as_str()),
    ];
    let keyboard = keyboard_file(&super::inputs::text("/etc/default/keyboard", keyboard)?, &values)?;
    changes.file("/etc/default/keyboard", 0o644, keyboard, inputs.key("locale.keyboard"))?;
    // the console's keymap as it was compiled for the base's keyboard; without it the node compiles its own
    for name in inputs.list("/etc/console-setup")? {
        if name.starts_with("cached_") && (name.ends_with(".kmap.gz") || name == "cached_setup_keyboard.sh") {
            changes.remove(&format!("/etc/console-setup/{name}"), inputs.key("locale.keyboard"))?;
        }
    }
    Ok(changes.0)
}

fn time_zone(inputs: &Inputs<'_>, changes: &mut Changes) -> Result<(), Error> {
    let zone = &inputs.host.locale.timezone;
    let unknown = || Error::value("locale.timezone", zone, "is not a time zone that the base image knows");
    if inputs.kind(ZONES)?.is_none() {
        return Err(Error::Missing { path: ZONES.to_owned() });
    }
    let path = GuestPath::new(format!("{ZONES}/{zone}")).map_err(|_| unknown())?;
    // names of an older time are links to newer ones
    if !matches!(inputs.base.kind(Partition::Root, &path)?, Some(EntryKind::File | EntryKind::Symlink(_))) {
        return Err(unknown());
    }
    changes.symlink("/etc/localtime", path.as_str(), inputs.key("locale.timezone"))?;
    changes.file("/etc/timezone", 0o644, format!("{zone}\n"), inputs.key("locale.timezone"))
}

fn language(inputs: &Inputs<'_>, changes: &mut Changes) -> Result<(), Error> {
    let locale = &inputs.host.locale;
    let wanted: Vec<&str> = locale.generate.iter().chain([&locale.default]).map(String::as_str).collect();
    let archive = inputs.read("/usr/lib/locale/locale-archive")?.unwrap_or_default();
    let directories = inputs.list("/usr/lib/locale")?;
    let there: Vec<String> = archive_names(&archive).into_iter().chain(directories).collect();
    let is_there = |name: &str| built_in(name) || there.contains(&archived_name(name));
    let language = if is_there(&locale.default) { &locale.default } else { FALLBACK };

    // Debian 13 has one file under two names
    let linked = matches!(inputs.kind("/etc/default/locale")?, Some(EntryKind::Symlink(to)) if to.ends_with("locale.conf"));
    let path = if linked { "/etc/locale.conf" } else { "/etc/default/locale" };
    changes.file(path, 0o644, format!("LANG={language}\n"), inputs.key("locale.default"))?;

    let settings = format!("language={}\n", shell::word(&locale.default));
    changes.file("/etc/pimg/locale.conf", 0o644, settings, inputs.key("locale.default"))?;

    let Some(known) = inputs.read("/etc/locale.gen")? else {
        // without the package `locales` nothing could ever be generated
        let missing = || Error::Missing { path: "/etc/locale.gen".to_owned() };
        return if wanted.iter().all(|name| is_there(name)) { Ok(()) } else { Err(missing()) };
    };
    let known = super::inputs::text("/etc/locale.gen", known)?;
    let to_generate: Vec<&str> = wanted.iter().copied().filter(|name| !built_in(name)).collect();
    changes.file("/etc/locale.gen", 0o644, locale_gen(&known, &to_generate)?, inputs.key("locale.generate"))
}

/// Locales that the C library has without any file, and Debian without generating.
fn built_in(name: &str) -> bool {
    matches!(name, "C" | "POSIX" | "C.UTF-8" | "C.utf8")
}

/// A locale's name as the archive and the directories have it: the codeset in lower case, without punctuation.
fn archived_name(name: &str) -> String {
    let (name, modifier) = name.split_once('@').map_or((name, String::new()), |(n, m)| (n, format!("@{m}")));
    match name.split_once('.') {
        Some((language, codeset)) => {
            let codeset: String = codeset.chars().filter(char::is_ascii_alphanumeric).collect();
            format!("{language}.{}{modifier}", codeset.to_ascii_lowercase())
        }
        None => format!("{name}{modifier}"),
    }
}

/// Names in a locale archive (`struct locarhead` in glibc's `locale/locarchive.h`, little-endian on arm64); none where
/// it is no such archive.
pub fn archive_names(archive: &[u8]) -> Vec<String> {
    const MAGIC: u32 = 0xde02_0109;
    let word = |offset: usize| {
        let bytes = archive.get(offset..offset.checked_add(4)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    // magic, serial, namehash_offset, namehash_used, namehash_size
    let (Some(MAGIC), Some(table), Some(slots)) = (word(0), word(8), word(16)) else { return Vec::new() };
    let name = |slot: usize| {
        // hashval, name_offset, locrec_offset; a slot without a record is free
        let entry = (table as usize).checked_add(slot.checked_mul(12)?)?;
        let (name, record) = (word(entry.checked_add(4)?)?, word(entry.checked_add(8)?)?);
        let text = archive.get(name as usize..).filter(|_| record != 0)?;
        let end = text.iter().take(256).position(|&byte| byte == 0)?;
        String::from_utf8(text.get(..end)?.to_vec()).ok()
    };
    let fits = archive.len() / 12;
    (0..(slots as usize).min(fits)).filter_map(name).collect()
}

/// `/etc/locale.gen` with the lines of `wanted` in force and no others: each costs the node a minute.
///
/// # Errors
/// A locale is not among those that the file lists, commented out or not.
pub fn locale_gen(text: &str, wanted: &[&str]) -> Result<String, Error> {
    let entry = |line: &str| {
        let line = line.trim_start_matches('#').trim();
        let (name, charset) = line.split_once(' ')?;
        (!charset.trim().contains(' ')).then(|| name.to_owned())
    };
    let known: Vec<String> = text.lines().filter_map(entry).collect();
    if let Some(unknown) = wanted.iter().find(|name| !known.iter().any(|known| known == *name)) {
        return Err(Error::value("locale.generate", *unknown, "is not a locale that the base image knows"));
    }
    let in_force = |line: &str| match entry(line) {
        Some(name) if wanted.contains(&name.as_str()) => {
            line.trim_start_matches('#').trim().to_owned() + "\n"
        }
        Some(_) if !line.starts_with('#') => format!("# {line}\n"),
        _ => format!("{line}\n"),
    };
    Ok(text.lines().map(in_force).collect())
}

/// `/etc/default/keyboard` (`keyboard(5)`) with `values` set.
///
/// # Errors
/// A value holds what the shell would take apart.
pub fn keyboard_file(text: &str, values: &[(&'static str, &str)]) -> Result<String, Error> {
    if let Some((_, bad)) = values.iter().find(|(_, value)| value.contains(['"', '\\', '$', '`', '\n'])) {
        return Err(Error::value("locale.keyboard", *bad, "is not a keyboard setting"));
    }
    let setting = |key: &str| {
        values.iter().find(|(name, _)| *name == key).map(|(_, value)| format!("{key}=\"{value}\"\n"))
    };
    let mut missing: Vec<_> = values.iter().map(|(key, _)| *key).collect();
    let mut output = String::new();
    for line in text.lines() {
        let key = line.split('=').next().unwrap_or_default().trim();
        match setting(key) {
            Some(set) => {
                missing.retain(|name| *name != key);
                output.push_str(&set);
            }
            None => output.extend([line, "\n"]),
        }
    }
    output.extend(missing.into_iter().filter_map(setting));
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::{archive_names, archived_name, changes, keyboard_file, locale_gen};
    use crate::guest::test_support::{
        MapBase, host, inputs, judge, link, put, removed, skip, temporary, untouched,
    };

    const GEN: &str = "# This file lists locales that you wish to have built.\n# en_AU ISO-8859-1\n# en_AU.UTF-8 UTF-8\nen_GB.UTF-8 UTF-8\n";

    fn base() -> MapBase {
        MapBase::default()
            .file("/usr/share/zoneinfo/Australia/Sydney", "TZif")
            .file("/etc/locale.gen", GEN)
            .symlink("/etc/default/locale", "../locale.conf")
            .file("/etc/default/keyboard", "# K\nXKBMODEL=\"pc105\"\nXKBLAYOUT=\"gb\"\nBACKSPACE=\"guess\"\n")
    }

    #[test]
    fn speaks_c_until_the_language_is_generated() {
        let (host, base) = (host(), base());
        let found = changes(&inputs(&host, &base)).expect("changes");
        assert_eq!(put(&found, "/etc/locale.conf").0, "LANG=C.UTF-8\n");
        assert!(untouched(&found, "/etc/default/locale"));
        assert_eq!(put(&found, "/etc/pimg/locale.conf").0, "language='en_AU.UTF-8'\n");
        assert!(put(&found, "/etc/locale.gen").0.contains("\nen_AU.UTF-8 UTF-8\n# en_GB.UTF-8 UTF-8\n"));

        let generated =
            base.clone().file("/usr/lib/locale/en_AU.utf8/LC_TIME", "").file("/etc/default/locale", "");
        let found = changes(&inputs(&host, &generated)).expect("changes");
        assert_eq!(put(&found, "/etc/default/locale").0, "LANG=en_AU.UTF-8\n");
    }

    #[test]
    fn time_zone_and_keyboard_are_the_profiles() {
        let mut host = host();
        let base = base()
            .file("/etc/console-setup/cached_setup_keyboard.sh", "")
            .file("/etc/console-setup/a.gz", "");
        let found = changes(&inputs(&host, &base)).expect("changes");
        assert_eq!(link(&found, "/etc/localtime"), "/usr/share/zoneinfo/Australia/Sydney");
        assert_eq!(put(&found, "/etc/timezone").0, "Australia/Sydney\n");
        assert!(put(&found, "/etc/default/keyboard").0.contains("XKBLAYOUT=\"us\"\n"));
        assert!(removed(&found, "/etc/console-setup/cached_setup_keyboard.sh"));
        assert!(untouched(&found, "/etc/console-setup/a.gz"));
        for zone in ["Mars/Olympus", "../../etc/shadow", "Australia", ""] {
            host.locale.timezone = zone.to_owned();
            let error = changes(&inputs(&host, &base)).expect_err(zone).to_string();
            assert!(error.contains("locale.timezone"), "{error}");
        }
    }

    #[test]
    fn locale_gen_turns_on_what_is_wanted() {
        assert_eq!(locale_gen("# a UTF-8\n#b X\nc Y\n", &["b"]).expect("known"), "# a UTF-8\nb X\n# c Y\n");
        let error = locale_gen(GEN, &["xx_XX.UTF-8"]).expect_err("unknown").to_string();
        assert_eq!(error, "`locale.generate`: `xx_XX.UTF-8` is not a locale that the base image knows");
        assert_eq!(archived_name("de_DE.ISO-8859-15@euro"), "de_DE.iso885915@euro");
    }

    #[test]
    fn reads_the_archive_that_localedef_makes() {
        let directory = temporary();
        fs_err::create_dir_all(directory.path().join("usr/lib/locale")).expect("directory");
        let prefix = format!("--prefix={}", directory.path().display());
        let command = [
            "localedef",
            &prefix,
            "-i",
            "en_AU",
            "-c",
            "-f",
            "UTF-8",
            "-A",
            "/usr/share/locale/locale.alias",
        ];
        if !std::path::Path::new("/usr/share/i18n/locales/en_AU").exists() {
            return skip("the package `locales`");
        }
        if judge(&command, std::path::Path::new("en_AU.UTF-8")).is_none() {
            return;
        }
        let archive = fs_err::read(directory.path().join("usr/lib/locale/locale-archive")).expect("made");
        assert!(archive_names(&archive).contains(&"en_AU.utf8".to_owned()), "{:?}", archive_names(&archive));
        for cut in [0, 3, 20, 100, archive.len() / 2] {
            archive_names(archive.get(..cut).expect("within"));
        }
    }

    #[test]
    fn keyboard_keeps_what_is_not_asked_about() {
        let text = keyboard_file(
            "# c\nXKBLAYOUT=\"gb\"\nBACKSPACE=\"guess\"\n",
            &[("XKBLAYOUT", "us"), ("XKBMODEL", "m")],
        );
        assert_eq!(text.expect("valid"), "# c\nXKBLAYOUT=\"us\"\nBACKSPACE=\"guess\"\nXKBMODEL=\"m\"\n");
        assert!(keyboard_file("", &[("XKBLAYOUT", "$(reboot)")]).is_err());
    }
}
