//! Groups of groups and hosts, and which variable of all those wins for a host.

use std::collections::{BTreeMap, BTreeSet};

use super::value::Value;
use crate::profile::problem::Place;

/// The group that holds every other.
pub(super) const ALL: usize = 0;

/// The group of the hosts that are in no other.
pub(super) const UNGROUPED: usize = 1;

/// A variable as it was written.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// Its name.
    pub name: String,
    /// What it is set to.
    pub value: Value,
    /// Whose it is: a group, or a host or range of hosts as written.
    pub owner: String,
    /// Whether it stands in a `[GROUP:vars]` section.
    pub of_group: bool,
    /// The name's place.
    pub place: Place,
    /// The value's place.
    pub value_place: Place,
}

/// A group.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name.
    pub name: String,
    pub(super) hosts: Vec<usize>,
    pub(super) children: Vec<usize>,
    pub(super) parents: Vec<usize>,
    /// Variable → number of the assignment.
    pub(super) variables: BTreeMap<String, usize>,
    /// Among groups of the same depth the variables of the one with the higher priority win.
    pub(super) priority: i64,
}

/// A host.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name in the inventory.
    pub name: String,
    /// Where it is first named.
    pub place: Place,
    pub(super) variables: BTreeMap<String, usize>,
}

/// An inventory.
#[derive(Clone, Debug)]
pub struct Inventory {
    pub(super) groups: Vec<Group>,
    pub(super) hosts: Vec<Host>,
    pub(super) assignments: Vec<Assignment>,
}

impl Inventory {
    pub(super) fn new() -> Self {
        let mut inventory = Self { groups: Vec::new(), hosts: Vec::new(), assignments: Vec::new() };
        inventory.add_group("all");
        inventory.add_group("ungrouped");
        inventory.link(ALL, UNGROUPED);
        inventory
    }

    /// Every variable as it was written, in the order of the file.
    pub fn assignments(&self) -> &[Assignment] {
        &self.assignments
    }

    /// The hosts, in the order of the file.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The groups: `all`, `ungrouped`, then in the order of the file.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The names of the hosts that a group itself lists, in that order.
    pub fn hosts_of<'i>(&'i self, group: &'i Group) -> impl Iterator<Item = &'i str> {
        group.hosts.iter().filter_map(|host| self.hosts.get(*host)).map(|host| host.name.as_str())
    }

    /// The names of the groups that a group itself holds.
    pub fn children_of<'i>(&'i self, group: &'i Group) -> impl Iterator<Item = &'i str> {
        group.children.iter().filter_map(|child| self.groups.get(*child)).map(|child| child.name.as_str())
    }

    /// All hosts of a group and of those below it, its own first: the order of Ansible's `groups['name']`.
    pub fn members(&self, name: &str) -> Option<Vec<&Host>> {
        let start = self.group(name)?;
        let (mut seen, mut hosts) = (BTreeSet::from([start]), Vec::<usize>::new());
        let mut level = vec![start];
        while !level.is_empty() {
            for host in level.iter().flat_map(|group| &self.groups[*group].hosts) {
                if !hosts.contains(host) {
                    hosts.push(*host);
                }
            }
            let below = level.iter().flat_map(|group| self.groups[*group].children.iter().copied());
            let below: Vec<usize> = below.collect();
            level = below.into_iter().filter(|group| seen.insert(*group)).collect();
        }
        Some(hosts.into_iter().filter_map(|host| self.hosts.get(host)).collect())
    }

    /// The variables of a host: its own over those of its groups, the deeper group's over the one above it.
    pub fn variables(&self, host: &str) -> BTreeMap<&str, &Assignment> {
        self.numbers(host).into_iter().map(|(name, number)| (name, &self.assignments[number])).collect()
    }

    /// As [`Self::variables`], with the numbers of the assignments.
    pub(super) fn numbers(&self, host: &str) -> BTreeMap<&str, usize> {
        let Some(at) = self.hosts.iter().position(|known| known.name == host) else { return BTreeMap::new() };
        let mut groups: Vec<usize> = self.groups_of(at).into_iter().collect();
        groups.push(ALL);
        groups.sort_by_key(|group| {
            (self.depth(*group), self.groups[*group].priority, &self.groups[*group].name)
        });
        let mut found = BTreeMap::new();
        let of_groups = groups.iter().map(|group| &self.groups[*group].variables);
        for variables in of_groups.chain([&self.hosts[at].variables]) {
            for (name, assignment) in variables {
                found.insert(name.as_str(), *assignment);
            }
        }
        found
    }

    pub(super) fn group(&self, name: &str) -> Option<usize> {
        self.groups.iter().position(|group| group.name == name)
    }

    pub(super) fn host(&self, name: &str) -> Option<usize> {
        self.hosts.iter().position(|host| host.name == name)
    }

    pub(super) fn add_group(&mut self, name: &str) -> usize {
        let (hosts, children, parents) = (Vec::new(), Vec::new(), Vec::new());
        let variables = BTreeMap::new();
        self.groups.push(Group { name: name.to_owned(), hosts, children, parents, variables, priority: 1 });
        self.groups.len() - 1
    }

    /// Makes one group the child of another; false where that would be a circle.
    pub(super) fn link(&mut self, parent: usize, child: usize) -> bool {
        if parent == child || self.ancestors(parent).contains(&child) {
            return false;
        }
        if !self.groups[parent].children.contains(&child) {
            self.groups[parent].children.push(child);
            self.groups[child].parents.push(parent);
        }
        true
    }

    pub(super) fn ancestors(&self, group: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut next = self.groups[group].parents.clone();
        while let Some(parent) = next.pop() {
            if found.insert(parent) {
                next.extend(&self.groups[parent].parents);
            }
        }
        found
    }

    /// The groups that hold a host, and those above them.
    fn groups_of(&self, host: usize) -> BTreeSet<usize> {
        let direct = (0..self.groups.len()).filter(|group| self.groups[*group].hosts.contains(&host));
        direct.flat_map(|group| self.ancestors(group).into_iter().chain([group])).collect()
    }

    /// The longest way up to `all`.
    fn depth(&self, group: usize) -> usize {
        self.groups[group].parents.iter().map(|parent| self.depth(*parent) + 1).max().unwrap_or(0)
    }

    /// What holds once the file is read: every group is below `all`, and `ungrouped` has the hosts of no other group.
    pub(super) fn settle(&mut self) {
        for group in 1..self.groups.len() {
            if self.groups[group].parents.is_empty() {
                self.link(ALL, group);
            }
        }
        for host in 0..self.hosts.len() {
            let grouped = self.groups_of(host).into_iter().any(|group| group != ALL && group != UNGROUPED);
            let ungrouped = &mut self.groups[UNGROUPED].hosts;
            if grouped {
                ungrouped.retain(|known| *known != host);
            } else if !ungrouped.contains(&host) {
                ungrouped.push(host);
            }
        }
    }
}
