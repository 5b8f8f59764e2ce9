//! Ansible's own reader of inventories beside ours: the same hosts, groups and variables, and the same files refused.
#![expect(clippy::disallowed_methods, reason = "tests run Ansible")]

mod ansible;
mod generated;
mod secrets;
mod table;
