//! Which user inside of a namespace is which outside: `uid_map` and `gid_map` of `user_namespaces(7)`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::namespace::{Ids, file};
use super::namespace_error::NamespaceError;
use super::tools;

/// Ids that a system of Debian has: all up to `nobody`.
const ENOUGH: u32 = 65_536;

/// Maps the ids of the process `pid`, which is alone in a new user namespace.
pub(super) fn write(pid: u32, ids: Ids) -> Result<(), NamespaceError> {
    let (user, group) = own_ids()?;
    let process = PathBuf::from(format!("/proc/{pid}"));
    if ids == Ids::One {
        // who may not drop groups may not use those either that keep others out (user_namespaces(7))
        put(&process.join("setgroups"), "deny")?;
        put(&process.join("uid_map"), &format!("0 {user} 1"))?;
        return put(&process.join("gid_map"), &format!("0 {group} 1"));
    }
    if user == 0 {
        // as many as we have ourselves, each as it is
        for map in ["uid_map", "gid_map"] {
            let own = read(&Path::new("/proc/self").join(map))?;
            put(&process.join(map), &identity(&own))?;
        }
        return Ok(());
    }
    let name = user_name(user)?;
    for (program, own, ranges) in [("newuidmap", user, "/etc/subuid"), ("newgidmap", group, "/etc/subgid")] {
        let text = read(Path::new(ranges)).unwrap_or_default();
        let (first, count) = range_of(&text, &name, user)
            .ok_or_else(|| NamespaceError::NoRange { user: name.clone(), file: ranges })?;
        let numbers = [pid, 0, own, 1, 1, first, count.min(ENOUGH)].map(|number| number.to_string());
        let command: Vec<_> = [program.to_owned()].into_iter().chain(numbers).collect();
        tools::run(&command, Path::new("/"), Duration::from_secs(60))?;
    }
    Ok(())
}

fn put(path: &Path, text: &str) -> Result<(), NamespaceError> {
    std::fs::write(path, text).map_err(file("write", path))
}

fn read(path: &Path) -> Result<String, NamespaceError> {
    std::fs::read_to_string(path).map_err(file("read", path))
}

/// The map of a namespace in which all ids of this one, whose map is `own`, are what they are here.
fn identity(own: &str) -> String {
    let numbers = own.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    numbers.fold(String::new(), |map, line| match line[..] {
        [inside, _, count] => map + &format!("{inside} {inside} {count}\n"),
        _ => map,
    })
}

/// Effective user and group of this process.
fn own_ids() -> Result<(u32, u32), NamespaceError> {
    let path = Path::new("/proc/self/status");
    let status = read(path)?;
    let id = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        line.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    match (id("Uid:"), id("Gid:")) {
        (Some(user), Some(group)) => Ok((user, group)),
        _ => Err(file("read", path)(std::io::ErrorKind::InvalidData.into())),
    }
}

fn user_name(user: u32) -> Result<String, NamespaceError> {
    let accounts = read(Path::new("/etc/passwd"))?;
    let found = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(user)).then(|| name.to_owned())
    });
    Ok(found.unwrap_or_else(|| user.to_string()))
}

/// The first range of subuid(5) for a user, by name or number, that is long enough: its first id and how many.
fn range_of(text: &str, name: &str, user: u32) -> Option<(u32, u32)> {
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let (first, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        ((owner == name || owner == user.to_string()) && count >= ENOUGH - 1).then_some((first, count))
    })
}

#[cfg(test)]
mod tests {
    use super::{identity, range_of};

    #[test]
    fn a_range_is_found_by_name_or_number_and_long_enough() {
        let text = "# none\nother:100000:65536\nop:5:10\n1000:165536:65536\nop:300000:131072\n";
        assert_eq!(range_of(text, "op", 1000), Some((165_536, 65_536)));
        assert_eq!(range_of(text, "op", 7), Some((300_000, 131_072)));
        assert_eq!(range_of(text, "nobody", 8), None);
        assert_eq!(range_of("op:1", "op", 1), None);
    }

    #[test]
    fn ids_of_root_stay_what_they_are() {
        assert_eq!(identity("         0          0 4294967295\n"), "0 0 4294967295\n");
        assert_eq!(identity("0 1000 1\n1 100000 65535\n"), "0 0 1\n1 1 65535\n");
    }
}
