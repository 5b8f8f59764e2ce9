//! Damage of every kind, drawn from a fixed seed: a build ends in an image in order or in a documented error, soon.
//!
//! `PIMG_FUZZ_ROUNDS` and `PIMG_FUZZ_FROM` make a longer run of it.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Project, run};
use crate::tiny_base::TinyBase;
use crate::{have_tools, project};

/// Exit codes that bad input may end with: the documented ones without `internal`.
const DOCUMENTED: [i32; 8] = [0, 2, 3, 4, 5, 7, 8, 9];
/// A build that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);
const SECTOR: u64 = 512;

/// Numbers that look random and are the same every time (Steele and others, "`SplitMix64`").
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

/// Bases to damage, with the sectors of each that are not empty.
struct Pristine {
    bases: Vec<(PathBuf, Vec<u64>)>,
}

impl Pristine {
    fn make(project: &Project) -> Self {
        let kinds = [
            TinyBase::new(),
            TinyBase::new().ext4(&[]),
            TinyBase::new().ext4(&["-O", "^metadata_csum", "-b", "1024"]),
        ];
        let bases = kinds.iter().enumerate().map(|(index, base)| {
            let path = base.make(project.path(), &format!("pristine-{index}.img"));
            let sectors = used_sectors(&path);
            (path, sectors)
        });
        Self { bases: bases.collect() }
    }
}

fn used_sectors(path: &Path) -> Vec<u64> {
    let bytes = fs::read(path).expect("a base");
    let sectors = bytes.chunks(512).enumerate().filter(|(_, sector)| sector.iter().any(|byte| *byte != 0));
    sectors.map(|(index, _)| u64::try_from(index).expect("a sector number")).collect()
}

