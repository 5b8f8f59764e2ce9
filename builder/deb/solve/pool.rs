//! The universe as packages and their versions, and which version apt would take.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::dependencies::Clause;
use super::request::{Request, matches};
use super::universe::Universe;
use crate::index::Entry;
use crate::policy::{self, Archive, Policy, Subject};
use crate::relation;
use crate::status::MultiArch;
use crate::version;

/// A name and an architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PackageId(u32);

/// A version of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct VersionId(u32);

macro_rules! index {
    ($id:ident) => {
        impl $id {
            pub(super) fn new(index: usize) -> Self {
                Self(u32::try_from(index).expect("an index of 4 GiB does not hold 2^32 stanzas"))
            }

            /// The number by which the solver knows it.
            pub(super) fn from_raw(raw: u32) -> Self {
                Self(raw)
            }

            pub(super) fn raw(self) -> u32 {
                self.0
            }

            pub(super) fn index(self) -> usize {
                usize::try_from(self.0).expect("pimg runs on machines of 32 bits or more")
            }
        }
    };
}
index!(PackageId);
index!(VersionId);

/// Position of an architecture: the native one is 0, `all` among it, then the foreign ones as apt has them.
pub(super) type Architecture = usize;

/// A package: all versions of one name and architecture.
#[derive(Debug)]
pub(super) struct Package<'u> {
    pub(super) name: &'u str,
    pub(super) architecture: Architecture,
    /// Newest first.
    pub(super) versions: Vec<VersionId>,
    pub(super) installed: Option<VersionId>,
    /// dpkg or the request wants it to stay as it is.
    pub(super) held: bool,
    candidate: OnceCell<Option<VersionId>>,
    /// The same name in another architecture.
    next: Option<PackageId>,
}

/// A version and where it can be had.
#[derive(Debug)]
pub(super) struct Version<'u> {
    pub(super) package: PackageId,
    pub(super) entry: &'u Entry<'u>,
    /// Positions of the archives that have it; none where it is only installed.
    pub(super) archives: Vec<(usize, &'u Entry<'u>)>,
    clauses: OnceCell<Vec<Clause<'u>>>,
}

/// A name that a version provides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Provided<'u> {
    pub(super) by: VersionId,
    pub(super) version: Option<&'u str>,
}

/// Everything there is, by number.
#[derive(Debug)]
pub(super) struct Pool<'u> {
    architectures: Vec<&'u str>,
    packages: Vec<Package<'u>>,
    versions: Vec<Version<'u>>,
    names: HashMap<&'u str, PackageId>,
    provided: HashMap<&'u str, Vec<Provided<'u>>>,
    archives: Vec<&'u Archive>,
    policy: Policy,
    status: Archive,
    prefer: &'u BTreeMap<(String, String), String>,
    mentions: OnceCell<HashMap<&'u str, usize>>,
    universe: &'u Universe<'u>,
}

impl<'u> Pool<'u> {
    pub(super) fn new(universe: &'u Universe<'u>, request: &'u Request) -> Self {
        let native = [universe.native.as_str()];
        let mut pool = Self {
            architectures: native.into_iter().chain(universe.foreign.iter().map(String::as_str)).collect(),
            packages: Vec::new(),
            versions: Vec::new(),
            names: HashMap::new(),
            provided: HashMap::new(),
            archives: universe.archives().collect(),
            policy: Policy::new(request.pins.clone()),
            status: Archive::status(),
            prefer: &request.prefer,
            mentions: OnceCell::new(),
            universe,
        };
        for entry in &universe.installed {
            pool.add_installed(entry, request);
        }
        for (archive, (_, entries)) in universe.indexes.iter().enumerate() {
            for entry in entries {
                pool.add_available(entry, archive);
            }
        }
        pool
    }

    fn add_installed(&mut self, entry: &'u Entry<'u>, request: &Request) {
        let mut words = entry.status.split_ascii_whitespace();
        let (want, state) = (words.next(), words.nth(1));
        if matches!(state, None | Some("not-installed" | "config-files" | "half-installed")) {
            return;
        }
        let architecture = match self.architecture(entry.architecture) {
            Some(architecture) => architecture,
            None => {
                self.architectures.push(entry.architecture);
                self.architectures.len().saturating_sub(1)
            }
        };
        let id = self.package_for(entry.package, architecture);
        let version = self.version_for(id, entry);
        let held = want == Some("hold") || request.hold.iter().any(|pattern| matches(pattern, entry.package));
        let package = self.package_mut(id);
        package.installed = Some(version);
        package.held = held;
    }

