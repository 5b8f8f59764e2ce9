//! Locks with one thing wrong.

use crate::{BUILD, Case};

const LOCK: &str = "version = 1\n\n[[base]]\nurl = \"base.img\"\nsha256 = \"D\"\nraw_sha256 = \"D\"\n";

const EDITS: [(&str, &str, &str); 16] = [
    ("a lock of another base", "url", "url"),
    ("a lock without a version", "version = 1\n", ""),
    ("a lock of a later version", "version = 1", "version = 2"),
    ("a lock of a version in text", "version = 1", "version = \"1\""),
    ("a lock of a version beyond all numbers", "version = 1", "version = 99999999999999999999"),
    ("a lock with an unknown key", "url", "uri"),
    ("a lock with an unknown table", "[[base]]", "[[bases]]"),
    ("a lock with a digest that is cut", "sha256 = \"D\"", "sha256 = \"ab\""),
    (
        "a lock with a digest in capitals",
        "sha256 = \"D\"",
        "sha256 = \"ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB\"",
    ),
    ("a lock with an address of two lines", "\"base.img\"", "\"base\\n.img\""),
    (
        "a lock with one base twice",
        "version = 1\n",
        "version = 1\n[[base]]\nurl = \"base.img\"\nsha256 = \"D\"\nraw_sha256 = \"D\"\n",
    ),
    ("a lock that is no TOML", "version = 1", "version ="),
    (
        "a lock with marks of a merge",
        "version = 1",
        "<<<<<<< HEAD\nversion = 1\n=======\nversion = 1\n>>>>>>> other",
    ),
    (
        "a package of no repository",
        "raw_sha256 = \"D\"\n",
        "raw_sha256 = \"D\"\n[[set]]\nprofiles = [\"tiny\"]\nbase = \"D\"\nrequest = \"D\"\nremove = []\nhold = []\nmanual = []\n[[set.package]]\nname = \"a\"\nversion = \"1\"\narchitecture = \"arm64\"\nrepository = \"none\"\nfile = \"a.deb\"\nsize = 1\nsha256 = \"D\"\nreason = \"asked for\"\n",
    ),
    (
        "a package in a file that leads upwards",
        "raw_sha256 = \"D\"\n",
        "raw_sha256 = \"D\"\n[[repository]]\nname = \"r\"\nuri = \"https://x.org\"\nsuite = \"s\"\ncomponents = [\"main\"]\ndate = \"2025-01-01T00:00:00Z\"\nsha256 = \"D\"\nsigned_by = \"0123456789ABCDEF0123456789ABCDEF01234567\"\n[[set]]\nprofiles = [\"tiny\"]\nbase = \"D\"\nrequest = \"D\"\nremove = []\nhold = []\nmanual = []\n[[set.package]]\nname = \"a\"\nversion = \"1\"\narchitecture = \"arm64\"\nrepository = \"r\"\nfile = \"../../a.deb\"\nsize = 1\nsha256 = \"D\"\nreason = \"asked for\"\n",
    ),
    (
        "a download of a negative size",
        "raw_sha256 = \"D\"\n",
        "raw_sha256 = \"D\"\n[[download]]\nname = \"x\"\nurl = \"https://x.org/x\"\nsha256 = \"D\"\nsize = -1\n",
    ),
];

pub(crate) fn cases() -> Vec<Case> {
    let locked = format!("{BUILD} --locked");
    let mut cases: Vec<Case> = EDITS
        .into_iter()
        .map(|(name, from, to)| {
            Case::new(name, &locked, move |bench| {
                bench.base();
                bench.write(
                    "pimg.lock",
                    LOCK.replacen(from, to, 1).replace("\"D\"", &format!("\"{}\"", "ab".repeat(32))),
                );
            })
        })
        .collect();
    let texts: [(&str, Vec<u8>); 5] = [
        ("an empty lock", Vec::new()),
        ("a lock of NUL bytes", vec![0; 4096]),
        ("a lock that is not UTF-8", b"version = 1\n# \xff\n".to_vec()),
        ("a lock of 80 megabytes", b"# a line of a comment\n".repeat(4_000_000)),
        ("a lock with 20,000 brackets", ["x = ".to_owned(), "[".repeat(20_000)].concat().into()),
    ];
    cases.extend(texts.into_iter().map(|(name, bytes)| {
        Case::new(name, &locked, move |bench| {
            bench.base();
            bench.write("pimg.lock", &bytes);
        })
    }));
    cases.push(Case::new("no lock where one has to be", &locked, |bench| bench.base()));
    cases.push(Case::new("a lock that is a directory", BUILD, |bench| {
        bench.base();
        bench.write("pimg.lock/x", "x");
    }));
    cases.push(Case::new("a lock that is a pipe", BUILD, |bench| {
        bench.base();
        bench.fifo("pimg.lock");
    }));
    cases
}
