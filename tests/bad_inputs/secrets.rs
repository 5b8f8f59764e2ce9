//! Keys, seeds and secrets that are damaged, missing, or readable by others.

use crate::bench::Bench;
use crate::{BUILD, Case};

fn with_secret(bench: &Bench, reference: &str) {
    bench.base();
    bench.edit("name = \"op\"", &format!("name = \"op\"\npassword_hash = {reference}"));
}

fn with_seed(bench: &Bench, content: &[u8]) {
    bench.base();
    bench.write("secrets/tiny.seed", content);
    bench.mode("secrets/tiny.seed", 0o600);
}

fn with_key(bench: &Bench, content: &[u8]) {
    bench.base();
    bench.write("key.pub", content);
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: &str, command: &str, make: fn(&Bench)| cases.push(Case::new(name, command, make));
    add("a secret of a variable that is not set", BUILD, |bench| {
        with_secret(bench, "{ env = \"PIMG_NOT_SET\" }")
    });
    add("a secret of a variable without a name", BUILD, |bench| with_secret(bench, "{ env = \"\" }"));
    add("a secret of a file that is not there", BUILD, |bench| with_secret(bench, "{ file = \"none\" }"));
    add("a secret of an empty file", BUILD, |bench| {
        with_secret(bench, "{ file = \"hash\" }");
        bench.write("hash", "");
        bench.mode("hash", 0o600);
    });
    add("a secret of a file of 20 megabytes", BUILD, |bench| {
        with_secret(bench, "{ file = \"hash\" }");
        bench.write("hash", vec![b'x'; 20 << 20]);
        bench.mode("hash", 0o600);
    });
    add("a secret of a directory", BUILD, |bench| with_secret(bench, "{ file = \"overlays\" }"));
    add("a secret of a program that is not there", BUILD, |bench| {
        with_secret(bench, "{ command = [\"no-such-program\"] }")
    });
    add("a secret of a program that fails", BUILD, |bench| with_secret(bench, "{ command = [\"false\"] }"));
    add("a secret of a program that says nothing", BUILD, |bench| {
        with_secret(bench, "{ command = [\"true\"] }")
    });
    add("a password that is no hash", BUILD, |bench| {
        with_secret(bench, "{ command = [\"echo\", \"secret\"] }")
    });
    add("a password of two lines", BUILD, |bench| {
        with_secret(bench, "{ command = [\"printf\", \"$6$a$b\\\\n$6$c$d\"] }")
    });
    add("a secret without a store", BUILD, |bench| with_secret(bench, "{ secret = \"hash\" }"));
    add("a store without an identity", BUILD, |bench| {
        with_secret(bench, "{ secret = \"hash\" }");
        bench.write("secrets.age", b"age-encryption.org/v1\n-> X25519 x\n");
    });
    add("a store that is no store", BUILD, |bench| {
        with_secret(bench, "{ secret = \"hash\" }");
        identity(bench, IDENTITY);
        bench.write("secrets.age", b"hello\n");
    });
    add("a store that is cut", BUILD, |bench| {
        with_secret(bench, "{ secret = \"hash\" }");
        identity(bench, IDENTITY);
        bench.write(
            "secrets.age",
            b"age-encryption.org/v1\n-> X25519 TEiF0ypqr+bpvcqXNyCVJpL7OuwPdVwPL7KQEbFDOCc\n",
        );
    });
    add("a store of 20 megabytes", BUILD, |bench| {
        with_secret(bench, "{ secret = \"hash\" }");
        identity(bench, IDENTITY);
        bench.write("secrets.age", vec![b'x'; 20 << 20]);
    });
    add("an identity that is none", BUILD, |bench| {
        with_secret(bench, "{ secret = \"hash\" }");
        identity(bench, "AGE-SECRET-KEY-1XYZ\n");
        bench.write("secrets.age", b"age-encryption.org/v1\n");
    });
    add("an identity that others read", BUILD, |bench| {
        with_secret(bench, "{ secret = \"hash\" }");
        identity(bench, IDENTITY);
        bench.mode(IDENTITY_FILE, 0o644);
        bench.write("secrets.age", b"age-encryption.org/v1\n");
    });
    add("a seed that is cut", BUILD, |bench| with_seed(bench, b"0123\n"));
    add("a seed that is empty", BUILD, |bench| with_seed(bench, b""));
    add("a seed of letters that are no digits", BUILD, |bench| with_seed(bench, "xy".repeat(32).as_bytes()));
    add("a seed of binary data", BUILD, |bench| with_seed(bench, &[0xff; 64]));
    add("a seed that others read", BUILD, |bench| {
        with_seed(bench, format!("{}\n", "0f".repeat(32)).as_bytes());
        bench.mode("secrets/tiny.seed", 0o644);
    });
    add("a seed that is a directory", BUILD, |bench| {
        bench.base();
        bench.write("secrets/tiny.seed/x", "x");
    });
    add("a seed that is a link to nothing", BUILD, |bench| {
        bench.base();
        std::fs::create_dir_all(bench.join("secrets")).expect("a directory");
        bench.link("secrets/tiny.seed", "../elsewhere/none");
    });
    add("a seed that is a pipe", BUILD, |bench| {
        bench.base();
        bench.fifo("secrets/tiny.seed");
    });
    let key = format!("{BUILD} --ssh-key key.pub");
    add("a key that is a pipe", &key, |bench| {
        bench.base();
        bench.fifo("key.pub");
    });
    add("a key that is not there", &key, |bench| bench.base());
    add("a key that is private", &key, |bench| {
        with_key(
            bench,
            b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----\n",
        );
    });
    add("a key of an old kind", &key, |bench| {
        with_key(bench, b"ssh-dss AAAAB3NzaC1kc3MAAACBAKd8w0vJbq1c2p7v3Hq6 x\n")
    });
    add("a key that is empty", &key, |bench| with_key(bench, b""));
    add("a key of binary data", &key, |bench| with_key(bench, &[0xff, 0xfe, 0, 1]));
    add("a key with a command before it", &key, |bench| {
        with_key(bench, b"command=\"sh\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f x\n");
    });
    add("a key of one megabyte", &key, |bench| with_key(bench, &[b'A'; 1 << 20]));
    cases
}

const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33\n";
const IDENTITY_FILE: &str = ".config/pimg/identity.txt";

fn identity(bench: &Bench, text: &str) {
    bench.write(IDENTITY_FILE, text);
    bench.mode(IDENTITY_FILE, 0o600);
}
