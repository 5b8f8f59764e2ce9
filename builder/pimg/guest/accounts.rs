//! Who may log in: passwd, shadow, group, gshadow, subuid, subgid.
//!
//! References: `passwd(5)`, `shadow(5)`, `group(5)`, `gshadow(5)`, `subuid(5)`, `useradd(8)` of Debian 13. Lines
//! that are not about the users concerned stay byte for byte.

use super::error::Error;

/// The uid and gid of the person's account: the first of Debian's range (`UID_MIN` in login.defs), which is that
/// of Raspberry Pi OS's own first user.
pub const FIRST_ID: u32 = 1000;
/// Subordinate ids begin here and come in such blocks (`SUB_UID_MIN`, `SUB_UID_COUNT` in login.defs).
const FIRST_SUBORDINATE: u64 = 100_000;
const SUBORDINATES: u64 = 65_536;

/// One of the account files: lines of fields between colons, found by the first of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    lines: Vec<Vec<u8>>,
}

/// The account files of a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts {
    /// `/etc/passwd`.
    pub passwd: Table,
    /// `/etc/shadow`.
    pub shadow: Table,
    /// `/etc/group`.
    pub group: Table,
    /// `/etc/gshadow`.
    pub gshadow: Table,
    /// `/etc/subuid`.
    pub subuid: Table,
    /// `/etc/subgid`.
    pub subgid: Table,
}

/// An account as it is to be.
#[derive(Clone, Copy, Debug)]
pub struct NewUser<'a> {
    /// Login name, and name of its own group.
    pub name: &'a str,
    /// GECOS field.
    pub full_name: &'a str,
    /// Login shell.
    pub shell: &'a str,
    /// Second field of shadow: a hash, or `!` for none.
    pub password: &'a [u8],
    /// Day of the last change of the password, since 1970-01-01.
    pub changed: u64,
}

impl Table {
    /// Reads one of the files, whose lines have `fields` fields.
    ///
    /// # Errors
    /// A line is neither of that form, nor empty, nor a comment, nor an NIS line.
    pub fn parse(path: &str, fields: usize, bytes: &[u8]) -> Result<Self, Error> {
        let mut lines: Vec<Vec<u8>> = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
        if lines.last().is_some_and(Vec::is_empty) {
            lines.pop();
        }
        for (number, line) in (1..).zip(&lines) {
            let entry = !matches!(line.first(), None | Some(b'#' | b'+' | b'-'));
            let found = line.split(|&byte| byte == b':').count();
            if entry && found != fields {
                let why = format!("it has {found} fields, not {fields}");
                return Err(Error::Malformed { path: path.to_owned(), line: number, why });
            }
        }
        Ok(Self { lines })
    }

    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.lines.iter().flat_map(|line| line.iter().copied().chain([b'\n'])).collect()
    }

    /// The fields of the entry of a name.
    pub fn find(&self, name: &str) -> Option<Vec<&[u8]>> {
        self.entries().find(|fields| fields.first() == Some(&name.as_bytes()))
    }

    /// Uid and gid of a user, in passwd.
    pub fn user_and_group(&self, name: &str) -> Option<(u32, u32)> {
        let fields = self.find(name)?;
        Some((number(&fields, 2)?, number(&fields, 3)?))
    }

    /// Gid of a group, in group.
    pub fn id(&self, name: &str) -> Option<u32> {
        number(&self.find(name)?, 2)
    }

    fn entries(&self) -> impl Iterator<Item = Vec<&[u8]>> {
        self.lines.iter().map(|line| line.split(|&byte| byte == b':').collect())
    }

    fn name_of_id(&self, id: u32) -> Option<String> {
        let fields = self.entries().find(|fields| number(fields, 2) == Some(id))?;
        fields.first().map(|name| String::from_utf8_lossy(name).into_owned())
    }

    /// `line` takes the place of the entry of `name`, or comes last.
    fn put(&mut self, name: Option<&str>, line: Vec<u8>) {
        let is_it = |line: &Vec<u8>| line.split(|&byte| byte == b':').next() == name.map(str::as_bytes);
        match self.lines.iter_mut().find(|line| is_it(line)) {
            Some(old) => *old = line,
            None => self.lines.push(line),
        }
    }

    fn remove(&mut self, name: &str) {
        self.lines.retain(|line| line.split(|&byte| byte == b':').next() != Some(name.as_bytes()));
    }

    /// The last field of every entry is a list of members: `old` goes, `new` joins where `joins` says so.
    fn edit_members(&mut self, old: Option<&str>, new: &str, joins: impl Fn(&[u8]) -> bool) {
        for line in &mut self.lines {
            let Some(colon) = line.iter().rposition(|&byte| byte == b':') else { continue };
            let (head, members) = line.split_at(colon + 1);
            let name = head.split(|&byte| byte == b':').next().unwrap_or_default();
            let members: Vec<&[u8]> = members.split(|&byte| byte == b',').filter(|m| !m.is_empty()).collect();
            let joins = joins(name);
            let leaves = old.is_some_and(|old| members.contains(&old.as_bytes()));
            if !leaves && (!joins || members.contains(&new.as_bytes())) {
                continue;
            }
            let mut kept: Vec<&[u8]> = members;
            kept.retain(|member| Some(*member) != old.map(str::as_bytes) && *member != new.as_bytes());
            if joins {
                kept.push(new.as_bytes());
            }
            let edited = [head, &kept.join(&b',')].concat();
            *line = edited;
        }
    }
}

