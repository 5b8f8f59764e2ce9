//! `pimg flash`

use std::io;
use std::path::{Path, PathBuf};

use pimg_disk::block::BlockRead;
use serde_json::Value;

use super::outcome::{FlashOutcome, FlashedCard, Verdict};
use super::request::{FlashRequest, FlashSource, Selection};
use super::watch::WatchReporter;
use super::{Context, hosts, verify};
use crate::failure::{Class, Failure};
use crate::host::cache::CacheDir;
use crate::host::card::{AlignedBuffer, Card, CardError, OpenCard, look_at_all};
use crate::host::{FileDevice, HostError, files};
use crate::image::block_map::BlockMap;
use crate::image::flash::{Target, flash};
use crate::image::opened::RawImage;
use crate::pipeline::{Recipe, with_finished_image};

/// Longest digest file and manifest, in bytes.
const LONGEST_TEXT: u64 = 256 << 20;

/// Writes an image, or what a profile becomes, to cards.
///
/// # Errors
/// Everything for which no card is touched at all. What went wrong with one of them afterwards is in the outcome.
pub fn run(request: &FlashRequest, context: &Context<'_>) -> Result<FlashOutcome, Failure> {
    let source = Source::find(request, context)?;
    // at once, so that nobody waits for a build that has nowhere to go
    source.look(request)?;
    let cache = CacheDir::open(&context.environment.cache_dir().ok_or(HostError::NoCacheDir)?)?;
    let write = |image: &dyn BlockRead| {
        context.check_interrupt()?;
        // once more: a card that came while the image was made may have been mounted by the desktop
        write_all(image, source.look(request)?, request, context)
    };
    match &source {
        Source::Image(path) => {
            require_digest(path, context)?;
            let raw = RawImage::open(path, cache.path(), &WatchReporter::new(context.reporter))?;
            write(&FileDevice::open(raw.path())?)
        }
        Source::Profile(name) => {
            let ingredients = &request.ingredients;
            let selected = hosts::to_make(&Selection::Named(vec![name.clone()]), ingredients, context)?;
            let recipe = Recipe { hosts: &selected, ingredients, jobs: None, afresh: None };
            with_finished_image(&recipe, cache.path(), context, write)
        }
    }
}

/// What is written.
enum Source {
    Image(PathBuf),
    Profile(String),
}

impl Source {
    /// Finds out what a name stands for: a file that is there, else a profile.
    fn find(request: &FlashRequest, context: &Context<'_>) -> Result<Self, Failure> {
        let path = match &request.source {
            FlashSource::Profile(name) => return Ok(Self::Profile(name.clone())),
            FlashSource::Named(path) => path,
        };
        let name = path.to_str().filter(|name| !path.exists() && !name.contains(['/', '.']));
        let Some(name) = name else {
            let is_plain = request.ingredients.is_plain();
            return match is_plain {
                true => Ok(Self::Image(path.clone())),
                false => Err(Failure::new(Class::Usage, only_for_profiles(path))),
            };
        };
        if hosts::buildable(context)?.iter().any(|profile| profile == name) {
            return Ok(Self::Profile(name.to_owned()));
        }
        Err(Failure::new(Class::Usage, format!("there is neither an image nor a profile `{name}`"))
            .hint("`pimg check` lists the profiles; a built image is below `out/`"))
    }

    fn look(&self, request: &FlashRequest) -> Result<Vec<Card>, CardError> {
        let image = match self {
            Self::Image(path) => Some(path.as_path()),
            Self::Profile(_) => None,
        };
        look_at_all(&request.cards, &request.confirmed, image)
    }
}

fn only_for_profiles(image: &Path) -> String {
    format!(
        "`{}` is an image, and says itself what is in it: the options for profiles do not apply",
        image.display()
    )
}

/// Compares an image with the digests that lie beside it. An image is decoded before a card is touched, and compared
/// before that: whatever is wrong with it costs no card.
fn require_digest(image: &Path, context: &Context<'_>) -> Result<(), Failure> {
    let mut expected: Vec<(PathBuf, String)> = Vec::new();
    if let Some((file, sha256)) = verify::expected_digest(image)? {
        expected.push((file, sha256));
    }
    let manifest_path = verify::manifest_file(image);
    if let Some(text) = files::read_optional(&manifest_path, LONGEST_TEXT)? {
        let manifest: Value = serde_json::from_slice(&text).unwrap_or_default();
        let entry = &manifest["image"];
        let is_of_image =
            entry["file"].as_str().is_some_and(|file| image.file_name().is_some_and(|name| name == file));
        if let Some(sha256) = entry["sha256"].as_str().filter(|_| is_of_image) {
            expected.push((manifest_path, sha256.to_owned()));
        }
    }
    if expected.is_empty() {
        return Ok(());
    }
    let got = verify::sha256_of(image, context)?;
    match expected.into_iter().find(|(_, sha256)| *sha256 != got) {
        None => Ok(()),
        Some((file, expected)) => {
            let message =
                format!("`{}` is not the image that `{}` tells of", image.display(), file.display());
            let cause = io::Error::other(format!("expected sha256 {expected}, got {got}"));
            Err(Failure::caused_by(Class::Trust, message, cause).hint("get or build the image again"))
        }
    }
}

fn write_all(
    image: &dyn BlockRead,
    cards: Vec<Card>,
    request: &FlashRequest,
    context: &Context<'_>,
) -> Result<FlashOutcome, Failure> {
    let map = BlockMap::of(image)?;
    for card in &cards {
        if let Some(disk) = card.disk.as_ref().filter(|disk| disk.size < map.image_len()) {
            let (path, size, needed) = (card.path.clone(), disk.size, map.image_len());
            return Err(CardError::TooSmall { path, size, needed }.into());
        }
    }
    let open = cards.iter().map(OpenCard::open).collect::<Result<Vec<_>, _>>()?;
    for card in &cards {
        context.reporter.notice(&what_goes(card));
    }
    let targets: Vec<&dyn Target> = open.iter().map(|card| card as &dyn Target).collect();
    let verdicts = flash(image, &map, &targets, request.verify, context.reporter);
    let blanks: Vec<bool> = open.iter().map(is_blank).collect();
    open.into_iter().for_each(OpenCard::close);
    let cards = cards.into_iter().zip(verdicts).zip(blanks).map(|((card, verdict), blank)| {
        let flashed = FlashedCard {
            description: card.description(),
            size: card.disk.map(|disk| disk.size),
            device: card.path,
            verdict: Verdict::Passed,
            blank: false,
            errors: Vec::new(),
            hints: Vec::new(),
        };
        flashed.with(verdict.map_err(Failure::from), blank)
    });
    Ok(FlashOutcome {
        raw_size: map.image_len(),
        mapped_size: map.mapped_len(),
        verified: request.verify,
        cards: cards.collect(),
    })
}

/// Whether a card has no partition table, as far as it can be read. One that failed at once may have its old one.
fn is_blank(card: &OpenCard) -> bool {
    let mut start = AlignedBuffer::zeroed(4096);
    let read = card.sync().and_then(|()| card.read_back(0, start.as_mut_slice()));
    read.is_ok() && start.as_slice()[510..512] != [0x55, 0xaa]
}

/// What a person should recognise before it is gone.
fn what_goes(card: &Card) -> String {
    let path = card.path.display();
    match &card.disk {
        None => format!("writing the file `{path}`"),
        Some(disk) => {
            let known = card.description();
            let known = if known.is_empty() { known } else { format!(": {known}") };
            format!("overwriting `{path}`, {:.1} GB{known}", disk.size as f64 / 1e9)
        }
    }
}
