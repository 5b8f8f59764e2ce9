//! What is in the way on the operator's machine: links where directories have to be, and components swapped.

use std::fs;

use crate::bench::Bench;
use crate::{BUILD, Case};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: &str, command: &str, make: fn(&Bench)| cases.push(Case::new(name, command, make));
    add("`out` is a file", BUILD, |bench| {
        bench.base();
        fs::remove_dir_all(bench.join("out")).expect("out");
        bench.write("out", "mine");
    });
    add("`out` is a link to nothing", BUILD, |bench| {
        bench.base();
        fs::remove_dir_all(bench.join("out")).expect("out");
        bench.link("out", "nowhere/out");
    });
    add("`out` is a link to itself", BUILD, |bench| {
        bench.base();
        fs::remove_dir_all(bench.join("out")).expect("out");
        bench.link("out", "out");
    });
    add("the host's directory is a link to elsewhere", BUILD, |bench| {
        bench.base();
        fs::rename(bench.join("out/tiny"), bench.join("elsewhere")).expect("moving");
        bench.link("out/tiny", "../elsewhere");
    });
    add("the host's directory is a file", BUILD, |bench| {
        bench.base();
        fs::remove_dir_all(bench.join("out/tiny")).expect("a directory");
        bench.write("out/tiny", "mine");
    });
    add("`--out` below a file", &format!("{BUILD} --out base.img/out"), |bench| bench.base());
    add("`--out` in a system of the kernel", &format!("{BUILD} --out /proc/pimg"), |bench| bench.base());
    add("the cache is a file", BUILD, |bench| {
        bench.base();
        bench.write("cache", "mine");
    });
    add("the cache is somebody's directory", BUILD, |bench| {
        bench.base();
        bench.write("cache/letter.txt", "dear");
    });
    add("the cache is a link to nothing", BUILD, |bench| {
        bench.base();
        bench.link("cache", "nowhere/cache");
    });
    add("a part of the cache is a file", BUILD, |bench| {
        tagged(bench);
        bench.write("cache/raw-v1", "mine");
    });
    add("a part of the cache is a link to nothing", BUILD, |bench| {
        tagged(bench);
        bench.link("cache/memo-v1", "../nowhere");
    });
    add("a part of the cache is a link to itself", BUILD, |bench| {
        tagged(bench);
        bench.link("cache/blob-v1", "blob-v1");
    });
    add("the secrets are a file", BUILD, |bench| {
        bench.base();
        bench.write("secrets", "mine");
    });
    add("the secrets are a link to nothing", BUILD, |bench| {
        bench.base();
        bench.link("secrets", "nowhere/secrets");
    });
    add("the user's settings are damaged", BUILD, |bench| {
        bench.base();
        bench.write(".config/pimg/config.toml", "[mirrors\n");
    });
    add("the user's settings know no such key", BUILD, |bench| {
        bench.base();
        bench.write(".config/pimg/config.toml", "[mirors]\n");
    });
    add("a cache that is cleaned is none", "clean --cache", |bench| bench.write("cache/letter.txt", "dear"));
    for (name, path) in [("an image that is a pipe", "x.img"), ("a packed image that is a pipe", "x.img.zst")]
    {
        cases.push(Case::new(name, &format!("inspect {path}"), move |bench| bench.fifo(path)));
    }
    let mut add = |name: &str, command: &str, make: fn(&Bench)| cases.push(Case::new(name, command, make));
    add("an image that is an endless device", "inspect /dev/zero", |_| {});
    add("free space that overflows 64 bits", BUILD, |bench| {
        bench.base();
        bench.edit("free = \"16MiB\"", "free = \"18446744073709551615\"");
    });
    add("an image is larger than the disk", BUILD, |bench| {
        bench.base();
        bench.edit("free = \"16MiB\"", "size = \"900TiB\"");
    });
    cases
}

fn tagged(bench: &Bench) {
    bench.base();
    let tag = "Signature: 8a477f597d28d172789f06886806bc55\n# This is the cache of pimg.\n";
    bench.write("cache/CACHEDIR.TAG", tag);
}
