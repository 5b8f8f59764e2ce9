//! Pictures of a terminal, made from what pimg prints: `scripts/docs --pictures` makes them again.

use std::fs;

use anstyle_svg::Term;

use crate::console::Session;
use crate::pages::readme_and_book;
use crate::support::{self, repository};
use crate::writes;

/// A project that was built before; without the sources whose keys no lock pins where packages are left out.
const READY: &str =
    "sed -i '/\"pxvirt\"/d; /\"tailscale\"/d' profiles/k8sctl.toml && pimg build --profile k8sctl-pi5x";

/// A picture, what is done before it unseen, and the command that is seen in it.
const PICTURES: [(&str, &str, &str); 4] = [
    (
        "mistakes",
        "sed -i 's/gateway/gatway/; s/vlan_aware = true/vlan_aware = \"yes\"/' profiles/k8sctl.toml",
        "pimg check --profile k8sctl-pi5l",
    ),
    ("build", READY, "pimg build --profile k8sctl-pi5l k8sctl-pi5r"),
    ("flash", READY, "pimg flash k8sctl-pi5l card.img"),
    ("status", "pimg secrets init && cp \"$SSH_OF_NODES\" ~/../bin/ssh", "pimg status k8sctl-pi5l --cluster"),
];

#[test]
fn pictures_are_made_where_asked_for() {
    if !writes("pictures") {
        return;
    }
    // of a base as large as the vendor's: one that builds in a second has less to tell
    let Some(base) = support::base_image("pios") else { return };
    let directory = repository().join("docs/pictures");
    fs::create_dir_all(&directory).expect("a directory");
    for (name, before, command) in PICTURES {
        let Some(session) = Session::on_base(base.clone()) else { return };
        let script =
            format!("({before}) >/dev/null 2>&1; {}", command.replace("pimg ", "pimg --color always "));
        // lines of progress, which a terminal shows and takes away again
        let mut bash = session.bash(&format!("({script}) 2>&1 | sed '/ % of /d'"));
        bash.env_remove("NO_COLOR").env("SSH_OF_NODES", repository().join("tests/docs/ssh-of-nodes"));
        let output = bash.output().expect("bash runs");
        let printed = String::from_utf8_lossy(&output.stdout);
        let text = format!("\u{1b}[1;32m$\u{1b}[0m \u{1b}[1m{command}\u{1b}[0m\n{}", printed.trim_end());
        let svg = Term::new().min_width_px(600).render_svg(&text);
        fs::write(directory.join(format!("{name}.svg")), svg).expect("writing a picture");
    }
}

#[test]
fn every_picture_is_shown_and_described() {
    let pages = readme_and_book();
    for (name, _, command) in PICTURES {
        let file = format!("pictures/{name}.svg");
        let text = fs::read_to_string(repository().join("docs").join(&file)).unwrap_or_default();
        let words = command.split_whitespace().last().unwrap_or_default();
        assert!(text.contains(words), "docs/{file} is no picture of `{command}`");
        let is_shown = pages.iter().any(|page| page.links().iter().any(|link| link.ends_with(&file)));
        assert!(is_shown, "no page shows docs/{file}");
    }
}
