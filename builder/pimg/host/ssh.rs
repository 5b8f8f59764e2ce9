//! The system's `ssh`, to read a file of a node.
//!
//! A node that pimg built has a host key that follows from the seed, so it is known before the first connection:
//! such a node is compared with that key alone. For any other address the operator's own `ssh_config(5)` and
//! `known_hosts` decide.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::HostError;
use super::tools::{self, Answer, ToolError};

/// Seconds until a node that does not answer counts as one that cannot be reached.
const CONNECT_TIMEOUT: u32 = 10;

/// Longest time for everything: connecting, logging in, reading.
const TIMEOUT: Duration = Duration::from_secs(40);

/// `ssh`'s own exit status where it did not get as far as running the command (ssh(1), "EXIT STATUS").
const SSH_FAILED: i32 = 255;

/// Whom to log in to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A node of a profile: its key is in the [`KnownHosts`] under `name`.
    Known {
        /// Host name.
        name: String,
        /// Who logs in.
        user: String,
        /// Where it is.
        address: String,
    },
    /// `[user@]address`, or whatever the operator's `ssh_config` calls it.
    Foreign(String),
}

/// The host keys that nodes of profiles must have: a file that vanishes with this value.
#[derive(Debug)]
pub struct KnownHosts {
    file: tempfile::NamedTempFile,
}

impl KnownHosts {
    /// Writes the file from pairs of a host name and its public key.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write<'a>(keys: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, HostError> {
        let place = std::env::temp_dir();
        let mut file =
            tempfile::NamedTempFile::new_in(&place).map_err(HostError::file("create a file in", &place))?;
        let lines: String = keys.into_iter().map(|(name, key)| format!("{name} {key}\n")).collect();
        file.write_all(lines.as_bytes()).map_err(HostError::file("write", file.path()))?;
        Ok(Self { file })
    }

    fn path(&self) -> PathBuf {
        self.file.path().to_path_buf()
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// The node has another host key than expected, or one that nobody vouched for.
    #[error("{0}")]
    HostKey(String),
    /// The node does not let this user in.
    #[error("{0}")]
    Login(String),
    /// The node cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// The node was reached and could not do what was asked.
    #[error("{0}")]
    Refused(String),
    /// `ssh` could not be run here, or was stopped.
    #[error(transparent)]
    Tool(ToolError),
}

/// What `command` prints on the node.
///
/// # Errors
/// See [`SshError`]; the reasons are what `ssh` said last, as it said it.
pub fn run(
    target: &Target,
    known: &KnownHosts,
    command: &str,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<u8>, SshError> {
    let words = command_line(target, &known.path(), command);
    match tools::ask(&words, Path::new("."), TIMEOUT, stop) {
        Ok(Answer { status, stdout, .. }) if status.success() => Ok(stdout.to_vec()),
        Ok(Answer { status, stderr, .. }) => Err(reason(status.code(), &String::from_utf8_lossy(&stderr))),
        Err(error @ ToolError::TimedOut { .. }) => Err(SshError::Unreachable(error.to_string())),
        Err(error) => Err(SshError::Tool(error)),
    }
}

fn command_line(target: &Target, known_hosts: &Path, command: &str) -> Vec<String> {
    let mut words = vec!["ssh".to_owned(), "-T".to_owned()];
    let mut option = |text: String| words.extend(["-o".to_owned(), text]);
    // nobody is there to answer a question, and a node that went away must not hold the others up
    option("BatchMode=yes".to_owned());
    option(format!("ConnectTimeout={CONNECT_TIMEOUT}"));
    option("ServerAliveInterval=5".to_owned());
    option("ServerAliveCountMax=3".to_owned());
    option("ClearAllForwardings=yes".to_owned());
    option("LogLevel=ERROR".to_owned());
    // one in the operator's settings is refused beside a command of ours
    option("RemoteCommand=none".to_owned());
    if let Target::Known { name, .. } = target {
        option(format!("UserKnownHostsFile={}", quoted(known_hosts)));
        option("GlobalKnownHostsFile=/dev/null".to_owned());
        // OpenSSH before 8.5 does not know the next one
        option("IgnoreUnknown=KnownHostsCommand".to_owned());
        option("KnownHostsCommand=none".to_owned());
        option("VerifyHostKeyDNS=no".to_owned());
        option("StrictHostKeyChecking=yes".to_owned());
        option("UpdateHostKeys=no".to_owned());
        option(format!("HostKeyAlias={name}"));
        option("HostKeyAlgorithms=ssh-ed25519".to_owned());
        // a connection that is shared has been compared with other keys
        option("ControlPath=none".to_owned());
    }
    let destination = match target {
        Target::Known { user, address, .. } => {
            words.extend(["-l".to_owned(), user.clone()]);
            address
        }
        Target::Foreign(destination) => destination,
    };
    words.extend(["--".to_owned(), destination.clone(), command.to_owned()]);
    words
}

/// A path as a value of `ssh_config(5)`: blanks part arguments and `%` begins a token.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    format!("\"{}\"", text.replace('%', "%%").replace('\\', "\\\\").replace('"', "\\\""))
}

