//! pimg as the first process of namespaces that another pimg made: no verb that a person types.

use crate::bake;
use crate::host::inside;

/// Whether these arguments ask for it.
pub fn is_asked_for(arguments: &[std::ffi::OsString]) -> bool {
    matches!(arguments, [_, verb] if verb == inside::VERB)
}

/// Does what standard input asks for: an exit status.
pub fn run() -> u8 {
    inside::run(&|job| bake::inside::run(&job.task))
}
