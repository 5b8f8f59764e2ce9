//! A path on one of the image's partitions, known to be safe to write to.

use std::fmt;

use serde::Serialize;

/// An absolute, normalised path inside a partition: starts with `/`, no `.`, `..`, empty or over-long
/// component, no NUL, no trailing slash (the root itself is `/`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct GuestPath(String);

/// Why a text is no [`GuestPath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuestPathError {
    /// It does not start with a slash.
    #[error("`{0}` is not absolute: a path in the image starts with `/`")]
    Relative(String),
    /// A component is `..`, and would leave the tree.
    #[error("`{0}` leaves the tree: `..` is not allowed in a path of the image")]
    Escapes(String),
    /// A component is empty, `.`, too long or holds a NUL.
    #[error("`{0}` has a component that no file can have")]
    BadComponent(String),
}

impl GuestPath {
    /// Longest name of a directory entry, in bytes (ext4 `EXT4_NAME_LEN`).
    pub const MAX_NAME: usize = 255;

    /// Checks `text`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: impl Into<String>) -> Result<Self, GuestPathError> {
        let text = text.into();
        let Some(rest) = text.strip_prefix('/') else {
            return Err(GuestPathError::Relative(text));
        };
        if rest.is_empty() {
            return Ok(Self(text));
        }
        for component in rest.split('/') {
            if component == ".." {
                return Err(GuestPathError::Escapes(text));
            }
            let bad = component.is_empty() || component == "." || component.contains('\0');
            if bad || component.len() > Self::MAX_NAME {
                return Err(GuestPathError::BadComponent(text));
            }
        }
        Ok(Self(text))
    }

    /// The path as text, with its leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The directory that holds this entry; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let cut = self.0.rfind('/').filter(|_| self.0.len() > 1)?;
        Some(Self(if cut == 0 { "/".to_owned() } else { self.0[..cut].to_owned() }))
    }

    /// The last component; empty for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// This path with one more component.
    ///
    /// # Errors
    /// As [`GuestPath::new`].
    pub fn join(&self, name: &str) -> Result<Self, GuestPathError> {
        Self::new(if self.0 == "/" { format!("/{name}") } else { format!("{}/{name}", self.0) })
    }

    /// Whether `self` is `other` or lies below it.
    pub fn is_within(&self, other: &Self) -> bool {
        other.0 == "/"
            || self.0 == other.0
            || self.0.strip_prefix(&other.0).is_some_and(|r| r.starts_with('/'))
    }
}

impl fmt::Display for GuestPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{GuestPath, GuestPathError};

    #[test]
    fn refuses_what_would_leave_the_tree() {
        for (text, ok) in [
            ("/", true),
            ("/etc/hostname", true),
            ("etc/hostname", false),
            ("/etc/../shadow", false),
            ("/etc//x", false),
            ("/etc/", false),
            ("/a/./b", false),
            ("/a\0b", false),
        ] {
            assert_eq!(GuestPath::new(text).is_ok(), ok, "{text:?}");
        }
        assert!(matches!(GuestPath::new("/.."), Err(GuestPathError::Escapes(_))));
        assert!(GuestPath::new(format!("/{}", "x".repeat(256))).is_err());
    }

    #[test]
    fn knows_parents_and_descendants() {
        let path = GuestPath::new("/etc/ssh/x").expect("valid");
        assert_eq!(path.parent().expect("has one").as_str(), "/etc/ssh");
        assert_eq!(GuestPath::new("/etc").expect("valid").parent().expect("has one").as_str(), "/");
        assert!(path.is_within(&GuestPath::new("/etc").expect("valid")));
        assert!(
            !GuestPath::new("/etcetera").expect("valid").is_within(&GuestPath::new("/etc").expect("valid"))
        );
    }
}
