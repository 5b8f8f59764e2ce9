//! What the values of a profile mean: every rule, every default. All problems of a host are found in one pass.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::document::{Node, closest};
use super::host::{
    AcmeSpec, BaseSpec, BootSpec, ClusterNode, ClusterSpec, HostSpec, ImageSpec, LocaleSpec, PackagesSpec,
    PveSource, PveSpec, RpiConnectSpec, Sudo, TailscaleSpec, TalosSpec, Upgrade, UserSpec, ZfsSpec, ZfsWipe,
};
use super::package_names::PackageLists;
use super::problem::{Located, Place, Problem};
use super::raw::{
    RawAcme, RawBase, RawBoot, RawCluster, RawImage, RawLocale, RawPackages, RawProfile, RawTalos, RawUser,
    RawVars, RawZfs, Texts,
};
use super::types::{Hostname, UserName};
use super::values::{self, Checked, wrong};
use super::{check_network, ssh_key};

const GIB: u64 = 1 << 30;
/// Sectors of 512 bytes that a master boot record can count.
const LARGEST_IMAGE: u64 = 512 << 32;

/// ZFS takes no smaller limit of the ARC (zfs(4), `zfs_arc_max`).
const SMALLEST_ARC: u64 = 64 << 20;

/// Collects problems while values are checked one by one.
pub(crate) struct Check<'p> {
    pub(crate) problems: &'p mut Vec<Problem>,
    /// Where a missing key is reported: the line that makes the profile buildable.
    pub(crate) subject: Place,
}

impl Check<'_> {
    pub(crate) fn problem(&mut self, place: &Place, message: impl Into<String>) {
        self.problems.push(Problem::at(place, message));
    }

    /// The checked value; `None` where it is missing or wrong.
    pub(crate) fn value<T>(
        &mut self,
        raw: Option<&Located<String>>,
        rule: impl Fn(&str) -> Checked<T>,
    ) -> Option<T> {
        let raw = raw?;
        rule(&raw.value).map_err(|error| self.problem(&raw.place, error.0)).ok()
    }

    /// As [`Self::value`], and a missing value is a problem.
    pub(crate) fn required<T>(
        &mut self,
        key: &str,
        present: bool,
        raw: Option<&Located<String>>,
        rule: impl Fn(&str) -> Checked<T>,
    ) -> Option<T> {
        let subject = self.subject.clone();
        self.present_in(key, Some(&subject), present);
        self.value(raw, rule)
    }

    /// Reports a key that a table needs once the table is there.
    fn present_in(&mut self, key: &str, table: Option<&Place>, present: bool) {
        if let Some(place) = table.filter(|_| !present) {
            self.problem(place, format!("needs `{key}`, which is not set"));
        }
    }

    pub(crate) fn values<T>(&mut self, raw: Option<&Texts>, rule: impl Fn(&str) -> Checked<T>) -> Vec<T> {
        let items = raw.map(|list| list.value.as_slice()).unwrap_or_default();
        items.iter().filter_map(|item| self.value(Some(item), &rule)).collect()
    }

    fn unique(&mut self, raw: Option<&Texts>) {
        let items = raw.map(|list| list.value.as_slice()).unwrap_or_default();
        for (at, item) in items.iter().enumerate() {
            if items.iter().take(at).any(|other| other.value == item.value) {
                self.problem(&item.place, "is in the list twice");
            }
        }
    }

    fn choice<T: Copy>(&mut self, raw: Option<&Located<String>>, choices: &[(&str, T)]) -> Option<T> {
        self.value(raw, |text| match choices.iter().find(|(name, _)| *name == text) {
            Some((_, choice)) => Ok(*choice),
            None => {
                let names: Vec<_> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
                wrong(format!("is none of {}", names.join(", ")))
            }
        })
    }
}

