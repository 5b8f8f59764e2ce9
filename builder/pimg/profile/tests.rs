//! One small wrong input a test, and the words that a person sees.

pub(crate) mod keys;
mod packages;

use std::path::{Path, PathBuf};

use super::{Error, Profiles, host};

/// A project of these profiles, with overlay directories `raspios` and `zfs`.
pub(crate) struct Project(tempfile::TempDir);

impl Project {
    pub(crate) fn new(profiles: &[(&str, &str)]) -> Self {
        let project = tempfile::tempdir().expect("temporary directory");
        for directory in ["profiles", "overlays/raspios", "overlays/zfs", "overlays/cluster"] {
            fs_err::create_dir_all(project.path().join(directory)).expect("makes a directory");
        }
        for (name, text) in profiles {
            fs_err::write(project.path().join(format!("profiles/{name}.toml")), text)
                .expect("writes a profile");
        }
        Self(project)
    }

    pub(crate) fn load(&self, names: &[&str]) -> Result<Vec<host::HostSpec>, Error> {
        Profiles::open(self.0.path()).and_then(|profiles| profiles.load(names))
    }

    fn report(&self, names: &[&str]) -> String {
        self.load(names).expect_err("should be refused").report().to_string()
    }
}

/// The least that a host needs. The second half is for the profile under test.
const COMMON: &str = r#"
[base]
source = "base.img.xz"
[user]
name = "admin"
[network]
gateway = "10.10.80.1"
"#;

const NODE: &str = "extends = 'common'\nhostname = 'node-a'\n[network]\naddress = '10.10.80.50/24'\n";

/// The report on a node that has these lines besides what it needs.
fn refused(lines: &str) -> String {
    Project::new(&[("common", COMMON), ("a", &format!("{NODE}{lines}"))]).report(&["a"])
}

