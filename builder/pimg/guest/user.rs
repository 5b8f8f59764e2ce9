//! The person's account in place of Raspberry Pi OS's own first user, and what that one leaves behind.

use super::accounts::{Accounts, FIRST_ID, NewUser, Table};
use super::base_files::EntryKind;
use super::error::Error;
use super::inputs::{Changes, Inputs};
use super::units;
use crate::plan::change::{Change, Content, Origin, Ownership, Partition};
use crate::profile::host::Sudo;
use crate::secret::Secret;

const SECONDS_A_DAY: u64 = 86_400;
/// Shell until that of the profile is installed: sshd lets nobody in whose shell is not there.
const FALLBACK_SHELL: &str = "/bin/bash";

/// The changes of this file.
///
/// # Errors
/// The base's account files are missing or malformed, or the profile's user has no place in them.
pub fn changes(inputs: &Inputs<'_>) -> Result<Vec<Change>, Error> {
    let mut changes = Changes::default();
    let before = accounts(inputs)?;
    let old = before.first_user().and_then(|name| before.home(&name).map(|home| (name, home)));
    account_files(inputs, before, &mut changes)?;
    home(inputs, &mut changes)?;
    sudoers(inputs, &mut changes)?;
    if let Some((name, home)) = old {
        leftovers(inputs, &name, &home, &mut changes)?;
    }
    console(inputs, &mut changes)?;
    Ok(changes.0)
}

fn accounts(inputs: &Inputs<'_>) -> Result<Accounts, Error> {
    let table = |path, fields| Table::parse(path, fields, &inputs.read_required(Partition::Root, path)?);
    // a base without passwords of groups or subordinate ids may do without the files
    let optional = |path, fields| Table::parse(path, fields, &inputs.read(path)?.unwrap_or_default());
    Ok(Accounts {
        passwd: table("/etc/passwd", 7)?,
        shadow: table("/etc/shadow", 9)?,
        group: table("/etc/group", 4)?,
        gshadow: optional("/etc/gshadow", 4)?,
        subuid: optional("/etc/subuid", 3)?,
        subgid: optional("/etc/subgid", 3)?,
    })
}

fn account_files(inputs: &Inputs<'_>, mut accounts: Accounts, changes: &mut Changes) -> Result<(), Error> {
    let user = &inputs.host.user;
    let day = inputs.epoch / SECONDS_A_DAY;
    let shell = if inputs.kind(&user.shell)?.is_some() { user.shell.as_str() } else { FALLBACK_SHELL };
    let password = inputs.password_hash.map_or(&b"!"[..], Secret::expose);
    let (name, full_name) = (user.name.as_str(), user.full_name.as_str());
    accounts.replace_first_user(&NewUser { name, full_name, shell, password, changed: day })?;
    accounts.lock_root(day);
    let shadow = accounts.group.id("shadow").unwrap_or(0);
    let private = Ownership { uid: 0, gid: shadow, mode: 0o640 };
    let origin = || inputs.key("user.name");
    changes.file("/etc/passwd", 0o644, accounts.passwd.to_bytes(), origin())?;
    let secret = Content::Secret(Secret::new(accounts.shadow.to_bytes()));
    changes.owned_file("/etc/shadow", private, secret, origin())?;
    changes.file("/etc/group", 0o644, accounts.group.to_bytes(), origin())?;
    if inputs.kind("/etc/gshadow")?.is_some() {
        changes.owned_file("/etc/gshadow", private, Content::bytes(accounts.gshadow.to_bytes()), origin())?;
    }
    changes.file("/etc/subuid", 0o644, accounts.subuid.to_bytes(), origin())?;
    changes.file("/etc/subgid", 0o644, accounts.subgid.to_bytes(), origin())?;
    // backups of the same files, in which the old user would live on
    for backup in ["passwd-", "shadow-", "group-", "gshadow-", "subuid-", "subgid-"] {
        let path = format!("/etc/{backup}");
        if inputs.kind(&path)?.is_some() {
            changes.remove(&path, origin())?;
        }
    }
    Ok(())
}