/// Makes the host of a merged profile, or says everything that is wrong with it.
///
/// `overlays` are the directories that exist; `nodes` are the members of the host's cluster.
pub(crate) fn host(
    profile: &str,
    raw: &RawProfile,
    hostname: &Located<String>,
    overlays: &[String],
    nodes: Vec<ClusterNode>,
    problems: &mut Vec<Problem>,
) -> Option<HostSpec> {
    let found = problems.len();
    let mut check = Check { problems, subject: hostname.place.clone() };
    let check = &mut check;

    let hostname = check.value(Some(hostname), Hostname::new);
    let base = base(check, &raw.base);
    let image = image(check, &raw.image);
    let user = user(check, &raw.user);
    let locale = locale(check, &raw.locale);
    let network = check_network::network(check, &raw.network);
    let boot = boot(check, &raw.boot);
    let cluster = cluster(check, &raw.cluster, nodes);
    let zfs = zfs(check, &raw.zfs);
    let pve = [("pxvirt", PveSource::Pxvirt), ("proxmox", PveSource::Proxmox)];
    let pve = PveSpec { source: check.choice(raw.pve.source.as_ref(), &pve).unwrap_or(PveSource::Pxvirt) };
    let acme = acme(check, &raw.acme);
    check.present_in("tailscale.auth_key", raw.tailscale.place.as_ref(), raw.tailscale.seen.has("auth_key"));
    let tailscale = raw.tailscale.auth_key.as_ref().map(|key| TailscaleSpec { auth_key: key.value.clone() });
    let connect = &raw.rpi_connect;
    check.present_in("rpi_connect.auth_key", connect.place.as_ref(), connect.seen.has("auth_key"));
    let rpi_connect = connect.auth_key.as_ref().map(|key| RpiConnectSpec { auth_key: key.value.clone() });
    // its disk is on the pool
    check.present_in("zfs.disks", raw.talos.place.as_ref(), !zfs.disks.is_empty());
    let talos = talos(check, &raw.talos);
    let overlay_names = overlay_names(check, raw.overlays.as_ref(), overlays);
    let packages = packages(check, &raw.packages);
    let layers = check.value(raw.layers.as_ref(), values::layers);
    let vars = vars(check, &raw.vars, overlays);

    let domain = check.value(raw.network.domain.as_ref(), values::domain);
    let domain = domain.or_else(|| acme.as_ref().map(|acme| acme.domain_suffix.clone()));
    if check.problems.len() > found {
        return None;
    }
    Some(HostSpec {
        profile: profile.to_owned(),
        hostname: hostname?,
        domain,
        base: base?,
        image,
        user: user?,
        locale,
        network: network?,
        boot,
        cluster,
        zfs,
        pve,
        acme,
        tailscale,
        rpi_connect,
        talos,
        packages,
        bake: raw.bake.as_ref().is_some_and(|bake| bake.value),
        layers,
        mirrors: raw.mirrors.clone().into_mirrors(),
        overlays: overlay_names,
        vars,
    })
}

fn base(check: &mut Check<'_>, raw: &RawBase) -> Option<BaseSpec> {
    if !raw.seen.has("source") {
        let place = raw.place.clone().unwrap_or_else(|| check.subject.clone());
        let hint =
            "extend a profile that has one, such as `extends = \"raspios\"`, or set `source` under `[base]`";
        check.problems.push(Problem::at(&place, "no base image: `base.source` is not set").with_hint(hint));
    }
    let sha256 = check.value(raw.sha256.as_ref(), values::sha256);
    let raw_sha256 = check.value(raw.raw_sha256.as_ref(), values::sha256);
    Some(BaseSpec { source: check.value(raw.source.as_ref(), values::source)?, sha256, raw_sha256 })
}

