//! Who may log in and who may become root: passwd, shadow, group, sudoers. Hashes are compared, never shown.
//!
//! References: `passwd(5)`, `shadow(5)`, `group(5)`, `sudoers(5)`.

use super::{BaseReadError, Files, Item, SECRET, lines};

pub(super) fn users(files: &Files<'_>) -> Result<Vec<Item>, BaseReadError> {
    let (passwd, shadow) = (files.text("/etc/passwd")?, files.text("/etc/shadow")?);
    let groups = files.text("/etc/group")?;
    let mut items = Vec::new();
    for line in lines(&passwd) {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, password, uid, gid, _, home, shell] = fields.as_slice() else { continue };
        let hash = match *password {
            "x" => {
                shadow.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.split(':').next())
            }
            own => Some(own),
        };
        let (state, hash) = password_state(hash);
        let member: Vec<&str> = lines(&groups).filter_map(|group| group_with(group, name)).collect();
        let groups =
            if member.is_empty() { String::new() } else { format!(", also in {}", member.join(" ")) };
        let value = format!("{uid}:{gid}, {home}, {shell}, {state}{groups}");
        items.push(match hash {
            Some(hash) => Item::secret(*name, value, hash.as_bytes()),
            None => Item::new(*name, value),
        });
    }
    Ok(items)
}

/// What a person may know of the second field of shadow, and what of it is a secret.
fn password_state(field: Option<&str>) -> (&'static str, Option<&str>) {
    match field {
        None => ("no password", None),
        Some("") => ("no password asked for", None),
        // a locked account keeps its hash behind the mark
        Some(locked) if locked.starts_with(['!', '*']) => {
            let hash = locked.trim_start_matches(['!', '*']);
            ("password locked", (!hash.is_empty()).then_some(hash))
        }
        Some(hash) => ("password set", Some(hash)),
    }
}

fn group_with<'a>(line: &'a str, user: &str) -> Option<&'a str> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    fields.nth(2)?.split(',').any(|member| member == user).then_some(name)
}

pub(super) fn groups(files: &Files<'_>) -> Result<Vec<Item>, BaseReadError> {
    let text = files.text("/etc/group")?;
    let item = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, gid, members] = fields.as_slice() else { return None };
        let members = members.replace(',', " ");
        Some(Item::new(*name, format!("{gid} {members}").trim_end()))
    };
    Ok(lines(&text).filter_map(item).collect())
}

pub(super) fn sudo(files: &Files<'_>) -> Result<Vec<Item>, BaseReadError> {
    let mut items = Vec::new();
    let in_directory = files.in_directory("/etc/sudoers.d")?;
    let main = [("sudoers".to_owned(), "/etc/sudoers".to_owned(), false)];
    for (name, path, is_private) in main.into_iter().chain(in_directory) {
        let text = files.text(&path)?;
        let shown = if name == "sudoers" { name } else { format!("sudoers.d/{name}") };
        if text.is_empty() || name_is_readme(&shown) {
            continue;
        }
        items.push(if is_private {
            Item::secret(shown, SECRET, text.as_bytes())
        } else {
            let rules: Vec<_> = lines(&text).collect();
            Item::new(shown, rules.join("; ").replace('\t', " "))
        });
    }
    Ok(items)
}

/// sudo reads over files with a dot or a tilde in their names; Debian's `README` has comments only.
fn name_is_readme(name: &str) -> bool {
    name.strip_prefix("sudoers.d/").is_some_and(|name| name == "README" || name.contains(['.', '~']))
}

#[cfg(test)]
mod tests {
    use super::super::inventory;
    use crate::guest::inventory::tests::told;
    use crate::guest::test_support::MapBase;

    fn image(hash: &str) -> MapBase {
        MapBase::default()
            .file("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nop:x:1000:1000:,,,:/home/op:/bin/zsh\n")
            .file("/etc/shadow", format!("root:*:1::::::\nop:{hash}:1::::::\n"))
            .file("/etc/group", "root:x:0:\nsudo:x:27:op,ada\nop:x:1000:\n")
            .file("/etc/sudoers.d/README", "# nothing\n")
            .file("/etc/sudoers.d/010_op", "# c\nop ALL=(ALL) NOPASSWD: ALL\n")
    }

    #[test]
    fn who_may_do_what() {
        assert_eq!(
            told(&image("$6$salt$hash")),
            [
                "users: root = 0:0, /root, /bin/bash, password locked",
                "users: op = 1000:1000, /home/op, /bin/zsh, password set, also in sudo",
                "groups: root = 0",
                "groups: sudo = 27 op ada",
                "groups: op = 1000",
                "sudo: sudoers.d/010_op = op ALL=(ALL) NOPASSWD: ALL",
            ]
        );
        let (one, other) = (inventory(&image("$6$a$b")), inventory(&image("$6$a$c")));
        assert_ne!(one.expect("readable"), other.expect("readable"), "another password");
        assert_eq!(told(&image("!"))[1].rsplit(", ").nth(1), Some("password locked"));
        assert_eq!(told(&image(""))[1].rsplit(", ").nth(1), Some("no password asked for"));
    }
}
