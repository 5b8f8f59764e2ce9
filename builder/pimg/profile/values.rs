//! Rules for single values: sizes, digests, names. Each says what is wrong in words that fit behind a caret.

use super::types::InvalidValue;

pub(crate) type Checked<T> = Result<T, InvalidValue>;

pub(crate) fn wrong<T>(message: impl Into<String>) -> Checked<T> {
    Err(InvalidValue(message.into()))
}

/// Bytes of `16GiB`, `512MiB`, `64KiB`, `1TiB` or a plain number.
pub(crate) fn size(text: &str) -> Checked<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim_start() {
        "" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => {
            return wrong(
                "is not a size: write a whole number with `KiB`, `MiB`, `GiB` or `TiB`, such as `16GiB`",
            );
        }
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    bytes.map_or_else(|| wrong("is not a size that fits 64 bits"), Ok)
}

pub(crate) fn sha256(text: &str) -> Checked<String> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return wrong(format!(
            "a SHA-256 has 64 hexadecimal digits, this has {} characters",
            text.chars().count()
        ));
    }
    Ok(text.to_ascii_lowercase())
}

/// Where a file comes from: `https:` or `file:` URL, or a path of the host.
pub(crate) fn source(text: &str) -> Checked<String> {
    if text.is_empty() || text.contains(char::is_control) {
        return wrong("is neither an address nor a path");
    }
    match text.split_once("://") {
        Some(("https", rest)) if !rest.starts_with('/') && !rest.is_empty() && !text.contains(' ') => {
            Ok(text.to_owned())
        }
        Some(("file", rest)) if rest.starts_with('/') => Ok(text.to_owned()),
        Some(("http", _)) => wrong("is fetched without protection: use `https:`"),
        Some(_) => wrong("is not an `https:` or `file:` address"),
        None => Ok(text.to_owned()),
    }
}

pub(crate) fn https(text: &str) -> Checked<String> {
    if text.starts_with("https://") { source(text) } else { wrong("is not an `https:` address") }
}

/// Where baked layers are. More than its beginning is known to whoever goes there.
pub(crate) fn layers(text: &str) -> Checked<String> {
    match text.split_once("://") {
        Some(("oci" | "https" | "http" | "s3", rest)) if rest.is_empty() || rest.starts_with('/') => {
            wrong("names no host")
        }
        Some(("oci" | "https" | "http" | "s3" | "file", _)) if text.contains([' ', '@', '?', '#']) => {
            wrong("is an address with more than a place in it")
        }
        Some(("oci" | "https" | "http" | "s3", _)) => Ok(text.to_owned()),
        Some(("file", rest)) if rest.starts_with('/') => Ok(text.to_owned()),
        _ => {
            wrong("is not an `oci:`, `https:`, `s3:` or `file:` address, such as `oci://ghcr.io/you/layers`")
        }
    }
}

/// A version goes into file names.
pub(crate) fn version(text: &str) -> Checked<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._+~-".contains(c);
    if text.is_empty() || text.len() > 64 || !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return wrong("a version has 1 to 64 characters and starts with a letter or digit");
    }
    if text.chars().all(allowed) {
        Ok(text.to_owned())
    } else {
        wrong("a version goes into file names: letters, digits and `.` `_` `+` `~` `-` only")
    }
}

/// A GECOS full name: the field ends at a comma, the line of passwd at a colon.
pub(crate) fn full_name(text: &str) -> Checked<String> {
    match text.chars().find(|&c| c == ':' || c == ',' || c.is_control()) {
        Some(_) => wrong("`:`, `,` and line breaks are not allowed in a full name"),
        None => Ok(text.to_owned()),
    }
}

pub(crate) fn shell(text: &str) -> Checked<String> {
    let odd = |c: char| c == ':' || c.is_whitespace() || c.is_control();
    if !text.starts_with('/') || text.ends_with('/') || text.contains(odd) {
        return wrong("is not the absolute path of a shell, such as `/bin/bash`");
    }
    Ok(text.to_owned())
}

/// A UTF-8 locale as `locale-gen` knows it.
pub(crate) fn locale(text: &str) -> Checked<String> {
    const SHAPE: &str = "is not a UTF-8 locale, such as `en_AU.UTF-8`";
    let (name, modifier) = text.split_once('@').map_or((text, None), |(name, rest)| (name, Some(rest)));
    let Some(place) = name.strip_suffix(".UTF-8") else { return wrong(SHAPE) };
    let (language, territory) = place.split_once('_').map_or((place, None), |(l, t)| (l, Some(t)));
    let lower = |s: &str, range: std::ops::RangeInclusive<usize>| {
        range.contains(&s.len()) && s.bytes().all(|b| b.is_ascii_lowercase())
    };
    let fits = place == "C"
        || lower(language, 2..=3)
            && territory.is_some_and(|t| t.len() == 2 && t.bytes().all(|b| b.is_ascii_uppercase()));
    if fits && modifier.is_none_or(|m| lower(m, 1..=16)) { Ok(text.to_owned()) } else { wrong(SHAPE) }
}