fn number(fields: &[&[u8]], index: usize) -> Option<u32> {
    std::str::from_utf8(fields.get(index)?).ok()?.parse().ok()
}

impl Accounts {
    /// The name of the base's own first user.
    pub fn first_user(&self) -> Option<String> {
        self.passwd.name_of_id(FIRST_ID)
    }

    /// The home directory of a user.
    pub fn home(&self, name: &str) -> Option<String> {
        let fields = self.passwd.find(name)?;
        fields.get(5).map(|home| String::from_utf8_lossy(home).into_owned())
    }

    /// Puts an account in the place of the base's first user: same ids, same groups, `sudo` in any case.
    ///
    /// # Errors
    /// The name is that of another user or group of the base, or a value holds what would break the files.
    pub fn replace_first_user(&mut self, user: &NewUser<'_>) -> Result<(), Error> {
        let old = self.first_user();
        let old = old.as_deref();
        let taken =
            |table: &Table| table.find(user.name).is_some_and(|found| number(&found, 2) != Some(FIRST_ID));
        if taken(&self.passwd) || taken(&self.group) {
            return Err(Error::value("user.name", user.name, "is a system account of the base image"));
        }
        for (key, value) in [("user.full_name", user.full_name), ("user.shell", user.shell)] {
            if value.contains([':', '\n', '\r', '\0']) {
                return Err(Error::value(key, value, "has a character that passwd(5) does not allow"));
            }
        }
        if user.password.iter().any(|byte| b":\n\r\0".contains(byte)) {
            return Err(Error::value("user.password_hash", "(secret)", "has a character that no hash has"));
        }
        if !user.password.starts_with(b"$") && !user.password.starts_with(b"!") {
            let expected = "is no hash of crypt(5), which begins with `$`: `mkpasswd -m yescrypt` makes one";
            return Err(Error::value("user.password_hash", "(secret)", expected));
        }
        let NewUser { name, full_name, shell, changed, .. } = user;
        let groups = self.groups_of(old);
        let line = format!("{name}:x:{FIRST_ID}:{FIRST_ID}:{full_name}:/home/{name}:{shell}");
        self.passwd.put(old, line.into_bytes());
        let shadow =
            [name.as_bytes(), b":", user.password, format!(":{changed}:0:99999:7:::").as_bytes()].concat();
        self.shadow.put(old, shadow);
        let old_group = self.group.name_of_id(FIRST_ID);
        self.group.put(old_group.as_deref(), format!("{name}:x:{FIRST_ID}:").into_bytes());
        self.gshadow.put(old_group.as_deref(), format!("{name}:!::").into_bytes());
        let joins = |group: &[u8]| groups.iter().any(|name| name == group);
        self.group.edit_members(old, name, joins);
        self.gshadow.edit_members(old, name, joins);
        for table in [&mut self.subuid, &mut self.subgid] {
            for stale in old.into_iter().chain([*name]) {
                table.remove(stale);
            }
            let start = first_free_subordinate(table);
            table.put(None, format!("{name}:{start}:{SUBORDINATES}").into_bytes());
        }
        Ok(())
    }

    /// The groups that list the old user, and `sudo` where the base has it.
    fn groups_of(&self, old: Option<&str>) -> Vec<Vec<u8>> {
        let member = |fields: &[&[u8]]| {
            let members = fields.get(3).copied().unwrap_or_default();
            old.is_some_and(|old| members.split(|&byte| byte == b',').any(|member| member == old.as_bytes()))
        };
        let entries =
            self.group.entries().filter(|fields| member(fields) || fields.first() == Some(&&b"sudo"[..]));
        entries.filter_map(|fields| fields.first().map(|name| name.to_vec())).collect()
    }

    /// Locks root's password as `passwd -l` does, on a day since 1970-01-01.
    pub fn lock_root(&mut self, day: u64) {
        let Some(fields) = self.shadow.find("root") else { return };
        let mut fields: Vec<Vec<u8>> = fields.into_iter().map(<[u8]>::to_vec).collect();
        if let Some(password) = fields.get_mut(1).filter(|password| !password.starts_with(b"!")) {
            password.insert(0, b'!');
        }
        if let Some(changed) = fields.get_mut(2) {
            *changed = day.to_string().into_bytes();
        }
        self.shadow.put(Some("root"), fields.join(&b':'));
    }
}

fn first_free_subordinate(table: &Table) -> u64 {
    let end =
        |fields: &Vec<&[u8]>| Some(u64::from(number(fields, 1)?).saturating_add(number(fields, 2)?.into()));
    table.entries().filter_map(|fields| end(&fields)).max().unwrap_or(0).max(FIRST_SUBORDINATE)
}