    fn add_available(&mut self, entry: &'u Entry<'u>, archive: usize) {
        let Some(architecture) = self.architecture(entry.architecture) else { return };
        let package = self.package_for(entry.package, architecture);
        let version = self.version_for(package, entry);
        if let Some(version) = self.versions.get_mut(version.index()) {
            version.archives.push((archive, entry));
        }
    }

    fn package_for(&mut self, name: &'u str, architecture: Architecture) -> PackageId {
        if let Some(id) = self.find(name, architecture) {
            return id;
        }
        let id = PackageId::new(self.packages.len());
        let next = self.names.insert(name, id);
        self.packages.push(Package {
            name,
            architecture,
            versions: Vec::new(),
            installed: None,
            held: false,
            candidate: OnceCell::new(),
            next,
        });
        id
    }

    /// The version of this entry, which is another one only where its number is.
    fn version_for(&mut self, package: PackageId, entry: &'u Entry<'u>) -> VersionId {
        let versions = &self.package(package).versions;
        let known = versions
            .iter()
            .find(|id| version::compare(self.version(**id).entry.version, entry.version).is_eq())
            .copied();
        if let Some(known) = known {
            return known;
        }
        let place = versions
            .partition_point(|id| version::compare(self.version(*id).entry.version, entry.version).is_gt());
        let id = VersionId::new(self.versions.len());
        self.versions.push(Version { package, entry, archives: Vec::new(), clauses: OnceCell::new() });
        self.package_mut(package).versions.insert(place, id);
        self.add_provided(id, entry);
        id
    }

    fn add_provided(&mut self, by: VersionId, entry: &'u Entry<'u>) {
        if entry.provides.is_empty() {
            return;
        }
        // a field that cannot be read provides nothing
        for relation in relation::parse(entry.provides).unwrap_or_default().into_iter().flatten() {
            let version = relation.version.map(|(_, version)| version);
            self.provided.entry(relation.name).or_default().push(Provided { by, version });
        }
    }

    /// Position of an architecture by name; `all` belongs to the native one.
    pub(super) fn architecture(&self, name: &str) -> Option<Architecture> {
        match name {
            "all" => Some(0),
            name => self.architectures.iter().position(|known| *known == name),
        }
    }

