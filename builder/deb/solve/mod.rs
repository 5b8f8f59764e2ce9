//! Package resolution: what to install, upgrade and remove so that everything asked for fits together.
//!
//! apt is the judge of what is right, so its way of choosing is followed step by step (`walk`): candidate
//! versions by priority, alternatives in the order written, providers in apt's order. What comes out is only a
//! wish; `resolvo` (`provider`) proves it, completes it where it has gaps and finds another way where it
//! cannot work.
//!
//! | file | what it knows |
//! |---|---|
//! | `universe` | the packages there are, as they were handed in |
//! | `pool` | the same as packages and versions; the candidate of each |
//! | `dependencies` | relations of one version and which versions satisfy them |
//! | `choices` | what may be chosen for each package |
//! | `order` | which of several providers apt takes |
//! | `request` | what is asked for, and its spelling |
//! | `walk` | apt's marking of packages |
//! | `provider` | the solver |
//! | `solution`, `explain` | the answer, or why there is none |

mod choices;
mod dependencies;
mod explain;
mod order;
mod pool;
mod provider;
mod request;
mod resolve;
mod solution;
mod universe;
mod walk;

pub use explain::Unsolvable;
pub use request::Request;
pub use resolve::solve;
pub use solution::{Action, Chosen, KeptBack, Reason, Removed, Solution};
pub use universe::Universe;

#[cfg(test)]
mod tests;
