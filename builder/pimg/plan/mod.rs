//! What is to change in an image, and why: values only, no file is opened here.

pub mod change;
pub mod layers;
pub mod merge;
pub mod path;
pub mod resolve;
