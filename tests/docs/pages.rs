//! Pages of Markdown, as what they hold: code blocks, links, headings.

use std::fs;
use std::path::Path;

use pulldown_cmark::{CodeBlockKind, CowStr, Event, Options, Parser, Tag, TagEnd};

use crate::support;

/// A page of the repository.
pub(crate) struct Page {
    /// Its path below the repository.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A block of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The word behind the fence; empty where there is none.
    pub(crate) language: String,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn read(path: &str) -> Self {
        let text = fs::read_to_string(support::repository().join(path));
        Self { path: path.to_owned(), text: text.unwrap_or_else(|error| panic!("{path}: {error}")) }
    }

    fn events(&self) -> impl Iterator<Item = Event<'_>> {
        Parser::new_ext(&self.text, Options::ENABLE_TABLES)
    }

    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open = None;
        for event in self.events() {
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                    open = Some(Block { language: language.into_string(), text: String::new() });
                }
                Event::Text(text) => {
                    if let Some(block) = &mut open {
                        block.text += &text;
                    }
                }
                Event::End(TagEnd::CodeBlock) => blocks.extend(open.take()),
                _ => {}
            }
        }
        blocks
    }

    /// Where its links and pictures lead.
    pub(crate) fn links(&self) -> Vec<String> {
        let target = |event| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                Some(CowStr::into_string(dest_url))
            }
            _ => None,
        };
        self.events().filter_map(target).collect()
    }

    /// The anchors of its headings, as GitHub and mdBook make them of the words.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let mut anchors = Vec::new();
        let mut heading: Option<String> = None;
        for event in self.events() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        *heading += &text;
                    }
                }
                Event::End(TagEnd::Heading(_)) => {
                    anchors.extend(heading.take().map(|heading| anchor(&heading)));
                }
                _ => {}
            }
        }
        anchors
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|&c| c.is_alphanumeric() || " -_".contains(c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The README and all pages of the book, sorted.
pub(crate) fn readme_and_book() -> Vec<Page> {
    let mut paths = vec!["README.md".to_owned()];
    paths.extend(book());
    paths.iter().map(|path| Page::read(path)).collect()
}

/// The paths of all Markdown files below `docs/`, without the list of them.
pub(crate) fn book() -> Vec<String> {
    let mut found = below("docs");
    found.retain(|path| path != "docs/SUMMARY.md");
    found
}

/// The paths of all Markdown files below a directory of the repository, sorted.
pub(crate) fn below(directory: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(support::repository().join(directory)).expect("a directory") {
        let entry = entry.expect("an entry");
        let name = format!("{directory}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(below(&name));
        } else if Path::new(&name).extension().is_some_and(|extension| extension == "md") {
            found.push(name);
        }
    }
    found.sort();
    found
}

#[test]
fn blocks_links_and_anchors_are_seen() {
    let text = "# A `b` c!\n\n[x](y.md#z) ![p](p.svg)\n\n```sh\npimg check\n```\n\n- in a list\n\n  ```console\n  $ a\n  b\n  ```\n";
    let page = Page { path: String::new(), text: text.to_owned() };
    assert_eq!(page.anchors(), ["a-b-c"]);
    assert_eq!(page.links(), ["y.md#z", "p.svg"]);
    let block = |language: &str, text: &str| Block { language: language.to_owned(), text: text.to_owned() };
    assert_eq!(page.blocks(), [block("sh", "pimg check\n"), block("console", "$ a\nb\n")]);
}
