//! Turns the overlays of one host into changes.

use std::io;
use std::path::{Path, PathBuf};

use crate::guest::steps::Step;
use crate::plan::change::{Action, Change, Content, Origin, Ownership, Partition};
use crate::plan::path::GuestPath;
use crate::profile::host::HostSpec;
use crate::profile::problem::{Located, Problem, SourceFile};

use super::apt::AptRequests;
use super::downloads::Download;
use super::error::Error;
use super::files::{IN_MEMORY, digest, read_text};
use super::layers::Layers;
use super::manifest::Manifest;
use super::packages::{PackageRequests, Preseed};
use super::requests::settings_of;
use super::step_graph::Steps;
use super::steps;
use super::template::Templates;
use super::tree::{Entry, Kind, walk};
use super::units::UnitRequests;
use super::variables;

/// What the overlays of a host want.
#[derive(Clone, Debug, Default)]
pub struct Rendered {
    /// Files, links, directories, removals and owners, in order; each path at most once.
    /// Sources of the base's own mirror are not among them: see [`Self::base_source_changes`].
    pub changes: Vec<Change>,
    /// Units to enable, disable and mask.
    pub units: UnitRequests,
    /// apt sources and pins; their files are among `changes`.
    pub apt: AptRequests,
    /// Packages to install, remove and hold.
    pub packages: PackageRequests,
    /// Answers to debconf, each question once.
    pub preseeds: Vec<Preseed>,
    /// Files that are no packages; none of them is among `changes`: see [`super::unpack()`].
    pub downloads: Vec<Download>,
    /// Steps of the first boot, each behind those that it is after; pimg's own are among them, needed or not.
    pub steps: Vec<Step>,
    /// What a person should know that is no error.
    pub notices: Vec<String>,
}

/// Renders the overlays of `host`, found below `overlays_dir`, in the order of the profile.
///
/// # Errors
/// Everything that is wrong with them.
pub fn render(overlays_dir: &Path, host: &HostSpec) -> Result<Rendered, Error> {
    let mut problems = Vec::new();
    let mut layers = Layers::default();
    let mut rendered = Rendered::default();
    let mut steps = Steps::default();
    for overlay in &host.overlays {
        let mut one = Overlay {
            name: overlay,
            directory: overlays_dir.join(overlay),
            layers: &mut layers,
            rendered: &mut rendered,
            steps: &mut steps,
            problems: &mut problems,
        };
        one.render(host);
    }
    rendered.changes = layers.finish(&mut problems);
    rendered.steps = steps.resolve(|| steps::of_project(overlays_dir), &mut problems);
    if problems.is_empty() { Ok(rendered) } else { Err(Error::new(host.hostname.as_str(), problems)) }
}

/// One overlay on its way into [`Rendered`].
pub(super) struct Overlay<'r> {
    pub(super) name: &'r str,
    pub(super) directory: PathBuf,
    pub(super) layers: &'r mut Layers,
    pub(super) rendered: &'r mut Rendered,
    pub(super) steps: &'r mut Steps,
    pub(super) problems: &'r mut Vec<Problem>,
}

