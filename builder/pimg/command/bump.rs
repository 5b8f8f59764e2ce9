//! `pimg bump`
//!
//! The publisher signs no image. What is believed is its list of images and the `.sha256` beside the image, as far as https
//! says who gave them and both name the same digest; from then on the pin is what a build compares with. Nothing is written
//! before everything was resolved, and then the profile and the lock together.

mod newest;
mod os_list;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::PathBuf;

use pimg_deb::version;
use pimg_fetch::{Bucket, Source};

use self::newest::{Newest, newest};
use self::os_list::{FileName, Offer};
use super::outcome::{BaseMove, BumpOutcome, ChangeKind, DiffOutcome, LockChange, LockOutcome};
use super::request::{BumpRequest, Selection};
use super::{Context, diff, hosts};
use crate::failure::{Class, Failure};
use crate::host::files;
use crate::image::looked_at::LookedAt;
use crate::packages::{Network, Update};
use crate::pipeline::{Preparation, resolve};
use crate::profile::Profiles;
use crate::profile::host::HostSpec;
use crate::profile::pin::{BasePin, with_base};

/// Raspberry Pi's own list, the one that Raspberry Pi Imager reads.
const OS_LIST: &str = "https://downloads.raspberrypi.com/os_list_imagingutility_v4.json";
/// Most packages that a message names.
const MOST_TOLD: usize = 10;
/// Longest list and profile that are read, in bytes.
const LONGEST_LIST: u64 = 16 << 20;

/// Moves base and packages to the newest.
///
/// # Errors
/// Something cannot be had or trusted, or would go back; profile and lock are then as they were.
pub fn run(request: &BumpRequest, context: &Context<'_>) -> Result<BumpOutcome, Failure> {
    let network = Network::open(&request.options, context)?;
    let profiles = Profiles::open(&context.project)?;
    let mut selected = hosts::select(&request.hosts, context)?;
    let pins = if request.base { pins(&selected, &profiles)? } else { BTreeMap::new() };
    let moves = moves(&pins, request, &network, context)?;
    if !moves.is_empty() {
        selected = with_those_of_the_same_pin(selected, &moves, &profiles, context)?;
    }
    let update = match (request.packages, moves.is_empty()) {
        (true, _) => Update::Packages,
        (false, false) => Update::Base,
        (false, true) => Update::Keep,
    };
    let preparation = Preparation { hosts: &selected, update, options: &request.options };
    let mut prepared = resolve(&preparation, &network, context)?;
    let lock_path = context.in_project("pimg.lock");
    let mut lock = LockOutcome::new(lock_path, false, prepared.before.as_ref(), &prepared.lock);
    refuse_downgrades(&lock.changes)?;
    let base_diff = base_diffs(&moves, &network, context)?;
    let is_new = prepared.changed || !moves.is_empty();
    let written = is_new && !request.check;
    if written {
        let edits = edits(&moves)?;
        write_all(&edits, || if prepared.changed { prepared.write_lock(context) } else { Ok(()) })?;
        lock.written = prepared.written;
    }
    let bases = moves.into_iter().map(|one| one.outcome).collect();
    Ok(BumpOutcome { written, check: request.check, bases, lock, base_diff })
}

/// A base as a file pins it, and a host that is made of it.
type Pins<'a> = BTreeMap<String, &'a HostSpec>;

fn pins<'a>(selected: &'a [HostSpec], profiles: &Profiles) -> Result<Pins<'a>, Failure> {
    let mut pins = Pins::new();
    for host in selected {
        if let Some(file) = profiles.base_pin(&host.profile)? {
            pins.entry(file).or_insert(host);
        }
    }
    Ok(pins)
}

/// A base that takes the place of another.
struct Move {
    /// The file that pins it, relative to the project.
    file: String,
    path: PathBuf,
    old_raw: Option<String>,
    pin: BasePin,
    outcome: BaseMove,
}