/// What `ssh`, or the node, said last about its failure, and what kind of failure that is. These are the words
/// of OpenSSH's `sshconnect.c` and `sshconnect2.c`, which it does not translate.
fn reason(code: Option<i32>, stderr: &str) -> SshError {
    let mut lines = stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let last = lines.next_back().unwrap_or("ssh said nothing").to_owned();
    if code != Some(SSH_FAILED) {
        return SshError::Refused(last);
    }
    if ["Host key verification failed", "REMOTE HOST IDENTIFICATION HAS CHANGED"]
        .iter()
        .any(|s| stderr.contains(s))
        || stderr.contains("host key is known for")
    {
        let changed = stderr.contains("IDENTIFICATION HAS CHANGED");
        let what =
            if changed { "it has another host key than expected" } else { "its host key is not known" };
        return SshError::HostKey(what.to_owned());
    }
    if last.contains("Permission denied") || last.contains("Too many authentication failures") {
        return SshError::Login(last);
    }
    SshError::Unreachable(last)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{SshError, Target, command_line, quoted, reason};

    #[test]
    fn a_node_of_a_profile_is_compared_with_its_own_key_alone() {
        let target = Target::Known { name: "node-a".into(), user: "op".into(), address: "10.0.0.2".into() };
        let words = command_line(&target, Path::new("/tmp/known hosts"), "cat x").join(" ");
        for expected in [
            "-o BatchMode=yes",
            "-o UserKnownHostsFile=\"/tmp/known hosts\"",
            "-o GlobalKnownHostsFile=/dev/null",
            "-o StrictHostKeyChecking=yes",
            "-o HostKeyAlias=node-a",
        ] {
            assert!(words.contains(expected), "{words}");
        }
        assert!(words.ends_with("-l op -- 10.0.0.2 cat x"), "{words}");
    }

    #[test]
    fn for_any_other_address_the_operators_settings_decide() {
        let words = command_line(&Target::Foreign("-oProxyCommand=x".into()), Path::new("/x"), "cat x");
        assert!(!words.iter().any(|word| word.contains("KnownHosts") || word.contains("StrictHost")));
        assert_eq!(words[words.len() - 3..], ["--", "-oProxyCommand=x", "cat x"].map(str::to_owned));
    }

    #[test]
    fn a_path_is_one_value() {
        assert_eq!(quoted(Path::new("/a b/100%\"")), "\"/a b/100%%\\\"\"");
    }

    #[test]
    fn tells_kinds_of_failure_apart() {
        let changed = "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.\n";
        let unknown = "No ED25519 host key is known for node-a and you have requested strict checking.\n\
                       Host key verification failed.\n";
        let denied = "op@10.0.0.2: Permission denied (publickey).\n";
        let refused = "\nssh: connect to host 10.0.0.2 port 22: Connection refused\n\n";
        assert!(matches!(reason(Some(255), changed), SshError::HostKey(what) if what.contains("another")));
        assert!(matches!(reason(Some(255), unknown), SshError::HostKey(what) if what.contains("not known")));
        assert!(matches!(reason(Some(255), denied), SshError::Login(_)));
        assert!(
            matches!(reason(Some(255), refused), SshError::Unreachable(why) if why.starts_with("ssh: connect"))
        );
        assert!(
            matches!(reason(Some(1), "cat: x: No such file\n"), SshError::Refused(why) if why == "cat: x: No such file")
        );
        assert!(matches!(reason(None, ""), SshError::Refused(_)));
    }
}
