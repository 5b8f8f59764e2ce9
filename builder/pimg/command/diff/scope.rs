//! Which files a comparison is about.

use crate::failure::{Class, Failure};
use crate::overlay::Pattern;

/// Where the boot partition is mounted on the node.
const BOOT_MOUNT: &str = "/boot/firmware";

/// All files, or those that a pattern matches, with all that is below.
#[derive(Debug)]
pub(super) struct Scope(Option<Pattern>);

impl Scope {
    /// The files that `pattern` matches; all without one.
    ///
    /// # Errors
    /// It is no pattern.
    pub(super) fn new(pattern: Option<&str>) -> Result<Self, Failure> {
        let Some(text) = pattern else { return Ok(Self(None)) };
        let text = if text.len() > 1 { text.trim_end_matches('/') } else { "/**" };
        let pattern = Pattern::new(text).map_err(|why| {
            Failure::new(Class::Usage, format!("`--path {text}` {why}")).hint(
                "`*` is any part of one name and `**` any number of directories: `--path '/etc/**/*.conf'`",
            )
        })?;
        Ok(Self(Some(pattern)))
    }

    /// Whether it is about some files only.
    pub(super) fn is_narrow(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a path of the root file system belongs to it.
    pub(super) fn has(&self, path: &str) -> bool {
        let Some(pattern) = &self.0 else { return true };
        let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
        ends.filter_map(|end| path.get(..end)).any(|part| pattern.matches(part))
    }

    /// Whether a path of the boot partition belongs to it.
    pub(super) fn has_on_boot(&self, path: &str) -> bool {
        self.0.is_none() || self.has(&format!("{BOOT_MOUNT}{path}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Scope;

    #[test]
    fn a_pattern_has_what_is_below() {
        let scope = |text| Scope::new(Some(text)).expect("a pattern");
        assert!(scope("/etc").has("/etc/apt/x") && scope("/etc/").has("/etc") && !scope("/etc").has("/etc2"));
        assert!(scope("/etc/*.d").has("/etc/init.d/x") && !scope("/etc/*.d").has("/etc/x"));
        assert!(scope("/**/x").has("/a/b/x") && scope("/").has("/a"));
        assert!(scope("/boot").has_on_boot("/config.txt") && !scope("/etc").has_on_boot("/etc"));
        assert!(Scope::new(None).expect("all").has("/x"));
        assert!(Scope::new(Some("etc")).is_err());
    }
}
