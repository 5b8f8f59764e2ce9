//! Which commit a project is at, as git says.

use std::path::Path;
use std::time::Duration;

use super::tools;

/// What a build reads of a project; what else lies there changes nothing in an image.
const INPUTS: [&str; 4] = ["profiles", "overlays", "pimg.lock", "secrets.age"];

/// git is quick, but a repository may be on a slow disk.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The commit that a project is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCommit {
    /// Its name in full: 40 or 64 hexadecimal digits.
    pub id: String,
    /// Whether something that a build reads is otherwise than in that commit.
    pub dirty: bool,
}

/// The commit of `project`; `None` without git, outside a repository, and where the repository does not have the
/// project's profiles: then it is another one around the project.
pub fn commit(project: &Path) -> Option<SourceCommit> {
    let answer = git(project, &["rev-parse", "HEAD", "HEAD:./profiles"])?;
    let id = answer.lines().next()?.to_owned();
    let is_name = [40, 64].contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut arguments = vec!["status", "--porcelain", "--untracked-files=all", "--"];
    arguments.extend(INPUTS);
    let status = git(project, &arguments)?;
    is_name.then_some(SourceCommit { id, dirty: !status.is_empty() })
}

fn git(project: &Path, arguments: &[&str]) -> Option<String> {
    // nothing is written to the repository, and no program that its settings name is run
    let fixed = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false"];
    let command: Vec<String> = fixed.iter().chain(arguments).map(|&word| word.to_owned()).collect();
    let printed = tools::run(&command, project, TIMEOUT).ok()?;
    String::from_utf8(printed.to_vec()).ok()
}
