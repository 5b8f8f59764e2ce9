//! The README and the book say what is true: their commands run, their links lead somewhere, what is generated is as the
//! code has it, and other people's programs accept it.
#![expect(clippy::disallowed_methods, reason = "tests run pimg and the judges of documents")]

mod book;
mod console;
mod generated;
mod lines;
mod links;
mod pages;
mod pictures;
mod schema;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tiny_base.rs"]
mod tiny_base;

/// What `scripts/docs` asks for: to write what these tests otherwise compare.
pub(crate) fn writes(what: &str) -> bool {
    std::env::var("PIMG_DOCS").is_ok_and(|asked| asked == what)
}
