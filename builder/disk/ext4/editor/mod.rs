//! Editing an ext4 file system in place: files, directories, links, devices, owners, times and attributes.

mod acl;
mod attributes;
mod content;
mod file;
mod path;
mod session;
mod tree;
mod xattrs;

pub use attributes::Attributes;
pub use session::Editor;
pub use tree::NodeKind;