/// A name in the time zone database. Whether the zone exists is known to the base image only.
pub(crate) fn timezone(text: &str) -> Checked<String> {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_uppercase())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "_+-".contains(c))
    };
    let parts = text.split('/').count();
    if text.split('/').all(part) && (text == "UTC" || (2..=3).contains(&parts)) {
        Ok(text.to_owned())
    } else {
        wrong("is not a time zone, such as `Australia/Sydney` or `Etc/UTC`")
    }
}

/// A value of `/etc/default/keyboard`, which is read by a shell.
pub(crate) fn keyboard(text: &str) -> Checked<String> {
    if text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || "_,-".contains(c)) {
        Ok(text.to_owned())
    } else {
        wrong("is not a keyboard setting: letters, digits, `_`, `-` and `,` only")
    }
}

/// A network interface as the kernel accepts it (`IFNAMSIZ` less the final NUL).
pub(crate) fn interface(text: &str) -> Checked<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if text.is_empty() || text.len() > 15 {
        return wrong("an interface name has 1 to 15 characters");
    }
    if !text.chars().all(allowed) || text.starts_with(['.', '-']) {
        return wrong("is not an interface name, such as `end0`");
    }
    Ok(text.to_owned())
}

/// VLAN ids as ifupdown2 writes `bridge-vids`: ids and ranges with spaces between.
pub(crate) fn vlan_ids(text: &str) -> Checked<String> {
    let id = |text: &str| text.parse::<u16>().ok().filter(|id| (1..=4094).contains(id));
    let mut words = Vec::new();
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        let (low, high) = word.split_once('-').unwrap_or((word, word));
        match (id(low), id(high)) {
            (Some(low), Some(high)) if low <= high => words.push(word),
            _ => {
                return wrong(format!(
                    "`{word}` is neither a VLAN id (1 to 4094) nor a range such as `2-4094`"
                ));
            }
        }
    }
    if words.is_empty() { wrong("names no VLAN, such as `2-4094`") } else { Ok(words.join(" ")) }
}

/// A DNS name of at least one label, in lower case.
pub(crate) fn domain(text: &str) -> Checked<String> {
    let label = |label: &str| super::types::Hostname::new(label).is_ok();
    if text.len() <= 253 && text.split('.').all(label) {
        Ok(text.to_owned())
    } else {
        wrong("is not a DNS domain, such as `lab.example.org`")
    }
}

pub(crate) fn email(text: &str) -> Checked<String> {
    let fits = text.split_once('@').is_some_and(|(name, host)| {
        let printable = name.chars().all(|c| c.is_ascii_graphic() && !"\"'\\`$".contains(c));
        !name.is_empty() && printable && domain(&host.to_ascii_lowercase()).is_ok()
    });
    if fits { Ok(text.to_owned()) } else { wrong("is not an e-mail address") }
}

/// An acme.sh DNS plug-in, which is the name of a shell script.
pub(crate) fn dns_provider(text: &str) -> Checked<String> {
    let rest = text.strip_prefix("dns_").unwrap_or_default();
    if !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        Ok(text.to_owned())
    } else {
        wrong("is not an acme.sh DNS plug-in, such as `dns_cf`")
    }
}

pub(crate) fn is_variable_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.chars().all(allowed) && text.starts_with(|c: char| !c.is_ascii_digit())
}

/// A cluster's name: format `pve-node`, at most 15 characters (pve-cluster `ClusterConfig.pm`).
pub(crate) fn cluster_name(text: &str) -> Checked<String> {
    let edge = |c: char| c.is_ascii_alphanumeric();
    if text.is_empty() || text.len() > 15 {
        return wrong("a cluster name has 1 to 15 characters");
    }
    if !text.chars().all(|c| edge(c) || c == '-') || !text.starts_with(edge) || !text.ends_with(edge) {
        return wrong("a cluster name has letters, digits and `-` inside only");
    }
    Ok(text.to_owned())
}

/// A pool name as `zpool create` accepts it (zpoolconcepts(7)).
pub(crate) fn pool(text: &str) -> Checked<String> {
    let reserved = ["mirror", "raidz", "draid", "spare", "log"];
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if text.len() > 64 || !text.starts_with(|c: char| c.is_ascii_alphabetic()) || !text.chars().all(allowed) {
        return wrong("a pool name starts with a letter, then letters, digits, `_`, `-` and `.`");
    }
    match reserved.iter().find(|word| text.starts_with(**word)) {
        Some(word) => wrong(format!("ZFS keeps names that start with `{word}` for itself")),
        None => Ok(text.to_owned()),
    }
}

