//! Overlays and templates with one thing wrong.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;

use crate::{CHECK, Case};

/// A name and an `overlay.toml`.
const MANIFESTS: [(&str, &str); 35] = [
    ("an unknown key", "descripton = \"x\"\n"),
    ("no TOML", "description = \n"),
    ("a description that is a number", "description = 3\n"),
    ("a condition that is no expression", "when = \"1 +\"\n"),
    ("a condition without end", "when = \"range(999999999) | length > 3 and range(999999999) | sum > 1\"\n"),
    ("a variable of no type", "[variables.a]\ndefault = 3\n"),
    ("a variable of an unknown type", "[variables.a]\ntype = \"float\"\n"),
    ("a default of another type", "[variables.a]\ntype = \"string\"\ndefault = 3\n"),
    ("a variable that nobody sets", "[variables.a]\ntype = \"string\"\n"),
    ("a variable with a name that is none", "[variables.\"a b\"]\ntype = \"string\"\ndefault = \"x\"\n"),
    ("removes what is not absolute", "remove = [\"etc/motd\"]\n"),
    ("removes what leads upwards", "remove = [\"/etc/../../x\"]\n"),
    ("removes everything", "remove = [\"/\"]\n"),
    ("removes what it brings", "remove = [\"/etc/motd\"]\n"),
    ("a rule of files with a pattern that is none", "[[file]]\npath = \"/a**b\"\nwhen = \"true\"\n"),
    ("a rule of files that fits nothing", "[[file]]\npath = \"/nothing\"\nwhen = \"true\"\n"),
    ("an owner that is no name", "[[own]]\npath = \"/etc/motd\"\nowner = \"a b\"\n"),
    ("a mode that is none", "[[own]]\npath = \"/etc/motd\"\nmode = \"9999\"\n"),
    ("a mode of five digits", "[[own]]\npath = \"/etc/motd\"\nmode = \"107777\"\n"),
    ("a unit with a slash", "[units]\nenable = [\"../x.service\"]\n"),
    ("a unit without a type", "[units]\nenable = [\"x\"]\n"),
    ("a unit enabled and masked", "[units]\nenable = [\"ssh.service\"]\nmask = [\"ssh.service\"]\n"),
    ("a source without an address", "[[apt.source]]\nname = \"x\"\nsuites = \"y\"\n"),
    (
        "a source with an address of another kind",
        "[[apt.source]]\nname = \"x\"\nuris = \"ftp://x.org\"\nsuites = \"y\"\ncomponents = [\"main\"]\nkey = \"k.asc\"\n",
    ),
    (
        "a source with a name that is a path",
        "[[apt.source]]\nname = \"../x\"\nuris = \"https://x.org\"\nsuites = \"y\"\ncomponents = [\"main\"]\nkey = \"k.asc\"\n",
    ),
    (
        "a pin beyond what apt takes",
        "[[apt.pin]]\nname = \"x\"\npackages = \"*\"\npin = \"release n=x\"\npriority = 99999\n",
    ),
    (
        "a pin with a line break",
        "[[apt.pin]]\nname = \"x\"\npackages = \"*\"\npin = \"release n=x\\nPackage: y\"\npriority = 1\n",
    ),
    ("a package that is none", "[packages]\ninstall = [\"A B\"]\n"),
    ("a package with an option", "[packages]\ninstall = [\"--force\"]\n"),
    ("a download without https", "[[download]]\nname = \"x\"\nurl = \"http://x.org/x\"\npath = \"/x\"\n"),
    (
        "a download with a digest that is none",
        "[[download]]\nname = \"x\"\nurl = \"https://x.org/x\"\nsha256 = \"12\"\npath = \"/x\"\n",
    ),
    (
        "a download that leads upwards",
        "[[download]]\nname = \"x\"\nurl = \"https://x.org/x\"\npath = \"/../x\"\n",
    ),
    (
        "a download to two places",
        "[[download]]\nname = \"x\"\nurl = \"https://x.org/x\"\npath = \"/x\"\nunpack = \"/y\"\n",
    ),
    ("a step without its script", "[[step]]\nname = \"x\"\ndescription = \"y\"\n"),
    (
        "steps that wait for each other",
        "[[step]]\nname = \"a\"\ndescription = \"x\"\nafter = [\"b\"]\n[[step]]\nname = \"b\"\ndescription = \"x\"\nafter = [\"a\"]\n",
    ),
];

