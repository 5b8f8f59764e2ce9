//! The engine of the first boot: each step as a unit of systemd, and the scripts that all steps share.
//!
//! Units are ordered by `After=` and `Requires=` and skipped once their stamp is there. All belong to
//! `pimg-finished.target`, which `multi-user.target` wants but does not wait for: a step may install what waits for
//! `multi-user.target` itself.

use super::error::Error;
use super::inputs::Changes;
use super::units::{self, UnitFile, UnitName};
use crate::plan::change::{Change, Origin};
use crate::plan::path::GuestPath;

/// What runs on the node, the steps' own scripts left out; the builder's own words for it.
const LIBRARY: [(&str, u16, &str); 8] = [
    ("status", 0o755, include_str!("steps/status")),
    ("status-read.sh", 0o644, include_str!("steps/status-read.sh")),
    ("status-text.sh", 0o644, include_str!("steps/status-text.sh")),
    ("step.sh", 0o644, include_str!("steps/step.sh")),
    ("step-baked.sh", 0o644, include_str!("steps/step-baked.sh")),
    ("step-dpkg.sh", 0o644, include_str!("steps/step-dpkg.sh")),
    ("step-needs.sh", 0o644, include_str!("steps/step-needs.sh")),
    ("step-run.sh", 0o644, include_str!("steps/step-run.sh")),
];

/// Units beside those of steps.
const UNITS: [(&str, &str); 3] = [
    ("pimg-boot.service", include_str!("steps/pimg-boot.service")),
    ("pimg-finished.service", include_str!("steps/pimg-finished.service")),
    ("pimg-finished.target", include_str!("steps/pimg-finished.target")),
];

/// Names that a step cannot have, as other units of pimg do.
pub const RESERVED: [&str; 3] = ["boot", "finished", "seed"];

/// A step of the first boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its name: lower-case letters, digits and `-`.
    pub name: String,
    /// What it does, for people; one line.
    pub description: String,
    /// Steps of this node that have to be done before.
    pub after: Vec<String>,
    /// Whether it waits for the network.
    pub needs_network: bool,
    /// Whether it waits for a clock that is right.
    pub needs_time: bool,
    /// Whether the node restarts when it is done.
    pub reboot_after: bool,
    /// Its script, for bash.
    pub script: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// Steps without the one of this name: what came after it comes after what it came after.
pub fn without(mut steps: Vec<Step>, name: &str) -> Vec<Step> {
    let Some(at) = steps.iter().position(|step| step.name == name) else { return steps };
    let gone = steps.remove(at);
    for step in &mut steps {
        let Some(at) = step.after.iter().position(|other| *other == name) else { continue };
        step.after.remove(at);
        let inherited: Vec<_> =
            gone.after.iter().filter(|other| !step.after.contains(other)).cloned().collect();
        step.after.extend(inherited);
    }
    steps
}

/// The changes that make a node run these steps, each of which comes behind those that it is after.
///
/// # Errors
/// A name or a description cannot be in a unit.
pub fn changes(steps: &[Step]) -> Result<Vec<Change>, Error> {
    // scripts are what they are on every node; which of them there are, and in which order, is a node's own
    let (mut shared, mut own) = (Changes::default(), Changes::default());
    let origin = || Origin::Rule { rule: "engine of the first boot" };
    for (name, mode, text) in LIBRARY {
        shared.file(&format!("/usr/lib/pimg/{name}"), mode, text, origin())?;
    }
    let table: String = steps.iter().map(row).collect();
    own.file("/usr/lib/pimg/steps.tsv", 0o644, table, origin())?;
    for (name, text) in UNITS {
        put_unit(&mut shared, name, text, &origin())?;
    }
    for step in steps {
        check(step)?;
        let path = format!("/usr/lib/pimg/steps/{}", step.name);
        shared.file(&path, 0o755, step.script.as_str(), step.origin.clone())?;
        put_unit(&mut own, &format!("pimg-{}.service", step.name), &unit(step), &step.origin)?;
    }
    Ok(shared.0.into_iter().map(Change::shared).chain(own.0).collect())
}

fn put_unit(changes: &mut Changes, name: &str, text: &str, origin: &Origin) -> Result<(), Error> {
    let path = GuestPath::new(format!("/usr/lib/systemd/system/{name}"))?;
    let wrong = |why: units::UnitSyntaxError| Error::Unit { unit: name.to_owned(), why: why.to_string() };
    let file = UnitFile::parse(text).map_err(wrong)?;
    changes.file(path.as_str(), 0o644, text, origin.clone())?;
    for link in units::enable_file(&UnitName::new(name)?, &path, &file)?.0 {
        changes.symlink(link.path.as_str(), &link.target, origin.clone())?;
    }
    Ok(())
}

/// Refuses what would be read as something else in a unit, a table or a path.
fn check(step: &Step) -> Result<(), Error> {
    let Step { name, description, .. } = step;
    if !is_name(name) {
        return Err(Error::value("step", name, "is not a step's name"));
    }
    if !is_description(description) {
        return Err(Error::value("step", name, "has a description that is not one line of text"));
    }
    Ok(())
}

/// Whether people and units can be shown this: one line, which a backslash at its end would continue.
pub fn is_description(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains(char::is_control) && !text.ends_with('\\')
}

/// Whether a step can have this name: part of a unit's name, of a file's, and of lines that programs read.
pub fn is_name(name: &str) -> bool {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.len() <= 32
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.chars().all(inside)
        && !RESERVED.contains(&name)
}

/// A line of `steps.tsv`.
fn row(step: &Step) -> String {
    let list = |names: &[&str]| if names.is_empty() { "-".to_owned() } else { names.join(",") };
    let after: Vec<_> = step.after.iter().map(String::as_str).collect();
    let needs = [(step.needs_network, "network"), (step.needs_time, "time")];
    let needs: Vec<_> = needs.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect();
    let reboot = if step.reboot_after { "yes" } else { "no" };
    format!("{}\t{}\t{}\t{}\t{reboot}\n", step.name, step.description, list(&after), list(&needs))
}

/// The unit of a step.
fn unit(step: &Step) -> String {
    let Step { name, .. } = step;
    // `%` begins a specifier (`systemd.unit(5)`)
    let description = step.description.replace('%', "%%");
    let before: String = step.after.iter().map(|other| format!(" pimg-{other}.service")).collect();
    let requires = if before.is_empty() { String::new() } else { format!("Requires={}\n", before.trim()) };
    format!(
        "[Unit]\n\
         Description=pimg: {description}\n\
         # a package may start what waits for multi-user.target: that must not wait for this in turn\n\
         After=multi-user.target pimg-boot.service pimg-seed.service{before}\n\
         {requires}\
         ConditionPathExists=!/var/lib/pimg/done/{name}\n\
         StartLimitIntervalSec=0\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         ExecStart=/usr/lib/pimg/steps/{name}\n\
         # building a kernel module takes many minutes on a small machine\n\
         TimeoutStartSec=infinity\n\
         Restart=on-failure\n\
         # what comes after this goes on waiting while it is tried again, until it says that no attempt can work\n\
         RestartMode=direct\n\
         RestartPreventExitStatus=78\n\
         RestartSec=15\n\
         RestartSteps=5\n\
         RestartMaxDelaySec=600\n\
         \n\
         [Install]\n\
         RequiredBy=pimg-finished.target\n"
    )
}

#[cfg(test)]
mod tests;
