//! Signatures and provenance, with minisign, coreutils and in-toto's own reader as judges: in both directions, and with
//! everything that somebody may have changed since.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::{self, Project, repository, skip};
use crate::tiny_base::TinyBase;
use crate::{have_tools, project, told};

const BUILD: [&str; 8] =
    ["build", "--profile", "tiny", "--base", "base.img", "--release", "--ssh-key", "test.pub"];

/// A project with a base, and how pimg is run in it.
struct Signed {
    project: Project,
    /// More of the environment.
    variables: Vec<(&'static str, String)>,
}

impl Signed {
    fn new() -> Self {
        let project = project();
        TinyBase::new().make(project.path(), "base.img");
        Self { project, variables: Vec::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.project.join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.project.pimg(arguments);
        command.env("PIMG_CACHE", self.path("cache")).env_remove("XDG_CONFIG_HOME");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.output().expect("running pimg")
    }

    /// What was printed, if the exit code is this one.
    fn expect(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &told(&output);
        assert_eq!(output.status.code(), Some(code), "pimg {arguments:?}: {text}");
        text
    }

    /// A line of `pimg verify`.
    fn verify(&self, code: i32, arguments: &[&str], line: &str) -> String {
        let text = self.expect(code, &[&["verify"], arguments].concat());
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_there = text.lines().any(|line| line.split_whitespace().collect::<Vec<_>>() == words);
        assert!(is_there, "no line `{line}`: {text}");
        text
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

/// Runs a judge in a directory; whether it was content, and what it said.
fn judge(directory: &Path, program: &str, arguments: &[&str], input: &str) -> (bool, String) {
    use std::io::Write as _;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the judge runs");
    child.stdin.take().expect("is piped").write_all(input.as_bytes()).expect("writing");
    let output = child.wait_with_output().expect("the judge ends");
    let told = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&told).into_owned())
}

#[test]
fn what_pimg_signs_minisign_verifies() {
    if !have_tools() || !support::have("minisign") {
        return;
    }
    let signed = Signed::new();
    let text = signed.expect(0, &BUILD);
    assert!(!text.contains("signed"), "a project without a key is not reminded: {text}");
    assert!(!signed.path("out/tiny/SHA256SUMS.minisig").exists());
    signed.verify(0, &["out/tiny/tiny-1.img.zst"], "signature: skipped not signed");

    let public = signed.expect(0, &["keys", "init", "-q"]);
    let key = signed.path(".config/pimg/minisign.key");
    assert_eq!(fs::metadata(&key).expect("the key").permissions().mode() & 0o777, 0o600);
    let text = signed.expect(0, &BUILD);
    assert!(text.contains("signed by key "), "{text}");
    let directory = signed.path("out/tiny");
    let (is_good, told) = judge(&directory, "sha256sum", &["--strict", "-c", "SHA256SUMS"], "");
    assert!(is_good, "{told}");
    let mut files: Vec<_> = told.lines().filter_map(|line| line.strip_suffix(": OK")).collect();
    files.sort_unstable();
    let expected = [
        "manifest.json",
        "provenance.intoto.jsonl",
        "provenance.json",
        "sbom.spdx.json",
        "tiny-1.img.bmap",
        "tiny-1.img.zst",
        "tiny-1.img.zst.sha256",
    ];
    assert_eq!(files, expected);
    for by in [["-P", public.trim()], ["-p", "../../minisign.pub"]] {
        let (is_good, told) =
            judge(&directory, "minisign", &[&["-V", "-m", "SHA256SUMS"], &by[..]].concat(), "");
        assert!(is_good, "{told}");
        assert!(told.contains("Trusted comment: file:SHA256SUMS image:tiny-1.img.zst"), "{told}");
    }
    let id = signed
        .text("minisign.pub")
        .lines()
        .next()
        .and_then(|line| line.rsplit(' ').next())
        .map(str::to_owned);
    let id = id.expect("a key ID");
    signed.verify(0, &["out/tiny/tiny-1.img.zst"], &format!("signature: passed good, key {id}"));
    signed.verify(0, &["out/tiny"], &format!("signature: passed good, key {id}"));

    // the same build has the same signature
    let before = signed.text("out/tiny/SHA256SUMS.minisig");
    signed.expect(0, &BUILD);
    assert_eq!(signed.text("out/tiny/SHA256SUMS.minisig"), before);
    // a signature does not outlive what it is about
    fs::remove_file(&key).expect("removing the key");
    signed.expect(0, &[&BUILD[..], &["--format", "raw"]].concat());
    assert!(!signed.path("out/tiny/SHA256SUMS.minisig").exists());
    assert!(!signed.path("out/tiny/provenance.intoto.jsonl").exists());
}

#[test]
fn what_minisign_signs_pimg_verifies() {
    if !have_tools() || !support::have("minisign") {
        return;
    }
    let mut signed = Signed::new();
    let directory = signed.path("out/tiny");
    let made =
        judge(signed.project.path(), "minisign", &["-G", "-W", "-p", "minisign.pub", "-s", "plain.key"], "");
    assert!(made.0, "{}", made.1);
    signed.expect(0, &BUILD);
    let sign = ["-S", "-s", "../../plain.key", "-m", "SHA256SUMS", "-t", "by minisign"];
    let (is_good, told) = judge(&directory, "minisign", &sign, "");
    assert!(is_good, "{told}");
    let text = signed.verify(0, &["out/tiny/tiny-1.img.zst", "-v"], "trusted comment: by minisign");
    assert!(text.contains("good, key "), "{text}");
    // its older form
    let (is_good, told) = judge(&directory, "minisign", &[&sign[..], &["-l"]].concat(), "");
    assert!(is_good, "{told}");
    let text = signed.expect(5, &["verify", "out/tiny/tiny-1.img.zst"]);
    assert!(text.contains("of the form `Ed`"), "{text}");

    // its keys sign here, with and without a password
    let made = judge(
        signed.project.path(),
        "minisign",
        &["-G", "-p", "locked.pub", "-s", "locked.key"],
        "horse\nhorse\n",
    );
    assert!(made.0, "{}", made.1);
    fs::set_permissions(signed.path("locked.key"), fs::Permissions::from_mode(0o600)).expect("a mode");
    fs::set_permissions(signed.path("plain.key"), fs::Permissions::from_mode(0o600)).expect("a mode");
    let plain = signed.text("plain.key");
    for (key, public, password) in [
        ("plain.key", "minisign.pub", None),
        (plain.as_str(), "minisign.pub", None),
        ("locked.key", "locked.pub", Some("horse")),
    ] {
        fs::copy(signed.path(public), signed.path("minisign.pub.new")).expect("copying");
        fs::rename(signed.path("minisign.pub.new"), signed.path("minisign.pub")).expect("renaming");
        signed.variables = vec![("PIMG_SIGNING_KEY", key.to_owned())];
        signed.variables.extend(password.map(|password| ("PIMG_SIGNING_KEY_PASSWORD", password.to_owned())));
        signed.expect(0, &BUILD);
        let (is_good, told) =
            judge(&directory, "minisign", &["-V", "-m", "SHA256SUMS", "-p", "../../minisign.pub"], "");
        assert!(is_good, "{public}: {told}");
    }
    signed.variables = vec![("PIMG_SIGNING_KEY", "locked.key".to_owned())];
    let text = signed.expect(9, &BUILD);
    assert!(text.contains("protected by a password") && text.contains("PIMG_SIGNING_KEY_PASSWORD"), "{text}");
    signed.variables.push(("PIMG_SIGNING_KEY_PASSWORD", "cow".to_owned()));
    let text = signed.expect(9, &BUILD);
    assert!(text.contains("the password is wrong") && !text.contains("cow"), "{text}");

    // and a key of pimg with a password opens there
    signed.variables =
        vec![("PIMG_SIGNING_KEY", "own.key".to_owned()), ("PIMG_SIGNING_KEY_PASSWORD", "horse".to_owned())];
    fs::remove_file(signed.path("minisign.pub")).expect("removing");
    signed.expect(0, &["keys", "init"]);
    signed.expect(0, &BUILD);
    let (is_good, told) =
        judge(&directory, "minisign", &["-S", "-s", "../../own.key", "-m", "SHA256SUMS"], "horse\n");
    assert!(is_good, "{told}");
    signed.expect(0, &["verify", "out/tiny/tiny-1.img.zst"]);
}

#[test]
fn a_key_is_never_written_over() {
    let mut signed = Signed { project: Project::without_packages(), variables: Vec::new() };
    let first = signed.expect(0, &["keys", "init", "-q"]);
    let (public, secret) = (signed.text("minisign.pub"), signed.text(".config/pimg/minisign.key"));
    let again = signed.expect(0, &["keys", "init"]);
    assert!(again.starts_with(&first) && again.contains("kept `") && !again.contains("made `"), "{again}");
    assert_eq!(signed.expect(0, &["keys", "show", "-q"]), first);
    let shown: Value = serde_json::from_str(&signed.expect(0, &["keys", "show", "--json"])).expect("JSON");
    assert!(shown["result"]["pem"].as_str().expect("a text").starts_with("-----BEGIN PUBLIC KEY-----\n"));
    assert!(!shown.to_string().contains(secret.lines().last().expect("a line")));

    // another key than the project's
    signed.variables = vec![("PIMG_SIGNING_KEY", "other.key".to_owned())];
    let text = signed.expect(5, &["keys", "init"]);
    assert!(text.contains("a new key would not be the project's") && text.contains("hint: "), "{text}");
    assert!(!signed.path("other.key").exists());
    fs::rename(signed.path("minisign.pub"), signed.path("kept.pub")).expect("renaming");
    signed.expect(0, &["keys", "init"]);
    fs::rename(signed.path("kept.pub"), signed.path("minisign.pub")).expect("renaming");
    let text = signed.expect(5, &["keys", "init"]);
    assert!(
        text.contains("`other.key` is key ") && text.contains("`minisign.pub` of the project is key"),
        "{text}"
    );
    assert_eq!(signed.text("minisign.pub"), public);
    assert_eq!(signed.text(".config/pimg/minisign.key"), secret);

    fs::set_permissions(signed.path("other.key"), fs::Permissions::from_mode(0o644)).expect("a mode");
    let text = signed.expect(9, &["keys", "init"]);
    assert!(text.contains("can be read by others") && text.contains("chmod 600"), "{text}");
    fs::set_permissions(signed.path("other.key"), fs::Permissions::from_mode(0o600)).expect("a mode");
    fs::write(signed.path("other.key"), "RWQ=\n").expect("writing");
    let text = signed.expect(9, &["keys", "init"]);
    assert!(text.contains("it is no secret key of minisign"), "{text}");
    fs::remove_file(signed.path("minisign.pub")).expect("removing");
    let text = signed.expect(9, &["keys", "show"]);
    assert!(text.contains("there is no `minisign.pub`") && text.contains("`pimg keys init`"), "{text}");
}

#[test]
fn whatever_was_changed_is_found_and_another_key_is_no_key() {
    if !have_tools() {
        return;
    }
    let mut signed = Signed::new();
    let public = signed.expect(0, &["keys", "init", "-q"]);
    signed.expect(0, &BUILD);
    let image = "out/tiny/tiny-1.img.zst";
    let demanded = ["verify", image, "--key", public.trim()];
    signed.expect(0, &demanded);

    // a file beside the image, the list, the signature, the envelope
    for (file, from, to, check) in [
        ("sbom.spdx.json", "SPDX", "XDPS", "checksums: failed"),
        ("SHA256SUMS", "tiny-1.img.bmap", "tiny-2.img.bmap", "signature: failed"),
        ("SHA256SUMS", "  tiny", " tiny", "checksums: failed"),
        ("SHA256SUMS", "  tiny-1.img.bmap", "  ../../minisign.pub", "checksums: failed"),
        ("SHA256SUMS.minisig", "image:tiny", "image:tinx", "signature: failed"),
        ("SHA256SUMS.minisig", "trusted comment: f", "f", "signature: failed"),
        ("provenance.json", "\"release\": true", "\"release\": false", "checksums: failed"),
        ("provenance.intoto.jsonl", "\"sig\":\"", "\"sig\":\"AAAA", "checksums: failed"),
    ] {
        let path = format!("out/tiny/{file}");
        let honest = signed.text(&path);
        fs::write(signed.path(&path), honest.replacen(from, to, 1)).expect("writing");
        assert_ne!(signed.text(&path), honest, "{file}: {from}");
        signed.verify(5, &[image], check);
        fs::write(signed.path(&path), honest).expect("writing");
    }
    signed.expect(0, &demanded);
    // a file that nobody listed, and one that is gone
    fs::write(signed.path("out/tiny/extra.txt"), "x").expect("writing");
    let text = signed.expect(5, &["verify", "out/tiny"]);
    assert!(text.contains("`extra.txt` is not in `SHA256SUMS`"), "{text}");
    fs::remove_file(signed.path("out/tiny/extra.txt")).expect("removing");
    fs::rename(signed.path("out/tiny/sbom.spdx.json"), signed.path("kept")).expect("renaming");
    signed.expect(0, &demanded);
    let text = signed.expect(5, &["verify", "out/tiny"]);
    assert!(text.contains("`sbom.spdx.json` is missing"), "{text}");
    fs::rename(signed.path("kept"), signed.path("out/tiny/sbom.spdx.json")).expect("renaming");
    // an image that is not on the signed list
    fs::copy(signed.path(image), signed.path("out/tiny/tiny-2.img.zst")).expect("copying");
    let text = signed.expect(5, &["verify", "out/tiny/tiny-2.img.zst"]);
    assert!(text.contains("`SHA256SUMS` does not list `tiny-2.img.zst`"), "{text}");
    fs::remove_file(signed.path("out/tiny/tiny-2.img.zst")).expect("removing");
    // another image under the name, with all digests made to fit: the signature is what is left
    let honest = signed.text("out/tiny/SHA256SUMS");
    let bytes = fs::read(signed.path("out/tiny/manifest.json")).expect("the manifest");
    fs::write(signed.path("out/tiny/manifest.json"), [&bytes[..], b"\n"].concat()).expect("writing");
    let digests = support::run(
        "bash",
        &["-c", &format!("cd '{}' && sha256sum $(cut -c67- SHA256SUMS)", signed.path("out/tiny").display())],
    );
    fs::write(signed.path("out/tiny/SHA256SUMS"), digests).expect("writing");
    let text = signed.verify(5, &[image], "signature: failed");
    assert!(text.contains("does not fit the file"), "{text}");
    fs::write(signed.path("out/tiny/manifest.json"), bytes).expect("writing");
    fs::write(signed.path("out/tiny/SHA256SUMS"), honest).expect("writing");

    // by whom
    signed.variables = vec![("PIMG_SIGNING_KEY", "other.key".to_owned())];
    fs::rename(signed.path("minisign.pub"), signed.path("first.pub")).expect("renaming");
    let other = signed.expect(0, &["keys", "init", "-q"]);
    signed.variables.clear();
    let text = signed.expect(5, &["verify", image]);
    assert!(text.contains("it is signed by key ") && text.contains(", expected "), "{text}");
    signed.expect(5, &["verify", image, "--key", other.trim()]);
    signed.expect(0, &["verify", image, "--key", "first.pub"]);
    fs::remove_file(signed.path("minisign.pub")).expect("removing");
    let text = signed.expect(0, &["verify", image]);
    assert!(text.contains("not checked"), "{text}");
    fs::remove_file(signed.path("out/tiny/SHA256SUMS.minisig")).expect("removing");
    signed.verify(0, &[image], "signature: skipped not signed");
    signed.verify(5, &[image, "--key", "first.pub"], "signature: failed");
    let text = signed.expect(9, &["verify", image, "--key", "nowhere.pub"]);
    assert!(text.contains("cannot use the key `nowhere.pub`"), "{text}");
    // builds by a key that is not the project's
    fs::rename(signed.path("first.pub"), signed.path("minisign.pub")).expect("renaming");
    signed.variables = vec![("PIMG_SIGNING_KEY", "other.key".to_owned())];
    let text = signed.expect(5, &BUILD);
    assert!(text.contains("of the project is key"), "{text}");
}

/// Reads a statement strictly, as in-toto's own types say, and an envelope, with the public key in hexadecimal.
const READ: &str = "\
import json, sys
from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey
text = open('provenance.json', 'rb').read()
document = json.loads(text)
parsed = json_format.Parse(text, statement_pb2.Statement())
Statement.copy_from_pb(parsed).validate()
predicate = json_format.ParseDict(document['predicate'], provenance_pb2.Provenance())
assert predicate.build_definition.build_type and predicate.run_details.builder.id
lines = open('provenance.intoto.jsonl').read().splitlines()
assert len(lines) == 1, lines
envelope = Envelope.from_dict(json.loads(lines[0]))
assert envelope.payload == text and envelope.payload_type == 'application/vnd.in-toto+json'
keyid = next(iter(envelope.signatures))
key = SSlibKey(keyid, 'ed25519', 'ed25519', {'public': sys.argv[1]})
envelope.verify([key], 1)
";

#[test]
fn in_toto_reads_the_provenance_and_it_names_lock_base_and_commit() {
    let python = repository().join("target/judges/provenance/bin/python");
    if !have_tools() || !support::have("git") {
        return;
    }
    if !python.is_file() {
        skip("in-toto's reader is not installed: `scripts/setup judges` does it");
        return;
    }
    let signed = Signed::new();
    let directory = signed.path("out/tiny");
    signed.expect(0, &["keys", "init"]);
    signed.expect(0, &BUILD);
    let statement = |directory: &str| -> Value {
        serde_json::from_str(&signed.text(&format!("{directory}/provenance.json"))).expect("JSON")
    };
    let dependencies =
        |statement: &Value| statement["predicate"]["buildDefinition"]["resolvedDependencies"].clone();
    // the projects of tests lie in this repository, whose commit says nothing about them
    assert_eq!(dependencies(&statement("out/tiny")).as_array().map(Vec::len), Some(2));

    let git = |arguments: &[&str]| {
        let fixed =
            ["-c", "user.name=op", "-c", "user.email=op@example.invalid", "-c", "commit.gpgsign=false"];
        let (is_good, told) = judge(signed.project.path(), "git", &[&fixed[..], arguments].concat(), "");
        assert!(is_good, "git {arguments:?}: {told}");
        told.trim().to_owned()
    };
    git(&["init", "-q"]);
    git(&["add", "profiles", "overlays", "pimg.lock", "minisign.pub"]);
    git(&["commit", "-q", "-m", "x"]);
    let commit = git(&["rev-parse", "HEAD"]);
    signed.expect(0, &BUILD);
    let made = statement("out/tiny");
    let manifest: Value = serde_json::from_str(&signed.text("out/tiny/manifest.json")).expect("JSON");
    let found = dependencies(&made);
    assert_eq!(found[0]["name"], "base.img");
    assert_eq!(found[0]["digest"]["sha256"], manifest["base"]["sha256"]);
    assert_eq!(found[1]["digest"]["sha256"], manifest["lock_sha256"]);
    let lock = judge(signed.project.path(), "sha256sum", &["pimg.lock"], "").1;
    assert_eq!(found[1]["digest"]["sha256"].as_str(), lock.get(..64), "the file as it lies there");
    assert_eq!(found[2]["digest"]["gitCommit"], commit.as_str());
    assert_eq!(found[2]["annotations"]["dirty"], false);
    let subjects: Vec<_> = made["subject"].as_array().expect("a list").iter().collect();
    assert_eq!(subjects[0]["digest"]["sha256"], manifest["image"]["sha256"]);
    assert_eq!(subjects[1]["digest"]["sha256"], manifest["image"]["raw_sha256"]);
    let place = signed.project.path().to_str().expect("UTF-8");
    assert!(!made.to_string().contains(place), "no path of this machine: {made}");
    // the 32 bytes of the key are behind the algorithm and the ID
    let hex = "base64 -d | tail -c 32 | od -An -v -tx1 | tr -d ' \\n'";
    let public = signed.text("minisign.pub");
    let line = public.lines().nth(1).expect("a key");
    let key = judge(signed.project.path(), "bash", &["-c", hex], line).1;
    let (is_good, told) = judge(&directory, python.to_str().expect("UTF-8"), &["-c", READ, &key], "");
    assert!(is_good, "{told}");

    // the same again is the same, and what is not in the commit is said
    signed.expect(0, &[&BUILD[..], &["--out", "again"]].concat());
    assert_eq!(statement("again/tiny"), made);
    let profile = signed.text("profiles/tiny.toml");
    fs::write(signed.path("profiles/tiny.toml"), profile + "# changed\n").expect("writing");
    signed.expect(0, &BUILD);
    assert_eq!(dependencies(&statement("out/tiny"))[2]["annotations"]["dirty"], true);
}

#[test]
fn a_release_is_signed_as_a_whole() {
    if !have_tools() || !support::have("minisign") {
        return;
    }
    let signed = Signed::new();
    signed.expect(0, &BUILD);
    let publish = ["publish", "--base-url", "https://example.org/pi"];
    let text = signed.expect(0, &publish);
    assert!(text.contains("it is not signed: nobody who gets it can tell"), "{text}");
    signed.expect(0, &["verify", "out/release"]);
    signed.expect(0, &["keys", "init"]);
    signed.expect(0, &BUILD);
    let text = signed.expect(0, &publish);
    assert!(text.contains("signed by key ") && text.contains("out/release/SHA256SUMS.minisig"), "{text}");
    let release = signed.path("out/release");
    let (is_good, told) = judge(&release, "sha256sum", &["--strict", "-c", "SHA256SUMS"], "");
    assert!(
        is_good && told.contains("os_list.json: OK") && told.contains("tiny-1.provenance.json: OK"),
        "{told}"
    );
    let (is_good, told) =
        judge(&release, "minisign", &["-V", "-m", "SHA256SUMS", "-p", "../../minisign.pub"], "");
    assert!(is_good && told.contains("hosts:tiny"), "{told}");
    let text = signed.expect(0, &["verify", "out/release", "--key", "minisign.pub"]);
    for check in [
        "checksums:",
        "signature:",
        "tiny-1.img.zst, provenance:",
        "tiny-1.img.zst, manifest:",
        "tiny-1.img.zst, secrets:",
    ] {
        let is_passed = text.lines().any(|line| line.starts_with(check) && line.contains(" passed"));
        assert!(is_passed, "{check} {text}");
    }
    // a release of the same name takes its place
    signed.expect(0, &publish);
    let list = signed.text("out/release/os_list.json");
    fs::write(release.join("os_list.json"), list.replace("example.org", "example.net")).expect("writing");
    let text = signed.expect(5, &["verify", "out/release"]);
    assert!(text.contains("`os_list.json`: expected sha256 "), "{text}");
}
