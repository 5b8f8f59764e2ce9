//! `pimg publish`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pimg_fetch::minisign::SecretKey;

use super::os_list::{self, Built};
use super::outcome::{PublishOutcome, PublishedImage};
use super::request::PublishRequest;
use super::verify::{self, secrets};
use super::{Context, inspect};
use crate::failure::{Class, Failure};
use crate::host::{Staging, files};
use crate::image::os_list::{BuiltHost, DOUBLE_CLICK, Entry, ICON, ICON_SVG, LIST, double_click, list};
use crate::image::release::{BaseUrl, RELEASE, ReleaseNames, is_part};
use crate::image::{provenance, sums};
use crate::pipeline;

/// Lays out what was built as a directory for a web server, with lists for Raspberry Pi Imager that lead there.
///
/// # Errors
/// There is nothing to publish, or something that must not be; an image is not what its manifest says.
pub fn run(request: &PublishRequest, context: &Context<'_>) -> Result<PublishOutcome, Failure> {
    // not shown as it is: it may hold a password
    let base = BaseUrl::parse(&request.base_url).map_err(|why| {
        Failure::new(Class::Usage, format!("`--base-url` is no address for a release: {why}"))
            .hint("`--base-url https://example.org/images` says where the files will be found")
    })?;
    let out = request.out.clone().unwrap_or_else(|| context.in_project("out"));
    let target = Target::of(&request.to.clone().unwrap_or_else(|| out.join(RELEASE)))?;
    let hosts = publishable(os_list::built(&out)?, &out)?;
    let key = pipeline::signer(context)?;
    let not_signed = key.as_ref().err().map(ToString::to_string);
    let key = key.ok();
    let staging = Staging::new(&target.parent)?;
    let work = staging.directory(&target.name)?;
    let mut entries = Vec::new();
    let mut images = Vec::new();
    let mut names = BTreeSet::new();
    for (directory, host) in &hosts {
        let release = ReleaseNames::of(host);
        place(directory, host, &release, &work, &mut names, context)?;
        let url = base.file(&release.image);
        if base.is_github() && release.image.contains('~') {
            let told =
                format!("GitHub renames assets with a `~`: the link to `{}` will not work", release.image);
            context.reporter.notice(&told);
        }
        entries.push(Entry::new(host, &url, &base.file(ICON)).ok_or_else(|| outdated(host))?);
        images.push(PublishedImage {
            host: host.hostname.clone(),
            image: target.path().join(&release.image),
            url: url.into(),
            sha256: host.image.sha256.clone(),
            size: host.image.size,
        });
    }
    let lists = [(ICON, ICON_SVG.to_vec()), (LIST, list(&entries)), (DOUBLE_CLICK, double_click(&entries))];
    for (name, bytes) in lists {
        files::write_atomic(&work.join(name), &bytes)?;
        names.insert(name.to_owned());
    }
    // last of what may be refused, since every image is read from end to end
    let known = secrets::of_project(context)?;
    for (_, host) in &hosts {
        let opened = inspect::open(&work.join(&host.image.file), context)?;
        secrets::require_none(&host.image.file, &opened.image, &known, context)?;
    }
    seal(&images, key.as_ref(), &work, context)?;
    names.insert(sums::FILE.to_owned());
    names.extend(key.as_ref().map(|_| sums::SIGNATURE.to_owned()));
    context.check_interrupt()?;
    target.require_replaceable()?;
    let directory = staging.replace(&target.name)?;
    Ok(PublishOutcome {
        files: names.iter().map(|name| directory.join(name)).collect(),
        directory,
        os_list_url: base.file(LIST).into(),
        key_id: key.map(|key| key.public().id().to_string()),
        not_signed,
        images,
    })
}

/// The digests of all files of the release, and the signature over them. Images were digested just now.
fn seal(
    images: &[PublishedImage],
    key: Option<&SecretKey>,
    work: &Path,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let known = images.iter().filter_map(|image| {
        let name = image.image.file_name()?.to_str()?.to_owned();
        Some((name, image.sha256.parse().ok()?))
    });
    let hosts: Vec<&str> = images.iter().map(|image| image.host.as_str()).collect();
    let comment = format!("file:{} hosts:{}", sums::FILE, hosts.join(","));
    pipeline::seal(work, &known.collect(), key, &comment, context)
}

/// Where a release goes.
struct Target {
    parent: PathBuf,
    name: String,
}

