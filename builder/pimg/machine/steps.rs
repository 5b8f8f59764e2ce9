//! The steps that an image will run, from its own list `/usr/lib/pimg/steps.tsv`.

use std::collections::BTreeSet;

/// One step of a first boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepLine {
    /// Its name.
    pub name: String,
    /// What it is about, for people.
    pub description: String,
    /// The steps that it comes after.
    pub after: Vec<String>,
    /// Whether it needs the network itself.
    pub needs_network: bool,
}

/// Reads the list: NAME, DESCRIPTION, AFTER, NEEDS and REBOOT between tabs, in the order in which steps can run.
/// Lines of another shape are left out.
pub fn parse(text: &str) -> Vec<StepLine> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<StepLine> {
    let mut fields = line.split('\t');
    let (name, description) = (fields.next()?, fields.next()?);
    let (after, needs) = (fields.next()?, fields.next()?);
    let list = |field: &str| {
        let words = field.split(',').filter(|word| !word.is_empty() && *word != "-");
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    Some(StepLine {
        name: name.to_owned(),
        description: description.to_owned(),
        after: list(after),
        needs_network: list(needs).iter().any(|need| need == "network"),
    })
}

/// What must be seen of a node without a network before it has done all that it can.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offline {
    /// The steps that need no network, and none that does before them: they get done.
    pub done: BTreeSet<String>,
    /// The steps that need the network, with all before them done: they wait for it and say so.
    pub waiting: BTreeSet<String>,
}

/// How far a node without a network comes.
pub fn without_network(steps: &[StepLine]) -> Offline {
    let mut offline = Offline::default();
    for step in steps {
        if !step.after.iter().all(|name| offline.done.contains(name)) {
            continue;
        }
        let set = if step.needs_network { &mut offline.waiting } else { &mut offline.done };
        set.insert(step.name.clone());
    }
    offline
}

#[cfg(test)]
mod tests {
    use super::{parse, without_network};

    const LIST: &str = "selfcheck\tCard check\t-\t-\tno\ngrow-root\tRoot partition\tselfcheck\t-\tno\n\
        rpi-connect\tConnect\tgrow-root\tnetwork\tno\ntls\tCertificate\tgrow-root\tnetwork,time\tno\n\
        cleanup\tCleaning up\tgrow-root,tls,rpi-connect\t-\tno\nhalf a line\n";

    #[test]
    fn knows_what_needs_the_network() {
        let steps = parse(LIST);
        assert_eq!(steps.len(), 5);
        assert_eq!(steps[4].after, ["grow-root", "tls", "rpi-connect"]);
        let offline = without_network(&steps);
        assert_eq!(Vec::from_iter(offline.done), ["grow-root", "selfcheck"]);
        assert_eq!(Vec::from_iter(offline.waiting), ["rpi-connect", "tls"]);
    }
}
