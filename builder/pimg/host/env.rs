//! The only reader of environment variables and of the clock, and what else is known of the machine.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::failure::{Class, Fault};

const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";

/// The last second that everything in an image can hold: the superblock of ext4 and the headers of an initramfs have 32
/// bits for it.
const LATEST: u64 = u32::MAX as u64;

/// `SOURCE_DATE_EPOCH` is no time that can be used.
#[derive(Debug, thiserror::Error)]
#[error("`SOURCE_DATE_EPOCH` is `{0}`, expected whole seconds since 1970, from 0 to {LATEST}")]
pub struct BadEpoch(String);

impl Fault for BadEpoch {
    fn class(&self) -> Class {
        Class::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec![
            "`export SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)` takes the time of the last commit"
                .to_owned(),
            "`unset SOURCE_DATE_EPOCH` takes the time that the base has".to_owned(),
        ]
    }
}

/// How many cores this process may keep busy.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// The file of this program, so that it can be started once more.
///
/// # Errors
/// Whatever the system reports.
pub fn program() -> std::io::Result<PathBuf> {
    std::env::current_exe()
}

/// The environment variables of the process, read once.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// The environment as it is now.
    #[expect(clippy::disallowed_methods, reason = "this is the room that reads the environment")]
    pub fn capture() -> Self {
        Self::new(std::env::vars_os())
    }

    /// An environment of these variables.
    pub fn new<K: Into<OsString>, V: Into<OsString>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        Self { variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }

    /// A variable, even an empty one.
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// A variable that is set to something.
    fn non_empty(&self, name: &str) -> Option<&OsStr> {
        self.variable(name).filter(|value| !value.is_empty())
    }

    /// The operator's home directory.
    pub fn home(&self) -> Option<PathBuf> {
        self.non_empty("HOME").map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// Where base images are kept: `PIMG_CACHE`, else `pimg` in the user's cache directory.
    ///
    /// A relative `XDG_CACHE_HOME` is ignored, as the XDG base directory specification asks for.
    pub fn cache_dir(&self) -> Option<PathBuf> {
        if let Some(path) = self.non_empty("PIMG_CACHE") {
            return Some(PathBuf::from(path));
        }
        let xdg = self.non_empty("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let user = xdg.or_else(|| {
            let below_home = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
            self.home().map(|home| home.join(below_home))
        });
        user.map(|path| path.join("pimg"))
    }

    /// Where the user's own settings are: `pimg` in the user's configuration directory, on macOS as on Linux.
    ///
    /// A relative `XDG_CONFIG_HOME` is ignored, as the XDG base directory specification asks for.
    pub fn config_dir(&self) -> Option<PathBuf> {
        let xdg = self.non_empty("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        xdg.or_else(|| self.home().map(|home| home.join(".config"))).map(|path| path.join("pimg"))
    }

    /// The operator's editor, a command line of the shell.
    pub fn editor(&self) -> &str {
        let named = self.non_empty("VISUAL").or_else(|| self.non_empty("EDITOR"));
        named.and_then(OsStr::to_str).unwrap_or("vi")
    }

    /// Whether the operator wants no colours (<https://no-color.org>), or the terminal knows none.
    pub fn no_color(&self) -> bool {
        self.non_empty("NO_COLOR").is_some() || self.variable("TERM") == Some(OsStr::new("dumb"))
    }

    /// Whether this runs in continuous integration.
    pub fn is_ci(&self) -> bool {
        self.non_empty("CI").is_some_and(|value| value != "false" && value != "0")
    }

    /// Whether a backtrace of a fault of ours is wanted.
    pub fn wants_backtrace(&self) -> bool {
        self.non_empty("RUST_BACKTRACE").is_some_and(|value| value != "0")
    }

    /// The time that stands for "now" in what is built
    /// (<https://reproducible-builds.org/specs/source-date-epoch/>), in seconds since 1970.
    ///
    /// # Errors
    /// It is set to something else than decimal digits, or to a time that an image cannot hold.
    pub fn source_date_epoch(&self) -> Result<Option<u64>, BadEpoch> {
        let Some(value) = self.non_empty(SOURCE_DATE_EPOCH) else { return Ok(None) };
        let bad = || BadEpoch(value.to_string_lossy().into_owned());
        let digits = value.to_str().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let seconds = digits.and_then(|digits| digits.parse().ok()).ok_or_else(bad)?;
        if seconds > LATEST { Err(bad()) } else { Ok(Some(seconds)) }
    }

    /// This environment with another time that stands for "now".
    #[must_use]
    pub fn with_source_date_epoch(&self, seconds: u64) -> Self {
        let mut environment = self.clone();
        environment.variables.insert(SOURCE_DATE_EPOCH.into(), seconds.to_string().into());
        environment
    }
}

