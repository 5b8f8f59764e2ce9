//! Every key of `overlay.toml` in a person's words: what it is for, what silence means, an example.

use crate::profile::keys::key;
use crate::profile::schema::Kind::{Boolean, Choice, Integer, Plain, Text, TextOrTexts, Texts};
use crate::profile::schema::{Format, NEEDED, Section};

/// Settings of overlays.
#[rustfmt::skip] // a table: one row a key
pub const OVERLAY: Format = Format {
    name: "overlay",
    title: "Keys of an overlay",
    meaning: "What a feature needs besides its files: `overlays/NAME/overlay.toml`. How the parts of an overlay work together \
              is in [Write an overlay](../how-to/write-an-overlay.md). A *condition* (`when`) is an expression over the \
              values of the profile: `\"pve.source == 'pxvirt'\"`. A *pattern* is a path in which `*` stands for anything \
              within a component and `**` for any number of components. The same as a JSON Schema is \
              [overlay.schema.json](overlay.schema.json), or `pimg schema overlay`.",
    is_whole: true,
    sections: &[
        Section {
            path: "",
            meaning: "keys before the first table",
            keys: &[
                key("description", Text, "none", "what the overlay is for, for people", "\"what it is for\""),
                key("when", Text, "always", "condition: the whole overlay applies only where it holds", "\"pve.source == 'pxvirt'\""),
                key("remove", Texts, "none", "paths that are removed from the image", "[\"/etc/motd\"]"),
            ],
        },
        Section {
            path: "variables.*",
            meaning: "a value that a profile can set, under `[vars.OVERLAY]`, and that templates and conditions see as `vars.NAME`",
            keys: &[
                key("type", Choice(&["string", "bool", "integer", "size", "list"]), NEEDED, "what it holds; a size is bytes to templates", "\"size\""),
                key("default", Plain, "a profile must set it", "what holds where no profile sets it", "\"64MiB\""),
                key("description", Text, "none", "for whoever sets it", "\"room for logs\""),
            ],
        },
        Section {
            path: "own[]",
            meaning: "owner and mode of files that the overlay puts. Otherwise root's, 0755 if executable here, else 0644",
            keys: &[
                key("path", Text, NEEDED, "pattern", "\"/etc/x/*.key\""),
                key("user", Text, "root", "owner, by a name that every Debian has", "\"root\""),
                key("group", Text, "root", "group, by a name that every Debian has", "\"adm\""),
                key("uid", Integer, "0", "owner by number, in place of `user`", "0"),
                key("gid", Integer, "0", "group by number, in place of `group`", "4"),
                key("mode", Text, "as above", "permission bits, in octal", "\"0640\""),
            ],
        },
        Section {
            path: "file[]",
            meaning: "files that apply only where a condition holds",
            keys: &[
                key("path", Text, NEEDED, "pattern", "\"/etc/x/**\""),
                key("when", Text, NEEDED, "condition", "\"cluster is not none\""),
            ],
        },
        Section {
            path: "replace[]",
            meaning: "files of earlier overlays that this one may replace",
            keys: &[key("path", Text, NEEDED, "pattern", "\"/etc/x/y.conf\"")],
        },
        Section {
            path: "units",
            meaning: "units of systemd, by their full names",
            keys: &[
                key("enable", Texts, "none", "as `systemctl enable`", "[\"x.service\"]"),
                key("disable", Texts, "none", "as `systemctl disable`", "[\"y.timer\"]"),
                key("mask", Texts, "none", "as `systemctl mask`", "[\"z.service\"]"),
            ],
        },
        Section {
            path: "apt.source[]",
            meaning: "a repository: `/etc/apt/sources.list.d/pimg-NAME.sources`",
            keys: &[
                key("name", Text, NEEDED, "letters, digits, `_` and `-`; mirrors and keys know it by this name", "\"x\""),
                key("uris", TextOrTexts, NEEDED, "addresses, or `\"base\"` for the Debian mirror of the base image", "\"https://example.org/debian\""),
                key("suites", TextOrTexts, NEEDED, "suites", "\"trixie\""),
                key("components", TextOrTexts, NEEDED, "components", "[\"main\"]"),
                key("architectures", TextOrTexts, "`\"arm64\"`", "architectures", "[\"arm64\"]"),
                key("when", Text, "always", "condition", "\"true\""),
            ],
        },
        Section {
            path: "apt.source[].keyring",
            meaning: "whose signature counts; not needed with `uris = \"base\"`. Until its key is known, the source is written switched off",
            keys: &[
                key("path", Text, "`/usr/share/keyrings/NAME-archive-keyring.gpg`", "where it is on the node", "\"/usr/share/keyrings/x.gpg\""),
                key("file", Text, "fetched from `url`", "file below the overlay's directory", "\"keys/x.gpg\""),
                key("url", Text, "none", "`https:` address: the first `pimg lock` shows the key and pins it", "\"https://example.org/x.gpg\""),
                key("fingerprint", TextOrTexts, "`pimg.lock` pins it", "fingerprints of its certificates", "\"ABABABABABABABABABABABABABABABABABABABAB\""),
                key("sha256", Text, "none", "SHA-256 of the file", "\"0000000000000000000000000000000000000000000000000000000000000000\""),
            ],
        },
        Section {
            path: "apt.pin[]",
            meaning: "which version wins, as in apt_preferences(5): `/etc/apt/preferences.d/NAME`",
            keys: &[
                key("name", Text, NEEDED, "letters, digits, `_` and `-`", "\"90_x\""),
                key("packages", TextOrTexts, NEEDED, "packages; `src:NAME` is all of a source package", "[\"src:x\"]"),
                key("pin", Text, NEEDED, "what is pinned", "\"release n=trixie-backports\""),
                key("priority", Integer, NEEDED, "-32768 to 32767, and not 0", "990"),
                key("description", Text, "none", "why, for whoever reads the file on the node", "\"why\""),
                key("when", Text, "always", "condition", "\"true\""),
            ],
        },
        Section {
            path: "apt.preseed[]",
            meaning: "an answer to debconf",
            keys: &[
                key("package", Text, NEEDED, "the package that asks", "\"postfix\""),
                key("question", Text, NEEDED, "its question", "\"postfix/mailname\""),
                key("type", Choice(&["string", "boolean", "select", "multiselect", "note", "text"]), NEEDED, "type of the question", "\"string\""),
                key("value", Text, NEEDED, "the answer, a template", "\"{{ hostname }}\""),
                key("when", Text, "always", "condition", "\"true\""),
            ],
        },
        Section {
            path: "packages",
            meaning: "Debian packages. The profile's own `[packages]` win over these",
            keys: &[
                key("install", Texts, "none", "`name`, `name=version` or `name/suite`", "[\"zsh\"]"),
                key("remove", Texts, "none", "names", "[\"nano\"]"),
                key("hold", Texts, "none", "never upgraded; the only list that takes patterns", "[\"linux-image-*\"]"),
                key("modules", Texts, "none", "kernel modules that pimg builds ahead; it knows `zfs`", "[\"zfs\"]"),
                key("when", Text, "always", "condition", "\"true\""),
            ],
        },
        Section {
            path: "packages.group[]",
            meaning: "more packages, where a condition holds",
            keys: &[
                key("when", Text, NEEDED, "condition", "\"cluster is none\""),
                key("install", Texts, "none", "as above", "[\"git\"]"),
                key("remove", Texts, "none", "as above", "[\"vim-tiny\"]"),
                key("hold", Texts, "none", "as above", "[\"raspi-firmware\"]"),
                key("modules", Texts, "none", "as above", "[\"zfs\"]"),
            ],
        },
        Section {
            path: "download[]",
            meaning: "a file that is no package. It has either `path` or `unpack`",
            keys: &[
                key("name", Text, NEEDED, "mirrors and the lock know it by this name", "\"tool\""),
                key("url", Text, NEEDED, "`https:` address, a template", "\"https://example.org/tool-1.0.tar.gz\""),
                key("sha256", Text, "`pimg.lock` pins it", "SHA-256 of the file, a template", "\"0000000000000000000000000000000000000000000000000000000000000000\""),
                key("path", Text, "`unpack`", "where the file itself goes", "\"/srv/x.iso\""),
                key("unpack", Text, "`path`", "directory for what is in the `.tar`, `.tar.gz` or `.tar.xz`", "\"/usr/share/tool\""),
                key("strip", Integer, "`0`", "leading directories of each member that are left out, with `unpack`", "1"),
                key("user", Text, "root", "as in `[[own]]`", "\"root\""),
                key("group", Text, "root", "as in `[[own]]`", "\"root\""),
                key("uid", Integer, "0", "as in `[[own]]`", "0"),
                key("gid", Integer, "0", "as in `[[own]]`", "0"),
                key("mode", Text, "`\"0644\"`", "as in `[[own]]`, with `path`", "\"0640\""),
                key("description", Text, "none", "why", "\"why\""),
                key("when", Text, "always", "condition", "\"true\""),
            ],
        },
        Section {
            path: "step[]",
            meaning: "something that the node does once, on its first boot: see [Write an overlay](../how-to/write-an-overlay.md#a-step-of-the-first-boot)",
            keys: &[
                key("name", Text, NEEDED, "lower-case letters, digits and `-`, at most 32; each host has a name once", "\"pool\""),
                key("script", Text, "`steps/NAME`", "its script, below `steps/`", "\"steps/pool\""),
                key("description", Text, "the name", "for people", "\"ZFS pool\""),
                key("after", Texts, "none", "steps that are done first; `\"*\"`: all that are not after this one themselves", "[\"packages\"]"),
                key("needs-network", Boolean, "`false`", "begins when the gateway answers", "true"),
                key("needs-time", Boolean, "`false`", "begins when the clock is right", "false"),
                key("reboot-after", Boolean, "`false`", "the node restarts when it is done", "false"),
                key("when", Text, "always", "condition", "\"zfs is not none\""),
            ],
        },
    ],
};
