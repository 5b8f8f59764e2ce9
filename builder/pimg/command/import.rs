//! `pimg import`

use std::path::{Path, PathBuf};

use super::outcome::ImportOutcome;
use super::request::ImportRequest;
use super::{Context, project_files};
use crate::failure::{Class, Failure};
use crate::host::files;
use crate::inventory::{import, parse};

/// Longest inventory, in bytes.
const LONGEST: u64 = 4 << 20;

/// Makes profiles of an Ansible inventory.
///
/// # Errors
/// The inventory cannot be read or does not say enough; a profile is there already.
pub fn run(request: &ImportRequest, context: &Context<'_>) -> Result<ImportOutcome, Failure> {
    let path = &request.inventory;
    if path.is_dir() {
        let message = format!("`{}` is a directory: name one inventory in it", path.display());
        return Err(Failure::new(Class::Usage, message));
    }
    let Some(bytes) = files::read_optional(path, LONGEST)? else {
        return Err(Failure::new(Class::Usage, format!("there is no inventory `{}`", path.display())));
    };
    let inventory = parse(&path.display().to_string(), &bytes)?;
    let imported = import(&inventory)?;
    let new = project_files::of_drafts(&context.project, &imported.drafts)?;
    let mut notices = imported.notices;
    notices.extend(unread(path)?);
    let files: Vec<PathBuf> = if request.check {
        new.iter().map(|file| context.in_project(&file.path)).collect()
    } else {
        project_files::require_free(&context.project, &new)?;
        project_files::write(&context.project, &new)?
    };
    let (variables, secrets) = (imported.rows, imported.secrets);
    Ok(ImportOutcome { inventory: path.clone(), files, written: !request.check, variables, secrets, notices })
}

/// Files of variables beside the inventory: the playbook has none, and none is read.
fn unread(inventory: &Path) -> Result<Vec<String>, Failure> {
    let beside = inventory.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directories = files::list_directories(beside)?;
    let of_variables =
        directories.iter().filter(|dir| dir.ends_with("group_vars") || dir.ends_with("host_vars"));
    Ok(of_variables.map(|dir| format!("not read: what is in `{}`", dir.display())).collect())
}
