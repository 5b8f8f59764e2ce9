//! Where a path of a change really leads on the base image.
//!
//! Debian's `/lib` is a symbolic link to `usr/lib`. Two layers that write `/lib/systemd/x` and
//! `/usr/lib/systemd/x` write one file, so paths are compared only after the links among their parents are
//! followed. A link never leads out of the image: an absolute target starts at the image's own root, and
//! `..` at the root stays there, as `chroot(2)` has it.

use super::path::{GuestPath, GuestPathError};

/// As many links as the kernel follows in one path (`MAXSYMLINKS`, path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Why a path cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError<E> {
    /// Links lead to each other.
    #[error("too many symbolic links on the way to `{0}`")]
    TooManyLinks(GuestPath),
    /// A link leads to a path that no file can have.
    #[error("a symbolic link on the way leads nowhere")]
    BadTarget(#[from] GuestPathError),
    /// The base image could not be asked.
    #[error("cannot follow `{path}`")]
    Lookup {
        /// The path that was asked for.
        path: GuestPath,
        /// What the lookup said.
        #[source]
        source: E,
    },
}

/// Follows the symbolic links among the parents of `path`; the last component itself is not followed.
///
/// `link_at` gives the text of the symbolic link at a path, or `None` where there is none.
///
/// # Errors
/// Link loops, and whatever `link_at` reports.
pub fn follow_parents<E>(
    path: &GuestPath,
    link_at: impl Fn(&GuestPath) -> Result<Option<String>, E>,
) -> Result<GuestPath, ResolveError<E>> {
    let mut pending: Vec<String> = components(path.as_str());
    let Some(name) = pending.pop() else {
        return Ok(path.clone());
    };
    pending.reverse();
    let mut reached = GuestPath::root();
    let mut links = 0;
    while let Some(component) = pending.pop() {
        match component.as_str() {
            "." => continue,
            ".." => {
                reached = reached.parent().unwrap_or_else(GuestPath::root);
                continue;
            }
            _ => {}
        }
        let next = reached.join(&component)?;
        let target = link_at(&next).map_err(|source| ResolveError::Lookup { path: path.clone(), source })?;
        let Some(target) = target else {
            reached = next;
            continue;
        };
        links += 1;
        if links > MAX_LINKS {
            return Err(ResolveError::TooManyLinks(path.clone()));
        }
        if target.starts_with('/') {
            reached = GuestPath::root();
        }
        pending.extend(components(&target).into_iter().rev());
    }
    Ok(reached.join(&name)?)
}

fn components(path: &str) -> Vec<String> {
    path.split('/').filter(|component| !component.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::{GuestPath, follow_parents};

    fn follow(path: &str, links: &[(&str, &str)]) -> Result<String, String> {
        let lookup = |at: &GuestPath| {
            let found = links.iter().find(|(link, _)| *link == at.as_str());
            Ok::<_, Infallible>(found.map(|(_, target)| (*target).to_owned()))
        };
        let path = GuestPath::new(path).expect("a valid path");
        follow_parents(&path, lookup).map(|p| p.to_string()).map_err(|e| e.to_string())
    }

    #[test]
    fn follows_parents_and_never_leaves_the_image() {
        for (path, links, expected) in [
            ("/etc/hosts", &[][..], "/etc/hosts"),
            ("/lib/systemd/x", &[("/lib", "usr/lib")][..], "/usr/lib/systemd/x"),
            ("/lib", &[("/lib", "usr/lib")][..], "/lib"),
            ("/a/b/c", &[("/a", "/d/e"), ("/d/e/b", "../f")][..], "/d/f/c"),
            ("/out/x", &[("/out", "../../../../host")][..], "/host/x"),
        ] {
            assert_eq!(follow(path, links).as_deref(), Ok(expected), "{path}");
        }
    }

    #[test]
    fn ends_on_a_loop() {
        let told = follow("/a/x", &[("/a", "b"), ("/b", "a")]).expect_err("a loop has no end");
        assert_eq!(told, "too many symbolic links on the way to `/a/x`");
    }
}
