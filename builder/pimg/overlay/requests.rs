//! What the overlays of one host ask of apt: sources with their keyrings, pins, packages, answers, and downloads.

use std::collections::BTreeMap;

use crate::plan::change::{Action, Change, Content, Origin, Ownership, Partition, Scope};
use crate::plan::path::GuestPath;
use crate::profile::problem::{Located, Problem};

use super::apt::{AptSource, Keyring, Uris, render_source};
use super::apt_rules::{KeyringRule, SourceRule};
use super::downloads::taken;
use super::keyring;
use super::manifest::Manifest;
use super::render::{Overlay, Rendered};
use super::template::Templates;

impl Rendered {
    /// Answers to debconf that depend on the host.
    pub fn own_answers(&self) -> Vec<String> {
        let own = self.preseeds.iter().filter(|preseed| preseed.scope == Scope::Host);
        own.map(|preseed| preseed.line.clone()).collect()
    }

    /// The files of the sources that use the base's own mirror, given its addresses and its `Signed-By`.
    pub fn base_source_changes(&self, base_uris: &[String], base_signed_by: Option<&str>) -> Vec<Change> {
        let sources = self.apt.sources.iter().filter(|source| source.uris == Uris::Base);
        sources.map(|source| source_change(source, base_uris, base_signed_by)).collect()
    }

    /// Switches on the sources whose keyrings are known by now: `keyrings` has the bytes by the source's name. Their
    /// files and keyrings in [`Self::changes`] are written anew, and what was to be said about their keys is not.
    ///
    /// The caller has verified the bytes; a source whose name is not among them stays as it is.
    pub fn supply_keyrings(&mut self, keyrings: &BTreeMap<String, Vec<u8>>) {
        for source in &mut self.apt.sources {
            let (Some(keyring), Some(bytes)) = (&mut source.keyring, keyrings.get(&source.name)) else {
                continue;
            };
            keyring.path = keyring::fitting_path(&keyring.path, bytes);
            source.disabled = None;
            if let Some(notice) = source.notice.take() {
                self.notices.retain(|other| *other != notice);
            }
            let action =
                Action::PutFile { content: Content::bytes(bytes.clone()), ownership: Ownership::root(0o644) };
            let change = Change::root(keyring.path.clone(), action, settings_of(&source.overlay));
            replace(&mut self.changes, change);
            if source.uris != Uris::Base {
                replace(&mut self.changes, source_change(source, &[], None));
            }
        }
    }
}

/// Puts a change in the place of the one of the same path, or last.
fn replace(changes: &mut Vec<Change>, change: Change) {
    let same = |other: &&mut Change| other.partition == change.partition && other.path == change.path;
    match changes.iter_mut().find(same) {
        Some(earlier) => *earlier = change,
        None => changes.push(change),
    }
}

fn source_change(source: &AptSource, base_uris: &[String], base_signed_by: Option<&str>) -> Change {
    let text = render_source(source, base_uris, base_signed_by);
    let action = Action::PutFile { content: Content::bytes(text), ownership: Ownership::root(0o644) };
    Change::root(source.path(), action, settings_of(&source.overlay))
}

/// Settings of an overlay as the origin of a change.
pub(super) fn settings_of(overlay: &str) -> Origin {
    Origin::Overlay { overlay: overlay.to_owned(), file: "overlay.toml".to_owned() }
}