#[cfg(test)]
mod tests {
    use super::{Accounts, NewUser, Table};

    fn accounts() -> Accounts {
        let table = |fields, text: &str| Table::parse("/etc/x", fields, text.as_bytes()).expect("valid");
        Accounts {
            passwd: table(
                7,
                "root:x:0:0:root:/root:/bin/bash\npi:x:1000:1000:,,,:/home/pi:/bin/bash\nsshd:x:990:65534::/run/sshd:/n\n",
            ),
            shadow: table(9, "root:*:20000:0:99999:7:::\npi:!:20000:0:99999:7:::\n# kept\nsshd:!*:1::::::\n"),
            group: table(4, "sudo:x:27:pi\nvideo:x:44:pi,sshd\nusers:x:100:\npi:x:1000:\nkvm:x:992:\n"),
            gshadow: table(4, "sudo:*::pi\nvideo:*::pi,sshd\nusers:*::\npi:!::\n"),
            subuid: table(3, "pi:100000:65536\nlxd:165536:65536\nbox:50000:1000\n"),
            subgid: table(3, ""),
        }
    }

    fn user(name: &str) -> NewUser<'_> {
        NewUser { name, full_name: "A B", shell: "/bin/bash", password: b"!", changed: 20_427 }
    }

    fn text(table: &Table) -> String {
        String::from_utf8(table.to_bytes()).expect("text")
    }

    #[test]
    fn the_first_user_gives_way_wholly() {
        let mut found = accounts();
        found.replace_first_user(&user("andrew")).expect("a free name");
        assert_eq!(
            text(&found.passwd),
            "root:x:0:0:root:/root:/bin/bash\nandrew:x:1000:1000:A B:/home/andrew:/bin/bash\nsshd:x:990:65534::/run/sshd:/n\n"
        );
        assert_eq!(
            text(&found.shadow),
            "root:*:20000:0:99999:7:::\nandrew:!:20427:0:99999:7:::\n# kept\nsshd:!*:1::::::\n"
        );
        assert_eq!(
            text(&found.group),
            "sudo:x:27:andrew\nvideo:x:44:sshd,andrew\nusers:x:100:\nandrew:x:1000:\nkvm:x:992:\n"
        );
        assert_eq!(text(&found.gshadow), "sudo:*::andrew\nvideo:*::sshd,andrew\nusers:*::\nandrew:!::\n");
        assert_eq!(text(&found.subuid), "lxd:165536:65536\nbox:50000:1000\nandrew:231072:65536\n");
        assert_eq!(text(&found.subgid), "andrew:100000:65536\n");
    }

    #[test]
    fn the_same_name_again_changes_nothing_but_what_was_asked() {
        let mut once = accounts();
        once.replace_first_user(&user("pi")).expect("its own name");
        assert_eq!(
            text(&once.group),
            "sudo:x:27:pi\nvideo:x:44:sshd,pi\nusers:x:100:\npi:x:1000:\nkvm:x:992:\n"
        );
        let mut twice = once.clone();
        twice.replace_first_user(&user("pi")).expect("its own name");
        assert_eq!(twice, once);
    }

    #[test]
    fn a_base_without_a_first_user_gets_one() {
        let mut found = accounts();
        found.passwd.remove("pi");
        found.shadow.remove("pi");
        found.group.remove("pi");
        found.replace_first_user(&user("andrew")).expect("a free name");
        assert!(text(&found.passwd).ends_with("\nandrew:x:1000:1000:A B:/home/andrew:/bin/bash\n"));
        assert!(text(&found.group).contains("sudo:x:27:pi,andrew\n"), "what names nobody stays");
    }

    #[test]
    fn refuses_what_would_break_the_files() {
        for (user, why) in [
            (user("sshd"), "system account"),
            (user("video"), "system account"),
            (NewUser { full_name: "a:b", ..user("a") }, "user.full_name"),
            (NewUser { password: b"$y$x\nroot::0", ..user("a") }, "user.password_hash"),
            (NewUser { password: b"hunter2", ..user("a") }, "user.password_hash"),
        ] {
            let error = accounts().replace_first_user(&user).expect_err(why).to_string();
            assert!(error.contains(why) && !error.contains("$y$"), "{error}");
        }
        let error =
            Table::parse("/etc/passwd", 7, b"root:x:0:0:root:/root:/bin/bash\nbad:x\n").expect_err("short");
        assert_eq!(
            error.to_string(),
            "`/etc/passwd` of the base image is malformed in line 2: it has 2 fields, not 7"
        );
    }

    #[test]
    fn root_is_locked_as_passwd_does_it() {
        for (before, after) in [("*", "!*"), ("!*", "!*"), ("", "!"), ("$y$hash", "!$y$hash")] {
            let mut found = accounts();
            found.shadow = Table::parse("/etc/shadow", 9, format!("root:{before}:1:0:99999:7:::").as_bytes())
                .expect("valid");
            found.lock_root(20_427);
            assert_eq!(text(&found.shadow), format!("root:{after}:20427:0:99999:7:::\n"));
        }
    }
}
