//! In which order the steps of one host run: names become steps of this host, and circles are found.

use std::collections::{BTreeMap, BTreeSet};

use crate::guest::packages;
use crate::guest::steps::Step;
use crate::plan::change::Origin;
use crate::profile::document::closest;
use crate::profile::problem::{Located, Place, Problem};

/// Stands for every step that is not itself after the one that says it.
const ALL: &str = "*";

/// A step of an overlay of the host.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    pub(crate) name: Located<String>,
    pub(crate) after: Vec<Located<String>>,
    /// Whether this host has it.
    pub(crate) applies: bool,
    pub(crate) overlay: String,
    pub(crate) description: String,
    pub(crate) needs_network: bool,
    pub(crate) needs_time: bool,
    pub(crate) reboot_after: bool,
    pub(crate) script: String,
    pub(crate) origin: Origin,
}

/// The steps of a host's overlays, in their order.
#[derive(Debug, Default)]
pub(crate) struct Steps(Vec<Declared>);

impl Steps {
    /// Adds a step; reports a name that is taken.
    pub(crate) fn add(&mut self, step: Declared, problems: &mut Vec<Problem>) {
        let same = |other: &&Declared| other.applies && other.name.value == step.name.value;
        let taken = match self.0.iter().find(same) {
            _ if step.name.value == packages::STEP => Some("is the step of pimg's own packages".to_owned()),
            Some(other) if step.applies => {
                Some(format!("is the name of a step of overlay `{}` already", other.overlay))
            }
            _ => None,
        };
        match taken {
            Some(message) => problems.push(Problem::at(&step.name.place, message)),
            None => self.0.push(step),
        }
    }

    /// The steps of the host, each behind those that it is after, with pimg's own among them. `elsewhere` lists the
    /// steps of all overlays of the project: a step may be after one that this host does not have.
    pub(crate) fn resolve(
        self,
        elsewhere: impl FnOnce() -> Vec<String>,
        problems: &mut Vec<Problem>,
    ) -> Vec<Step> {
        self.check_names(elsewhere, problems);
        let mut steps = vec![packages::step(Vec::new())];
        let own = |step: &&Declared| step.applies;
        steps.extend(self.0.iter().filter(own).map(Declared::step));
        let graph = Graph::new(&self.0, &steps);
        let Some(order) = graph.order(problems) else { return Vec::new() };
        let name = |at: &usize| steps.get(*at).map(|step| step.name.clone());
        let ordered = order.iter().filter_map(|at| {
            let step = steps.get(*at)?.clone();
            let after = graph.after.get(*at)?.iter().filter_map(name).collect();
            Some(Step { after, ..step })
        });
        ordered.collect()
    }

    fn check_names(&self, elsewhere: impl FnOnce() -> Vec<String>, problems: &mut Vec<Problem>) {
        let here: BTreeSet<&str> = self.0.iter().map(|step| step.name.value.as_str()).collect();
        let is_here = |name: &str| name == ALL || name == packages::STEP || here.contains(name);
        let named = self.0.iter().flat_map(|step| &step.after);
        let unknown: Vec<_> = named.filter(|name| !is_here(&name.value)).collect();
        if unknown.is_empty() {
            return;
        }
        let elsewhere = elsewhere();
        let known =
            || here.iter().copied().chain(elsewhere.iter().map(String::as_str)).chain([packages::STEP]);
        for name in unknown.into_iter().filter(|name| !elsewhere.contains(&name.value)) {
            let hint = match closest(&name.value, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    let names: BTreeSet<_> = known().collect();
                    format!("steps are `{}`", names.into_iter().collect::<Vec<_>>().join("`, `"))
                }
            };
            let problem = Problem::at(&name.place, "is no step of any overlay of this project");
            problems.push(problem.with_hint(hint));
        }
    }
}

impl Declared {
    fn step(&self) -> Step {
        Step {
            name: self.name.value.clone(),
            description: self.description.clone(),
            after: Vec::new(),
            needs_network: self.needs_network,
            needs_time: self.needs_time,
            reboot_after: self.reboot_after,
            script: self.script.clone(),
            origin: self.origin.clone(),
        }
    }
}

/// Which step is after which, by their places in a list.
struct Graph<'d> {
    after: Vec<Vec<usize>>,
    names: Vec<(&'d str, Option<&'d Place>)>,
}