fn image(check: &mut Check<'_>, raw: &RawImage) -> ImageSpec {
    if let Some(size) = raw.size.as_ref().filter(|size| size.value == 0 || size.value % 512 != 0) {
        check.problem(&size.place, "an image is a whole number of sectors of 512 bytes");
    }
    for size in [&raw.size, &raw.free].into_iter().flatten().filter(|size| size.value > LARGEST_IMAGE) {
        check.problem(&size.place, "a partition table of this kind ends at 2 TiB");
    }
    ImageSpec {
        size: raw.size.as_ref().map(|size| size.value),
        free: raw.free.as_ref().map_or(512 << 20, |free| free.value),
        version: check.value(raw.version.as_ref(), values::version).unwrap_or_else(|| "1".to_owned()),
    }
}

fn user(check: &mut Check<'_>, raw: &RawUser) -> Option<UserSpec> {
    let name = check.required("user.name", raw.seen.has("name"), raw.name.as_ref(), |text| match text {
        "root" => wrong("root is locked on every node: name the person who logs in and uses `sudo`"),
        _ => UserName::new(text),
    });
    let mut ssh_keys = Vec::new();
    for line in raw.ssh_keys.iter().flat_map(|keys| &keys.value) {
        if ssh_key::is_private(&line.value) {
            let message = "this is a PRIVATE key, and whoever reads this file has it now";
            let hint =
                "make a new key pair with `ssh-keygen -t ed25519`, and put the line of its `.pub` file here";
            check.problems.push(Problem::at(&line.place, message).without_excerpt().with_hint(hint));
        } else {
            ssh_keys.extend(check.value(Some(line), ssh_key::public_key_line));
        }
    }
    let password_hash = raw.password_hash.as_ref().map(|hash| hash.value.clone());
    let sudo =
        check.choice(raw.sudo.as_ref(), &[("password", Sudo::Password), ("no-password", Sudo::NoPassword)]);
    if let Some(sudo) = raw.sudo.as_ref().filter(|_| sudo == Some(Sudo::Password) && password_hash.is_none())
    {
        let message = "`sudo` would ask for a password that nobody has: `user.password_hash` is not set";
        check.problem(&sudo.place, message);
    }
    let silent = if password_hash.is_some() { Sudo::Password } else { Sudo::NoPassword };
    let full_name = check.value(raw.full_name.as_ref(), values::full_name).unwrap_or_default();
    let shell = check.value(raw.shell.as_ref(), values::shell).unwrap_or_else(|| "/bin/bash".to_owned());
    Some(UserSpec { name: name?, full_name, ssh_keys, password_hash, shell, sudo: sudo.unwrap_or(silent) })
}

fn locale(check: &mut Check<'_>, raw: &RawLocale) -> LocaleSpec {
    let default =
        check.value(raw.default.as_ref(), values::locale).unwrap_or_else(|| "en_AU.UTF-8".to_owned());
    let mut generate = check.values(raw.generate.as_ref(), values::locale);
    generate.sort();
    generate.dedup();
    match &raw.generate {
        // glibc has this one in itself
        Some(list) if default != "C.UTF-8" && !list.value.iter().any(|item| item.value == default) => {
            check.problem(&list.place, format!("does not hold `{default}`, the default locale"));
        }
        Some(_) => {}
        None => generate.push(default.clone()),
    }
    let keyboard = &raw.keyboard;
    LocaleSpec {
        default,
        generate,
        timezone: check
            .value(raw.timezone.as_ref(), values::timezone)
            .unwrap_or_else(|| "Etc/UTC".to_owned()),
        keyboard_layout: check
            .value(keyboard.layout.as_ref(), values::keyboard)
            .unwrap_or_else(|| "us".to_owned()),
        keyboard_model: check
            .value(keyboard.model.as_ref(), values::keyboard)
            .unwrap_or_else(|| "pc105".to_owned()),
        keyboard_variant: check.value(keyboard.variant.as_ref(), values::keyboard).unwrap_or_default(),
    }
}

fn boot(check: &mut Check<'_>, raw: &RawBoot) -> BootSpec {
    BootSpec {
        config: check.values(raw.config.as_ref(), values::config_line),
        cmdline: check.values(raw.cmdline.as_ref(), values::cmdline_word),
    }
}