/// The home directory as `useradd -m` of Debian 13 makes it (`HOME_MODE` 0700), with the person's keys.
fn home(inputs: &Inputs<'_>, changes: &mut Changes) -> Result<(), Error> {
    let user = &inputs.host.user;
    let home = format!("/home/{}", user.name);
    let owned = |mode| Ownership { uid: FIRST_ID, gid: FIRST_ID, mode };
    changes.directory(&home, owned(0o700), inputs.key("user.name"))?;
    let mut waiting = vec![String::new()];
    while let Some(below) = waiting.pop() {
        for name in inputs.list(&format!("/etc/skel{below}"))? {
            let (from, to) = (format!("/etc/skel{below}/{name}"), format!("{home}{below}/{name}"));
            match inputs.kind(&from)? {
                Some(EntryKind::Directory) => {
                    changes.directory(&to, owned(0o755), inputs.key("user.name"))?;
                    waiting.push(format!("{below}/{name}"));
                }
                Some(EntryKind::File) => {
                    let content = Content::bytes(inputs.read(&from)?.unwrap_or_default());
                    changes.owned_file(&to, owned(0o644), content, inputs.key("user.name"))?;
                }
                Some(EntryKind::Symlink(target)) => changes.symlink(&to, &target, inputs.key("user.name"))?,
                Some(EntryKind::Other) | None => {}
            }
        }
    }
    if !user.ssh_keys.is_empty() {
        let keys: String = user.ssh_keys.iter().map(|key| format!("{}\n", key.trim())).collect();
        changes.directory(&format!("{home}/.ssh"), owned(0o700), inputs.key("user.ssh_keys"))?;
        let path = format!("{home}/.ssh/authorized_keys");
        changes.owned_file(&path, owned(0o600), Content::bytes(keys), inputs.key("user.ssh_keys"))?;
    }
    Ok(())
}

/// Membership of `sudo` suffices where a password is asked for. sudo skips files with a dot in their name.
fn sudoers(inputs: &Inputs<'_>, changes: &mut Changes) -> Result<(), Error> {
    let path = "/etc/sudoers.d/010_pimg-user";
    match inputs.host.user.sudo {
        Sudo::NoPassword => {
            let rule = format!("{} ALL=(ALL:ALL) NOPASSWD: ALL\n", inputs.host.user.name);
            changes.file(path, 0o440, rule, inputs.key("user.sudo"))
        }
        Sudo::Password => Ok(()),
    }
}

/// What names the old user outside the account files.
fn leftovers(inputs: &Inputs<'_>, name: &str, home: &str, changes: &mut Changes) -> Result<(), Error> {
    let origin = || Origin::Rule { rule: "the base's first user is gone" };
    let mut stale: Vec<String> = inputs
        .list("/etc/sudoers.d")?
        .into_iter()
        .filter(|file| file.starts_with("010_") && file.ends_with("-nopasswd"))
        .map(|file| format!("/etc/sudoers.d/{file}"))
        .collect();
    if name != inputs.host.user.name.as_str() {
        let places = ["/var/mail/", "/var/lib/systemd/linger/", "/var/spool/cron/crontabs/"];
        stale.extend(places.map(|place| format!("{place}{name}")));
        if home.strip_prefix("/home/").is_some_and(|rest| !rest.is_empty() && !rest.contains('/')) {
            stale.push(home.to_owned());
        }
    }
    for path in stale {
        if inputs.kind(&path)?.is_some() {
            changes.remove(&path, origin())?;
        }
    }
    Ok(())
}