#[test]
fn damage_never_ends_in_a_panic_or_a_broken_image() {
    if !have_tools() {
        return;
    }
    let number =
        |name: &str, default| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let (from, rounds): (u64, u64) = (number("PIMG_FUZZ_FROM", 0), number("PIMG_FUZZ_ROUNDS", 24));
    let project = project();
    let pristine = Pristine::make(&project);
    let profile = fs::read(project.join("profiles/tiny.toml")).expect("the profile");
    let overlay = fs::read(project.join("overlays/raspios/overlay.toml")).expect("an overlay");
    let template = "overlays/raspios/rootfs/etc/systemd/journald.conf.d/50-pimg.conf.j2";
    let text = fs::read(project.join(template)).expect("a template");
    let mut problems = Vec::new();
    let mut codes = std::collections::BTreeMap::new();
    for seed in from..from + rounds {
        let mut numbers = Numbers(seed);
        let (image, sectors) = numbers.of(&pristine.bases);
        let base = project.join("base.img");
        run("cp", &["--sparse=always", image.to_str().expect("UTF-8"), base.to_str().expect("UTF-8")]);
        let what = match seed % 4 {
            0 | 1 => damage_image(&base, sectors, &mut numbers),
            2 => damage_text(&project.join("profiles/tiny.toml"), &profile, &mut numbers),
            _ if numbers.next().is_multiple_of(2) => {
                damage_text(&project.join("overlays/raspios/overlay.toml"), &overlay, &mut numbers)
            }
            _ => damage_text(&project.join(template), &text, &mut numbers),
        };
        match judge(&project) {
            Ok(code) => *codes.entry(code).or_insert(0) += 1,
            Err(problem) => problems.push(format!("round {seed}, {what}: {problem}")),
        }
        fs::write(project.join("profiles/tiny.toml"), &profile).expect("the profile");
        fs::write(project.join("overlays/raspios/overlay.toml"), &overlay).expect("the overlay");
        fs::write(project.join(template), &text).expect("the template");
    }
    println!("exit codes of {rounds} rounds: {codes:?}");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Damages an image in place, and says how.
fn damage_image(base: &Path, sectors: &[u64], numbers: &mut Numbers) -> String {
    let file = fs::OpenOptions::new().read(true).write(true).open(base).expect("the base");
    let length = file.metadata().expect("a length").len();
    if numbers.below(16) == 0 {
        let end = numbers.next() % length;
        file.set_len(end).expect("truncating");
        return format!("cut at {end}");
    }
    let mut told = String::new();
    for _ in 0..=numbers.below(3) {
        // what decides most comes first on either partition
        let nth = if numbers.next().is_multiple_of(2) {
            numbers.below(sectors.len().min(96))
        } else {
            numbers.below(sectors.len())
        };
        let at = sectors[nth] * SECTOR;
        let mut sector = [0; 512];
        file.read_exact_at(&mut sector, at).expect("reading");
        let place = numbers.below(508);
        match numbers.below(5) {
            0 => sector[place] ^= 1 << numbers.below(8),
            1 => sector[place] = u8::try_from(numbers.below(256)).expect("a byte"),
            2 => {
                let odd = [0, 1, 2, 0x7fff_ffff, 0x8000_0000, u32::MAX, u32::MAX - 1, 0xffff];
                let place = place / 4 * 4;
                sector[place..place + 4].copy_from_slice(&numbers.of(&odd).to_le_bytes());
            }
            3 => sector.fill(*numbers.of(&[0, 0xff, b':', b'\n'])),
            _ => {
                let other = sectors[numbers.below(sectors.len())] * SECTOR;
                file.read_exact_at(&mut sector, other).expect("reading");
            }
        }
        file.write_all_at(&sector, at).expect("writing");
        told += &format!("sector {} byte {place}; ", at / SECTOR);
    }
    told
}

/// Writes a damaged text, and says how.
fn damage_text(path: &Path, text: &[u8], numbers: &mut Numbers) -> String {
    let mut bytes = text.to_vec();
    let place = numbers.below(bytes.len());
    let nested = |open: &str, close: &str| {
        format!("x = {}1{}\n", open.repeat(20_000), close.repeat(20_000)).into_bytes()
    };
    let odd: [Vec<u8>; 16] = [
        vec![0],
        vec![0xff, 0xfe],
        b"99999999999999999999999999".to_vec(),
        b"-9223372036854775808".to_vec(),
        b"1e400".to_vec(),
        nested("[", "]"),
        nested("{a=", "}"),
        format!("[{}]\n", vec!["a"; 20_000].join(".")).into_bytes(),
        b"\"\"\"".to_vec(),
        b"{{ undefined }}".to_vec(),
        b"{% for a in range(999999999) %}x{% endfor %}".to_vec(),
        b"{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}".to_vec(),
        b"{{ 'x' * 99999999999 }}".to_vec(),
        b"../../../../etc/passwd".to_vec(),
        "\u{202e}\u{1f980}".as_bytes().to_vec(),
        format!("{{{{ {}1{} }}}}", "(".repeat(20_000), ")".repeat(20_000)).into_bytes(),
    ];
    match numbers.below(5) {
        0 => bytes[place] ^= 1 << numbers.below(8),
        1 => bytes.truncate(place),
        2 => {
            let end = (place + numbers.below(20)).min(bytes.len());
            bytes.drain(place..end);
        }
        3 => {
            let insert = numbers.of(&odd).clone();
            bytes.splice(place..place, insert);
        }
        _ => {
            // a line of its own is where most insertions mean something
            let line = bytes[..place].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let insert = numbers.of(&odd).clone();
            bytes.splice(line..line, insert);
        }
    }
    fs::write(path, bytes).expect("a damaged file");
    format!("{} near byte {place}", path.display())
}

/// Builds, and says the exit code or what is not in order.
fn judge(project: &Project) -> Result<i32, String> {
    let _ = fs::remove_dir_all(project.join("cache"));
    let _ = fs::remove_dir_all(project.join("out"));
    let arguments =
        ["build", "--profile", "tiny", "--base", "base.img", "--format", "raw", "--ssh-key", "test.pub"];
    let stderr = fs::File::create(project.join("stderr")).expect("a file");
    let stdout = fs::File::create(project.join("stdout")).expect("a file");
    let mut command = project.pimg(&arguments);
    command.env("PIMG_CACHE", project.join("cache")).stdout(stdout).stderr(stderr);
    let status = wait(&mut command)?;
    let told = String::from_utf8_lossy(&fs::read(project.join("stderr")).expect("stderr")).into_owned();
    let end =
        |told: &str| told.chars().rev().take(600).collect::<Vec<_>>().into_iter().rev().collect::<String>();
    let Some(code) = status.code() else { return Err(format!("{status}: {}", end(&told))) };
    if !DOCUMENTED.contains(&code) || told.contains("panicked") || told.contains("internal error") {
        return Err(format!("exit code {code}: {}", end(&told)));
    }
    if code == 0 {
        let printed = fs::read_to_string(project.join("stdout")).expect("stdout");
        let image = project.join(printed.lines().next().expect("the image's path"));
        let judged = std::panic::catch_unwind(|| crate::judges::expect_no_complaint(&image));
        judged.map_err(|why| why.downcast_ref::<String>().cloned().unwrap_or_default())?;
    } else if fs::read_dir(project.join("out")).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(format!("exit code {code} leaves something in `out/`"));
    }
    Ok(code)
}

fn wait(command: &mut Command) -> Result<std::process::ExitStatus, String> {
    let mut child = command.stdin(Stdio::null()).spawn().expect("starting pimg");
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("asking for pimg") {
            return Ok(status);
        }
        if started.elapsed() > PATIENCE {
            child.kill().expect("ending pimg");
            return Err("does not end".to_owned());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
