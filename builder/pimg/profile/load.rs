//! Finds profiles in a project, follows `extends`, and makes hosts of them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::check;
use super::check_network::{Claim, collisions, network};
use super::document::{self, closest};
use super::error::Error;
use super::host::{ClusterNode, HostSpec};
use super::problem::{Located, Place, Problem, SourceFile};
use super::raw::RawProfile;
use super::types::Hostname;
use super::values;

/// Largest profile that is read, in bytes: a profile is written by hand.
const LARGEST: u64 = 1 << 20;

/// Longest chain of `extends`.
const DEEPEST: usize = 32;

/// The profiles of a project: `profiles/*.toml` beside `overlays/`.
#[derive(Clone, Debug)]
pub struct Profiles {
    directory: PathBuf,
    names: Vec<String>,
    overlays: Vec<String>,
}

impl Profiles {
    /// Lists the profiles and overlays of the project at `project_dir`. No profile is read yet.
    ///
    /// # Errors
    /// The directory has no readable `profiles`.
    pub fn open(project_dir: &Path) -> Result<Self, Error> {
        let directory = project_dir.join("profiles");
        let profiles = entries(&directory, |entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_suffix(".toml").filter(|stem| values::file_stem(stem).is_ok()).map(str::to_owned)
        });
        let names = profiles.map_err(|error| {
            let missing = error.kind() == io::ErrorKind::NotFound;
            let message =
                if missing { "there is no directory `profiles` here".to_owned() } else { error.to_string() };
            let hint = "run `pimg` in a project's directory: one with `profiles/` and `overlays/`";
            Error::new("cannot find profiles".to_owned(), vec![Problem::new(message).with_hint(hint)])
        })?;
        let overlays = entries(&project_dir.join("overlays"), |entry| {
            let name = entry.file_name().into_string().ok()?;
            (entry.file_type().is_ok_and(|kind| kind.is_dir()) && values::file_stem(&name).is_ok())
                .then_some(name)
        });
        let overlays = match overlays {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::new(
                    "cannot list overlays".to_owned(),
                    vec![Problem::new(error.to_string())],
                ));
            }
            found => found.unwrap_or_default(),
        };
        Ok(Self { directory, names, overlays })
    }

    /// The names of all profiles, sorted.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The names of the profiles that have a `hostname`, their own or inherited, sorted.
    ///
    /// # Errors
    /// A profile cannot be read, or holds unknown keys or values of a wrong type.
    pub fn buildable(&self) -> Result<Vec<String>, Error> {
        let mut session = Session::new(self);
        let merged: Vec<_> = self.names.iter().map(|name| (name, session.merged(name, None))).collect();
        session.finish("the profiles are not valid")?;
        let buildable =
            merged.into_iter().filter(|(_, raw)| raw.as_ref().is_some_and(|raw| raw.hostname.is_some()));
        Ok(buildable.map(|(name, _)| name.clone()).collect())
    }

    /// The file that says which base image a profile is made of, such as `profiles/raspios.toml`: its own, or one that it
    /// extends. `None` where none does.
    ///
    /// # Errors
    /// A profile cannot be read, or holds unknown keys or values of a wrong type.
    pub fn base_pin(&self, name: &str) -> Result<Option<String>, Error> {
        let mut session = Session::new(self);
        let raw = session.merged(name, None);
        session.finish(&format!("profile `{name}` is not valid"))?;
        let source = raw.and_then(|raw| raw.base.source.as_ref().map(|source| source.place.clone()));
        Ok(source.map(|place| place.file().name().to_owned()))
    }

    /// Makes the hosts of these profiles, in this order. A name given twice counts once.
    ///
    /// # Errors
    /// Everything that is wrong with any of them and with what they extend.
    pub fn load(&self, names: &[impl AsRef<str>]) -> Result<Vec<HostSpec>, Error> {
        let mut wanted: Vec<&str> = Vec::new();
        for name in names {
            if !wanted.contains(&name.as_ref()) {
                wanted.push(name.as_ref());
            }
        }
        let mut session = Session::new(self);
        let hosts: Vec<_> = wanted.iter().filter_map(|name| session.host(name)).collect();
        session.collisions();
        let subject = match wanted.as_slice() {
            [name] => format!("profile `{name}` is not valid"),
            _ => "the profiles are not valid".to_owned(),
        };
        session.finish(&subject)?;
        Ok(hosts)
    }

    fn read(&self, name: &str) -> io::Result<String> {
        let path = self.directory.join(format!("{name}.toml"));
        let found = fs_err::metadata(&path)?;
        if !found.is_file() || found.len() > LARGEST {
            return Err(io::Error::other("not a regular file of at most 1 MiB"));
        }
        let bytes = fs_err::read(&path)?;
        String::from_utf8(bytes).map_err(|error| {
            io::Error::other(format!("not UTF-8 at byte {}", error.utf8_error().valid_up_to()))
        })
    }
}

fn entries(directory: &Path, keep: impl Fn(&fs_err::DirEntry) -> Option<String>) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs_err::read_dir(directory)? {
        names.extend(keep(&entry?));
    }
    names.sort();
    Ok(names)
}

/// One run over profiles: what was read, and what was found wrong.
struct Session<'p> {
    profiles: &'p Profiles,
    merged: BTreeMap<String, Option<Rc<RawProfile>>>,
    nodes: BTreeMap<String, Option<ClusterNode>>,
    claims: Vec<Claim>,
    problems: Vec<Problem>,
}

impl<'p> Session<'p> {
    fn new(profiles: &'p Profiles) -> Self {
        let (merged, nodes) = (BTreeMap::new(), BTreeMap::new());
        Self { profiles, merged, nodes, claims: Vec::new(), problems: Vec::new() }
    }

