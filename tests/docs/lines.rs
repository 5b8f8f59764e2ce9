//! Every command line of pimg that the documents show is one.

use clap::Parser;

use crate::pages::{Page, below, readme_and_book};

/// Words behind which another command begins, or none.
const OPERATORS: [&str; 10] = ["|", "||", "&&", ";", ">", ">>", "<", "2>", "2>&1", "&"];

/// The commands of a shell line that call pimg, as words.
pub(crate) fn calls(line: &str) -> Vec<Vec<String>> {
    let Some(words) = shlex::split(line) else { return Vec::new() };
    let mut calls = Vec::new();
    for command in words.split(|word| OPERATORS.contains(&word.as_str())) {
        // sudo, and variables that are set for one command
        let start = command.iter().position(|word| word != "sudo" && !is_assignment(word));
        let command = start.and_then(|start| command.get(start..)).unwrap_or_default();
        if command.first().is_some_and(|program| program == "pimg") {
            calls.push(command.to_vec());
        }
    }
    calls
}

fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map(|(name, _)| name).unwrap_or_default();
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// The shell lines of a page: those of `sh` blocks, and those behind `$ ` of `console` blocks.
fn shell_lines(page: &Page) -> Vec<String> {
    let mut lines = Vec::new();
    for block in page.blocks() {
        let text = block.text.replace("\\\n", " ");
        match block.language.as_str() {
            "sh" => lines.extend(text.lines().map(|line| line.trim().to_owned())),
            "console" => {
                lines.extend(text.lines().filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned));
            }
            _ => {}
        }
    }
    lines
}

#[test]
fn every_command_line_is_one() {
    let mut pages = readme_and_book();
    let others = ["CONTRIBUTING.md", "builder/README.md"].map(str::to_owned);
    pages.extend(
        others.iter().chain(&below("overlays")).chain(&below("profiles")).map(|path| Page::read(path)),
    );
    let (mut seen, mut problems) = (0, Vec::new());
    for page in &pages {
        for call in shell_lines(page).iter().flat_map(|line| calls(line)) {
            seen += 1;
            let parsed = pimg::cli::args::Cli::try_parse_from(&call);
            // help and version are answers, not mistakes
            if let Some(error) = parsed.err().filter(clap::Error::use_stderr) {
                problems.push(format!("{}: `{}`: {error}", page.path, call.join(" ")));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(seen > 50, "only {seen} command lines found");
}

#[test]
fn no_block_hides_its_commands_from_these_tests() {
    for page in readme_and_book() {
        for block in page.blocks() {
            // usage, as clap writes it
            let is_usage = page.path == "docs/reference/commands.md" && block.language == "text";
            let is_seen = is_usage || ["sh", "console"].contains(&block.language.as_str());
            let shows =
                block.text.lines().any(|line| line.starts_with("pimg ") || line.starts_with("$ pimg "));
            assert!(
                is_seen || !shows,
                "{}: this block is neither `sh` nor `console`:\n{}",
                page.path,
                block.text
            );
            let is_prompt = block.language != "sh" || !block.text.lines().any(|line| line.starts_with("$ "));
            assert!(is_prompt, "{}: `$ ` belongs into `console` blocks:\n{}", page.path, block.text);
        }
    }
}

#[test]
fn shell_lines_are_taken_apart() {
    let words = |line: &str| calls(line).into_iter().map(|call| call.join(" ")).collect::<Vec<_>>();
    assert_eq!(words("X=1 pimg check # all"), ["pimg check"]);
    assert_eq!(words("sudo pimg flash 'a b' c && pimg man | man -l -"), ["pimg flash a b c", "pimg man"]);
    assert!(words("echo pimg check").is_empty());
}
