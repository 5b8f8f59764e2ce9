//! Path patterns of `overlay.toml`: `*` stands for any part of one component, `**` for any number of components.

/// A checked pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    components: Vec<String>,
}

/// Longest pattern in bytes, as for a path (`PATH_MAX`).
const LONGEST: usize = 4096;

impl Pattern {
    /// Checks a pattern.
    ///
    /// # Errors
    /// What is wrong with it, in words that follow its name.
    pub fn new(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err("is not absolute: a path in the image starts with `/`".to_owned());
        };
        if text.len() > LONGEST {
            return Err(format!("is longer than the {LONGEST} bytes that a path can have"));
        }
        let components: Vec<String> = rest.split('/').map(str::to_owned).collect();
        for component in &components {
            if component == ".." {
                return Err("leaves the tree: `..` is not allowed in a path of the image".to_owned());
            }
            if component.is_empty() || component == "." || component.contains(char::is_control) {
                return Err("has a component that no file can have".to_owned());
            }
            if component != "**" && component.contains("**") {
                return Err("`**` stands alone between slashes, such as in `/etc/**/x`".to_owned());
            }
        }
        Ok(Self { text: text.to_owned(), components })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_plain(&self) -> bool {
        !self.text.contains('*')
    }

    /// Whether it matches an absolute path.
    pub fn matches(&self, path: &str) -> bool {
        let path: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        wildcard(
            &self.components,
            &path,
            |part| part == "**",
            |part, name| {
                let (part, name): (Vec<char>, Vec<char>) = (part.chars().collect(), name.chars().collect());
                wildcard(&part, &name, |c| *c == '*', |a, b| a == b)
            },
        )
    }
}

/// Matches with a star that stands for any run of items: time is the product of both lengths, whatever the pattern.
fn wildcard<P, T>(
    pattern: &[P],
    items: &[T],
    star: impl Fn(&P) -> bool,
    same: impl Fn(&P, &T) -> bool,
) -> bool {
    // reached[i]: the pattern so far matches the first i items
    let mut reached = vec![false; items.len() + 1];
    reached[0] = true;
    for part in pattern {
        let mut next = vec![false; items.len() + 1];
        if star(part) {
            let mut any = false;
            for (before, after) in reached.iter().zip(&mut next) {
                any |= *before;
                *after = any;
            }
        } else {
            for (at, item) in items.iter().enumerate() {
                next[at + 1] = reached[at] && same(part, item);
            }
        }
        reached = next;
    }
    reached[items.len()]
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn matches_components_and_runs() {
        for (pattern, path, expected) in [
            ("/etc/motd", "/etc/motd", true),
            ("/etc/motd", "/etc/motd2", false),
            ("/etc/*.conf", "/etc/a.conf", true),
            ("/etc/*.conf", "/etc/b/a.conf", false),
            ("/etc/**/*.conf", "/etc/a.conf", true),
            ("/etc/**/*.conf", "/etc/b/c/a.conf", true),
            ("/etc/**", "/etc/a/b", true),
            ("/etc/**", "/etcetera/a", false),
            ("/*/a*b*c", "/x/a1b2c", true),
            ("/**", "/é/ü", true),
        ] {
            assert_eq!(
                Pattern::new(pattern).expect("is a pattern").matches(path),
                expected,
                "{pattern} {path}"
            );
        }
    }

    #[test]
    fn refuses_odd_patterns() {
        for text in ["", "etc", "/etc/../x", "/etc//x", "/a**b", "/a\n", &format!("/{}", "*".repeat(5000))] {
            assert!(Pattern::new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn absurd_patterns_take_no_absurd_time() {
        let stars = format!("/{}x", "*a".repeat(1000));
        assert!(!Pattern::new(&stars).expect("is a pattern").matches(&format!("/{}", "a".repeat(255))));
        let deep = "/**/a".repeat(800);
        assert!(!Pattern::new(&deep).expect("is a pattern").matches(&"/a".repeat(500)));
    }
}
