//! All that a host gets of what Raspberry Pi OS means, in the order of a reader's questions.

use super::error::Error;
use super::inputs::Inputs;
use super::{boot_config, cloud_init, first_boot_safety, hosts, locale, network, nic_names, ssh, time, user};
use crate::plan::change::Change;

/// The changes of one host. No two are of the same path.
///
/// # Errors
/// The base is not a Raspberry Pi OS, or a value of the profile has no place in it.
pub fn changes(inputs: &Inputs<'_>) -> Result<Vec<Change>, Error> {
    let subjects = [
        boot_config::changes,       // what boots
        first_boot_safety::changes, // what must not happen when it does
        nic_names::changes,         // what the interfaces are called
        network::changes,           // what addresses they have
        hosts::changes,             // who the node is
        cloud_init::changes,        // and who may not change that
        user::changes,              // who may log in
        ssh::changes,               // how
        locale::changes,            // in which language
        time::changes,              // and when
    ];
    let mut all = Vec::new();
    for subject in subjects {
        all.extend(subject(inputs)?);
    }
    Ok(all)
}
