//! What targets start from: real content of this repository and this machine, structures that other programs make, and
//! our own outputs. Nothing of it is stored.
//!
//! `DIR/<target>/…` are inputs; `DIR/made/…` are images and keys that targets read.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use pimg_disk::block::{BlockRead, BlockWrite, MemoryDevice};
use pimg_disk::overlay::{MemoryStore, Overlay};

use crate::patched::Image;

/// Most bytes of a text: libFuzzer gets on better with short ones.
const LONGEST_TEXT: usize = 4096;

struct Seeds<'d> {
    directory: &'d Path,
}

pub fn write(directory: &Path) {
    let seeds = Seeds { directory };
    fs::create_dir_all(directory.join("made")).expect("a directory");
    seeds.disks();
    seeds.debian();
    seeds.packages();
    seeds.layers();
    seeds.signatures();
    seeds.project();
    seeds.outputs();
}

impl Seeds<'_> {
    fn add(&self, target: &str, bytes: &[u8]) {
        let directory = self.directory.join(target);
        fs::create_dir_all(&directory).expect("a directory");
        let name = pimg_fetch::Sha256Digest::of(bytes).to_string();
        fs::write(directory.join(&name[..16]), bytes).expect("a seed");
    }

    fn add_file(&self, target: &str, path: impl AsRef<Path>) {
        if let Ok(mut bytes) = fs::read(path) {
            bytes.truncate(LONGEST_TEXT);
            self.add(target, &bytes);
        }
    }

    fn made(&self, name: &str) -> PathBuf {
        self.directory.join("made").join(name)
    }

    /// Images by other people's programs, and seeds that say what is in them.
    fn disks(&self) {
        let script = include_str!("images.sh");
        run("bash", &["-c", script, "images.sh", text(&self.made(""))], b"");
        for kind in ["table", "fat", "ext4"] {
            let target = if kind == "table" { "partition-table" } else { kind };
            for number in 0.. {
                let Ok(bytes) = fs::read(self.made(&format!("{kind}-{number}.img"))) else { break };
                if kind == "table" {
                    self.add("partition-table-raw", &bytes[..34 * 512]);
                }
                if kind == "ext4" {
                    // an inode and a descriptor may follow
                    self.add("ext4-structures", &bytes[1024..2048 + 512]);
                }
                let inputs = Image::new(bytes).seeds(u8::try_from(number).expect("few images"));
                inputs.iter().for_each(|seed| self.add(target, seed));
            }
        }
    }

    /// Debian's files of this machine.
    fn debian(&self) {
        let status = fs::read("/var/lib/dpkg/status").unwrap_or_else(|_| STANZA.to_vec());
        let stanzas = String::from_utf8_lossy(&status).into_owned();
        for stanza in stanzas.split("\n\n").take(40) {
            let stanza = format!("{stanza}\n");
            for target in ["deb822", "dpkg-status", "packages-index"] {
                self.add(target, stanza.as_bytes());
            }
            let relations = stanza.lines().filter_map(|line| line.strip_prefix("Depends: "));
            relations.for_each(|field| self.add("relation", field.as_bytes()));
            let versions = stanza.lines().filter_map(|line| line.strip_prefix("Version: "));
            versions.for_each(|version| self.add("version", format!("{version}\n1.0~rc1-2").as_bytes()));
            self.add("solve", &[stanza.as_bytes(), b"\0", OFFERED].concat());
        }
        self.add("relation", b"a (>= 1:2.0~) | b:any (<< 3) [linux-any !amd64] <!nocheck>, c (= 1)");
        self.add("solve", &[STANZA, b"\0", OFFERED].concat());
        self.add("release", RELEASE);
        self.add("sources", SOURCES);
        self.add("sources", b"deb [arch=arm64 signed-by=/usr/share/keyrings/x.gpg] http://archive.example.org/debian trixie main\n");
        self.add("preferences", b"Package: linux-* /zfs/ src:x:any\nPin: release a=stable, n=trixie, o=Debian\nPin-Priority: -1\n");
        self.add("preferences", b"Package: *\nPin: version /^1\\./\nPin-Priority: 990\n\nPackage: ?\nPin: origin \"x.org\"\nPin-Priority: 1\n");
        self.add("date", b"2025-12-04T00:00:00Z");
        self.add_file("diversions", "/var/lib/dpkg/diversions");
        self.add("diversions", b"/bin/sh\n/bin/sh.distrib\ndash\n");
        // an ELF file, if no module
        self.add_file("kernel-module", "/bin/true");
        self.add_file("md5sums", "/var/lib/dpkg/info/base-files.md5sums");
        self.add("md5sums", b"0123456789abcdef0123456789abcdef  usr/bin/hello\n");
    }

    /// Packages and archives, plain so that a changed byte reaches the tar inside.
    fn packages(&self) {
        let tree = self.made("tree");
        let plain = tar(&["--format=ustar", "-C", text(&tree), "."]);
        let gnu = tar(&["--format=gnu", "-C", text(&tree), "."]);
        let pax = tar(&["--format=pax", "-C", text(&tree), "."]);
        fs::write(self.made("control"), STANZA).expect("a control file");
        let control = tar(&["-C", text(&self.made("")), "./control"]);
        for data in [&plain, &gnu, &pax] {
            self.add("download-archive", data);
            self.add(
                "deb-package",
                &ar(&[("debian-binary", b"2.0\n"), ("control.tar", &control), ("data.tar", data)]),
            );
        }
        for (program, extension) in [("gzip", ".gz"), ("xz", ".xz"), ("zstd", ".zst")] {
            let Some(data) = run(program, &["-c"], &plain) else { continue };
            let name = format!("data.tar{extension}");
            self.add(
                "deb-package",
                &ar(&[("debian-binary", b"2.0\n"), ("control.tar", &control), (&name, &data)]),
            );
            self.add("download-archive", &data);
        }
    }

    /// Layers as other programs pack them, and texts of the forms that registries know.
    fn layers(&self) {
        let tree = self.made("tree");
        let long = self.made("layer").join("usr/".to_owned() + &"x".repeat(120));
        fs::create_dir_all(&long).expect("a directory");
        fs::write(long.join(".wh.gone"), b"").expect("a file");
        for format in ["ustar", "pax"] {
            let format = format!("--format={format}");
            self.add("baked-archive", &tar(&[&format, "-C", text(&tree), "--transform=s,^\\./,,", "."]));
        }
        let pax = ["--format=pax", "--pax-option=exthdr.name=h,delete=atime,delete=ctime,delete=mtime"];
        self.add("baked-archive", &tar(&[&pax[..], &["-C", text(&self.made("layer")), "usr"]].concat()));

        let named = |kind: &str, bytes: &[u8]| {
            let digest = pimg_fetch::Sha256Digest::of(bytes);
            format!(r#"{{"mediaType":"{kind}","digest":"sha256:{digest}","size":{}}}"#, bytes.len())
        };
        let empty = pimg_fetch::Sha256Digest::of(b"");
        let papers = LAYER.replace("DIGEST", &empty.to_string());
        let statement = STATEMENT
            .replace("LAYER", &empty.to_string())
            .replace("PAPERS", &pimg_fetch::Sha256Digest::of(papers.as_bytes()).to_string());
        let manifest = format!(
            r#"{{"schemaVersion":2,"artifactType":"application/vnd.pimg.bake.v1","config":{},"layers":[{},{}]}}"#,
            named("application/vnd.pimg.bake.config.v1+json", papers.as_bytes()),
            named("application/vnd.oci.image.layer.v1.tar+zstd", b""),
            named("application/vnd.in-toto+json", statement.as_bytes()),
        );
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
            named("application/vnd.oci.image.manifest.v1+json", manifest.as_bytes())
        );
        for text in [&papers, &statement, &manifest, &index, &ENVELOPE.to_owned()] {
            self.add("layer-papers", text.as_bytes());
        }
        let layout = self.made("layout");
        fs::create_dir_all(layout.join("blobs/sha256")).expect("a directory");
        for bytes in [papers.as_bytes(), statement.as_bytes(), manifest.as_bytes(), b""] {
            let digest = pimg_fetch::Sha256Digest::of(bytes).to_string();
            fs::write(layout.join("blobs/sha256").join(digest), bytes).expect("a blob");
        }
        fs::write(layout.join("index.json"), &index).expect("an index");
        fs::write(layout.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#).expect("a mark");
        for format in ["ustar", "gnu", "pax"] {
            self.add("layer-archive", &tar(&[&format!("--format={format}"), "-C", text(&layout), "."]));
        }
        for place in [
            "oci://ghcr.io/me/layers:v1",
            "localhost:5000/a/b",
            "s3://bucket/a/b",
            "https://[::1]:8/d/",
            "file:///srv",
        ] {
            self.add("layer-place", place.as_bytes());
        }
        self.add(
            "registry-accounts",
            br#"{"auths":{"ghcr.io":{"auth":"YTpi"}},"credHelpers":{"gcr.io":"gcloud"},"credsStore":"x"}"#,
        );
    }

    /// A key, a text signed with it, and keyrings of this machine.
    fn signatures(&self) {
        let home = tempfile::tempdir().expect("a directory");
        let gpg = |arguments: &[&str], input: &[u8]| {
            let fixed = [
                "--homedir",
                text(home.path()),
                "--batch",
                "--quiet",
                "--passphrase",
                "",
                "--pinentry-mode",
                "loopback",
            ];
            run("gpg", &[&fixed[..], arguments].concat(), input)
        };
        let time = ["--faked-system-time", "20251204T000000!"];
        let made = gpg(
            &[&time[..], &["--quick-gen-key", "fuzz@example.org", "ed25519", "default", "never"]].concat(),
            b"",
        );
        if made.is_none() {
            return;
        }
        let signed = gpg(&[&time[..], &["--clearsign"]].concat(), RELEASE).expect("a signed text");
        let detached = gpg(&[&time[..], &["--detach-sign"]].concat(), RELEASE).expect("a signature");
        let public = gpg(&["--export"], b"").expect("a public key");
        let armored = gpg(&["--export", "--armor"], b"").expect("a public key");
        fs::write(self.made("signer.pgp"), &public).expect("a keyring");
        fs::write(self.made("signed.txt"), RELEASE).expect("a text");
        self.add("clearsigned", &signed);
        self.add("clearsigned", &[RELEASE, b"\0", &detached].concat());
        self.add("keyring", &public);
        self.add("keyring", &armored);
        let _ = Command::new("gpgconf").args(["--homedir", text(home.path()), "--kill", "all"]).status();
        for name in ["pgp", "gpg"] {
            if let Ok(bytes) = fs::read(format!("/usr/share/keyrings/debian-archive-keyring.{name}")) {
                self.add("keyring", &bytes);
            }
        }
    }

    /// This repository's own files: `scripts/fuzz` runs in it.
    fn project(&self) {
        for (directory, target) in
            [("profiles", "profile"), ("overlays", "overlay"), ("overlays", "template")]
        {
            for path in files(Path::new(directory)) {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                match target {
                    "profile" if name.ends_with(".toml") => self.add_file(target, path),
                    "overlay" if name == "overlay.toml" => self.add_file(target, path),
                    "template" if name.ends_with(".j2") => self.add_file(target, path),
                    _ if name.ends_with(".service") || name.ends_with(".timer") => {
                        let content = fs::read(&path).unwrap_or_default();
                        self.add("unit", &[name.as_bytes(), b"\n", &content].concat());
                    }
                    _ => {}
                }
            }
        }
        self.add("profile", include_bytes!("node.toml"));
        self.add("user-config", b"[mirrors]\ndebian = \"https://mirror.example.org/debian\"\n");
        self.add("secrets", b"token = \"value\"\n[recipients]\na = \"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\"\n");
        self.add("lock", LOCK.replace("DIGEST", &"ab".repeat(32)).as_bytes());
        self.add(
            "ssh-key",
            b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f test\n",
        );
        self.add(
            "age-identity",
            b"# created\nAGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33\n",
        );
        self.add("secret-seed", format!("{}\n", "0f".repeat(32)).as_bytes());
        self.add("source", b"https://downloads.example.org/raspios.img.xz");
        self.add("partial-note", b"4096 etag \"abc\"\n");
    }

    /// Guest files of Debian's form, and what our own code writes.
    fn outputs(&self) {
        let accounts = [
            "root:x:0:0:root:/root:/bin/bash\npi:x:1000:1000:,,,:/home/pi:/bin/bash\n",
            "root:*:20000:0:99999:7:::\npi:!:20000:0:99999:7:::\n",
            "root:x:0:\nsudo:x:27:pi\npi:x:1000:\n",
            "root:*::\nsudo:*::pi\npi:!::\n",
            "pi:100000:65536\n",
            "pi:100000:65536\n",
        ];
        self.add("accounts", accounts.join("\0").as_bytes());
        self.add(
            "boot-config",
            b"console=tty1 root=PARTUUID=8a676486-02 rootfstype=ext4 fsck.repair=yes rootwait resize\n",
        );
        self.add("boot-config", b"dtparam=audio=on\n[cm5]\ndtoverlay=dwc2\n\n[all]\nauto_initramfs=1\n");
        self.add("boot-config", b"profile = a\nhostname = b\nhost key = c\n");
        self.add("unit", b"a@.service\n[Install]\nWantedBy=multi-user.target\nAlias=b@x.service\nAlso=c.socket\nDefaultInstance=tty1\n");
        self.add("locale", b"# en_AU.UTF-8 UTF-8\n# en_GB.UTF-8 UTF-8\n");
        self.add("locale", &[0x09, 0x01, 0x02, 0xde, 0, 0, 0, 0, 56, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0]);
        self.add("initramfs", b"070701");
        self.add("node-status", STATUS);
        self.add("console", b"[    1.0] systemd[1]: Starting\npimg-step: packages: running\npimg: boot 1\n");
        self.add("frame-pack", b"pimgfrms");
        let blocks: Vec<u8> = (0..600_000_u32).flat_map(u32::to_le_bytes).take(2 << 20).collect();
        for (program, arguments, targets) in [
            ("xz", &["-c", "-T2", "--block-size=1MiB", "-0"][..], &["base-image", "carried-xz"][..]),
            ("zstd", &["-c", "-q"], &["base-image"]),
            ("gzip", &["-c"], &["base-image"]),
        ] {
            let start = &blocks[..if program == "xz" { blocks.len() } else { 2000 }];
            let Some(bytes) = run(program, arguments, &[&[0; 4096], start].concat()) else { continue };
            targets.iter().filter(|_| bytes.len() < 1 << 20).for_each(|target| self.add(target, &bytes));
        }
        for program in ["xz", "zstd", "gzip"] {
            if let Some(bytes) = run(program, &["-c"], b"hello hello hello hello") {
                self.add("base-image", &bytes);
                self.add("base-image", &bytes.repeat(2));
                self.add("carried-xz", &bytes);
            }
        }
        self.add("base-image", ZIP);
        let device =
            Overlay::new(Arc::new(MemoryDevice::new(vec![0; 16 << 12])), 20 << 12, MemoryStore::new())
                .expect("an overlay");
        device.write_at(5000, &[7; 9000]).expect("writing to memory");
        let mut layer = Vec::new();
        device.write_layer([0; 32], &mut layer).expect("a layer");
        assert_eq!(device.len(), 20 << 12);
        self.add("layer", &layer);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// What a program writes; `None` where it is missing or fails.
fn run(program: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    let child =
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.ok()?;
    let mut pipe = child.stdin.take()?;
    let input = input.to_vec();
    let writer = std::thread::spawn(move || drop(pipe.write_all(&input)));
    let output = child.wait_with_output().ok()?;
    writer.join().ok()?;
    output.status.success().then_some(output.stdout)
}

fn tar(arguments: &[&str]) -> Vec<u8> {
    let fixed = ["-c", "-f", "-", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "-b1"];
    run("tar", &[&fixed[..], arguments].concat(), b"").expect("tar makes an archive")
}

/// An archive of `ar(5)`.
fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in members {
        bytes.extend(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, content.len()).bytes(),
        );
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(2), b'\n');
    }
    bytes
}

