//! What the facts mean. A pure function: the same facts, the same judgement.

use std::path::Path;

use super::packages::Family;
use crate::command::outcome::{DoctorCheck, DoctorState};
use crate::host::survey::{Device, Directory, Survey};

/// What a build keeps in the cache, in bytes: a decoded base, its packages, a golden layer and frames.
const CACHE: u64 = 6 << 30;

/// An image beside the one that it replaces, in bytes.
const OUT: u64 = 4 << 30;

/// Memory of one host in a build (docs/speed.md), and as much for the rest, in bytes.
const MEMORY: u64 = 600 << 20;

/// Open files of a build that downloads and compresses with all cores.
const OPEN_FILES: u64 = 256;

/// A program, what asks for it, and whether nothing can be done without.
pub(super) const PROGRAMS: [(&str, &[&str]); 6] = [
    ("qemu-system-aarch64", &["test"]),
    ("ssh", &["status"]),
    ("ssh-keygen", &["new keys"]),
    ("git", &["keeping the project"]),
    ("shellcheck", &["scripts/check"]),
    (UNSHARE, &MODULES),
];

/// What makes namespaces, on Linux.
const UNSHARE: &str = "unshare";

/// What needs namespaces.
const MODULES: [&str; 1] = ["module build"];

/// What is known of the project.
#[derive(Clone, Debug, Default)]
pub(super) struct Project {
    /// How many profiles can be built, or why that is not known. `None` where there is no project.
    pub(super) profiles: Option<Result<usize, String>>,
    /// Whether every host says itself who logs in.
    pub(super) has_login: bool,
    /// Whether there are `overlays/`.
    pub(super) overlays: bool,
    /// Whether there is a `pimg.lock`.
    pub(super) lock: bool,
    /// Seeds of the hosts, and whether each is there.
    pub(super) seeds: Vec<(String, bool)>,
    /// Whether there is a `secrets.age`, and the operator's key for it.
    pub(super) secrets: bool,
    /// Whether the operator has an age key.
    pub(super) age_key: bool,
    /// What a try to reach the base image's server gave; `None` where nobody asked for one.
    pub(super) network: Option<(String, Result<(), String>)>,
}

/// Judges. `required` names commands that have to work beside those that need nothing but files.
pub(super) fn judge(survey: &Survey, project: &Project, required: &[String]) -> Vec<DoctorCheck> {
    let family = Family::of(&survey.os_release, survey.is_mac);
    let mut checks = Vec::new();
    checks.push(version());
    places(survey, &mut checks);
    resources(survey, family, project.has_login, &mut checks);
    project_checks(project, survey, &mut checks);
    programs(survey, family, &mut checks);
    namespaces(survey, &mut checks);
    devices(survey, &mut checks);
    for check in &mut checks {
        let first_word = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
        let is_required = check.needed_for.iter().any(|command| required.contains(&first_word(command)));
        if check.state == DoctorState::Optional && is_required {
            check.state = DoctorState::Missing;
        }
    }
    checks
}

fn check(
    what: &str,
    state: DoctorState,
    needed_for: &[&str],
    found: impl Into<String>,
    fix: Option<String>,
) -> DoctorCheck {
    let needed_for = needed_for.iter().map(|command| (*command).to_owned()).collect();
    DoctorCheck {
        what: what.to_owned(),
        state,
        needed_for,
        found: found.into(),
        fix: fix.filter(|_| state != DoctorState::Ok),
    }
}

fn ok_or(fits: bool, otherwise: DoctorState) -> DoctorState {
    if fits { DoctorState::Ok } else { otherwise }
}

