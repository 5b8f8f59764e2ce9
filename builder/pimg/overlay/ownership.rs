//! Owners, groups and permission bits that `[[own]]` and `[[download]]` give.

use crate::plan::change::Ownership;
use crate::profile::document::{Keys, Table};
use crate::profile::problem::{Located, Place, Problem};

use super::manifest::path_pattern;
use super::pattern::Pattern;

/// Ids that Debian's `base-passwd` gives on every system; the second number is the group of the same name.
const NAMES: [(&str, Option<u32>, Option<u32>); 22] = [
    ("root", Some(0), Some(0)),
    ("daemon", Some(1), Some(1)),
    ("bin", Some(2), Some(2)),
    ("sys", Some(3), Some(3)),
    ("adm", None, Some(4)),
    ("tty", None, Some(5)),
    ("disk", None, Some(6)),
    ("mail", Some(8), Some(8)),
    ("news", Some(9), Some(9)),
    ("uucp", Some(10), Some(10)),
    ("proxy", Some(13), Some(13)),
    ("dialout", None, Some(20)),
    ("sudo", None, Some(27)),
    ("www-data", Some(33), Some(33)),
    ("backup", Some(34), Some(34)),
    ("shadow", None, Some(42)),
    ("utmp", None, Some(43)),
    ("video", None, Some(44)),
    ("plugdev", None, Some(46)),
    ("staff", None, Some(50)),
    ("users", None, Some(100)),
    ("nogroup", None, Some(65534)),
];

/// Owner, group and permission bits as a table gives them, each or none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owner {
    uid: Option<u32>,
    gid: Option<u32>,
    pub(crate) mode: Option<u16>,
}

/// The keys of [`Owner`] as written: user, uid, group, gid, mode.
pub(crate) struct RawOwner {
    names: [Option<Located<String>>; 2],
    numbers: [Option<Located<i64>>; 2],
    mode: Option<Located<String>>,
}

impl Owner {
    /// Takes the keys out of a table.
    pub(crate) fn take(keys: &mut Keys<'_>) -> RawOwner {
        let names = [keys.text("user"), keys.text("group")];
        let numbers = [keys.integer("uid"), keys.integer("gid")];
        RawOwner { names, numbers, mode: keys.text("mode") }
    }

    /// What is given, and for the rest what was there before.
    pub(crate) fn over(&self, before: Ownership) -> Ownership {
        Ownership {
            uid: self.uid.unwrap_or(before.uid),
            gid: self.gid.unwrap_or(before.gid),
            mode: self.mode.unwrap_or(before.mode),
        }
    }
}

impl RawOwner {
    pub(crate) fn check(self, problems: &mut Vec<Problem>) -> Owner {
        let [user, group] = self.names;
        let [uid, gid] = self.numbers;
        Owner {
            uid: id("user", |(name, uid, _)| Some((name, uid?)), user, uid, problems),
            gid: id("group", |(name, _, gid)| Some((name, gid?)), group, gid, problems),
            mode: self.mode.and_then(|mode| permission_bits(&mode, problems)),
        }
    }
}

/// One `[[own]]` table.
#[derive(Clone, Debug)]
pub(crate) struct OwnRule {
    pub(crate) path: Pattern,
    pub(crate) place: Place,
    owner: Owner,
}

impl OwnRule {
    pub(crate) fn read(table: Table, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut keys = Keys::new(table, problems);
        let at = keys.place();
        let path = keys.text("path");
        let owner = Owner::take(&mut keys);
        keys.finish();

        let owner = owner.check(problems);
        let (path, place) = path_pattern(path, &at, problems)?;
        if owner.uid.is_none() && owner.gid.is_none() && owner.mode.is_none() {
            let message = "sets nothing: give `user` or `uid`, `group` or `gid`, `mode`";
            problems.push(Problem::at(&place, message));
        }
        Some(Self { path, place, owner })
    }

    /// What the rule makes of an entry's owner and mode.
    pub(crate) fn apply(&self, before: Ownership) -> Ownership {
        self.owner.over(before)
    }

    /// Owner and mode, where the rule gives all three.
    pub(crate) fn complete(&self) -> Option<Ownership> {
        Some(Ownership { uid: self.owner.uid?, gid: self.owner.gid?, mode: self.owner.mode? })
    }
}

fn id(
    what: &str,
    pick: impl Fn((&'static str, Option<u32>, Option<u32>)) -> Option<(&'static str, u32)>,
    name: Option<Located<String>>,
    number: Option<Located<i64>>,
    problems: &mut Vec<Problem>,
) -> Option<u32> {
    if let (Some(_), Some(number)) = (&name, &number) {
        problems.push(Problem::at(&number.place, format!("gives the {what} a second time")));
    }
    if let Some(name) = name {
        let found = NAMES.into_iter().filter_map(&pick).find(|(known, _)| *known == name.value);
        if found.is_none() {
            let message = format!("is no {what} that every Debian system has: give its number");
            let hint = format!("`{}id = NUMBER`", &what[..1]);
            problems.push(Problem::at(&name.place, message).with_hint(hint));
        }
        return found.map(|(_, id)| id);
    }
    let number = number?;
    match u32::try_from(number.value) {
        Ok(id) if id != u32::MAX => Some(id),
        _ => {
            problems.push(Problem::at(&number.place, format!("is no {what} id")));
            None
        }
    }
}

fn permission_bits(mode: &Located<String>, problems: &mut Vec<Problem>) -> Option<u16> {
    let digits = &mode.value;
    let octal = (3..=4).contains(&digits.len()) && digits.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let bits = u16::from_str_radix(digits, 8).ok().filter(|_| octal);
    if bits.is_none() {
        problems.push(Problem::at(&mode.place, "is not a mode: three or four octal digits, such as `0640`"));
    }
    bits
}