const STANZA: &[u8] = b"Package: hello\nStatus: install ok installed\nPriority: optional\nSection: devel\nInstalled-Size: 280\n\
Maintainer: A <a@example.org>\nArchitecture: arm64\nMulti-Arch: foreign\nVersion: 2.10-3\nDepends: libc6 (>= 2.38)\nConffiles:\n \
/etc/hello 0123456789abcdef0123456789abcdef\nDescription: says hello\n and more\n .\n and on\n";
const OFFERED: &[u8] = b"Package: a\nArchitecture: arm64\nVersion: 1\nDepends: b (>= 2) | c, d\nFilename: a.deb\nSize: 1\nSHA256: 00\n\n\
Package: b\nArchitecture: arm64\nVersion: 2\nConflicts: c\nProvides: d (= 1)\nFilename: b.deb\nSize: 1\nSHA256: 00\n\n\
Package: c\nArchitecture: all\nVersion: 1\nBreaks: a (<< 2)\nFilename: c.deb\nSize: 1\nSHA256: 00\n";
const RELEASE: &[u8] = b"Origin: Debian\nLabel: Debian\nSuite: stable\nVersion: 13.0\nCodename: trixie\nDate: Thu, 04 Dec 2025 00:00:00 UTC\n\
Valid-Until: Thu, 11 Dec 2025 00:00:00 UTC\nAcquire-By-Hash: yes\nArchitectures: all arm64\nComponents: main\nSHA256:\n \
e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-arm64/Packages\n";
const SOURCES: &[u8] = b"# comment\nTypes: deb deb-src\nURIs: http://archive.example.org/debian\nSuites: trixie trixie-updates\nComponents: main\n\
Architectures: arm64\nEnabled: no\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQ==\n -----END PGP PUBLIC KEY BLOCK-----\n";
const LOCK: &str =
    "version = 1\n\n[base]\nurl = \"base.img\"\nsha256 = \"DIGEST\"\nraw_sha256 = \"DIGEST\"\n";