impl Overlay<'_> {
    /// Takes over everything that the overlay asks of apt and of the network, as far as it applies.
    pub(super) fn requests(&mut self, manifest: &Manifest, templates: &Templates) {
        for source in &manifest.sources {
            if self.applies(templates, source.when.as_ref()) {
                self.source(source);
            }
        }
        for rule in &manifest.pins {
            if self.applies(templates, rule.when.as_ref()) {
                let mut pin = rule.pin.clone();
                self.name.clone_into(&mut pin.overlay);
                let action = Action::PutFile {
                    content: Content::bytes(pin.render()),
                    ownership: Ownership::root(0o644),
                };
                match GuestPath::new(format!("/etc/apt/preferences.d/{}", pin.name)) {
                    Ok(path) => self.put(manifest, Change::root(path, action, settings_of(self.name))),
                    Err(error) => self.problems.push(Problem::at(&rule.place, error.to_string())),
                }
                self.rendered.apt.pins.push(pin);
            }
        }
        for rule in &manifest.packages {
            if self.applies(templates, rule.when.as_ref()) {
                self.rendered.packages.add(self.name, rule, self.problems);
            }
        }
        self.preseeds(manifest, templates);
        self.downloads(manifest, templates);
    }

    fn applies(&mut self, templates: &Templates, when: Option<&Located<String>>) -> bool {
        when.is_none_or(|when| self.holds(templates, when))
    }

    fn preseeds(&mut self, manifest: &Manifest, templates: &Templates) {
        for rule in &manifest.preseeds {
            if !self.applies(templates, rule.when.as_ref()) {
                continue;
            }
            let answer = templates.render_value(&rule.value).and_then(|value| rule.answer(self.name, &value));
            let preseed = match answer {
                Ok(preseed) => preseed,
                Err(problem) => {
                    self.problems.push(problem);
                    continue;
                }
            };
            let earlier = self.rendered.preseeds.iter().find(|earlier| rule.asks(&earlier.line));
            match earlier {
                None => self.rendered.preseeds.push(preseed),
                Some(earlier) if earlier.line == preseed.line => {}
                Some(earlier) => {
                    let message =
                        format!("is answered otherwise by overlay `{}`: {}", earlier.overlay, earlier.line);
                    self.problems.push(Problem::at(&rule.place, message));
                }
            }
        }
    }

    fn downloads(&mut self, manifest: &Manifest, templates: &Templates) {
        for rule in &manifest.downloads {
            if !self.applies(templates, rule.when.as_ref()) {
                continue;
            }
            if let Some(why) = taken(&rule.name.value, &self.rendered.downloads) {
                self.problems.push(Problem::at(&rule.name.place, why));
            }
            let download = rule.render(self.name, templates, self.problems);
            self.rendered.downloads.extend(download);
        }
    }

    fn source(&mut self, rule: &SourceRule) {
        let mut source = AptSource {
            name: rule.name.value.clone(),
            overlay: self.name.to_owned(),
            uris: rule.uris.clone(),
            suites: rule.suites.clone(),
            components: rule.components.clone(),
            architectures: rule.architectures.clone(),
            keyring: None,
            disabled: None,
            notice: None,
        };
        if let Some(keyring) = &rule.keyring {
            source.keyring = Some(self.keyring(rule, keyring, &mut source));
        }
        let change = source_change(&source, &[], None);
        if source.uris != Uris::Base {
            self.layers.put(change, false, self.problems);
        }
        self.rendered.apt.sources.push(source);
    }

    /// Puts the keyring into the image, or notes why its source has to stay off.
    fn keyring(&mut self, rule: &SourceRule, keyring: &KeyringRule, source: &mut AptSource) -> Keyring {
        let found = keyring::find(self.name, &self.directory, &rule.name.value, keyring, self.problems);
        self.rendered.notices.extend(found.notice.clone());
        source.disabled = found.disabled;
        source.notice = found.notice;
        if let (Some(file), Some(bytes)) = (&keyring.file, found.bytes) {
            let origin = self.origin(&file.value);
            // sources of one overlay may share a keyring
            if !self.layers.has(Partition::Root, &keyring.path, &origin) {
                let action =
                    Action::PutFile { content: Content::bytes(bytes), ownership: Ownership::root(0o644) };
                self.layers.put(Change::root(keyring.path.clone(), action, origin), false, self.problems);
            }
        }
        found.keyring
    }
}