impl Target {
    /// # Errors
    /// It cannot be a directory, or it holds what is no part of a release.
    fn of(path: &Path) -> Result<Self, Failure> {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
            Failure::new(Class::Usage, format!("`{}` cannot be the name of a release", path.display()))
                .hint("`--to DIR` names a new or empty directory")
        })?;
        let target =
            Self { parent: path.parent().unwrap_or(Path::new("")).to_path_buf(), name: name.to_owned() };
        target.require_replaceable()?;
        Ok(target)
    }

    fn path(&self) -> PathBuf {
        self.parent.join(&self.name)
    }

    /// A release takes the place of all that is there, so that nothing of an old one stays. Whatever is not of a
    /// release is somebody's.
    fn require_replaceable(&self) -> Result<(), Failure> {
        let path = self.path();
        let names = files::list_names(&path)?;
        let foreign = names.iter().find(|(name, is_file)| !is_file || !name.to_str().is_some_and(is_part));
        let Some((name, _)) = foreign else { return Ok(()) };
        let (path, name) = (path.display(), name.to_string_lossy());
        Err(Failure::new(
            Class::Usage,
            format!("refusing to replace `{path}`: `{name}` is no part of a release"),
        )
        .hint("`--to DIR` names a new or empty directory"))
    }
}

/// The built hosts, if all of them may be published.
fn publishable(built: Vec<Built>, out: &Path) -> Result<Vec<(PathBuf, BuiltHost)>, Failure> {
    if built.is_empty() {
        return Err(Failure::new(Class::Usage, format!("there is no image in `{}`", out.display()))
            .hint("`pimg build --all --release` makes images that may be published"));
    }
    let mut hosts = Vec::new();
    for Built { directory, host } in built {
        let host = host.map_err(|error| {
            let manifest = directory.join("manifest.json");
            Failure::caused_by(Class::Trust, format!("`{}` is damaged", manifest.display()), error)
                .hint("build the image again, or remove its directory")
        })?;
        if let Some(name) = ReleaseNames::of(&host).misleading() {
            let manifest = directory.join("manifest.json");
            let message = format!("`{}` is damaged: `{name}` is not the name of a file", manifest.display());
            return Err(
                Failure::new(Class::Trust, message).hint("build the image again, or remove its directory")
            );
        }
        hosts.push((directory, host));
    }
    if let Some((_, host)) = hosts.iter().find(|(_, host)| host.build.is_none()) {
        return Err(outdated(host));
    }
    let quoted = |name: &String| format!("`{name}`");
    let private: Vec<_> = hosts.iter().filter(|(_, host)| !host.is_release()).collect();
    if let Some((directory, _)) = private.first() {
        let names: Vec<_> = private.iter().map(|(_, host)| quoted(&host.hostname)).collect();
        let why = "built without `--release`, with private ssh host keys and secrets inside";
        let message = format!("refusing to publish {}: {why}", names.join(", "));
        return Err(Failure::new(Class::Usage, message)
            .hint("`pimg build --all --release` leaves them out")
            .hint(format!("or remove `{}`: what is not there is not published", directory.display())));
    }
    for (_, host) in &hosts {
        let paths: Vec<_> = host.secrets().map(quoted).collect();
        if !paths.is_empty() {
            let paths = paths.join(", ");
            let message =
                format!("refusing to publish `{}`: its manifest lists secrets: {paths}", host.hostname);
            return Err(Failure::new(Class::Internal, message));
        }
    }
    Ok(hosts)
}

fn outdated(host: &BuiltHost) -> Failure {
    let message = format!("the manifest of `{}` does not tell how it was built", host.hostname);
    Failure::new(Class::Trust, message).hint("an older pimg built the image: build it again")
}

/// Puts the files of a host into the release, and demands that they are what the manifest says.
fn place(
    directory: &Path,
    host: &BuiltHost,
    release: &ReleaseNames,
    work: &Path,
    names: &mut BTreeSet<String>,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let envelope = (release.envelope.as_str(), provenance::ENVELOPE);
    for (name, source) in release.with_sources().into_iter().chain([envelope]) {
        context.check_interrupt()?;
        let from = directory.join(source);
        if source == provenance::ENVELOPE && !from.is_file() {
            continue;
        }
        if !from.is_file() {
            let message = format!("`{}` is missing, which belongs to the image", from.display());
            return Err(
                Failure::new(Class::Usage, message).hint("build the image again, or remove its directory")
            );
        }
        if !names.insert(name.to_owned()) {
            let message = format!("two images would both be `{name}`, one of them of `{}`", host.hostname);
            return Err(Failure::new(Class::Usage, message).hint("give one of them another `image.version`"));
        }
        files::link_or_copy(&from, &work.join(name))?;
    }
    let image = work.join(&release.image);
    let got = verify::sha256_of(&image, context)?;
    let listed = verify::expected_digest(&image)?.map(|(_, sha256)| sha256);
    let told = [("manifest.json", Some(host.image.sha256.clone())), (release.sha256.as_str(), listed)];
    for (file, expected) in told {
        let expected = expected.unwrap_or_default();
        if expected != got {
            let (image, file) = (directory.join(&release.image), directory.join(file));
            let message =
                format!("`{}` is not the image that `{}` tells of", image.display(), file.display());
            let cause = std::io::Error::other(format!("expected sha256 {expected}, got {got}"));
            return Err(Failure::caused_by(Class::Trust, message, cause).hint("build the image again"));
        }
    }
    Ok(())
}
