//! Profiles with one thing wrong.

use crate::{CHECK, Case};

/// A name, what of the profile is replaced, and by what.
const EDITS: [(&str, &str, &str); 52] = [
    ("no host name", "hostname = \"tiny\"\n", ""),
    ("a host name with a space", "\"tiny\"", "\"ti ny\""),
    ("a host name with a slash", "\"tiny\"", "\"../tiny\""),
    (
        "a host name of 64 letters",
        "\"tiny\"",
        "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
    ),
    ("a host name with a line break", "\"tiny\"", "\"ti\\nny\""),
    ("a host name that is a number", "\"tiny\"", "7"),
    ("a host name of another script", "\"tiny\"", "\"пи\""),
    ("an unknown key", "[image]", "[imgae]"),
    ("an unknown key of a table", "free =", "fre ="),
    ("a key twice", "free = \"16MiB\"", "free = \"16MiB\"\nfree = \"1GiB\""),
    ("a table twice", "[image]", "[image]\n[image]"),
    ("a string that does not end", "\"10.0.0.2/24\"", "\"10.0.0.2/24"),
    ("an array that does not end", "[\"10.0.0.1\"]", "[\"10.0.0.1\""),
    ("a control character", "\"op\"", "\"o\u{1}p\""),
    ("a NUL character", "\"op\"", "\"o\\u0000p\""),
    ("text that runs from right to left", "\"op\"", "\"\u{202e}op\""),
    ("extends itself", "hostname", "extends = \"tiny\"\nhostname"),
    ("extends a profile that is not there", "hostname", "extends = \"none\"\nhostname"),
    ("extends a path", "hostname", "extends = \"../profiles/tiny\"\nhostname"),
    ("extends a number", "hostname", "extends = 3\nhostname"),
    ("an overlay that is not there", "\"one\"", "\"two\""),
    ("an overlay twice", "\"one\"", "\"one\", \"one\""),
    ("an overlay by a path", "\"one\"", "\"../one\""),
    ("overlays that are no list", "[\"one\"]", "\"one\""),
    ("a size without a number", "\"16MiB\"", "\"MiB\""),
    ("a size with an unknown unit", "\"16MiB\"", "\"16 parsec\""),
    ("a negative size", "\"16MiB\"", "\"-1MiB\""),
    ("a size beyond 64 bits", "\"16MiB\"", "\"99999999999999999999TiB\""),
    ("a size beyond what a card has", "free = \"16MiB\"", "size = \"1000000000000000000\""),
    ("a size that is no multiple of a sector", "free = \"16MiB\"", "size = \"104857601\""),
    ("a size of nothing", "free = \"16MiB\"", "size = \"0\""),
    ("a user name with a colon", "\"op\"", "\"o:p\""),
    ("the user root", "\"op\"", "\"root\""),
    ("a key that is none", "ssh-ed25519 AAAAC3", "ssh-ed25519 BBBBC3"),
    ("a key that is cut", "GhscHR4f test", "\""),
    ("a key with a line break", " test\"", "\\nssh-rsa x\""),
    ("a password in plain text", "name = \"op\"", "name = \"op\"\npassword_hash = \"secret\""),
    (
        "a secret of two kinds",
        "name = \"op\"",
        "name = \"op\"\npassword_hash = { env = \"A\", file = \"b\" }",
    ),
    ("a secret without a program", "name = \"op\"", "name = \"op\"\npassword_hash = { command = [] }"),
    ("no address", "address = \"10.0.0.2/24\"\n", ""),
    ("an address without a mask", "10.0.0.2/24", "10.0.0.2"),
    ("an address with a mask of 33", "10.0.0.2/24", "10.0.0.2/33"),
    ("an address of letters", "10.0.0.2/24", "ten/24"),
    ("the address of the network", "10.0.0.2/24", "10.0.0.0/24"),
    ("a gateway in another network", "gateway = \"10.0.0.1\"", "gateway = \"10.1.0.1\""),
    ("a name server that is none", "[\"10.0.0.1\"]", "[\"10.0.0\"]"),
    ("a locale with a path in it", "en_AU.UTF-8", "../../etc"),
    ("a time zone with a path in it", "Australia/Sydney", "../../etc/shadow"),
    ("a base with a digest that is none", "source =", "sha256 = \"xyz\"\nsource ="),
    ("a base from nowhere", "\"base.img\"", "\"\""),
    ("a kernel option with a space", "[network]", "[boot]\ncmdline = [\"a b\"]\n[network]"),
    ("a line of config.txt with a break", "[network]", "[boot]\nconfig = [\"a\\nb\"]\n[network]"),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = EDITS
        .into_iter()
        .map(|(name, from, to)| Case::new(name, CHECK, move |bench| bench.edit(from, to)))
        .collect();
    let texts: [(&str, Vec<u8>); 9] = [
        ("an empty profile", Vec::new()),
        ("a profile of NUL bytes", vec![0; 100]),
        ("a profile that is not UTF-8", b"hostname = \"\xff\xfe\"\n".to_vec()),
        ("a profile in UTF-16", "hostname = 'tiny'\n".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("a profile that is a program", b"\x7fELF\x02\x01\x01".to_vec()),
        ("a profile of ten megabytes", b"# a comment\n".repeat(900_000)),
        ("20,000 brackets", ["x = ".to_owned(), "[".repeat(20_000), "]".repeat(20_000)].concat().into()),
        (
            "20,000 tables in each other",
            format!("x = {}1{}", "{a=".repeat(20_000), "}".repeat(20_000)).into(),
        ),
        ("a key of 20,000 parts", format!("[{}]\n", vec!["a"; 20_000].join(".")).into()),
    ];
    cases.extend(
        texts.into_iter().map(|(name, bytes)| {
            Case::new(name, CHECK, move |bench| bench.write("profiles/tiny.toml", &bytes))
        }),
    );
    cases.push(Case::new("two profiles that extend each other", CHECK, |bench| {
        bench.edit("hostname", "extends = \"other\"\nhostname");
        bench.write("profiles/other.toml", "extends = \"tiny\"\n");
    }));
    cases.push(Case::new("two nodes with one address", "check --profile tiny --profile other", |bench| {
        bench.write("profiles/other.toml", crate::bench::NODE.replace("\"tiny\"", "\"other\""));
    }));
    cases.push(Case::new("a profile that is a directory", CHECK, |bench| {
        std::fs::remove_file(bench.join("profiles/tiny.toml")).expect("the profile");
        bench.write("profiles/tiny.toml/x", "");
    }));
    cases.push(Case::new("a profile that is a pipe", CHECK, |bench| {
        std::fs::remove_file(bench.join("profiles/tiny.toml")).expect("the profile");
        bench.fifo("profiles/tiny.toml");
    }));
    cases.push(Case::new("a profile that is a link to itself", CHECK, |bench| {
        std::fs::remove_file(bench.join("profiles/tiny.toml")).expect("the profile");
        bench.link("profiles/tiny.toml", "tiny.toml");
    }));
    cases.push(Case::new("a profile that is an endless device", CHECK, |bench| {
        std::fs::remove_file(bench.join("profiles/tiny.toml")).expect("the profile");
        bench.link("profiles/tiny.toml", "/dev/zero");
    }));
    cases.push(Case::new("no directory of profiles", CHECK, |bench| {
        std::fs::remove_dir_all(bench.join("profiles")).expect("profiles");
    }));
    cases
}