fn cluster(check: &mut Check<'_>, raw: &RawCluster, nodes: Vec<ClusterNode>) -> Option<ClusterSpec> {
    let place = raw.place.as_ref();
    check.present_in("cluster.name", place, raw.seen.has("name"));
    check.present_in("cluster.nodes", place, raw.seen.has("nodes"));
    check.unique(raw.nodes.as_ref());
    let name = check.value(raw.name.as_ref(), values::cluster_name)?;
    let some = nodes.iter().any(|node| node.backplane.is_some());
    if let Some(odd) = nodes.iter().find(|node| some && node.backplane.is_none()) {
        let message = format!("`{}` has no backplane address, but others of this cluster have", odd.hostname);
        check.problem(&raw.nodes.as_ref()?.place, message);
    }
    Some(ClusterSpec { name, nodes })
}

fn zfs(check: &mut Check<'_>, raw: &RawZfs) -> ZfsSpec {
    check.unique(raw.disks.as_ref());
    if let Some(arc) = raw.arc_max.as_ref().filter(|arc| arc.value < SMALLEST_ARC) {
        check.problem(&arc.place, "ZFS ignores an ARC limit below 64MiB");
    }
    let wipe = [("never", ZfsWipe::Never), ("yes-destroy-data", ZfsWipe::YesDestroyData)];
    ZfsSpec {
        pool: check.value(raw.pool.as_ref(), values::pool).unwrap_or_else(|| "data".to_owned()),
        disks: check.values(raw.disks.as_ref(), values::disk),
        wipe: check.choice(raw.wipe.as_ref(), &wipe).unwrap_or(ZfsWipe::Never),
        arc_max: raw.arc_max.as_ref().map_or(GIB, |arc| arc.value),
    }
}

fn acme(check: &mut Check<'_>, raw: &RawAcme) -> Option<AcmeSpec> {
    let place = raw.place.as_ref();
    check.present_in("acme.domain_suffix", place, raw.seen.has("domain_suffix"));
    check.present_in("acme.email", place, raw.seen.has("email"));
    check.present_in("acme.dns_provider", place, raw.seen.has("dns_provider"));
    let mut env = BTreeMap::new();
    for (name, (place, secret)) in &raw.env.0 {
        if !values::is_variable_name(name) || name.is_empty() {
            check.problem(place, "is not the name of an environment variable");
        }
        env.insert(name.clone(), secret.value.clone());
    }
    let domain_suffix = check.value(raw.domain_suffix.as_ref(), values::domain);
    let email = check.value(raw.email.as_ref(), values::email);
    let dns_provider = check.value(raw.dns_provider.as_ref(), values::dns_provider);
    Some(AcmeSpec { domain_suffix: domain_suffix?, email: email?, dns_provider: dns_provider?, env })
}

fn talos(check: &mut Check<'_>, raw: &RawTalos) -> Option<TalosSpec> {
    check.present_in("talos.iso", raw.place.as_ref(), raw.seen.has("iso"));
    let cores = raw.cores.as_ref().map_or(4, |cores| match u32::try_from(cores.value) {
        Ok(count @ 1..=512) => count,
        _ => {
            check.problem(&cores.place, "a VM has 1 to 512 cores");
            1
        }
    });
    for (size, least) in [(&raw.memory, 1 << 20), (&raw.disk, GIB)] {
        if let Some(size) = size.as_ref().filter(|size| size.value < least || size.value % (1 << 20) != 0) {
            let least = if least == GIB { "1GiB" } else { "1MiB" };
            check.problem(&size.place, format!("a VM takes whole MiB, at least {least}"));
        }
    }
    let sha256 = check.value(raw.sha256.as_ref(), values::sha256);
    Some(TalosSpec {
        iso: check.value(raw.iso.as_ref(), values::https)?,
        sha256,
        cores,
        memory: raw.memory.as_ref().map_or(4 * GIB, |memory| memory.value),
        disk: raw.disk.as_ref().map_or(32 * GIB, |disk| disk.value),
        machine_config: raw.machine_config.as_ref().map(|config| config.value.clone()),
    })
}