impl<'d> Graph<'d> {
    fn new(declared: &'d [Declared], steps: &'d [Step]) -> Self {
        let index: BTreeMap<_, _> =
            steps.iter().enumerate().map(|(at, step)| (step.name.as_str(), at)).collect();
        let dropped: BTreeMap<&str, &Declared> = declared
            .iter()
            .filter(|step| !step.applies && !index.contains_key(step.name.value.as_str()))
            .map(|step| (step.name.value.as_str(), step))
            .collect();
        // `steps` are pimg's own, then the applying ones in order
        let own: Vec<_> = declared.iter().filter(|step| step.applies).collect();
        let mut names = vec![(packages::STEP, None)];
        names.extend(own.iter().map(|step| (step.name.value.as_str(), Some(&step.name.place))));
        let mut after = vec![expand(packages::AFTER, &index, &dropped)];
        let listed =
            |step: &&'d Declared| step.after.iter().map(|name| name.value.as_str()).collect::<Vec<_>>();
        after.extend(own.iter().map(|step| expand(listed(step), &index, &dropped)));
        let mut graph = Self { after, names };
        for (at, step) in own.iter().enumerate() {
            if listed(step).contains(&ALL) {
                graph.put_last(at + 1);
            }
        }
        graph
    }

    /// Everything that a step comes after, near or far; the step itself only where it is in a circle.
    fn before(&self, step: usize) -> BTreeSet<usize> {
        let (mut found, mut open) = (BTreeSet::new(), vec![step]);
        while let Some(at) = open.pop() {
            open.extend(
                self.after.get(at).into_iter().flatten().copied().filter(|other| found.insert(*other)),
            );
        }
        found
    }

    /// Puts a step behind all that are not behind it; those that are behind one another need no mention.
    fn put_last(&mut self, step: usize) {
        let before: Vec<_> = (0..self.after.len()).map(|at| self.before(at)).collect();
        let others = before.iter().enumerate().filter(|(at, set)| *at != step && !set.contains(&step));
        let others: BTreeSet<usize> = others.map(|(at, _)| at).collect();
        let is_said =
            |at: &usize| others.iter().any(|other| before.get(*other).is_some_and(|set| set.contains(at)));
        let last: Vec<usize> = others.iter().copied().filter(|at| !is_said(at)).collect();
        if let Some(after) = self.after.get_mut(step) {
            // what is behind this step, and named as before it, is a circle and stays one
            after.retain(|at| !others.contains(at));
            after.extend(last);
        }
    }

    /// Each step behind those that it is after, else as listed; `None` with a problem for each circle.
    fn order(&self, problems: &mut Vec<Problem>) -> Option<Vec<usize>> {
        let mut order: Vec<usize> = Vec::new();
        while order.len() < self.after.len() {
            let is_next = |at: &usize| {
                let after = self.after.get(*at).map(Vec::as_slice).unwrap_or_default();
                !order.contains(at) && after.iter().all(|other| order.contains(other))
            };
            match (0..self.after.len()).find(is_next) {
                Some(next) => order.push(next),
                None => {
                    self.report_circles(problems);
                    return None;
                }
            }
        }
        Some(order)
    }

    fn report_circles(&self, problems: &mut Vec<Problem>) {
        let mut seen = BTreeSet::new();
        for step in 0..self.after.len() {
            let Some(circle) = self.circle(step).filter(|_| !seen.contains(&step)) else { continue };
            let name = |at: &usize| self.names.get(*at).map_or("", |(name, _)| *name);
            let place = circle.iter().find_map(|at| self.names.get(*at)?.1);
            let words: Vec<_> = circle.iter().map(|at| format!("`{}`", name(at))).collect();
            let message = format!("steps wait for each other for ever: {}", words.join(" comes after "));
            problems.push(match place {
                Some(place) => Problem::at(place, message),
                None => Problem::new(message),
            });
            seen.extend(circle);
        }
    }

    /// The shortest way from a step back to itself.
    fn circle(&self, start: usize) -> Option<Vec<usize>> {
        let mut from: BTreeMap<usize, usize> = BTreeMap::new();
        let mut open = std::collections::VecDeque::from([start]);
        while let Some(at) = open.pop_front() {
            for &next in self.after.get(at)? {
                if next == start {
                    let mut way = vec![start];
                    let mut here = at;
                    while here != start {
                        way.push(here);
                        here = *from.get(&here)?;
                    }
                    way.push(start);
                    // from the start on, as it was walked
                    way.reverse();
                    return Some(way);
                }
                if next != start && !from.contains_key(&next) {
                    from.insert(next, at);
                    open.push_back(next);
                }
            }
        }
        None
    }
}

/// Steps of this host by name. One that does not apply passes on what it is after; one of another overlay means nothing.
fn expand<'n>(
    names: impl IntoIterator<Item = &'n str>,
    index: &BTreeMap<&str, usize>,
    dropped: &BTreeMap<&'n str, &'n Declared>,
) -> Vec<usize> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    let mut open: Vec<&str> = names.into_iter().collect();
    open.reverse();
    while let Some(name) = open.pop() {
        if !seen.insert(name) {
            continue;
        }
        match (index.get(name), dropped.get(name)) {
            (Some(at), _) => found.push(*at),
            (None, Some(step)) => open.extend(step.after.iter().rev().map(|name| name.value.as_str())),
            (None, None) => {}
        }
    }
    found
}
