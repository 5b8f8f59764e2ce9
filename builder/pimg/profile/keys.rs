//! Every key of a profile in a person's words: what it is for, what silence means, an example.

use super::schema::Kind::{
    Boolean, Choice, Integer, Mirror, Secret, Size, Text, TextOrTexts, Texts, Variables,
};
use super::schema::{Format, Key, Kind, NEEDED, Section};

/// Profiles.
#[rustfmt::skip] // a table: one row a key
pub const PROFILE: Format = Format {
    name: "profile",
    title: "Keys of a profile",
    meaning: "What a node is to be: `profiles/NAME.toml`. Where a key is left out and the profile `extends` others, theirs \
              holds; `left out` says what holds if they have none either. A *size* is a number of bytes, or text with a \
              unit: `\"16GiB\"`. A *secret reference* is `{ env = \"NAME\" }`, `{ file = \"PATH\" }`, \
              `{ command = [\"PROGRAM\", \"ARGUMENT\"] }` or `{ secret = \"NAME\" }`: see [Secrets](../how-to/secrets.md). \
              The same as a JSON Schema is [profile.schema.json](profile.schema.json), or `pimg schema profile`: see \
              [Completion in your editor](../how-to/editor.md).",
    is_whole: false,
    sections: &[
        Section {
            path: "",
            meaning: "keys before the first table",
            keys: &[
                key("extends", TextOrTexts, "nothing", "profiles that this one lies over, without `.toml`; later ones win, tables merge, everything else replaces", "[\"raspios\"]"),
                key("hostname", Text, "it is only there to be extended", "the node's name; a profile that has one can be built", "\"node-a\""),
                key("overlays", Texts, "none", "features, in the order in which they apply: directories of `overlays/`", "[\"raspios\", \"zfs\"]"),
                key("bake", Boolean, "`false`", "whether packages are installed when the image is built, once for all nodes that have the same, rather than by each node: see [Bake](../how-to/bake.md)", "true"),
                key("layers", Text, "every machine bakes for itself", "where layers that were baked elsewhere are: `oci:`, `https:`, `s3:` or `file:` address. `PIMG_LAYERS` wins: see [Hand out baked layers](../how-to/layers.md)", "\"oci://ghcr.io/you/layers\""),
            ],
        },
        Section {
            path: "base",
            meaning: "the image that everything begins with. A digest is not inherited for another `source`",
            keys: &[
                key("source", Text, NEEDED, "`https:` or `file:` address, or a path", "\"base.img.xz\""),
                key("sha256", Text, "`pimg.lock` pins it", "SHA-256 of the file as published", "\"0000000000000000000000000000000000000000000000000000000000000000\""),
                key("raw_sha256", Text, "`pimg.lock` pins it", "SHA-256 of the image inside", "\"0000000000000000000000000000000000000000000000000000000000000000\""),
            ],
        },
        Section {
            path: "image",
            meaning: "the finished image",
            keys: &[
                key("size", Size, "as much as needed, and `free`", "its whole size, in whole sectors of 512 bytes", "\"16GiB\""),
                key("free", Size, "`\"512MiB\"`", "room that is left in the root file system; the node takes the rest of its card on the first boot", "\"2GiB\""),
                key("version", Text, "`\"1\"`", "goes into the file's name", "\"1\""),
            ],
        },
        Section {
            path: "user",
            meaning: "who logs in. Root is locked",
            keys: &[
                key("name", Text, NEEDED, "log-in name", "\"admin\""),
                key("full_name", Text, "empty", "name for people", "\"Cluster administrator\""),
                key("ssh_keys", Texts, "`~/.ssh/*.pub` of whoever builds", "public keys that may log in, each the line of a `.pub` file", "[\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f you@laptop\"]"),
                key("password_hash", Secret, "no password works", "for the console, as `mkpasswd -m yescrypt` prints it; ssh takes keys only", "{ env = \"PASSWORD_HASH\" }"),
                key("shell", Text, "`\"/bin/bash\"`", "log-in shell", "\"/bin/bash\""),
                key("sudo", Choice(&["password", "no-password"]), "`\"password\"` if there is one, else `\"no-password\"`", "whether `sudo` asks", "\"password\""),
            ],
        },
        Section {
            path: "locale",
            meaning: "language and time",
            keys: &[
                key("default", Text, "`\"en_AU.UTF-8\"`", "language of the system", "\"en_AU.UTF-8\""),
                key("generate", Texts, "the default", "locales that are made, the default among them", "[\"en_AU.UTF-8\"]"),
                key("timezone", Text, "`\"Etc/UTC\"`", "name in the time zone database", "\"Australia/Sydney\""),
            ],
        },
        Section {
            path: "locale.keyboard",
            meaning: "keyboard of the console",
            keys: &[
                key("layout", Text, "`\"us\"`", "XKB layout", "\"us\""),
                key("model", Text, "`\"pc105\"`", "XKB model", "\"pc105\""),
                key("variant", Text, "none", "XKB variant", "\"\""),
            ],
        },
        Section {
            path: "network",
            meaning: "addresses and names",
            keys: &[
                key("interface", Text, "`\"end0\"`, the onboard port", "network card of the node's address", "\"end0\""),
                key("address", Text, NEEDED, "IPv4 address with prefix length", "\"10.10.80.50/24\""),
                key("gateway", Text, NEEDED, "router, in the same network", "\"10.10.80.1\""),
                key("dns", TextOrTexts, "the gateway", "name servers", "[\"10.10.80.1\"]"),
                key("domain", Text, "`acme.domain_suffix`, else none", "DNS domain", "\"k8s.example.org\""),
                key("bridge", Text, "`\"vmbr0\"`", "bridge that takes over the address and carries VMs (overlay `network`)", "\"vmbr0\""),
                key("vlan_aware", Boolean, "`true`", "whether the bridge knows VLANs", "true"),
                key("vlan_ids", Text, "`\"2-4094\"`", "VLANs of the bridge", "\"2-4094\""),
                key("backplane", Text, "none", "a network for the cluster's own traffic, on a second card; the last number is that of the node's address", "\"10.10.99.0/24\""),
                key("backplane_interface", Text, "found on the node", "name of the second card", "\"eth1\""),
                key("backplane_mac", Text, "found on the node", "hardware address of the second card", "\"00:e0:4c:68:00:01\""),
            ],
        },
        Section {
            path: "boot",
            meaning: "the Raspberry Pi's firmware and the kernel",
            keys: &[
                key("config", Texts, "none", "lines that are added to `config.txt`, at most 98 characters each", "[\"dtparam=pciex1_gen=3\"]"),
                key("cmdline", Texts, "none", "words that are added to the kernel command line", "[\"panic=10\"]"),
            ],
        },
        Section {
            path: "cluster",
            meaning: "the cluster that the node is a member of",
            keys: &[
                key("name", Text, NEEDED, "at most 15 letters, digits and `-`", "\"k8sctl\""),
                key("nodes", Texts, NEEDED, "profiles of the members. The first creates the cluster, when all others have answered", "[\"node-a\"]"),
            ],
        },
        Section {
            path: "zfs",
            meaning: "the pool",
            keys: &[
                key("pool", Text, "`\"data\"`", "its name", "\"data\""),
                key("disks", Texts, "no pool", "one disk, or two for a mirror", "[\"/dev/nvme0n1\", \"/dev/nvme1n1\"]"),
                key("wipe", Choice(&["never", "yes-destroy-data"]), "`\"never\"`", "whether disks that are not blank are taken. The node's own pool is imported either way", "\"never\""),
                key("arc_max", Size, "`\"1GiB\"`", "memory for the read cache, at least 64MiB", "\"1GiB\""),
            ],
        },
        Section {
            path: "pve",
            meaning: "Proxmox VE",
            keys: &[key("source", Choice(&["pxvirt", "proxmox"]), "`\"pxvirt\"`", "whose arm64 packages", "\"pxvirt\"")],
        },
        Section {
            path: "acme",
            meaning: "a certificate of Let's Encrypt for Proxmox VE's web page",
            keys: &[
                key("domain_suffix", Text, NEEDED, "the certificate is for `HOSTNAME.SUFFIX`", "\"k8s.example.org\""),
                key("email", Text, NEEDED, "where Let's Encrypt writes to", "\"you@example.org\""),
                key("dns_provider", Text, NEEDED, "acme.sh's name of your DNS provider", "\"dns_cf\""),
            ],
        },
        Section {
            path: "acme.env",
            meaning: "what the DNS provider's plug-in asks for, by the names of acme.sh",
            keys: &[key("*", Secret, "none", "a secret for the plug-in", "CF_Token = { secret = \"cf_token\" }")],
        },
        Section {
            path: "tailscale",
            meaning: "signs the node in to a tailnet",
            keys: &[key("auth_key", Secret, NEEDED, "key that may be used once a node; it is wiped after that", "{ secret = \"tailscale\" }")],
        },
        Section {
            path: "rpi_connect",
            meaning: "signs the node in to Raspberry Pi Connect. Only where it does so by itself: the overlay alone turns Connect on",
            keys: &[key("auth_key", Secret, NEEDED, "key that works once", "{ env = \"RPI_CONNECT_AUTH_KEY\" }")],
        },
        Section {
            path: "talos",
            meaning: "the VM of a Kubernetes control plane, one a node. Its disk is on the pool",
            keys: &[
                key("iso", Text, NEEDED, "`https:` address of the Talos ISO for arm64", "\"https://example.org/talos.iso\""),
                key("sha256", Text, "`pimg.lock` pins it", "SHA-256 of the ISO", "\"0000000000000000000000000000000000000000000000000000000000000000\""),
                key("cores", Integer, "`4`", "1 to 512", "4"),
                key("memory", Size, "`\"4GiB\"`", "whole MiB", "\"4GiB\""),
                key("disk", Size, "`\"32GiB\"`", "whole MiB, at least 1GiB", "\"32GiB\""),
                key("machine_config", Secret, "the VM waits for `talosctl apply-config`", "Talos machine configuration", "{ file = \"secrets/controlplane.yaml\" }"),
            ],
        },
        Section {
            path: "packages",
            meaning: "Debian packages that the profile itself asks for. Overlays ask for more; the profile has the last word",
            keys: &[
                key("install", Texts, "none", "names, `name=version` or `name/suite`", "[\"nginx\", \"lsd=1.1.5-1\"]"),
                key("remove", Texts, "none", "names; also takes back what an overlay installs", "[\"nano\"]"),
                key("hold", Texts, "none", "never upgraded; the only list that takes patterns", "[\"linux-image-*\"]"),
                key("upgrade", Choice(&["none", "locked"]), "`\"none\"`", "`locked`: the base's packages, to the versions in the lock", "\"locked\""),
                key("recommends", Boolean, "`false`", "whether recommended packages are installed", "false"),
                key("keep", Boolean, "`false`", "whether the embedded repository stays on the node", "false"),
            ],
        },
        Section {
            path: "mirrors",
            meaning: "where a source or download comes from instead, by its name: see [Mirrors](../how-to/mirrors-and-vaults.md)",
            keys: &[key("*", Mirror, "its own address", "`https:`, `http:` or `file:`; with a `keyring`, that signs in place of the original's key", "debian = \"http://mirror.example.org/debian\"")],
        },
        Section {
            path: "vars",
            meaning: "variables of overlays, by the overlay's name: its `overlay.toml` says which there are",
            keys: &[key("*", Variables, "the overlay's own defaults", "the overlay's variables", "zfs = { module = \"dkms\" }")],
        },
    ],
};

pub(crate) const fn key(
    name: &'static str,
    kind: Kind,
    silence: &'static str,
    meaning: &'static str,
    example: &'static str,
) -> Key {
    Key { name, kind, silence, meaning, example }
}