fn moves(
    pins: &Pins<'_>,
    request: &BumpRequest,
    network: &Network<'_>,
    context: &Context<'_>,
) -> Result<Vec<Move>, Failure> {
    let mut offers = None;
    let mut moves = Vec::new();
    for (file, host) in pins {
        let url = &host.base.source;
        let (Ok(Source::Web(_)), Some(pinned)) = (Source::parse(url), FileName::of(url)) else {
            context.reporter.notice(&format!(
                "`{file}` takes its base from `{url}`, which no list of images names: it stays as it is"
            ));
            continue;
        };
        let offers: &Vec<Offer> = match &offers {
            Some(offers) => offers,
            None => offers.insert(list(request.os_list.as_deref().unwrap_or(OS_LIST), network)?),
        };
        let found = newest(&pinned, url, host.base.sha256.as_deref(), offers)
            .map_err(|failure| failure.context(format!("cannot move the base of `{file}`")))?;
        if let Newest::Newer(offer) = found {
            agree(offer, network)?;
            moves.push(Move {
                file: file.clone(),
                path: context.in_project(file),
                old_raw: host.base.raw_sha256.clone(),
                pin: BasePin {
                    source: offer.url.clone(),
                    sha256: offer.sha256.clone(),
                    raw_sha256: offer.raw_sha256.clone(),
                },
                outcome: BaseMove {
                    profile: context.in_project(file),
                    old: url.clone(),
                    new: offer.url.clone(),
                    old_date: pinned.date,
                    new_date: offer.file.date.clone(),
                    sha256: offer.sha256.clone(),
                    raw_sha256: offer.raw_sha256.clone(),
                },
            });
        }
    }
    Ok(moves)
}

fn list(url: &str, network: &Network<'_>) -> Result<Vec<Offer>, Failure> {
    os_list::parse(&get(url, network)?).map_err(|why| {
        Failure::new(Class::Trust, format!("`{url}` is no list of images: {why}"))
            .hint("`--os-list URL` reads another list in the format of Raspberry Pi Imager")
    })
}

fn get(url: &str, network: &Network<'_>) -> Result<Vec<u8>, Failure> {
    let (_, _, path) = network.first_sight(url)?;
    Ok(files::read_optional(&path, LONGEST_LIST)?.unwrap_or_default())
}

/// Demands that the publisher says the same digest in the list and beside the image.
fn agree(offer: &Offer, network: &Network<'_>) -> Result<(), Failure> {
    let url = format!("{}.sha256", offer.url);
    let text = get(&url, network)?;
    let text = String::from_utf8_lossy(&text);
    let beside = text.split_ascii_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    if beside == offer.sha256 {
        return Ok(());
    }
    let message = format!(
        "two digests of `{}`: the list of images says sha256 {}, `{url}` says {}",
        offer.name,
        offer.sha256,
        beside.get(..64).unwrap_or(&beside)
    );
    Err(Failure::new(Class::Trust, message)
        .hint("try again later: the publisher may be half-way through a release"))
}

/// The hosts with their new bases, and those whom nobody asked about, but whose base a file moves as well.
fn with_those_of_the_same_pin(
    selected: Vec<HostSpec>,
    moves: &[Move],
    profiles: &Profiles,
    context: &Context<'_>,
) -> Result<Vec<HostSpec>, Failure> {
    let mut found = Vec::new();
    for mut host in hosts::select(&Selection::All, context)? {
        let file = profiles.base_pin(&host.profile)?;
        let moved = moves.iter().find(|one| file.as_deref() == Some(one.file.as_str()));
        if let Some(one) = moved {
            host.base.source.clone_from(&one.pin.source);
            host.base.sha256 = Some(one.pin.sha256.clone());
            host.base.raw_sha256 = Some(one.pin.raw_sha256.clone());
        }
        if moved.is_some() || selected.iter().any(|known| known.profile == host.profile) {
            found.push(host);
        }
    }
    Ok(found)
}

fn refuse_downgrades(changes: &[LockChange]) -> Result<(), Failure> {
    let is_lower = |change: &&LockChange| match (change.kind, &change.old, &change.new) {
        (ChangeKind::Package, Some(old), Some(new)) => version::compare(new, old) == Ordering::Less,
        _ => false,
    };
    let lower: Vec<&LockChange> = changes.iter().filter(is_lower).collect();
    let Some(first) = lower.first() else { return Ok(()) };
    let what = match lower.len() {
        1 => format!("package `{}` would go back to an older version", first.name),
        count => format!("{count} packages would go back to older versions"),
    };
    let said = |side: &Option<String>| side.clone().unwrap_or_default();
    let moved =
        |change: &&LockChange| format!("{} {} -> {}", change.name, said(&change.old), said(&change.new));
    let moved: Vec<_> = lower.iter().take(MOST_TOLD).map(moved).collect();
    Err(Failure::new(Class::Trust, format!("{what}: {}", moved.join(", ")))
        .hint("a mirror may be behind; `pimg lock --update NAME` moves one package to what there is"))
}

