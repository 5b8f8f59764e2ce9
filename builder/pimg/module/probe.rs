//! Whether this machine can build at all: asked before a compiler is downloaded and unpacked for it.

use crate::failure::{Class, Failure};
use crate::host::env;
use crate::host::inside::Inside;
use crate::host::namespace::{self, Ids};

/// Runs a program that does nothing in namespaces such as a build has.
///
/// # Errors
/// This user or this machine has none, or `stop` said so before.
pub fn require_namespaces(stop: &dyn Fn() -> bool) -> Result<(), Failure> {
    let program = env::program()
        .map_err(|error| Failure::caused_by(Class::Host, "cannot find the file of pimg itself", error))?;
    let path = ("PATH".to_owned(), "/usr/bin:/bin".to_owned());
    let nothing = Inside {
        work: "/".into(),
        command: vec!["true".to_owned()],
        environment: [path].into(),
        ..Inside::default()
    };
    let mut said = Vec::new();
    let status = namespace::run(&program, Ids::One, &nothing, &mut |line| said.push(line.to_owned()), stop)?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(Class::Host, format!("nothing runs in a namespace here: {}", said.join("; "))))
}