impl Overlay<'_> {
    fn report(&mut self, file: &str, what: impl std::fmt::Display) {
        self.problems.push(Problem::new(format!("`overlays/{}/{file}` {what}", self.name)));
    }

    pub(super) fn origin(&self, file: &str) -> Origin {
        Origin::Overlay { overlay: self.name.to_owned(), file: file.to_owned() }
    }

    fn render(&mut self, host: &HostSpec) {
        if !fs_err::symlink_metadata(&self.directory).is_ok_and(|found| found.is_dir()) {
            self.problems.push(Problem::new(format!("`overlays/{}` is not a directory", self.name)));
            return;
        }
        let manifest = self.manifest();
        let vars = variables::resolve(self.name, &manifest, host, self.problems);
        let templates = match Templates::new(host, &vars) {
            Ok(templates) => templates,
            Err(error) => {
                return self.report("overlay.toml", format!("has values no template can see: {error}"));
            }
        };
        let applies = manifest.when.as_ref().is_none_or(|when| self.holds(&templates, when));
        self.first_boot(&manifest, &templates, applies);
        if !applies {
            return;
        }
        for path in &manifest.remove {
            self.layers.remove(self.name, path, self.problems);
        }
        let entries = walk(self.name, &self.directory, self.problems);
        let entries = self.applicable(&manifest, &templates, entries);
        for entry in &entries {
            self.entry(&manifest, &templates, entry);
        }
        self.rendered.units.add(self.name, &manifest.units, self.problems);
        self.requests(&manifest, &templates);
    }

    fn manifest(&mut self) -> Manifest {
        let path = self.directory.join("overlay.toml");
        match fs_err::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Manifest::default(),
            Ok(found) if !found.is_file() => {
                self.report("overlay.toml", "is not a regular file");
                return Manifest::default();
            }
            _ => {}
        }
        match read_text(&path) {
            Ok(text) => {
                let file = SourceFile::new(format!("overlays/{}/overlay.toml", self.name), text);
                Manifest::read(&file, self.problems)
            }
            Err(error) => {
                self.report("overlay.toml", format!("cannot be read: {error}"));
                Manifest::default()
            }
        }
    }

    fn first_boot(&mut self, manifest: &Manifest, templates: &Templates, applies: bool) {
        let (steps, problems) = (&mut *self.steps, &mut *self.problems);
        let holds = |when: &Located<String>, problems: &mut Vec<Problem>| {
            applies && templates.holds(when).map_err(|problem| problems.push(problem)).unwrap_or_default()
        };
        steps::collect(self.name, &self.directory, manifest, applies, holds, steps, problems);
    }

    pub(super) fn holds(&mut self, templates: &Templates, when: &Located<String>) -> bool {
        templates.holds(when).unwrap_or_else(|problem| {
            self.problems.push(problem);
            false
        })
    }

    /// Drops the entries whose condition does not hold, and reports rules that match nothing.
    fn applicable(&mut self, manifest: &Manifest, templates: &Templates, entries: Vec<Entry>) -> Vec<Entry> {
        for rule in &manifest.own {
            if entries.iter().any(|entry| rule.path.matches(&entry.node_path())) {
                continue;
            }
            let base = GuestPath::new(rule.path.as_str()).ok().filter(|_| rule.path.is_plain());
            match base.zip(rule.complete()) {
                Some((path, ownership)) => self.layers.own(path, ownership, settings_of(self.name)),
                None => {
                    let hint = "for a file of the base image give the whole path, owner, group and mode";
                    let problem =
                        Problem::at(&rule.place, "matches no entry of this overlay").with_hint(hint);
                    self.problems.push(problem);
                }
            }
        }
        let mut applicable = entries.clone();
        for (pattern, place, when) in &manifest.files {
            if !entries.iter().any(|entry| pattern.matches(&entry.node_path())) {
                self.problems.push(Problem::at(place, "matches no entry of this overlay"));
            }
            if when.as_ref().is_some_and(|when| !self.holds(templates, when)) {
                applicable.retain(|entry| !pattern.matches(&entry.node_path()));
            }
        }
        applicable
    }

    pub(super) fn put(&mut self, manifest: &Manifest, change: Change) {
        let node_path = match change.partition {
            Partition::Root => change.path.to_string(),
            Partition::Boot => format!("{}{}", super::tree::BOOT_MOUNT, change.path),
        };
        let may_replace = manifest.replace.iter().any(|(pattern, _)| pattern.matches(&node_path));
        self.layers.put(change, may_replace, self.problems);
    }

    fn entry(&mut self, manifest: &Manifest, templates: &Templates, entry: &Entry) {
        let node_path = entry.node_path();
        let mode = match entry.kind {
            Kind::File { executable: false, .. } => 0o644,
            _ => 0o755,
        };
        let rules: Vec<_> = manifest.own.iter().filter(|rule| rule.path.matches(&node_path)).collect();
        let ownership = rules.iter().fold(Ownership::root(mode), |before, rule| rule.apply(before));
        if let Some(rule) = rules.first().filter(|_| entry.partition == Partition::Boot) {
            self.problems
                .push(Problem::at(&rule.place, "is on the boot partition, which knows no owners and modes"));
        }
        let action = match &entry.kind {
            // a directory that the base has keeps its owner and mode unless a rule says otherwise
            Kind::Directory { empty: false } if rules.is_empty() => return,
            Kind::Directory { .. } => Action::MakeDir { ownership },
            Kind::Symlink { target } => Action::Symlink { target: target.clone() },
            Kind::File { host, len, template, .. } => {
                let content = if *template {
                    self.template(templates, host, &entry.file)
                } else {
                    self.file(host, *len, &entry.file)
                };
                let Some(content) = content else { return };
                Action::PutFile { content, ownership }
            }
        };
        let origin = self.origin(&entry.file);
        let change =
            Change { partition: entry.partition, ..Change::root(entry.path.clone(), action, origin) };
        let is_rendered = matches!(entry.kind, Kind::File { template: true, .. });
        self.put(manifest, if is_rendered { change } else { change.shared() });
    }

    fn template(&mut self, templates: &Templates, host: &Path, file: &str) -> Option<Content> {
        let text =
            read_text(host).map_err(|error| self.report(file, format!("cannot be read: {error}"))).ok()?;
        let source = SourceFile::new(format!("overlays/{}/{file}", self.name), text);
        let rendered = templates.render(&source).map_err(|problem| self.problems.push(problem)).ok()?;
        Some(Content::bytes(rendered))
    }

    fn file(&mut self, host: &Path, len: u64, file: &str) -> Option<Content> {
        let content = if len > IN_MEMORY {
            digest(host).map(|(len, sha256)| Content::HostFile { path: host.to_owned(), len, sha256 })
        } else {
            fs_err::read(host).map(Content::bytes)
        };
        content.map_err(|error| self.report(file, format!("cannot be read: {error}"))).ok()
    }
}