/// The time by the host's clock. Nothing that ends up in an image may depend on it.
#[expect(clippy::disallowed_methods, reason = "this is the room that reads the clock")]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// The time by the host's clock, in whole seconds since 1970; 0 on a clock that stands before that.
pub fn unix_seconds() -> u64 {
    now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

/// `path`, with a leading `~/` taken as the home directory.
pub fn expand_home(path: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_path_buf(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Environment, expand_home};

    #[test]
    fn finds_the_cache_directory() {
        let default =
            if cfg!(target_os = "macos") { "/home/op/Library/Caches/pimg" } else { "/home/op/.cache/pimg" };
        for (variables, expected) in [
            ([("PIMG_CACHE", "/big/cache"), ("HOME", "/home/op")].as_slice(), Some("/big/cache")),
            (&[("PIMG_CACHE", ""), ("HOME", "/home/op")], Some(default)),
            (&[("XDG_CACHE_HOME", "/xdg"), ("HOME", "/home/op")], Some("/xdg/pimg")),
            (&[("XDG_CACHE_HOME", "relative"), ("HOME", "/home/op")], Some(default)),
            (&[("HOME", "/home/op")], Some(default)),
            (&[], None),
        ] {
            let environment = Environment::new(variables.iter().copied());
            assert_eq!(environment.cache_dir(), expected.map(PathBuf::from), "{variables:?}");
        }
    }

    #[test]
    fn finds_the_configuration_directory() {
        for (variables, expected) in [
            ([("XDG_CONFIG_HOME", "/xdg"), ("HOME", "/home/op")].as_slice(), Some("/xdg/pimg")),
            (&[("XDG_CONFIG_HOME", "relative"), ("HOME", "/home/op")], Some("/home/op/.config/pimg")),
            (&[("HOME", "/home/op")], Some("/home/op/.config/pimg")),
            (&[], None),
        ] {
            let environment = Environment::new(variables.iter().copied());
            assert_eq!(environment.config_dir(), expected.map(PathBuf::from), "{variables:?}");
        }
    }

    #[test]
    fn an_empty_no_color_asks_for_nothing() {
        assert!(!Environment::new([("NO_COLOR", "")]).no_color());
        assert!(Environment::new([("NO_COLOR", "1")]).no_color());
        assert!(Environment::new([("TERM", "dumb")]).no_color());
    }

    #[test]
    fn reads_the_source_date_epoch() {
        let epoch = |value| Environment::new([("SOURCE_DATE_EPOCH", value)]).source_date_epoch();
        for (value, expected) in [
            ("1764806400", Some(1_764_806_400)),
            ("0", Some(0)),
            ("4294967295", Some(4_294_967_295)),
            ("", None),
        ] {
            assert_eq!(epoch(value).expect("a time"), expected, "{value}");
        }
        for value in ["yesterday", "-1", "+1", " 1", "1.5", "0x10", "4294967296", "99999999999999999999"] {
            let error = epoch(value).expect_err("no time").to_string();
            assert!(error.contains(&format!("is `{value}`, expected whole seconds")), "{error}");
        }
        let other = Environment::new([("SOURCE_DATE_EPOCH", "1")]).with_source_date_epoch(2);
        assert_eq!(other.source_date_epoch().expect("a time"), Some(2));
        assert_eq!(Environment::default().source_date_epoch().expect("none"), None);
    }

    #[test]
    fn expands_only_a_leading_tilde() {
        let home = Path::new("/home/op");
        assert_eq!(expand_home(Path::new("~/keys/x"), Some(home)), PathBuf::from("/home/op/keys/x"));
        assert_eq!(expand_home(Path::new("/a/~/x"), Some(home)), PathBuf::from("/a/~/x"));
        assert_eq!(expand_home(Path::new("~op/x"), Some(home)), PathBuf::from("~op/x"));
    }
}
