//! Steps of the first boot: who comes after whom, and what is wrong with that.

use super::{Project, refused};
use crate::guest::steps::Step;
use crate::plan::change::Origin;

/// An overlay with these steps: name, `after` as TOML, further keys.
fn manifest(steps: &[Declared<'_>]) -> String {
    let table = |(name, after, more): &Declared<'_>| {
        format!("[[step]]\nname = '{name}'\nafter = [{after}]\n{more}\n")
    };
    steps.iter().map(table).collect()
}

/// A step's name, what it is after, and more keys.
type Declared<'a> = (&'a str, &'a str, &'a str);

fn project(overlays: &[(&str, &[Declared<'_>])]) -> Project {
    let project = Project::new(&[]);
    for (overlay, steps) in overlays {
        project.write(&format!("{overlay}/overlay.toml"), manifest(steps));
        for (name, ..) in *steps {
            project.write(&format!("{overlay}/steps/{name}"), script(name));
        }
    }
    project
}

fn script(name: &str) -> String {
    format!("#!/bin/bash\n. /usr/lib/pimg/step.sh\nstep_run {name} apply verify\n")
}

/// Names in order, each with what it is after.
fn order(steps: &[Step]) -> Vec<String> {
    steps.iter().map(|step| format!("{}: {}", step.name, step.after.join(" "))).collect()
}

#[test]
fn steps_stand_behind_what_they_are_after() {
    let project = project(&[
        ("a", &[("cleanup", "'*'", ""), ("restart", "'packages', 'zfs'", ""), ("grow-root", "", "")]),
        ("b", &[("pool", "'zfs', 'restart'", ""), ("zfs", "'packages'", "")]),
        // after `cleanup`, which therefore does not wait for it
        ("c", &[("report", "'cleanup'", "")]),
    ]);
    let rendered = project.render(&["a", "b", "c"]).expect("is valid");
    let expected = [
        "grow-root: ",
        "packages: grow-root",
        "zfs: packages",
        "restart: packages zfs",
        "pool: zfs restart",
        "cleanup: pool",
        "report: cleanup",
    ];
    assert_eq!(order(&rendered.steps), expected);
    let file = Origin::Overlay { overlay: "b".to_owned(), file: "steps/pool".to_owned() };
    assert_eq!((&rendered.steps[4].origin, &rendered.steps[4].script), (&file, &script("pool")));
}

#[test]
fn a_step_that_a_host_does_not_have_holds_up_nothing() {
    let project = project(&[
        (
            "a",
            &[("one", "", ""), ("two", "'one', 'far'", "when = 'cluster is not none'"), ("end", "'two'", "")],
        ),
        ("b", &[("four", "'three'", ""), ("three", "'one'", "")]),
        ("elsewhere", &[("far", "", "")]),
    ]);
    // the condition does not hold: what it was after is handed on
    let rendered = project.render(&["a", "b"]).expect("is valid");
    assert_eq!(order(&rendered.steps), ["packages: ", "one: ", "end: one", "three: one", "four: three"]);
    // nor does a whole overlay whose condition does not hold
    let text = fs_err::read_to_string(project.path("b/overlay.toml")).expect("is there");
    project.write("b/overlay.toml", format!("when = 'cluster is not none'\n{text}"));
    project.write("a/overlay.toml", manifest(&[("one", "", ""), ("two", "'four'", ""), ("end", "", "")]));
    let rendered = project.render(&["a", "b"]).expect("is valid");
    assert_eq!(order(&rendered.steps), ["packages: ", "one: ", "two: one", "end: "]);
}

#[test]
fn a_condition_chooses_between_two_of_one_name() {
    let project = project(&[
        ("a", &[("one", "", "when = 'cluster is none'\ndescription = 'mine'")]),
        ("b", &[("one", "", "when = 'cluster is not none'")]),
    ]);
    let rendered = project.render(&["a", "b"]).expect("is valid");
    assert_eq!(rendered.steps[1].description, "mine");
    project.write("b/overlay.toml", manifest(&[("one", "", "")]));
    let told = project.refused(&["a", "b"]);
    assert!(told.contains("overlays/b/overlay.toml:2:8"), "{told}");
    assert!(told.contains("is the name of a step of overlay `a` already"), "{told}");
}

#[test]
fn circles_are_shown_whole() {
    let three = [("one", "'three'", ""), ("two", "'one'", ""), ("three", "'two'", ""), ("out", "'one'", "")];
    let told = project(&[("o", &three)]).refused(&["o"]);
    let circle = "`one` comes after `three` comes after `two` comes after `one`";
    assert!(told.contains(&format!("steps wait for each other for ever: {circle}")), "{told}");
    assert!(told.contains("overlays/o/overlay.toml:2:8") && told.contains("1 problem)"), "{told}");
    let told = project(&[("o", &[("one", "'one'", "")])]).refused(&["o"]);
    assert!(told.contains("`one` comes after `one`"), "{told}");
    let told = project(&[("o", &[("grow-root", "'packages'", "")])]).refused(&["o"]);
    assert!(told.contains("`packages` comes after `grow-root` comes after `packages`"), "{told}");
    let told = project(&[("o", &[("end", "'*', 'x'", ""), ("x", "'end'", "")])]).refused(&["o"]);
    assert!(told.contains("`end` comes after `x` comes after `end`"), "{told}");
}

#[test]
fn unknown_steps_are_shown_where_they_are_named() {
    let told = project(&[("o", &[("zpool", "", ""), ("store", "'zpol'", "")]), ("p", &[("far", "", "")])])
        .refused(&["o"]);
    assert!(told.contains("overlays/o/overlay.toml:7:10"), "{told}");
    assert!(told.contains("is no step of any overlay") && told.contains("did you mean `zpool`?"), "{told}");
    // also where the step itself does not apply
    let told = project(&[("o", &[("one", "'wat-is-dis'", "when = 'false'")])]).refused(&["o"]);
    assert!(told.contains("steps are `one`, `packages`"), "{told}");
}

#[test]
fn names_and_texts_that_cannot_be() {
    for (lines, expected) in [
        ("name = 'Zpool'", "is not a name for a step"),
        ("name = 'boot'", "pimg's own"),
        ("name = '../x'", "is not a name for a step"),
        ("name = 'packages'", "pimg's own packages"),
        ("description = 'x'", "needs `name`"),
        ("name = 'x'\ndescription = \"a\\tb\"", "is not one line of text"),
        ("name = 'x'\nneeds-netwrk = true", "did you mean `needs-network`?"),
        ("name = 'x'\nneeds-time = 1", "expected `true` or `false`"),
        ("name = 'x'\nafter = 'y'", "expected a list of texts"),
        ("name = 'x'\nscript = 'rootfs/etc/x'", "a file in `steps/`, got `rootfs/etc/x`"),
        ("name = 'x'\nscript = 'steps/../x'", "a file in `steps/`"),
        ("name = 'x'", "there is no `steps/x` in the overlay"),
    ] {
        let told = refused(&format!("[[step]]\n{lines}\n"));
        assert!(told.contains(expected) && told.contains("overlay.toml:"), "{lines}: {told}");
    }
}

#[test]
fn scripts_that_the_engine_cannot_run() {
    let project = project(&[("o", &[("one", "", "")])]);
    for (text, expected) in [
        ("", "does not begin with the line `#!/bin/bash`, but ``"),
        ("#!/bin/sh\n", "but `#!/bin/sh`"),
        ("#!/bin/bash\r\nstep_run one a b\r\n", "does not begin with the line `#!/bin/bash`"),
        ("#!/bin/bash\nstep_run two a b\n", "never says that step `one` is done"),
    ] {
        project.write("o/steps/one", text);
        let told = project.refused(&["o"]);
        assert!(told.contains(expected), "{text}: {told}");
    }
    project.write("o/steps/one", b"#!/bin/bash\n\xff");
    assert!(project.refused(&["o"]).contains("is not UTF-8 text"));
    project.write("o/steps/one", script("one"));
    project.write("o/steps/oen", script("one"));
    let told = project.refused(&["o"]);
    assert!(told.contains("`overlays/o/steps/oen` is the script of no step"), "{told}");
    assert!(told.contains("did you mean `one`"), "{told}");
}

#[test]
fn values_become_words_of_a_shell() {
    let text = "a={{ vars.text | shell }}\nb=({{ vars.list | shell }})\nc={{ cluster | shell }}\n\
                d={{ network.vlan_aware | shell }} e={{ vars.size | shell }}\n";
    let variables = "[variables.text]\ntype = 'string'\ndefault = \"it's $x\"\n\
                     [variables.list]\ntype = 'list'\ndefault = ['a b', '', 'c']\n\
                     [variables.size]\ntype = 'size'\ndefault = '1MiB'\n";
    let files = [("o/overlay.toml", variables), ("o/rootfs/etc/pimg/o.conf.j2", text)];
    let rendered = Project::new(&files).render(&["o"]).expect("is valid");
    let expected = "a='it'\\''s $x'\nb=('a b' '' 'c')\nc=''\nd=true e=1048576\n";
    assert_eq!(super::text(super::find(&rendered, "/etc/pimg/o.conf")), expected);
    let files = [("o/rootfs/etc/x.j2", "{{ network | shell }}")];
    let told = Project::new(&files).refused(&["o"]);
    assert!(told.contains("a table is no word of a shell script"), "{told}");
}
