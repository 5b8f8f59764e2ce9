//! What is written, whatever wrote it, and what other programs say to it.

mod cached;
mod support;
mod xz;
mod zst;
