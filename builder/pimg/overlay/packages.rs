//! Debian packages that overlays ask for, and the answers to the questions that these ask.

use crate::plan::change::Scope;
use crate::profile::document::{Keys, Table};
use crate::profile::host::PackagesSpec;
use crate::profile::package_names::{PackageLists, name_of, package};
use crate::profile::problem::{Located, Place, Problem};

/// A package and who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageRequest {
    /// As the overlay writes it: `name`, `name:architecture`, and to install also `=version` or `/suite`.
    pub package: String,
    /// The overlay.
    pub overlay: String,
}

/// What the overlays of a host ask of packages, in the overlays' order, each wish once a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageRequests {
    /// To be installed.
    pub install: Vec<PackageRequest>,
    /// To be removed.
    pub remove: Vec<PackageRequest>,
    /// Never to be upgraded; `*` stands for any run of characters, `?` for any one.
    pub hold: Vec<PackageRequest>,
    /// Kernel modules that are built ahead, as `zfs`.
    pub modules: Vec<String>,
}

/// An answer to debconf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preseed {
    /// The overlay that brings it.
    pub overlay: String,
    /// `PACKAGE QUESTION TYPE VALUE`, as debconf-set-selections(1) takes it.
    pub line: String,
    /// Whether it can depend on the host: what a template gives can.
    pub scope: Scope,
}

impl PackageRequests {
    /// What is asked for altogether. The profile has the last word: where it names a package, what an overlay says
    /// of that package does not count. Each list is sorted.
    pub fn with_profile(&self, profile: &PackagesSpec) -> PackagesSpec {
        let named = |name: &str| {
            profile.install.iter().chain(&profile.remove).any(|own| name_of(own) == name_of(name))
        };
        let all = |requests: &[PackageRequest], own: &[String], counts: &dyn Fn(&str) -> bool| {
            let asked = requests.iter().map(|request| &request.package).filter(|package| counts(package));
            let mut all: Vec<String> = asked.chain(own).cloned().collect();
            all.sort();
            all.dedup();
            all
        };
        PackagesSpec {
            install: all(&self.install, &profile.install, &|name| !named(name)),
            remove: all(&self.remove, &profile.remove, &|name| !named(name)),
            hold: all(&self.hold, &profile.hold, &|_| true),
            ..profile.clone()
        }
    }

    /// Adds what one overlay asks; reports what contradicts an earlier overlay.
    pub(crate) fn add(&mut self, overlay: &str, rule: &PackageRule, problems: &mut Vec<Problem>) {
        let lists = &rule.lists;
        for module in &rule.modules {
            if !self.modules.contains(module) {
                self.modules.push(module.clone());
            }
        }
        for (verb, items, others) in
            [("removes", &lists.install, &self.remove), ("installs", &lists.remove, &self.install)]
        {
            for item in items {
                let earlier = others.iter().find(|other| name_of(&other.package) == name_of(&item.value));
                if let Some(earlier) = earlier {
                    let message = format!("contradicts overlay `{}`, which {verb} it", earlier.overlay);
                    problems.push(Problem::at(&item.place, message));
                }
            }
        }
        for (items, requests) in [
            (&lists.install, &mut self.install),
            (&lists.remove, &mut self.remove),
            (&lists.hold, &mut self.hold),
        ] {
            for item in items {
                if !requests.iter().any(|earlier| earlier.package == item.value) {
                    let package = item.value.clone();
                    requests.push(PackageRequest { package, overlay: overlay.to_owned() });
                }
            }
        }
    }
}

/// `[packages]` or one `[[packages.group]]` of an overlay.
#[derive(Clone, Debug)]
pub(crate) struct PackageRule {
    pub(crate) when: Option<Located<String>>,
    pub(crate) lists: PackageLists,
    pub(crate) modules: Vec<String>,
}

impl PackageRule {
    /// The table itself, then its groups.
    pub(crate) fn read_all(table: Table, problems: &mut Vec<Problem>) -> Vec<Self> {
        let mut keys = Keys::new(table, problems);
        let when = keys.text("when");
        let lists = ["install", "remove", "hold"].map(|key| keys.texts(key));
        let modules = keys.texts("modules");
        let groups = keys.tables("group");
        keys.finish();
        let modules = modules_of(modules, problems);
        let [install, remove, hold] = lists;
        let lists = PackageLists::check(install.as_ref(), remove.as_ref(), hold.as_ref(), problems);
        let mut rules = vec![Self { when, lists, modules }];
        rules.extend(groups.into_iter().map(|table| Self::read_group(table, problems)));
        rules
    }

