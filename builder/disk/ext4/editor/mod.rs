//! Editing an ext4 file system in place: files, directories, links, devices, owners, times and attributes.

mod acl;
mod attributes;
mod file;
mod inode_fields;
mod path;
mod session;
mod tree;

pub use inode_fields::Attributes;
pub use session::Editor;
pub use tree::NodeKind;