fn accepted(lines: &str) -> host::HostSpec {
    let project = Project::new(&[("common", COMMON), ("a", &format!("{NODE}{lines}"))]);
    match project.load(&["a"]) {
        Ok(mut hosts) => hosts.remove(0),
        Err(error) => panic!("{}", error.report()),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

#[test]
fn silence_has_defaults() {
    let host = accepted("");
    assert_eq!(host.locale.default, "en_AU.UTF-8");
    assert_eq!(host.locale.generate, ["en_AU.UTF-8"]);
    assert_eq!(host.locale.timezone, "Etc/UTC");
    assert_eq!((host.network.interface.as_str(), host.network.bridge.as_str()), ("end0", "vmbr0"));
    assert_eq!(host.network.dns, ["10.10.80.1".parse::<std::net::IpAddr>().expect("address")]);
    assert!(host.network.vlan_aware && host.network.backplane.is_none());
    assert_eq!(host.user.sudo, host::Sudo::NoPassword);
    assert_eq!(host.user.shell, "/bin/bash");
    assert_eq!(host.image.free, 512 << 20);
    assert!(
        host.cluster.is_none()
            && host.acme.is_none()
            && host.tailscale.is_none()
            && host.rpi_connect.is_none()
            && host.talos.is_none()
    );
    let host = accepted("[user]\npassword_hash = { env = 'HASH' }\n");
    assert_eq!(host.user.sudo, host::Sudo::Password);
}

#[test]
fn every_problem_of_every_file_at_once() {
    let project = Project::new(&[
        ("common", "hostnam = 'x'\n[network]\ngateway = '10.10.80.300'\n[user]\nname = 7\n"),
        (
            "a",
            "extends = 'common'\nhostname = 'node_a'\n[network]\nadress = '10.10.80.50/24'\n[base]\nsource = 'x'\n",
        ),
        ("b", "extends = 'common'\nhostname = 'b'\n[network\n"),
    ]);
    insta::assert_snapshot!(project.report(&["a", "b"]), @"
    the profiles are not valid (7 problems)

      profiles/a.toml:2:12
       2 | hostname = 'node_a'
         |            ^^^^^^^^ `_` is not allowed in a host name

      profiles/a.toml:2:12
       2 | hostname = 'node_a'
         |            ^^^^^^^^ needs `network.address`, which is not set

      profiles/a.toml:4:1
       4 | adress …
         | ^^^^^^ unknown key
           hint: did you mean `address`?

      profiles/b.toml:3:9
       3 | [network
         |         ^ unclosed table, expected `]`

      profiles/common.toml:1:1
       1 | hostnam …
         | ^^^^^^^ unknown key
           hint: did you mean `hostname`?

      profiles/common.toml:3:11
       3 | gateway = '10.10.80.300'
         |           ^^^^^^^^^^^^^^ is not an IPv4 address, such as `10.10.80.1`

      profiles/common.toml:5:8
       5 | name = 7
         |        ^ expected text in quotes, got a number
    ");
}

#[test]
fn later_parents_win_tables_merge_arrays_replace() {
    let project = Project::new(&[
        (
            "one",
            "overlays = ['raspios']\n[boot]\ncmdline = ['a', 'b']\n[locale]\ntimezone = 'Europe/Berlin'\nkeyboard = { layout = 'de', variant = 'neo' }\n[vars.zfs]\na = 1\nb = [1, 2]\n",
        ),
        (
            "two",
            "[boot]\ncmdline = ['c']\n[locale]\nkeyboard = { layout = 'at' }\n[vars.zfs]\nb = [3]\n[user]\npassword_hash = { env = 'A' }\n",
        ),
        ("common", COMMON),
        (
            "a",
            &format!(
                "{}[user]\npassword_hash = {{ file = 'b' }}\n",
                NODE.replace("'common'", "['common', 'one', 'two']")
            ),
        ),
    ]);
    let host = project.load(&["a"]).map_err(|error| error.report().to_string()).expect("is valid").remove(0);
    assert_eq!(host.boot.cmdline, ["c"]);
    assert_eq!(
        (host.locale.timezone.as_str(), host.locale.keyboard_layout.as_str()),
        ("Europe/Berlin", "at")
    );
    assert_eq!(host.locale.keyboard_variant, "neo");
    assert_eq!(host.vars["zfs"]["a"], toml::Value::Integer(1));
    assert_eq!(host.vars["zfs"]["b"], toml::Value::Array(vec![toml::Value::Integer(3)]));
    assert_eq!(host.overlays, ["raspios"]);
    // a secret is one value, not a table to merge
    let hash = host.user.password_hash.expect("the first profile has one");
    assert_eq!(hash.source, host::SecretSource::File("b".into()));
}

#[test]
fn a_digest_is_not_inherited_for_another_file() {
    let pinned = format!(
        "{COMMON}[zfs]\ndisks = ['/dev/a']\n[talos]\niso = 'https://x.org/a'\nsha256 = '{0}'\n",
        "a".repeat(64)
    )
    .replace("[user]", &format!("sha256 = '{}'\n[user]", "b".repeat(64)));
    let own = "[base]\nsource = 'mine.img'\n[talos]\ncores = 2\n";
    let project = Project::new(&[("common", &pinned), ("a", &format!("{NODE}{own}")), ("b", NODE)]);
    let load = |name| project.load(&[name]).map_err(|e| e.report().to_string()).expect("is valid").remove(0);
    let (own, inherited) = (load("a"), load("b"));
    assert_eq!((own.base.source.as_str(), own.base.sha256), ("mine.img", None));
    assert!(own.talos.is_some_and(|talos| talos.sha256.is_some()), "the ISO is still the parent's");
    assert!(inherited.base.sha256.is_some());
}

#[test]
fn circles_and_missing_parents() {
    let project = Project::new(&[
        ("a", "extends = 'b'\nhostname = 'a'\n"),
        ("b", "extends = ['c', 'comon']\n"),
        ("c", "extends = 'a'\n"),
        ("common", ""),
    ]);
    let report = project.report(&["a"]);
    assert!(report.contains("profiles/c.toml:1:11"), "{report}");
    assert!(report.contains("circle: a → b → c → a"), "{report}");
    assert!(report.contains("profiles/b.toml:1:17") && report.contains("did you mean `common`?"), "{report}");
}

#[test]
fn names_that_are_no_profile() {
    let project = Project::new(&[("common", COMMON), ("node-a", NODE)]);
    insta::assert_snapshot!(project.report(&["node-b", "../x", "common"]), @"
    the profiles are not valid (3 problems)

      profile `common` has no `hostname`: it is there for others to extend

      there is no profile `../x`
      hint: profiles here are `common`, `node-a`

      there is no profile `node-b`
      hint: did you mean `node-a`?
    ");
    let profiles = Profiles::open(&project.0.path().join("overlays")).expect_err("is no project");
    assert!(profiles.report().to_string().contains("there is no directory `profiles` here"));
}

#[test]
fn buildable_profiles_have_a_hostname() {
    let project = Project::new(&[("common", COMMON), ("a", NODE), ("b", "extends = 'a'\nhostname = 'b'\n")]);
    let profiles = Profiles::open(project.0.path()).expect("is a project");
    assert_eq!(profiles.names(), ["a", "b", "common"]);
    assert_eq!(profiles.buildable().expect("all can be read"), ["a", "b"]);
}

#[test]
fn a_gateway_outside_the_network() {
    insta::assert_snapshot!(refused("gateway = '10.10.81.1'\n"), @"
    profile `a` is not valid (1 problem)

      profiles/a.toml:5:11
       5 | gateway = '10.10.81.1'
         |           ^^^^^^^^^^^^ is outside the node's network `10.10.80.0/24`
    ");
}

#[test]
fn a_backplane_without_room() {
    insta::assert_snapshot!(refused("backplane = '10.10.99.0/27'\n"), @"
    profile `a` is not valid (1 problem)

      profiles/a.toml:5:13
       5 | backplane = '10.10.99.0/27'
         |             ^^^^^^^^^^^^^^^ has no room for the last octet of `10.10.80.50`: `10.10.99.50` is not a node's address there
    ");
}

#[test]
fn a_secret_written_into_a_profile_is_not_shown_again() {
    let report = refused("[tailscale]\nauth_key = 'tskey-auth-1234'\n[acme]\nenv = { CF_Token = 'c1f9' }\n");
    assert!(!report.contains("tskey") && !report.contains("c1f9"), "{report}");
    insta::assert_snapshot!(report, @r#"
    profile `a` is not valid (5 problems)

      profiles/a.toml:6:12
      a secret is never written into a profile, because profiles are shared and kept in git: name the place it comes from
      hint: write `{ env = "NAME" }`, `{ file = "PATH" }`, `{ command = ["PROGRAM", "ARGUMENT"] }`, or `{ secret = "NAME" }` for one that `pimg secrets edit` keeps

      profiles/a.toml:7:2
       7 | [acme]
         |  ^^^^ needs `acme.dns_provider`, which is not set

      profiles/a.toml:7:2
       7 | [acme]
         |  ^^^^ needs `acme.domain_suffix`, which is not set

      profiles/a.toml:7:2
       7 | [acme]
         |  ^^^^ needs `acme.email`, which is not set

      profiles/a.toml:8:20
      a secret is never written into a profile, because profiles are shared and kept in git: name the place it comes from
      hint: write `{ env = "NAME" }`, `{ file = "PATH" }`, `{ command = ["PROGRAM", "ARGUMENT"] }`, or `{ secret = "NAME" }` for one that `pimg secrets edit` keeps
    "#);
}

#[test]
fn secret_references_have_one_key() {
    for wrong in [
        "{ env = 'A', file = 'b' }",
        "{}",
        "{ evn = 'A' }",
        "{ env = 7 }",
        "{ command = [] }",
        "{ env = '' }",
        "{ secret = '' }",
    ] {
        let report = refused(&format!("[tailscale]\nauth_key = {wrong}\n"));
        assert!(report.contains("profiles/a.toml:6:"), "{wrong}: {report}");
    }
    let host = accepted("[tailscale]\nauth_key = { command = ['op', 'read', 'x'] }\n");
    let key = host.tailscale.expect("is set").auth_key;
    assert_eq!(key.source, host::SecretSource::Command(vec!["op".into(), "read".into(), "x".into()]));
    assert_eq!(key.place, "profiles/a.toml:6:12");
    let host = accepted(
        "[tailscale]\nauth_key = { secret = 'ts' }\n[acme]\ndomain_suffix = 'x.org'\nemail = 'a@x.org'\n\
         dns_provider = 'dns_cf'\nenv = { B = { env = 'B' }, A = { secret = 'a' } }\n",
    );
    let names: Vec<_> = host.secrets().into_iter().map(|secret| secret.name).collect();
    assert_eq!(names, ["acme.env.A", "acme.env.B", "tailscale.auth_key"]);
    let key = host.tailscale.expect("is set").auth_key;
    assert_eq!(key.source, host::SecretSource::Stored("ts".into()));
}

#[test]
fn a_private_key_is_refused_loudly() {
    let report = refused("[user]\nssh_keys = ['''-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\n''']\n");
    assert!(!report.contains("b3BlbnNz"), "{report}");
    insta::assert_snapshot!(report, @"
    profile `a` is not valid (1 problem)

      profiles/a.toml:6:13
      this is a PRIVATE key, and whoever reads this file has it now
      hint: make a new key pair with `ssh-keygen -t ed25519`, and put the line of its `.pub` file here
    ");
}

#[test]
fn overlays_that_are_not_there() {
    insta::assert_snapshot!(refused("[vars.zsf]\nx = 1\n"), @"
    profile `a` is not valid (1 problem)

      profiles/a.toml:5:7
       5 | [vars.zsf]
         |       ^^^ there is no directory `overlays/zsf`
           hint: did you mean `zfs`?
    ");
    let twice = format!("overlays = ['zfs', 'raspiso', 'zfs']\n{NODE}");
    insta::assert_snapshot!(Project::new(&[("common", COMMON), ("a", &twice)]).report(&["a"]), @"
    profile `a` is not valid (2 problems)

      profiles/a.toml:1:20
       1 | overlays = ['zfs', 'raspiso', 'zfs']
         |                    ^^^^^^^^^ there is no directory `overlays/raspiso`
           hint: did you mean `raspios`?

      profiles/a.toml:1:31
       1 | overlays = ['zfs', 'raspiso', 'zfs']
         |                               ^^^^^ is in the list twice
    ");
}

#[test]
fn a_cluster_knows_its_nodes() {
    let cluster = format!("{COMMON}backplane = '10.10.99.0/24'\n[cluster]\nname = 'k'\nnodes = ['a', 'b']\n");
    let other = NODE.replace("node-a", "node-b").replace(".50", ".51");
    let project = Project::new(&[("common", &cluster), ("a", NODE), ("b", &other)]);
    let host = project.load(&["a"]).map_err(|e| e.report().to_string()).expect("is valid").remove(0);
    let nodes = host.cluster.expect("has one").nodes;
    assert_eq!(nodes[1].hostname.as_str(), "node-b");
    assert_eq!(nodes[1].backplane, Some("10.10.99.51".parse().expect("address")));
    assert_eq!(host.network.backplane.expect("has one").address.to_string(), "10.10.99.50/24");
}

#[test]
fn a_cluster_of_strangers() {
    let cluster = format!("{COMMON}[cluster]\nname = 'sixteen-letters1'\nnodes = ['b', 'common', 'x']\n");
    let other = NODE.replace("node-a", "node-b").replace(".50", ".51");
    let project = Project::new(&[("common", &cluster), ("a", NODE), ("b", &other)]);
    insta::assert_snapshot!(project.report(&["a"]), @"
    profile `a` is not valid (4 problems)

      profiles/common.toml:9:8
       9 | name = 'sixteen-letters1'
         |        ^^^^^^^^^^^^^^^^^^ a cluster name has 1 to 15 characters

      profiles/common.toml:10:9
      10 | nodes = ['b', 'common', 'x']
         |         ^^^^^^^^^^^^^^^^^^^^ does not hold `a`, the profile that is to be a member

      profiles/common.toml:10:15
      10 | nodes = ['b', 'common', 'x']
         |               ^^^^^^^^ profile `common` has no `hostname`

      profiles/common.toml:10:25
      10 | nodes = ['b', 'common', 'x']
         |                         ^^^ there is no profile `x`
           hint: profiles here are `a`, `b`, `common`
    ");
}

#[test]
fn two_nodes_of_one_name_or_address() {
    let project = Project::new(&[("common", COMMON), ("a", NODE), ("b", NODE)]);
    insta::assert_snapshot!(project.report(&["a", "b"]), @"
    the profiles are not valid (2 problems)

      profiles/b.toml:2:12
       2 | hostname = 'node-a'
         |            ^^^^^^^^ `node-a` is also the host name of profile `a`

      profiles/b.toml:4:11
       4 | address = '10.10.80.50/24'
         |           ^^^^^^^^^^^^^^^^ `10.10.80.50` is also an address of profile `a`
    ");
    assert!(project.load(&["a", "a"]).is_ok_and(|hosts| hosts.len() == 1));
}

#[test]
fn the_language_that_glibc_has_needs_no_generating() {
    let common = format!("{COMMON}[locale]\ndefault = 'C.UTF-8'\ngenerate = []\n");
    let host = Project::new(&[("common", &common), ("a", NODE)]).load(&["a"]);
    let locale = host.map_err(|e| e.report().to_string()).expect("is valid").remove(0).locale;
    assert_eq!((locale.default.as_str(), locale.generate.len()), ("C.UTF-8", 0));
}

/// Values that are refused, each with words of the reason.
#[test]
fn single_values() {
    for (lines, reason) in [
        ("address = '10.10.80.0/24'", "duplicate key"),
        ("dns = ['10.10.80.1', 'one.one.one.one']", "is not an IP address"),
        ("dns = ['10.10.80.1', '10.10.80.1']", "twice"),
        ("gateway = '10.10.80.50'", "the node's own address"),
        ("gateway = '10.10.80.255'", "broadcast"),
        ("backplane = '10.10.80.0/25'", "overlaps"),
        ("backplane = '10.10.99.1/24'", "the network is `10.10.99.0/24`"),
        ("backplane_interface = 'eth1'", "needs `backplane`"),
        ("backplane = '10.10.99.0/24'\nbackplane_interface = 'end0'", "ordinary network"),
        ("backplane = '10.10.99.0/24'\nbackplane_mac = '01:00:00:00:00:00'", "group address"),
        ("bridge = 'end0'", "both the bridge"),
        ("vlan_aware = false\nvlan_ids = '2'", "needs `vlan_aware = true`"),
        ("[user]\nname = 'root'", "root is locked"),
        ("[user]\nsudo = 'password'", "a password that nobody has"),
        ("[user]\nsudo = 'yes'", "is none of `password`, `no-password`"),
        ("[user]\nshell = 'bash'", "absolute path"),
        ("[user]\nssh_keys = ['ssh-ed25519 AAAA']", "cut off"),
        ("[locale]\ndefault = 'de_DE.UTF-8'\ngenerate = ['en_GB.UTF-8']", "does not hold `de_DE.UTF-8`"),
        ("[locale]\ntimezone = 'Sydney'", "time zone"),
        ("[image]\nsize = '16GB'", "is not a size"),
        ("[image]\nsize = 1000", "sectors of 512 bytes"),
        ("[image]\nfree = 1.5", "got a fraction"),
        ("[image]\nfree = -1", "not negative"),
        ("[base]\nsource = 'x'\nsha256 = 'abc'", "64 hexadecimal digits, this has 3"),
        ("[base]\nsource = 'http://x.org/y'", "use `https:`"),
        ("[boot]\ncmdline = ['a b']", "is not one word"),
        ("[zfs]\narc_max = '32MiB'", "below 64MiB"),
        ("[zfs]\nwipe = 'yes'", "is none of `never`, `yes-destroy-data`"),
        ("[zfs]\ndisks = ['/dev/a', '/dev/a']", "twice"),
        ("[acme]\nemail = 'me@example.org'", "needs `acme.dns_provider`"),
        ("[tailscale]", "needs `tailscale.auth_key`"),
        ("[rpi_connect]", "needs `rpi_connect.auth_key`"),
        ("[zfs]\ndisks = ['/dev/a']\n[talos]\niso = 'https://x.org/y'\ncores = 0", "1 to 512 cores"),
        ("[talos]\niso = 'https://x.org/y'", "needs `zfs.disks`"),
        ("[vars]\nzfs = 1", "[vars.OVERLAY]"),
        ("[vars.zfs]\nx = 1.5", "a variable is text"),
        ("[vars.zfs]\nx = { y = 1 }", "a variable is text"),
    ] {
        let report = refused(&format!("{lines}\n"));
        assert!(report.contains(reason), "{lines}: {report}");
        assert!(report.contains("(1 problem)") || reason.starts_with("needs"), "{lines}: {report}");
    }
}

#[test]
fn own_addresses() {
    for (address, reason) in [
        ("10.10.80.0/24", "network address"),
        ("10.10.80.255/24", "broadcast address"),
        ("127.0.0.1/8", "not an address that a node can have"),
        ("10.10.80.50", "is not an address with a prefix length"),
        ("10.10.80.50/0", "whole Internet"),
        ("10.10.80.50/33", "at most 32"),
    ] {
        let node = NODE.replace("10.10.80.50/24", address);
        let report = Project::new(&[("common", COMMON), ("a", &node)]).report(&["a"]);
        assert!(report.contains(reason), "{address}: {report}");
    }
}

/// The first TOML block of a README.
fn example(file: &str) -> String {
    let text = fs_err::read_to_string(root().join(file)).expect("is there");
    let block = text.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    block.expect("has an example").to_owned()
}

#[test]
fn the_readme_shows_a_valid_profile_with_every_key() {
    let text = example("profiles/README.md").replace("\"k8sctl\"                #", "\"common\" #");
    let project = Project::new(&[("common", COMMON), ("node-a", &text)]);
    project.load(&["node-a"]).map_err(|error| error.report().to_string()).expect("is valid");
    // the hint for a key that does not exist lists all that do
    let wrong = |line: &str| Project::new(&[("a", line)]).report(&["a"]);
    for table in [
        "",
        "base",
        "image",
        "user",
        "locale",
        "locale.keyboard",
        "network",
        "boot",
        "cluster",
        "zfs",
        "pve",
        "acme",
        "talos",
        "packages",
    ] {
        let report =
            wrong(&if table.is_empty() { "q0q0q0 = 1".to_owned() } else { format!("[{table}]\nq0q0q0 = 1") });
        let known =
            report.split("keys here are ").nth(1).expect("lists them").lines().next().expect("has a line");
        for key in known.split(", ").map(|key| key.trim_matches('`')) {
            let shown = text.contains(&format!("{key} = ")) || text.contains(&format!("[{key}"));
            assert!(shown, "profiles/README.md does not show `{key}` of `[{table}]`");
        }
    }
}

#[test]
fn files_that_are_none() {
    let project = Project::new(&[("common", COMMON)]);
    fs_err::create_dir(project.0.path().join("profiles/a.toml")).expect("makes a directory");
    fs_err::write(project.0.path().join("profiles/b.toml"), b"x = '\xff'").expect("writes a profile");
    insta::assert_snapshot!(project.report(&["a", "b"]), @"
    the profiles are not valid (2 problems)

      cannot read `profiles/a.toml`: not a regular file of at most 1 MiB

      cannot read `profiles/b.toml`: not UTF-8 at byte 5
    ");
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config {
        cases: 100,
        failure_persistence: None,
        ..proptest::test_runner::Config::default()
    })]

    /// Whatever is typed into the cluster's profile, the answer is a host or a report.
    #[test]
    fn no_edit_makes_a_panic(edits in proptest::collection::vec((0usize..4000, "[\\[\\]{}='\"\\n.,#0-9a-zé/-]{0,3}", 0usize..4), 1..6)) {
        let mut text = fs_err::read_to_string(root().join("profiles/k8sctl.toml")).expect("is there");
        text = text.replace("[\"k8sctl-pi5l\", \"k8sctl-pi5r\", \"k8sctl-pi5x\"]", "['a']").replace("\"raspios\"", "'common'");
        for (at, insert, remove) in edits {
            let at = (at % (text.len() + 1)..=text.len()).find(|at| text.is_char_boundary(*at)).expect("the end is one");
            let end = (at + remove..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len()).max(at);
            text.replace_range(at..end, &insert);
        }
        let project = Project::new(&[("common", COMMON), ("k", &text), ("a", &NODE.replace("'common'", "'k'"))]);
        if let Err(error) = project.load(&["a"]) {
            proptest::prop_assert!(!error.problems().is_empty());
            proptest::prop_assert!(error.report().to_string().lines().count() > 2);
        }
    }
}

#[test]
fn nesting_without_end_is_an_error() {
    for text in [
        "x = ".to_owned() + &"[".repeat(100_000),
        "[a".to_owned() + &".a".repeat(100_000) + "]",
        "\u{0}".into(),
    ] {
        let report = Project::new(&[("a", &text)]).report(&["a"]);
        assert!(report.len() < 2_000, "{report}");
    }
    let chain: Vec<_> = (0..50).map(|n| (format!("p{n}"), format!("extends = 'p{}'\n", n + 1))).collect();
    let chain: Vec<_> = chain.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert!(Project::new(&chain).report(&["p0"]).contains("more than 32"));
}

#[test]
fn the_nodes_of_this_project() {
    let profiles = Profiles::open(&root()).expect("is a project");
    let names = profiles.buildable().map_err(|error| error.report().to_string()).expect("all can be read");
    assert_eq!(names, ["demo-zfs", "k8sctl-pi5l", "k8sctl-pi5r", "k8sctl-pi5x"]);
    let hosts = profiles.load(&names).map_err(|error| error.report().to_string()).expect("all are valid");
    let facts: Vec<_> = hosts
        .iter()
        .map(|host| {
            let backplane = host.network.backplane.as_ref().map(|backplane| backplane.address.to_string());
            format!("{} {} {}", host.hostname, host.network.address, backplane.as_deref().unwrap_or("none"))
        })
        .collect();
    insta::assert_snapshot!(facts.join("\n"), @r"
    demo-zfs 10.10.80.60/24 none
    k8sctl-pi5l 10.10.80.50/24 10.10.99.50/24
    k8sctl-pi5r 10.10.80.51/24 10.10.99.51/24
    k8sctl-pi5x 10.10.80.52/24 10.10.99.52/24
    ");
    assert_eq!(hosts[2].cluster.as_ref().expect("has one").nodes.len(), 3);
    assert!(hosts[0].base.sha256.is_some() && hosts[0].base.raw_sha256.is_some());
}