/// A name and a template.
const TEMPLATES: [(&str, &str); 13] = [
    ("a template with a name that is unknown", "{{ nobody }}"),
    ("a template that does not end", "{% if hostname %}"),
    ("a template with an unknown filter", "{{ hostname | nothing }}"),
    ("a template that calls itself", "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}"),
    (
        "a template that does not stop",
        "{% for a in range(99999999) %}{% for b in range(99999999) %}x{% endfor %}{% endfor %}",
    ),
    ("a template of endless text", "{{ 'x' * 99999999999 }}"),
    (
        "a template that doubles text",
        "{% set ns = namespace(x='xxxxxxxxxxxxxxxx') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
    ),
    ("a template that includes a file", "{% include '/etc/passwd' %}"),
    ("a template that extends another", "{% extends '../x' %}"),
    ("a template that divides by zero", "{{ 1 // 0 }}"),
    (
        "a number beyond all numbers",
        "{{ 99999999999999999999999999999999999999999 * 99999999999999999999999999 }}",
    ),
    ("20,000 parentheses", "PARENTHESES"),
    ("a template that looks into things", "{{ hostname.__class__.__mro__ }}"),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = MANIFESTS
        .into_iter()
        .map(|(name, text)| {
            Case::new(name, CHECK, move |bench| bench.write("overlays/one/overlay.toml", text))
        })
        .collect();
    cases.extend(TEMPLATES.into_iter().map(|(name, text)| {
        Case::new(name, CHECK, move |bench| {
            let deep = format!("{{{{ {}1{} }}}}", "(".repeat(20_000), ")".repeat(20_000));
            bench.write("overlays/one/rootfs/etc/x.j2", text.replace("PARENTHESES", &deep));
        })
    }));
    let mut add = |name: &str, make: fn(&crate::Bench)| cases.push(Case::new(name, CHECK, make));
    add("a template that is not UTF-8", |bench| {
        bench.write("overlays/one/rootfs/etc/x.j2", b"\xff\xfe{{ 1 }}")
    });
    add("a template of 20 megabytes", |bench| {
        bench.write("overlays/one/rootfs/etc/x.j2", vec![b'x'; 20 << 20])
    });
    add("a manifest that is not UTF-8", |bench| bench.write("overlays/one/overlay.toml", b"\xff"));
    add("a manifest that is a link", |bench| {
        std::fs::remove_file(bench.join("overlays/one/overlay.toml")).expect("the manifest");
        bench.link("overlays/one/overlay.toml", "/etc/passwd");
    });
    add("a pipe among the files", |bench| bench.fifo("overlays/one/rootfs/etc/pipe"));
    add("a socket among the files", |bench| {
        drop(UnixListener::bind(bench.join("overlays/one/rootfs/s")).expect("a socket"));
    });
    add("a name that is not UTF-8", |bench| {
        let name = OsStr::from_bytes(b"\xffname");
        std::fs::write(bench.join("overlays/one/rootfs/etc").join(name), "x").expect("a file");
    });
    add("an overlay that is a link", |bench| {
        std::fs::rename(bench.join("overlays/one"), bench.join("elsewhere")).expect("moving");
        bench.link("overlays/one", "../elsewhere");
    });
    add("an overlay that is a file", |bench| {
        std::fs::remove_dir_all(bench.join("overlays/one")).expect("the overlay");
        bench.write("overlays/one", "x");
    });
    add("a tree of files that is a file", |bench| {
        std::fs::remove_dir_all(bench.join("overlays/one/rootfs")).expect("the tree");
        bench.write("overlays/one/rootfs", "x");
    });
    add("a directory that nobody knows", |bench| bench.write("overlays/one/rootsf/x", "x"));
    add("a file and its template", |bench| bench.write("overlays/one/rootfs/etc/motd.j2", "x"));
    add("a link on the boot partition", |bench| bench.link("overlays/one/boot/x", "y"));
    add("two overlays that write one path", |bench| {
        bench.write("overlays/two/rootfs/etc/motd", "two");
        bench.edit("[\"one\"]", "[\"one\", \"two\"]");
    });
    add("a file below another overlay's file", |bench| {
        bench.write("overlays/two/rootfs/etc/motd/x", "two");
        bench.edit("[\"one\"]", "[\"one\", \"two\"]");
    });
    cases
}
