//! `pimg new`

use std::path::Path;

use super::outcome::NewOutcome;
use super::request::NewRequest;
use super::{Context, project_files, shipped};
use crate::failure::Failure;
use crate::host::new_files::NewFile;

mod answers;
mod draft;

use answers::Answers;

const IGNORED: &str = "\
# images, and all that a build leaves
/out/
# from a seed follow the identities of all hosts of a cluster: back it up, and keep it out of git
/secrets/
*.seed
";

/// Makes a project: profiles, the overlays that they name, a README.
///
/// # Errors
/// A profile is there already; an option has a wrong value; the person asked to stop.
pub fn run(request: &NewRequest, context: &Context<'_>) -> Result<NewOutcome, Failure> {
    let directory = context.in_project(&request.directory);
    let directory = if request.directory == Path::new(".") { context.project.clone() } else { directory };
    // before anybody answers questions for nothing
    project_files::require_free(&directory, &[NewFile::text("profiles", ""), NewFile::text("overlays", "")])?;
    let answers = Answers::gather(request, context)?;
    let draft = draft::of(&answers);
    let mut files = project_files::of_drafts(&directory, std::slice::from_ref(&draft))?;
    // all features, also those that were not chosen: the next one is a line in a profile
    for path in shipped::overlays().into_iter().map(|name| format!("overlays/{name}")) {
        if !files.iter().any(|file| file.path.starts_with(&path)) {
            files.extend(shipped::below(&path));
        }
    }
    files.extend(shipped::below("overlays/README.md"));
    files.extend(shipped::below("profiles/README.md"));
    let mut kept = Vec::new();
    for file in [NewFile::text(".gitignore", IGNORED), NewFile::text("README.md", readme(&answers))] {
        let path = directory.join(&file.path);
        if path.exists() { kept.push(path) } else { files.push(file) }
    }
    project_files::require_free(&directory, &files)?;
    let written = project_files::write(&directory, &files)?;
    let nodes = draft.nodes.iter().map(|node| node.name.clone()).collect();
    Ok(NewOutcome { directory, files: written, kept, nodes, asked: answers.asked })
}

fn readme(answers: &Answers) -> String {
    let mut rows = String::new();
    for (name, address) in &answers.nodes {
        rows += &format!("| {name} | {address} |\n");
    }
    let first = answers.nodes.first().map_or("NODE", |(name, _)| name.as_str());
    format!(
        "# {}\n\nImages for these nodes, made by pimg:\n\n| node | address |\n| --- | --- |\n{rows}\n\
         `profiles/` says what the nodes are (`profiles/README.md` has every key), `overlays/` what their features need.\n\n\
         ```sh\npimg check\npimg lock\npimg build --all\n```\n\n\
         Then `pimg flash out/{first}/{first}-1.img.zst /dev/sdX` writes a card. Secrets that the profiles name: `pimg secrets init`,\n\
         then `pimg secrets edit`. Keep `secrets/` in a backup, not in git: the identities of the nodes follow from it.\n",
        answers.cluster
    )
}
