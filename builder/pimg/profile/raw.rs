//! A profile as written: every key that exists, by type, with its place. What values mean is `check`'s.
//!
//! A profile that `extends` another lies over it: tables merge, everything else replaces.

use std::collections::BTreeMap;

use super::document::{Keys, Node, Table, secret_reference};
use super::host::SecretReference;
use super::mirrors::RawMirrors;
use super::problem::{Located, Place, Problem};

pub(crate) type Texts = Located<Vec<Located<String>>>;

/// What a key of this kind holds.
macro_rules! kind {
    (text) => { Located<String> };
    (boolean) => { Located<bool> };
    (integer) => { Located<i64> };
    (size) => { Located<u64> };
    (texts) => { Texts };
    (text_or_texts) => { Texts };
    (secret) => { Located<SecretReference> };
}

/// The keys that a table has, whether or not their values are right: a value of the wrong type is not missing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Vec<&'static str>);

impl Seen {
    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.contains(&key)
    }
}

/// One table of a profile: its keys with the [`Keys`] method that reads each, then the tables inside it.
macro_rules! sections {
    ($($name:ident { $($field:ident: $kind:ident,)* } [$($inner:ident: $type:ty,)*])*) => {$(
        #[derive(Clone, Debug, Default)]
        pub(crate) struct $name {
            /// Where the table starts, if it is there.
            pub(crate) place: Option<Place>,
            pub(crate) seen: Seen,
            $(pub(crate) $field: Option<kind!($kind)>,)*
            $(pub(crate) $inner: $type,)*
        }

        impl $name {
            pub(crate) fn read(table: Table, problems: &mut Vec<Problem>) -> Self {
                let mut keys = Keys::new(table, problems);
                let place = Some(keys.place());
                $(let $field = keys.$kind(stringify!($field));)*
                $(let $inner = keys.table(stringify!($inner));)*
                let seen = Seen(keys.seen());
                keys.finish();
                $(let $inner = $inner.map(|table| <$type>::read(table, problems)).unwrap_or_default();)*
                Self { place, seen, $($field,)* $($inner,)* }
            }

            /// This table over the one of a parent.
            fn over(self, parent: Self) -> Self {
                Self {
                    place: self.place.or(parent.place),
                    seen: Seen([self.seen.0, parent.seen.0].concat()),
                    $($field: self.$field.or(parent.$field),)*
                    $($inner: self.$inner.over(parent.$inner),)*
                }
            }
        }
    )*};
}

sections! {
    RawProfile {
        extends: text_or_texts, hostname: text, overlays: texts, bake: boolean, layers: text,
    } [
        base: RawBase, image: RawImage, user: RawUser, locale: RawLocale, network: RawNetwork, boot: RawBoot,
        cluster: RawCluster, zfs: RawZfs, pve: RawPve, acme: RawAcme, tailscale: RawTailscale,
        rpi_connect: RawRpiConnect, talos: RawTalos, packages: RawPackages, mirrors: RawMirrors, vars: RawVars,
    ]
    RawBase { source: text, sha256: text, raw_sha256: text, } []
    RawImage { size: size, free: size, version: text, } []
    RawUser {
        name: text, full_name: text, ssh_keys: texts, password_hash: secret, shell: text, sudo: text,
    } []
    RawLocale { default: text, generate: texts, timezone: text, } [keyboard: RawKeyboard,]
    RawKeyboard { layout: text, model: text, variant: text, } []
    RawNetwork {
        interface: text, address: text, gateway: text, dns: text_or_texts, domain: text,
        bridge: text, vlan_aware: boolean, vlan_ids: text,
        backplane: text, backplane_interface: text, backplane_mac: text,
    } []
    RawBoot { config: texts, cmdline: texts, } []
    RawCluster { name: text, nodes: texts, } []
    RawZfs { pool: text, disks: texts, wipe: text, arc_max: size, } []
    RawPve { source: text, } []
    RawAcme { domain_suffix: text, email: text, dns_provider: text, } [env: RawSecrets,]
    RawTailscale { auth_key: secret, } []
    RawRpiConnect { auth_key: secret, } []
    RawPackages {
        install: texts, remove: texts, hold: texts, upgrade: text, recommends: boolean, keep: boolean,
    } []
    RawTalos { iso: text, sha256: text, cores: integer, memory: size, disk: size, machine_config: secret, } []
}

impl RawProfile {
    /// This profile over a parent.
    ///
    /// A digest belongs to the file it was taken of: where this profile names another file, a digest that the
    /// parent gives for its own is not inherited.
    pub(crate) fn inherit(self, mut parent: Self) -> Self {
        if self.base.source.is_some() {
            parent.base = RawBase::default();
        }
        if self.talos.iso.is_some() {
            parent.talos.sha256 = None;
        }
        self.over(parent)
    }
}

/// A table of secrets under names of the person's choice.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawSecrets(pub(crate) BTreeMap<String, (Place, Located<SecretReference>)>);

impl RawSecrets {
    fn read(table: Table, problems: &mut Vec<Problem>) -> Self {
        let mut secrets = BTreeMap::new();
        for (key, node) in table.entries {
            if let Some(secret) = secret_reference(node, problems) {
                secrets.insert(key.value, (key.place, secret));
            }
        }
        Self(secrets)
    }

    fn over(self, mut parent: Self) -> Self {
        parent.0.extend(self.0);
        parent
    }
}

/// `[vars.<overlay>]`: overlay name → variable → value.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawVars(pub(crate) BTreeMap<String, (Place, BTreeMap<String, Located<Node>>)>);

impl RawVars {
    fn read(table: Table, problems: &mut Vec<Problem>) -> Self {
        let mut overlays = BTreeMap::new();
        for (overlay, node) in table.entries {
            let Node::Table(variables) = node.value else {
                let hint = format!(
                    "put variables of an overlay under `[vars.OVERLAY]`, not `vars.{}`",
                    overlay.value
                );
                problems.push(Problem::at(&overlay.place, "is not an overlay's table").with_hint(hint));
                continue;
            };
            let variables = variables.entries.into_iter().map(|(name, value)| (name.value, value)).collect();
            overlays.insert(overlay.value, (overlay.place, variables));
        }
        Self(overlays)
    }

    fn over(self, mut parent: Self) -> Self {
        for (overlay, (place, variables)) in self.0 {
            let merged = parent.0.entry(overlay).or_insert_with(|| (place.clone(), BTreeMap::new()));
            merged.0 = place;
            merged.1.extend(variables);
        }
        parent
    }
}
