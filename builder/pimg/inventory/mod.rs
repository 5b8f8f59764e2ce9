//! Ansible's INI inventories, and what the variables of the playbook are in a profile.
//!
//! [`parse()`] reads what Ansible reads, host for host and variable for variable; `ansible-inventory` is the judge, in
//! `tests/inventory`. [`import()`] makes profiles of it. A value may be a secret: none is in a `Debug` text or an error.

mod assumed;
mod convert;
mod groups;
mod hosts;
mod import;
mod literal;
mod parse;
mod playbook;
mod secrets;
mod value;
mod words;

pub use groups::{Assignment, Group, Host, Inventory};
pub use import::{Imported, Row, RowKind, StoredSecret, import};
pub use parse::parse;
pub use value::Value;