/// The dialog that asks for a first user, and logging in on the console without being asked.
fn console(inputs: &Inputs<'_>, changes: &mut Changes) -> Result<(), Error> {
    let origin = || Origin::Rule { rule: "no first-user dialog" };
    for path in units::disable(inputs.base, "userconfig.service")? {
        changes.remove(path.as_str(), origin())?;
    }
    if units::exists(inputs.base, "userconfig.service")? {
        let mask = units::mask("userconfig.service")?;
        changes.symlink(mask.path.as_str(), &mask.target, origin())?;
    }
    for getty in ["getty@tty1.service", "serial-getty@.service"] {
        let path = format!("/etc/systemd/system/{getty}.d/autologin.conf");
        if inputs.kind(&path)?.is_some() {
            changes.remove(&path, origin())?;
        }
    }
    // the dialog turns the ordinary prompt off for as long as it is pending
    if units::exists(inputs.base, "getty@.service")? {
        for link in units::enable(inputs.base, "getty@tty1.service")? {
            changes.symlink(link.path.as_str(), &link.target, origin())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::changes;
    use crate::guest::test_support::{MapBase, at, host, inputs, link, put, removed, untouched};
    use crate::plan::change::{Action, Change};
    use crate::profile::host::Sudo;
    use crate::secret::Secret;

    fn base() -> MapBase {
        MapBase::default()
            .file("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\npi:x:1000:1000:,,,:/home/pi:/bin/bash\n")
            .file("/etc/shadow", "root:*:20000:0:99999:7:::\npi:!:20000:0:99999:7:::\n")
            .file("/etc/group", "sudo:x:27:pi\nshadow:x:42:\npi:x:1000:\n")
            .file("/etc/gshadow", "sudo:*::pi\nshadow:*::\npi:!::\n")
            .file("/etc/shadow-", "pi:x\n")
            .file("/etc/skel/.bashrc", "# rc\n")
            .file("/etc/skel/Bookshelf/a.pdf", "pdf")
            .directory("/home/pi")
            .file("/etc/sudoers.d/010_pi-nopasswd", "pi ALL=(ALL) NOPASSWD: ALL\n")
            .file("/etc/sudoers.d/README", "")
            .file("/usr/lib/systemd/system/userconfig.service", "[Install]\nWantedBy=multi-user.target\n")
            .symlink(
                "/etc/systemd/system/multi-user.target.wants/userconfig.service",
                "/usr/lib/systemd/system/userconfig.service",
            )
            .file(
                "/usr/lib/systemd/system/getty@.service",
                "[Install]\nWantedBy=getty.target\nDefaultInstance=tty1\n",
            )
            .file("/etc/systemd/system/getty@tty1.service.d/autologin.conf", "")
    }

    fn owner(changes: &[Change], path: &str) -> (u32, u32, u16) {
        match &at(changes, path).action {
            Action::PutFile { ownership, .. } | Action::MakeDir { ownership } => {
                (ownership.uid, ownership.gid, ownership.mode)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_person_can_log_in_and_pi_is_gone() {
        let (host, base) = (host(), base());
        let hash = Secret::new(b"$y$j9T$salt$hash".to_vec());
        let mut inputs = inputs(&host, &base);
        inputs.password_hash = Some(&hash);
        let found = changes(&inputs).expect("changes");
        // zsh is not in the base yet
        let (passwd, _) = put(&found, "/etc/passwd");
        assert_eq!(
            passwd,
            "root:x:0:0:root:/root:/bin/bash\nandrew:x:1000:1000:Andrew:/home/andrew:/bin/bash\n"
        );
        let (shadow, _) = put(&found, "/etc/shadow");
        assert_eq!(shadow, "root:!*:20427:0:99999:7:::\nandrew:$y$j9T$salt$hash:20427:0:99999:7:::\n");
        assert_eq!(owner(&found, "/etc/shadow"), (0, 42, 0o640));
        assert!(!format!("{found:?}").contains("j9T"), "secrets do not print");
        for (path, expected) in [
            ("/home/andrew", 0o700),
            ("/home/andrew/.bashrc", 0o644),
            ("/home/andrew/Bookshelf", 0o755),
            ("/home/andrew/Bookshelf/a.pdf", 0o644),
            ("/home/andrew/.ssh", 0o700),
            ("/home/andrew/.ssh/authorized_keys", 0o600),
        ] {
            assert_eq!(owner(&found, path), (1000, 1000, expected), "{path}");
        }
        for gone in ["/home/pi", "/etc/sudoers.d/010_pi-nopasswd", "/etc/shadow-"] {
            assert!(removed(&found, gone), "{gone}");
        }
        assert!(untouched(&found, "/etc/sudoers.d/README"));
    }

    #[test]
    fn sudo_asks_as_the_profile_says() {
        let (mut host, base) = (host(), base());
        let found = changes(&inputs(&host, &base)).expect("changes");
        let (rule, mode) = put(&found, "/etc/sudoers.d/010_pimg-user");
        assert_eq!((rule.as_str(), mode), ("andrew ALL=(ALL:ALL) NOPASSWD: ALL\n", 0o440));
        host.user.sudo = Sudo::Password;
        let found = changes(&inputs(&host, &base)).expect("changes");
        assert!(untouched(&found, "/etc/sudoers.d/010_pimg-user"));
        assert!(removed(&found, "/etc/sudoers.d/010_pi-nopasswd"));
    }

    #[test]
    fn the_console_asks_for_a_login() {
        let (host, base) = (host(), base());
        let found = changes(&inputs(&host, &base)).expect("changes");
        assert!(removed(&found, "/etc/systemd/system/multi-user.target.wants/userconfig.service"));
        assert_eq!(link(&found, "/etc/systemd/system/userconfig.service"), "/dev/null");
        assert!(removed(&found, "/etc/systemd/system/getty@tty1.service.d/autologin.conf"));
        let prompt = "/etc/systemd/system/getty.target.wants/getty@tty1.service";
        assert_eq!(link(&found, prompt), "/usr/lib/systemd/system/getty@.service");
    }

    #[test]
    fn a_person_called_pi_keeps_the_home() {
        let (mut host, base) = (host(), base().file("/usr/bin/zsh", ""));
        host.user.name = crate::profile::types::UserName::new("pi").expect("valid");
        let found = changes(&inputs(&host, &base)).expect("changes");
        assert_eq!(owner(&found, "/home/pi"), (1000, 1000, 0o700));
        assert!(put(&found, "/etc/passwd").0.ends_with("pi:x:1000:1000:Andrew:/home/pi:/usr/bin/zsh\n"));
    }
}