fn version() -> DoctorCheck {
    check("pimg", DoctorState::Ok, &[], env!("CARGO_PKG_VERSION"), None)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn places(survey: &Survey, checks: &mut Vec<DoctorCheck>) {
    let cache_users = ["build", "lock", "fetch", "flash", "test"];
    match &survey.cache {
        Some(cache) => {
            let fix =
                format!("`export PIMG_CACHE=DIR` names another place; see who owns `{}`", shown(&cache.path));
            checks.push(check(
                "cache",
                ok_or(cache.writable, DoctorState::Missing),
                &cache_users,
                shown(&cache.path),
                Some(fix),
            ));
            space(
                "space in the cache",
                cache,
                CACHE,
                &cache_users,
                "`pimg clean --cache`, or `export PIMG_CACHE=DIR`",
                checks,
            );
        }
        None => {
            let fix = "`export PIMG_CACHE=DIR` names a directory".to_owned();
            checks.push(check(
                "cache",
                DoctorState::Missing,
                &cache_users,
                "neither PIMG_CACHE nor HOME is set",
                Some(fix),
            ));
        }
    }
    if let Some(out) = &survey.out {
        let fix = format!("see who owns it: `ls -ld {}`; `--out DIR` writes elsewhere", shown(&out.path));
        checks.push(check(
            "out",
            ok_or(out.writable, DoctorState::Missing),
            &["build"],
            shown(&out.path),
            Some(fix),
        ));
        space("space for images", out, OUT, &["build"], "`pimg clean --out`, or `--out DIR`", checks);
    }
}

fn space(
    what: &str,
    place: &Directory,
    needed: u64,
    commands: &[&str],
    fix: &str,
    checks: &mut Vec<DoctorCheck>,
) {
    let Some(free) = place.free else { return };
    let found =
        format!("{:.1} GiB free, {} GiB are comfortable", free as f64 / f64::from(1 << 30), needed >> 30);
    // a small base needs less: too little is a remark, whatever command is named, next to nothing a fault
    let state = if free >= needed {
        DoctorState::Ok
    } else if free >= needed / 8 {
        DoctorState::Optional
    } else {
        DoctorState::Missing
    };
    let commands = if state == DoctorState::Optional { &[] } else { commands };
    checks.push(check(what, state, commands, found, Some(fix.to_owned())));
}

fn resources(survey: &Survey, family: Family, has_login: bool, checks: &mut Vec<DoctorCheck>) {
    if let Some(memory) = survey.memory {
        let found = format!("{:.1} GiB", memory as f64 / f64::from(1 << 30));
        let fix = "close other programs; `pimg build --jobs 1` needs 300 MiB".to_owned();
        checks.push(check(
            "memory",
            ok_or(memory >= MEMORY, DoctorState::Missing),
            &["build"],
            found,
            Some(fix),
        ));
    }
    if let Some(files) = survey.open_files {
        let fix = "`ulimit -n 1024`".to_owned();
        let state = ok_or(files >= OPEN_FILES, DoctorState::Missing);
        checks.push(check("open files", state, &["build"], format!("{files} at the same time"), Some(fix)));
    }
    let users = ["build", "lock", "fetch"];
    match &survey.certificates {
        Some(path) => checks.push(check("certificates", DoctorState::Ok, &users, shown(path), None)),
        // macOS keeps them in a keychain
        None if survey.is_mac => {}
        None => {
            let fix = Some(family.install("ca-certificates"));
            checks.push(check(
                "certificates",
                DoctorState::Missing,
                &users,
                "no store of certification authorities",
                fix,
            ));
        }
    }
    let fix = "`ssh-keygen -t ed25519`, or `--ssh-key FILE`, or `user.ssh_keys` in a profile".to_owned();
    let keys = match has_login {
        true => "every profile has a key or a password".to_owned(),
        false => format!("{} in ~/.ssh", survey.ssh_keys),
    };
    let state = ok_or(survey.ssh_keys > 0 || has_login, DoctorState::Optional);
    checks.push(check("public ssh keys", state, &["build", "check", "status"], keys, Some(fix)));
}

fn project_checks(project: &Project, survey: &Survey, checks: &mut Vec<DoctorCheck>) {
    let Some(profiles) = &project.profiles else {
        let fix = Some("`pimg new DIR` makes one".to_owned());
        checks.push(check("project", DoctorState::Optional, &[], "none here: no profiles/", fix));
        return;
    };
    match profiles {
        Ok(count) => {
            let fix = Some("a profile with a `hostname` is built".to_owned());
            let state = ok_or(*count > 0, DoctorState::Missing);
            checks.push(check("profiles", state, &["check", "build", "lock"], format!("{count} hosts"), fix));
        }
        Err(why) => {
            let fix = Some("`pimg check` shows all that is wrong".to_owned());
            checks.push(check("profiles", DoctorState::Missing, &["check", "build", "lock"], why, fix));
        }
    }
    let fix = Some("`pimg new` brings them; profiles without `overlays` need none".to_owned());
    let found = if project.overlays { "overlays/" } else { "no overlays/" };
    checks.push(check("overlays", ok_or(project.overlays, DoctorState::Optional), &["build"], found, fix));
    let (found, fix) = if project.lock {
        ("pimg.lock", None)
    } else {
        ("no pimg.lock", Some("`pimg lock` makes one".to_owned()))
    };
    checks.push(check(
        "lock",
        ok_or(project.lock, DoctorState::Optional),
        &["repeating a build"],
        found,
        fix,
    ));
    for (name, is_there) in &project.seeds {
        let found = if *is_there { format!("{name}.seed") } else { format!("no secrets/{name}.seed") };
        let fix = Some("the first build makes it; `pimg secrets init` makes it now".to_owned());
        checks.push(check(
            "secret seed",
            ok_or(*is_there, DoctorState::Optional),
            &["seed", "status"],
            found,
            fix,
        ));
    }
    let found = if project.secrets { "secrets.age" } else { "no secrets.age" };
    let fix = Some("`pimg secrets init`".to_owned());
    checks.push(check(
        "stored secrets",
        ok_or(project.secrets, DoctorState::Optional),
        &["secrets edit"],
        found,
        fix.clone(),
    ));
    let state = if project.age_key { DoctorState::Ok } else { ok_or(!project.secrets, DoctorState::Missing) };
    if project.secrets || project.age_key {
        let found =
            if project.age_key { "your age key" } else { "secrets.age is here, and no age key of yours" };
        checks.push(check("age key", state, &["build", "secrets edit", "seed"], found, fix));
    }
    if let Some((server, reached)) = &project.network {
        let found = reached.as_ref().map_or_else(Clone::clone, |()| server.clone());
        let fix = Some("see whether a proxy is needed: `HTTPS_PROXY`".to_owned());
        checks.push(check(
            "network",
            ok_or(reached.is_ok(), DoctorState::Missing),
            &["lock", "fetch", "build"],
            found,
            fix,
        ));
    }
    let (name, place) = &survey.editor;
    let found = place.as_deref().map_or_else(|| format!("no `{name}`"), shown);
    let fix = Some("`export EDITOR=nano` names another one".to_owned());
    checks.push(check(
        "editor",
        ok_or(place.is_some(), DoctorState::Optional),
        &["secrets edit"],
        found,
        fix,
    ));
}

fn programs(survey: &Survey, family: Family, checks: &mut Vec<DoctorCheck>) {
    for (program, commands) in PROGRAMS {
        if program == UNSHARE && survey.is_mac {
            continue;
        }
        let found = survey.programs.get(program).and_then(Option::as_deref);
        let text = found.map_or_else(|| "not in PATH".to_owned(), shown);
        let state = ok_or(found.is_some(), DoctorState::Optional);
        checks.push(check(program, state, commands, text, Some(family.install(program))));
    }
}

/// Kernel modules are compiled where nothing of the machine is seen.
fn namespaces(survey: &Survey, checks: &mut Vec<DoctorCheck>) {
    let (state, found, fix) = if survey.is_mac {
        let fix = "take modules that were built on Linux: `pimg module build --url URL` there".to_owned();
        (DoctorState::Optional, "only Linux builds kernel modules", Some(fix))
    } else if let Some(hint) = survey.no_namespaces.first() {
        (DoctorState::Optional, "this user may not make them", Some((*hint).to_owned()))
    } else {
        (DoctorState::Ok, "allowed", None)
    };
    checks.push(check("user namespaces", state, &MODULES, found, fix));
}

fn devices(survey: &Survey, checks: &mut Vec<DoctorCheck>) {
    if !survey.is_mac {
        let (found, fix) = match survey.kvm {
            Device::Usable => ("/dev/kvm", None),
            Device::Denied => (
                "/dev/kvm may not be opened",
                Some("`sudo usermod -aG kvm $USER`, then log in again".to_owned()),
            ),
            Device::Missing => ("no /dev/kvm: QEMU emulates, which is slow and works", None),
        };
        let state = ok_or(survey.kvm == Device::Usable, DoctorState::Optional);
        checks.push(check("kvm", state, &["a fast test on an arm64 machine"], found, fix));
    }
    if survey.cards.is_empty() && !survey.is_mac {
        let fix = Some("put a card into its reader".to_owned());
        checks.push(check("cards", DoctorState::Optional, &["flash"], "no card that can be taken out", fix));
    }
    for (path, description, may_write) in &survey.cards {
        let found = format!("{} {description}", shown(path));
        let fix = Some(format!("`sudo chown $USER {}`, until it is plugged in again", shown(path)));
        checks.push(check(
            "card",
            ok_or(*may_write, DoctorState::Optional),
            &["flash"],
            found.trim_end(),
            fix,
        ));
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{DoctorState, PROGRAMS, Project, judge};
    use crate::host::survey::{Device, Directory, Survey};

    fn machine() -> Survey {
        let directory =
            |path: &str| Some(Directory { path: path.into(), writable: true, free: Some(100 << 30) });
        Survey {
            os_release: "ID=debian\n".into(),
            programs: PROGRAMS
                .iter()
                .map(|(name, _)| (*name, Some(PathBuf::from("/usr/bin").join(name))))
                .collect(),
            editor: ("vi".into(), Some("/usr/bin/vi".into())),
            cache: directory("/cache"),
            out: directory("out"),
            kvm: Device::Usable,
            cards: vec![("/dev/sdb".into(), "Ultra".into(), true)],
            memory: Some(8 << 30),
            open_files: Some(1024),
            certificates: Some("/etc/ssl/certs/ca-certificates.crt".into()),
            ssh_keys: 1,
            ..Survey::default()
        }
    }

    fn project() -> Project {
        Project {
            profiles: Some(Ok(3)),
            has_login: false,
            overlays: true,
            lock: true,
            seeds: vec![("k8sctl".into(), true)],
            secrets: true,
            age_key: true,
            network: None,
        }
    }

    fn not_ok(survey: &Survey, project: &Project, required: &[&str]) -> Vec<(String, DoctorState)> {
        let required: Vec<String> = required.iter().map(|name| (*name).to_owned()).collect();
        let checks = judge(survey, project, &required);
        checks
            .into_iter()
            .filter(|check| check.state != DoctorState::Ok)
            .map(|check| (check.what, check.state))
            .collect()
    }

    #[test]
    fn a_machine_that_has_everything() {
        assert_eq!(not_ok(&machine(), &project(), &["test", "flash"]), []);
    }

    #[test]
    fn each_thing_that_is_missing_is_told_as_what_it_is() {
        let missing = |what: &str| vec![(what.to_owned(), DoctorState::Missing)];
        let optional = |what: &str| vec![(what.to_owned(), DoctorState::Optional)];
        let change = |change: fn(&mut Survey)| {
            let mut survey = machine();
            change(&mut survey);
            survey
        };
        for (survey, expected) in [
            (change(|s| s.cache.as_mut().expect("is there").writable = false), missing("cache")),
            (change(|s| s.cache = None), missing("cache")),
            (change(|s| s.cache.as_mut().expect("is there").free = Some(1)), missing("space in the cache")),
            (
                change(|s| s.cache.as_mut().expect("is there").free = Some(5 << 30)),
                optional("space in the cache"),
            ),
            (change(|s| s.out.as_mut().expect("is there").writable = false), missing("out")),
            (change(|s| s.memory = Some(256 << 20)), missing("memory")),
            (change(|s| s.open_files = Some(64)), missing("open files")),
            (change(|s| s.certificates = None), missing("certificates")),
            (change(|s| s.ssh_keys = 0), optional("public ssh keys")),
            (change(|s| s.kvm = Device::Denied), optional("kvm")),
            (change(|s| s.cards[0].2 = false), optional("card")),
            (change(|s| s.cards.clear()), optional("cards")),
            (change(|s| s.editor.1 = None), optional("editor")),
            (
                change(|s| drop(s.programs.insert("qemu-system-aarch64", None))),
                optional("qemu-system-aarch64"),
            ),
        ] {
            assert_eq!(not_ok(&survey, &project(), &[]), expected);
        }
        let without_qemu = change(|s| drop(s.programs.insert("qemu-system-aarch64", None)));
        assert_eq!(not_ok(&without_qemu, &project(), &["test"]), missing("qemu-system-aarch64"));
        let fix = judge(&without_qemu, &project(), &[]).into_iter().find_map(|check| check.fix);
        assert_eq!(fix.as_deref(), Some("sudo apt install qemu-system-arm"));
    }

    #[test]
    fn a_project_that_is_not_in_order() {
        let broken = Project { profiles: Some(Err("2 problems".into())), ..project() };
        assert_eq!(not_ok(&machine(), &broken, &[]), [("profiles".to_owned(), DoctorState::Missing)]);
        let locked_out = Project { age_key: false, ..project() };
        assert_eq!(not_ok(&machine(), &locked_out, &[]), [("age key".to_owned(), DoctorState::Missing)]);
        assert_eq!(
            not_ok(&machine(), &Project::default(), &[]),
            [("project".to_owned(), DoctorState::Optional)]
        );
        let offline =
            Project { network: Some(("https://example.org".into(), Err("no route".into()))), ..project() };
        assert_eq!(not_ok(&machine(), &offline, &[]), [("network".to_owned(), DoctorState::Missing)]);
    }
}