pub(crate) fn disk(text: &str) -> Checked<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:+-/".contains(c);
    let fits = text.strip_prefix("/dev/").is_some_and(|rest| !rest.is_empty() && !rest.ends_with('/'));
    if fits && text.chars().all(allowed) && !text.split('/').any(|part| part == "..") {
        Ok(text.to_owned())
    } else {
        wrong("is not a disk, such as `/dev/nvme0n1` or `/dev/disk/by-id/…`")
    }
}

/// A line of config.txt. The firmware reads at most 98 characters of a line.
pub(crate) fn config_line(text: &str) -> Checked<String> {
    if text.contains(char::is_control) {
        return wrong("is more than one line: give each line as its own text");
    }
    if text.len() > 98 {
        return wrong("is longer than the 98 characters that the firmware reads of a line");
    }
    Ok(text.to_owned())
}

pub(crate) fn cmdline_word(text: &str) -> Checked<String> {
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return wrong("is not one word: give each word of the kernel command line as its own text");
    }
    Ok(text.to_owned())
}

/// The name of a profile or an overlay: it is a file name, too.
pub(crate) fn file_stem(text: &str) -> Checked<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if text.len() <= 100 && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(allowed)
    {
        Ok(text.to_owned())
    } else {
        wrong("is not a name: a letter or digit, then letters, digits, `_`, `.` and `-`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts<T>(rule: impl Fn(&str) -> Checked<T>, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(rule(text).is_ok(), "{text:?} should be accepted");
        }
        for text in bad {
            assert!(rule(text).is_err(), "{text:?} should be refused");
        }
    }

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(size("16GiB"), Ok(16 << 30));
        assert_eq!(size("512 MiB"), Ok(512 << 20));
        assert_eq!(size("4096"), Ok(4096));
        accepts(
            size,
            &["1KiB", "2TiB", "0"],
            &["", "GiB", "16GB", "16G", "-1", "1.5GiB", "99999999999TiB", "1é"],
        );
    }

    #[test]
    fn names_and_places() {
        accepts(
            locale,
            &["en_AU.UTF-8", "C.UTF-8", "ca_ES.UTF-8@valencia", "fil_PH.UTF-8"],
            &["en_AU", "POSIX", "en-AU.UTF-8", "en_au.UTF-8", "en.UTF-8", ""],
        );
        accepts(
            timezone,
            &["Etc/UTC", "UTC", "Australia/Sydney", "America/Argentina/Ushuaia", "Etc/GMT+10"],
            &["", "/etc/passwd", "Sydney", "../x", "Europe/", "a b/C"],
        );
        accepts(
            interface,
            &["end0", "enx00e04c680001", "eth0.5"],
            &["", "a/b", "sixteen-chars-xx", "..", "a b", "end0:1"],
        );
        accepts(vlan_ids, &["2-4094", "2 10 20-30", "2,3"], &["", "0", "4095", "30-20", "a", "2-"]);
        accepts(domain, &["lan", "lab.example.org"], &["", ".", "a..b", "Lab", "x_y.org", "a."]);
        accepts(email, &["me@example.org"], &["me", "@x.org", "me@", "a'b@x.org", "$(id)@x.org"]);
        accepts(dns_provider, &["dns_cf"], &["cf", "dns_", "dns_cf;id", "dns_../x"]);
    }

    #[test]
    fn paths_and_digests() {
        accepts(shell, &["/bin/bash", "/usr/bin/zsh"], &["bash", "", "/bin/sh -c", "/bin/", "/x:y"]);
        accepts(
            source,
            &["https://example.org/x.img.xz", "file:///x.img", "../x.img", "/x.img"],
            &["", "http://example.org/x", "ftp://x", "https://", "a\nb"],
        );
        accepts(
            layers,
            &[
                "oci://ghcr.io/you/layers",
                "oci://localhost:5000/x:tag",
                "s3://bucket",
                "https://x.org/l/",
                "file:///srv/l",
            ],
            &[
                "",
                "ghcr.io/you/layers",
                "oci://",
                "https:///x",
                "file://x",
                "ftp://x/y",
                "s3://a:b@c",
                "https://x/?y",
                "https://x/ y",
            ],
        );
        accepts(
            disk,
            &["/dev/nvme0n1", "/dev/disk/by-id/nvme-X_1"],
            &["nvme0n1", "/dev/", "/dev/../etc", "/dev/a b"],
        );
        accepts(pool, &["data", "tank-1"], &["", "1data", "mirror", "raidz2", "a b"]);
        accepts(cluster_name, &["k8sctl", "a"], &["", "sixteen-letters1", "-a", "a_b"]);
        accepts(sha256, &[&"a".repeat(64)], &["", &"g".repeat(64), &"a".repeat(63)]);
        accepts(config_line, &["dtparam=pciex1_gen=3", ""], &["a\nb", &"x".repeat(99)]);
        accepts(version, &["1", "2025.12-1"], &["", "../1", "a/b", "-1"]);
    }
}