    pub(super) fn architecture_name(&self, architecture: Architecture) -> &'u str {
        self.architectures.get(architecture).copied().unwrap_or_default()
    }

    #[expect(clippy::indexing_slicing, reason = "only this pool makes ids, and it never shrinks")]
    pub(super) fn package(&self, id: PackageId) -> &Package<'u> {
        &self.packages[id.index()]
    }

    #[expect(clippy::indexing_slicing, reason = "only this pool makes ids, and it never shrinks")]
    fn package_mut(&mut self, id: PackageId) -> &mut Package<'u> {
        &mut self.packages[id.index()]
    }

    #[expect(clippy::indexing_slicing, reason = "only this pool makes ids, and it never shrinks")]
    pub(super) fn version(&self, id: VersionId) -> &Version<'u> {
        &self.versions[id.index()]
    }

    /// The package that a version is of.
    pub(super) fn package_of(&self, id: VersionId) -> PackageId {
        self.version(id).package
    }

    pub(super) fn find(&self, name: &str, architecture: Architecture) -> Option<PackageId> {
        self.named(name).find(|id| self.package(*id).architecture == architecture)
    }

    /// The packages of that name, one an architecture.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = PackageId> {
        std::iter::successors(self.names.get(name).copied(), |id| self.package(*id).next)
    }

    /// The versions that provide that name.
    pub(super) fn providers(&self, name: &str) -> &[Provided<'u>] {
        self.provided.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn packages(&self) -> impl Iterator<Item = PackageId> + use<'u> {
        (0..self.packages.len()).map(PackageId::new)
    }

    pub(super) fn package_count(&self) -> usize {
        self.packages.len()
    }

    pub(super) fn archives(&self) -> &[&'u Archive] {
        &self.archives
    }

    pub(super) fn universe(&self) -> &'u Universe<'u> {
        self.universe
    }

    pub(super) fn mentions(&self) -> &OnceCell<HashMap<&'u str, usize>> {
        &self.mentions
    }

    /// Relations of a version, read at the first use.
    pub(super) fn clauses(&self, id: VersionId) -> &[Clause<'u>] {
        self.version(id).clauses.get_or_init(|| super::dependencies::clauses(self, id))
    }

    /// Whether this version is the one installed.
    pub(super) fn is_installed(&self, id: VersionId) -> bool {
        self.package(self.package_of(id)).installed == Some(id)
    }

    /// Whether the installed version is essential or protected, which dpkg does not let go.
    pub(super) fn must_stay(&self, id: PackageId) -> bool {
        self.package(id).installed.is_some_and(|version| {
            let entry = self.version(version).entry;
            entry.essential || entry.protected
        })
    }

    pub(super) fn is_same(&self, id: VersionId) -> bool {
        self.version(id).entry.multi_arch == MultiArch::Same
    }

    /// The version that apt would install or upgrade to; `None` where there is none or none is allowed.
    pub(super) fn candidate(&self, id: PackageId) -> Option<VersionId> {
        let package = self.package(id);
        *package.candidate.get_or_init(|| match package.held {
            true => package.installed,
            false => self.unheld_candidate(id),
        })
    }

    /// The candidate if the package were not held.
    pub(super) fn unheld_candidate(&self, id: PackageId) -> Option<VersionId> {
        self.preferred(id).or_else(|| self.by_priority(id))
    }

    fn preferred(&self, id: PackageId) -> Option<VersionId> {
        if self.prefer.is_empty() {
            return None;
        }
        let package = self.package(id);
        let wanted = |architecture: &str| {
            self.prefer.get(&(package.name.to_owned(), architecture.to_owned())).map(String::as_str)
        };
        let find = |wanted: &str| {
            let mut versions = package.versions.iter().copied();
            versions.find(|id| version::compare(self.version(*id).entry.version, wanted).is_eq())
        };
        let all = wanted("all").filter(|_| package.architecture == 0);
        wanted(self.architecture_name(package.architecture)).or(all).and_then(find)
    }

    /// By the pins and what apt makes of archives without one.
    fn by_priority(&self, id: PackageId) -> Option<VersionId> {
        let package = self.package(id);
        let installed = package.installed.map(|id| self.version(id).entry.version);
        let versions = package.versions.iter();
        let versions = versions.map(|id| (self.version(*id).entry.version, self.priority(*id), *id));
        policy::candidate(installed, versions).map(|(_, id)| id)
    }

    /// Its priority by the pins and the archives that have it, dpkg's status among them.
    pub(super) fn priority(&self, id: VersionId) -> i16 {
        let version = self.version(id);
        let package = self.package(version.package);
        let subject = Subject {
            package: package.name,
            source: version.entry.source,
            version: version.entry.version,
            foreign: (package.architecture != 0).then(|| self.architecture_name(package.architecture)),
        };
        let archives =
            version.archives.iter().filter_map(|(archive, _)| self.archives.get(*archive).copied());
        let status = self.is_installed(id).then_some(&self.status);
        let archives: Vec<_> = archives.chain(status).collect();
        self.policy.version_priority(&subject, &archives)
    }

    /// `name`, with the architecture where it is a foreign one.
    pub(super) fn label(&self, id: PackageId) -> String {
        let package = self.package(id);
        match package.architecture {
            0 => package.name.to_owned(),
            architecture => format!("{}:{}", package.name, self.architecture_name(architecture)),
        }
    }

    /// `name version`
    pub(super) fn display(&self, id: VersionId) -> String {
        let version = self.version(id);
        format!("{} {}", self.label(version.package), version.entry.version)
    }

    /// All packages by name and architecture.
    pub(super) fn sorted(&self, mut ids: Vec<PackageId>) -> Vec<PackageId> {
        ids.sort_by_key(|id| (self.package(*id).name, self.package(*id).architecture, Reverse(*id)));
        ids
    }
}