    fn read_group(table: Table, problems: &mut Vec<Problem>) -> Self {
        let mut keys = Keys::new(table, problems);
        let at = keys.place();
        let when = keys.text("when");
        let lists = ["install", "remove", "hold"].map(|key| keys.texts(key));
        let modules = keys.texts("modules");
        let has_when = keys.seen().contains(&"when");
        keys.finish();
        let modules = modules_of(modules, problems);
        if !has_when {
            problems.push(Problem::at(&at, "needs `when`, which says where these packages are wanted"));
        }
        let [install, remove, hold] = lists;
        let lists = PackageLists::check(install.as_ref(), remove.as_ref(), hold.as_ref(), problems);
        Self { when, lists, modules }
    }
}

/// The modules that pimg knows how to build.
const MODULES: [&str; 1] = ["zfs"];

fn modules_of(list: Option<Located<Vec<Located<String>>>>, problems: &mut Vec<Problem>) -> Vec<String> {
    let mut known = Vec::new();
    for module in list.map(|list| list.value).unwrap_or_default() {
        if MODULES.contains(&module.value.as_str()) {
            known.push(module.value);
        } else {
            problems.push(Problem::at(&module.place, format!("is none of `{}`", MODULES.join("`, `"))));
        }
    }
    known
}

/// One `[[apt.preseed]]`, its value not rendered yet.
#[derive(Clone, Debug)]
pub(crate) struct PreseedRule {
    pub(crate) place: Place,
    pub(crate) when: Option<Located<String>>,
    package: String,
    question: String,
    kind: String,
    pub(crate) value: Located<String>,
}

/// Types of debconf-devel(7) that have an answer. `password` is left out: an overlay holds no secret.
const KINDS: [&str; 6] = ["string", "boolean", "select", "multiselect", "note", "text"];

impl PreseedRule {
    pub(crate) fn read(table: Table, problems: &mut Vec<Problem>) -> Option<Self> {
        let mut keys = Keys::new(table, problems);
        let place = keys.place();
        let [package, question, kind, value] =
            ["package", "question", "type", "value"].map(|key| keys.text(key));
        let when = keys.text("when");
        let seen = keys.seen();
        keys.finish();

        for key in ["package", "question", "type", "value"].into_iter().filter(|key| !seen.contains(key)) {
            problems.push(Problem::at(&place, format!("needs `{key}`")));
        }
        let mut check = |raw: Option<Located<String>>, rule: &dyn Fn(&str) -> Result<(), String>| {
            let raw = raw?;
            match rule(&raw.value) {
                Ok(()) => Some(raw.value),
                Err(message) => {
                    problems.push(Problem::at(&raw.place, message));
                    None
                }
            }
        };
        let package = check(package, &package_rule);
        let question = check(question, &question_rule);
        let kind = check(kind, &kind_rule);
        Some(Self { place, when, package: package?, question: question?, kind: kind?, value: value? })
    }

    /// The answer with its rendered value.
    pub(crate) fn answer(&self, overlay: &str, value: &str) -> Result<Preseed, Problem> {
        if value.contains(char::is_control) {
            return Err(Problem::at(&self.value.place, "is more than one line"));
        }
        if self.kind == "boolean" && !["true", "false"].contains(&value) {
            let message = format!("is `{value}`, but a boolean question is answered by `true` or `false`");
            return Err(Problem::at(&self.value.place, message));
        }
        let line = format!("{} {} {} {value}", self.package, self.question, self.kind);
        // known from the text itself, so that it is the same for every host
        let scope = if value == self.value.value { Scope::Shared } else { Scope::Host };
        Ok(Preseed { overlay: overlay.to_owned(), line, scope })
    }

    /// The start of the line, which says what is asked.
    pub(crate) fn asks(&self, line: &str) -> bool {
        line.starts_with(&format!("{} {} ", self.package, self.question))
    }
}

fn package_rule(text: &str) -> Result<(), String> {
    package(text).map(drop).map_err(|error| error.0)
}

fn question_rule(text: &str) -> Result<(), String> {
    let word = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "+-._".contains(c))
    };
    if text.contains('/') && text.split('/').all(word) {
        Ok(())
    } else {
        Err("is not a question of debconf, such as `postfix/mailname`".to_owned())
    }
}

fn kind_rule(text: &str) -> Result<(), String> {
    match text {
        "password" => Err("is a secret, which an overlay cannot hold".to_owned()),
        _ if KINDS.contains(&text) => Ok(()),
        _ => Err(format!("is none of `{}`", KINDS.join("`, `"))),
    }
}