fn packages(check: &mut Check<'_>, raw: &RawPackages) -> PackagesSpec {
    let [install, remove, hold] = [&raw.install, &raw.remove, &raw.hold].map(Option::as_ref);
    let lists = PackageLists::check(install, remove, hold, check.problems);
    let texts = |list: Vec<Located<String>>| list.into_iter().map(|item| item.value).collect();
    let upgrade = [("none", Upgrade::None), ("locked", Upgrade::Locked)];
    PackagesSpec {
        install: texts(lists.install),
        remove: texts(lists.remove),
        hold: texts(lists.hold),
        upgrade: check.choice(raw.upgrade.as_ref(), &upgrade).unwrap_or_default(),
        recommends: raw.recommends.as_ref().is_some_and(|recommends| recommends.value),
        keep: raw.keep.as_ref().is_some_and(|keep| keep.value),
    }
}

fn unknown_overlay(check: &mut Check<'_>, name: &str, place: &Place, existing: &[String]) {
    let hint = match closest(name, existing.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("overlays here are `{}`", existing.join("`, `")),
    };
    check
        .problems
        .push(Problem::at(place, format!("there is no directory `overlays/{name}`")).with_hint(hint));
}

fn overlay_names(check: &mut Check<'_>, raw: Option<&Texts>, existing: &[String]) -> Vec<String> {
    check.unique(raw);
    let mut names = Vec::new();
    for item in raw.iter().flat_map(|list| &list.value) {
        let Some(name) = check.value(Some(item), values::file_stem) else { continue };
        if existing.contains(&name) {
            names.push(name);
        } else {
            unknown_overlay(check, &name, &item.place, existing);
        }
    }
    names
}

fn vars(
    check: &mut Check<'_>,
    raw: &RawVars,
    existing: &[String],
) -> BTreeMap<String, BTreeMap<String, toml::Value>> {
    let mut vars = BTreeMap::new();
    for (overlay, (place, variables)) in &raw.0 {
        if !existing.contains(overlay) {
            unknown_overlay(check, overlay, place, existing);
        }
        let mut values = BTreeMap::new();
        for (name, node) in variables {
            match plain_value(&node.value) {
                Some(value) => drop(values.insert(name.clone(), value)),
                None => check.problem(
                    &node.place,
                    "a variable is text, a whole number, true, false or a list of these",
                ),
            }
        }
        vars.insert(overlay.clone(), values);
    }
    vars
}

/// The value of an overlay variable; `None` where it has a type that none has.
pub(crate) fn plain_value(node: &Node) -> Option<toml::Value> {
    Some(match node {
        Node::Text(text) => toml::Value::String(text.clone()),
        Node::Integer(number) => toml::Value::Integer(*number),
        Node::Boolean(value) => toml::Value::Boolean(*value),
        Node::List(list) => {
            let items = list.iter().map(|item| match item.value {
                Node::List(_) => None,
                _ => plain_value(&item.value),
            });
            toml::Value::Array(items.collect::<Option<_>>()?)
        }
        Node::Table(_) | Node::Other(_) => return None,
    })
}

/// Name servers, where the profile names any.
pub(crate) fn name_servers(
    check: &mut Check<'_>,
    raw: Option<&Texts>,
    gateway: Option<Ipv4Addr>,
) -> Vec<IpAddr> {
    check.unique(raw);
    let servers = check.values(raw, |text| {
        text.parse::<IpAddr>().map_err(|_| super::types::InvalidValue("is not an IP address".to_owned()))
    });
    if raw.is_some() { servers } else { gateway.map(IpAddr::V4).into_iter().collect() }
}