/// In what old and new bases differ, as far as the old ones are in the cache.
fn base_diffs(
    moves: &[Move],
    network: &Network<'_>,
    context: &Context<'_>,
) -> Result<Vec<DiffOutcome>, Failure> {
    let cached = |raw: Option<&String>| -> Result<Option<PathBuf>, Failure> {
        match raw.and_then(|raw| raw.parse().ok()) {
            Some(digest) => Ok(network.cache().get(Bucket::Raw, digest)?),
            None => Ok(None),
        }
    };
    let mut found = Vec::new();
    for one in moves {
        if let (Some(old), Some(new)) = (cached(one.old_raw.as_ref())?, cached(Some(&one.pin.raw_sha256))?) {
            let (a, b) = (LookedAt::open_raw(&old)?, LookedAt::open_raw(&new)?);
            let compared = diff::compare_opened(&a, &b, context)?;
            let (a, b) = (PathBuf::from(&one.outcome.old), PathBuf::from(&one.outcome.new));
            found.push(DiffOutcome { a, b, ..compared });
        }
    }
    Ok(found)
}

/// A file with its old text and its new one.
struct Edit {
    path: PathBuf,
    old: Vec<u8>,
    new: String,
}

fn edits(moves: &[Move]) -> Result<Vec<Edit>, Failure> {
    let edit = |one: &Move| {
        let old = files::read_optional(&one.path, LONGEST_LIST)?.unwrap_or_default();
        let new = with_base(&String::from_utf8_lossy(&old), &one.pin).map_err(|why| {
            let message = format!("cannot move the pin in `{}`: {why}", one.path.display());
            Failure::new(Class::Profile, message)
        })?;
        Ok(Edit { path: one.path.clone(), old, new })
    };
    moves.iter().map(edit).collect()
}

/// Writes all files, then does `last`; where something fails, what was written is put back.
fn write_all(edits: &[Edit], last: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    let mut done: Vec<&Edit> = Vec::new();
    let mut write = || -> Result<(), Failure> {
        for edit in edits {
            files::write_atomic(&edit.path, edit.new.as_bytes())?;
            done.push(edit);
        }
        Ok(())
    };
    let written = write().and_then(|()| last());
    if written.is_err() {
        for edit in done {
            files::write_atomic(&edit.path, &edit.old)?;
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Edit, refuse_downgrades, write_all};
    use crate::command::outcome::{ChangeKind, LockChange};
    use crate::failure::{Class, Failure};

    #[test]
    fn both_files_or_neither() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("a.toml");
        fs::write(&path, "old")?;
        let edit = Edit { path: path.clone(), old: b"old".to_vec(), new: "new".to_owned() };
        let failed = write_all(std::slice::from_ref(&edit), || {
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), Some("new"));
            Err(Failure::new(Class::Host, "the disk is full"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(&path)?, "old");
        assert!(write_all(&[edit], || Ok(())).is_ok());
        assert_eq!(fs::read_to_string(&path)?, "new");
        Ok(())
    }

    #[test]
    fn nothing_goes_back() {
        let change = |old: &str, new: &str| LockChange {
            kind: ChangeKind::Package,
            name: "zsh".into(),
            profiles: Vec::new(),
            old: Some(old.into()),
            new: Some(new.into()),
            note: String::new(),
        };
        assert!(refuse_downgrades(&[change("5.9-8", "5.9-10")]).is_ok());
        let error = refuse_downgrades(&[change("5.9-10", "5.9-8")]).expect_err("older");
        assert_eq!(error.class(), Class::Trust);
        assert!(
            error.messages()[0].ends_with("older version: zsh 5.9-10 -> 5.9-8"),
            "{:?}",
            error.messages()
        );
    }
}
