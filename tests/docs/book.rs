//! mdBook makes the book, and has nothing to warn of.

use std::process::Command;

use crate::support::{self, repository};

#[test]
fn mdbook_makes_the_book_without_a_warning() {
    if !support::have("mdbook") {
        return;
    }
    let into = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let source = into.path().join("source");
    support::copy_tree(&repository().join("docs"), &source.join("docs"));
    let mut mdbook = Command::new("mdbook");
    mdbook.arg("build").arg(source.join("docs")).arg("--dest-dir").arg(into.path().join("book"));
    let output = mdbook.output().expect("mdbook runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !told.contains("WARN") && !told.contains("ERROR"), "{told}");
    for page in ["index.html", "tutorial/cluster.html", "reference/commands.html", "first-boot.html"] {
        assert!(into.path().join("book").join(page).is_file(), "mdbook made no {page}");
    }
}
