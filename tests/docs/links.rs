//! Links between pages lead somewhere, and the book's list has every page.

use std::path::{Component, Path, PathBuf};

use crate::pages::{Page, below, book, readme_and_book};
use crate::support;

/// `a/b/../c` as `a/c`; `None` where it leaves the repository.
fn tidy(path: &Path) -> Option<PathBuf> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => parts.push(name),
            Component::ParentDir => drop(parts.pop()?),
            _ => {}
        }
    }
    Some(parts.iter().collect())
}

/// How pages of the book lead to files of the repository that are no pages of it.
const REPOSITORY: &str = "https://github.com/pimg/pimg/blob/main/";

/// What is wrong with a link of a page.
fn wrong(page: &Page, link: &str) -> Option<String> {
    if let Some(file) = link.strip_prefix(REPOSITORY) {
        let top = Page { path: "README.md".to_owned(), text: String::new() };
        return wrong(&top, file);
    }
    if link.starts_with("https://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let from = Path::new(&page.path);
    let target = if file.is_empty() {
        from.to_owned()
    } else {
        let Some(target) = tidy(&from.parent().unwrap_or(from).join(file)) else {
            return Some("leaves the repository".to_owned());
        };
        target
    };
    if page.path.starts_with("docs/") && !target.starts_with("docs") {
        return Some(format!("leaves the book: begin it with {REPOSITORY}"));
    }
    if !support::repository().join(&target).exists() {
        return Some("leads to a file that is not there".to_owned());
    }
    let anchor = anchor?;
    let anchors = Page::read(target.to_str()?).anchors();
    (!anchors.iter().any(|known| known == anchor)).then(|| format!("has no such heading among {anchors:?}"))
}

#[test]
fn links_lead_somewhere() {
    let mut pages = readme_and_book();
    let others = ["CONTRIBUTING.md", "builder/README.md", "docs/SUMMARY.md"].map(str::to_owned);
    pages.extend(
        others.iter().chain(&below("overlays")).chain(&below("profiles")).map(|path| Page::read(path)),
    );
    let mut problems = Vec::new();
    for page in &pages {
        for link in page.links() {
            if let Some(why) = wrong(page, &link) {
                problems.push(format!("{}: `{link}` {why}", page.path));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_book_has_every_page() {
    let mut listed = Page::read("docs/SUMMARY.md").links();
    listed.sort();
    let mut written = book();
    written.sort();
    let pages: Vec<_> = written.iter().map(|path| path.trim_start_matches("docs/")).collect();
    assert_eq!(listed, pages, "docs/SUMMARY.md on the left, the files of docs/ on the right");
}

#[test]
fn wrong_links_are_seen() {
    let page = Page { path: "docs/speed.md".to_owned(), text: String::new() };
    for link in ["nowhere.md", "first-boot.md#nothing", "../../x", "../README.md", "#nothing"] {
        assert!(wrong(&page, link).is_some(), "{link}");
    }
    assert!(wrong(&page, &format!("{REPOSITORY}nowhere")).is_some());
    assert_eq!(wrong(&page, &format!("{REPOSITORY}CONTRIBUTING.md#benchmarks")), None);
    for link in ["first-boot.md", "first-boot.md#states", "README.md", "https://example.org"] {
        assert_eq!(wrong(&page, link), None, "{link}");
    }
}