    fn finish(self, subject: &str) -> Result<(), Error> {
        if self.problems.is_empty() { Ok(()) } else { Err(Error::new(subject.to_owned(), self.problems)) }
    }

    fn merged(&mut self, name: &str, from: Option<&Place>) -> Option<Rc<RawProfile>> {
        self.merged_below(name, from, &mut Vec::new())
    }

    /// The profile with everything it extends under it. `path` holds the profiles that extend it.
    fn merged_below(
        &mut self,
        name: &str,
        from: Option<&Place>,
        path: &mut Vec<String>,
    ) -> Option<Rc<RawProfile>> {
        if let Some(known) = self.merged.get(name).cloned() {
            if known.is_none() && !self.profiles.names.iter().any(|known| known == name) {
                self.missing(name, from);
            }
            return known;
        }
        let raw = self.parse(name, from);
        let merged = raw.map(|raw| {
            path.push(name.to_owned());
            let mut below = RawProfile::default();
            for parent in raw.extends.iter().flat_map(|parents| &parents.value) {
                if path.len() > DEEPEST {
                    let message = format!("more than {DEEPEST} profiles extend each other");
                    self.problems.push(Problem::at(&parent.place, message));
                } else if path.contains(&parent.value) {
                    let circle = format!("{} → {}", path.join(" → "), parent.value);
                    self.problems.push(Problem::at(
                        &parent.place,
                        format!("profiles extend each other in a circle: {circle}"),
                    ));
                } else if let Some(parent) = self.merged_below(&parent.value, Some(&parent.place), path) {
                    below = RawProfile::clone(&parent).inherit(below);
                }
            }
            path.pop();
            Rc::new(raw.inherit(below))
        });
        self.merged.insert(name.to_owned(), merged.clone());
        merged
    }

    fn parse(&mut self, name: &str, from: Option<&Place>) -> Option<RawProfile> {
        if !self.profiles.names.iter().any(|known| known == name) {
            self.missing(name, from);
            return None;
        }
        match self.profiles.read(name) {
            Ok(text) => {
                let file = SourceFile::new(format!("profiles/{name}.toml"), text);
                let table = document::parse(&file, &mut self.problems)?;
                Some(RawProfile::read(table, &mut self.problems))
            }
            Err(error) => {
                self.problems.push(Problem::new(format!("cannot read `profiles/{name}.toml`: {error}")));
                None
            }
        }
    }

    fn missing(&mut self, name: &str, from: Option<&Place>) {
        let shown: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
        let message = format!("there is no profile `{shown}`");
        let problem =
            from.map_or_else(|| Problem::new(message.clone()), |place| Problem::at(place, message.clone()));
        let known = &self.profiles.names;
        let hint = match closest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "`profiles/` holds no `*.toml`".to_owned(),
            None => format!("profiles here are `{}`", known.join("`, `")),
        };
        self.problems.push(problem.with_hint(hint));
    }

    fn host(&mut self, name: &str) -> Option<HostSpec> {
        let raw = self.merged(name, None)?;
        let Some(hostname) = &raw.hostname else {
            if !raw.seen.has("hostname") {
                let message = format!("profile `{name}` has no `hostname`: it is there for others to extend");
                self.problems.push(Problem::new(message));
            }
            return None;
        };
        self.node(name);
        let nodes = self.members(name, &raw);
        check::host(name, &raw, hostname, &self.profiles.overlays, nodes, &mut self.problems)
    }

    /// The members of the cluster of `name`, as their own profiles have them.
    fn members(&mut self, name: &str, raw: &RawProfile) -> Vec<ClusterNode> {
        let Some(list) = &raw.cluster.nodes else { return Vec::new() };
        if !list.value.iter().any(|member| member.value == name) {
            let message = format!("does not hold `{name}`, the profile that is to be a member");
            self.problems.push(Problem::at(&list.place, message));
        }
        let mut nodes = Vec::new();
        for member in &list.value {
            let Some(other) = self.merged(&member.value, Some(&member.place)) else { continue };
            if !other.seen.has("hostname") {
                let message = format!("profile `{}` has no `hostname`", member.value);
                self.problems.push(Problem::at(&member.place, message));
            }
            nodes.extend(self.node(&member.value));
        }
        nodes
    }

    /// What others need to know of a node; also notes what it claims of shared networks.
    fn node(&mut self, name: &str) -> Option<ClusterNode> {
        if let Some(node) = self.nodes.get(name) {
            return node.clone();
        }
        let raw = self.merged(name, None)?;
        let hostname: &Located<String> = raw.hostname.as_ref()?;
        let mut check = check::Check { problems: &mut self.problems, subject: hostname.place.clone() };
        let network = network(&mut check, &raw.network);
        let place = |value: &Option<Located<String>>| value.as_ref().map(|value| value.place.clone());
        let own = network.as_ref().map(|network| network.address.address).zip(place(&raw.network.address));
        let backplane = network.as_ref().and_then(|network| network.backplane.as_ref());
        let backplane = backplane.map(|backplane| backplane.address.address);
        // the place of the node's own address, because the octet that collides is written there
        let backplane_claim = backplane.zip(place(&raw.network.address));
        let node = Hostname::new(&hostname.value)
            .ok()
            .zip(own.clone())
            .map(|(hostname, (address, _))| ClusterNode { hostname, address, backplane });
        let hostname = Some(hostname.clone());
        self.claims.push(Claim {
            profile: name.to_owned(),
            hostname,
            address: own,
            backplane: backplane_claim,
        });
        self.nodes.insert(name.to_owned(), node.clone());
        node
    }

    fn collisions(&mut self) {
        collisions(&self.claims, &mut self.problems);
    }
}