const LAYER: &str = r#"{"schema":1,"key":"DIGEST","base_raw_sha256":"DIGEST","recipe":1,"epoch":1764806400,"layer_sha256":"DIGEST",
"layer_size":0,"tar_sha256":"DIGEST","tar_size":0,"content_size":0,"entries":0,
"packages":[{"name":"hello","version":"2.10-3","architecture":"arm64","sha256":"DIGEST"}],"kernels":["6.12"],"emulator":"native","builder":"0.1.0"}"#;
const STATEMENT: &str = r#"{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"layer.tar.zst","digest":{"sha256":"LAYER"}},
{"name":"layer.json","digest":{"sha256":"PAPERS"}}],"predicateType":"https://slsa.dev/provenance/v1","predicate":{}}"#;
const ENVELOPE: &str = r#"{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"0123456789ABCDEF","sig":"AA=="}]}"#;
const STATUS: &[u8] = br#"{"version":1,"hostname":"a","state":"running","boot":1,"steps":[{"name":"packages","state":"done","message":"x","seconds":3}]}"#;
/// `zip -0` of a file `a.img` with three bytes.
const ZIP: &[u8] = b"PK\x03\x04\x0a\0\0\0\0\0\0\0!\0\xc2A$5\x03\0\0\0\x03\0\0\0\x05\0\0\0a.imgabcPK\x01\x02\x1e\x03\x0a\0\0\0\0\0\0\0!\0\xc2A$5\x03\0\0\0\x03\0\0\0\x05\0\0\0\0\0\0\0\0\0\0\0\x80\x81\0\0\0\0a.imgPK\x05\x06\0\0\0\0\x01\0\x01\x003\0\0\0&\0\0\0\0\0";
