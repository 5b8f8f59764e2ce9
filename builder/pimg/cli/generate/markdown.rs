//! Pages of the book that follow from the command line's definition.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory};

use super::super::args::Cli;
use super::super::exit_code::ExitCode;
use super::VARIABLES;

/// The reference of all commands.
pub fn commands() -> String {
    let mut program = Cli::command();
    // hands the global options down to the commands, and their full names
    program.build();
    let mut page = String::from(
        "# Commands\n\n`pimg man COMMAND` shows the same as a manual page, and `pimg COMMAND --help` in short.\n\n\
         The result of a command is on stdout (paths, a table, or one JSON object with `--json`), all else on stderr. \
         Its exit code is one of [these](exit-codes.md).\n\n## Every command\n",
    );
    let global = program.get_arguments().filter(|arg| arg.is_global_set()).collect::<Vec<_>>();
    page += &table("option", &global);
    let _ = write!(page, "\n## Environment\n\n| variable | meaning |\n| --- | --- |\n");
    for (name, meaning) in VARIABLES {
        let names: Vec<_> = name.split(", ").map(|name| format!("`{name}`")).collect();
        let _ = writeln!(page, "| {} | {} |", names.join(", "), cell(meaning));
    }
    for command in program.get_subcommands() {
        section(&mut page, command, &format!("pimg {}", command.get_name()));
    }
    page
}

/// The reference of exit codes.
pub fn exit_codes() -> String {
    format!(
        "# Exit codes\n\nA number never changes its meaning, so scripts can tell \"no network\" from \"bad signature\".\n\n\
         {}\nWith `--json` the number is `error.code` of the answer as well.\n",
        ExitCode::markdown()
    )
}

fn section(page: &mut String, command: &Command, name: &str) {
    let inner: Vec<_> = command.get_subcommands().collect();
    let about = command.get_long_about().or_else(|| command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    let _ = write!(page, "\n## `{name}`\n\n{}\n", sentences(&about));
    let usage = command.clone().render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage);
    let _ = write!(page, "\n```text\n{}\n```\n", usage.replace("\n       ", "\n"));
    let own = command.get_arguments().filter(|arg| !arg.is_global_set() && !arg.is_hide_set());
    let own: Vec<_> = own.filter(|arg| arg.get_id() != "help").collect();
    let (places, options): (Vec<_>, Vec<_>) = own.into_iter().partition(|arg| arg.is_positional());
    *page += &table("argument", &places);
    let mut headings: Vec<_> = options.iter().map(|arg| arg.get_help_heading()).collect();
    headings.dedup();
    for heading in headings {
        let of_heading: Vec<_> =
            options.iter().copied().filter(|arg| arg.get_help_heading() == heading).collect();
        if let Some(heading) = heading {
            let _ = write!(page, "\n{heading}:\n");
        }
        *page += &table("option", &of_heading);
    }
    let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    if let Some(example) = example.strip_prefix("Example:\n") {
        let lines: Vec<_> = example.lines().map(str::trim_start).collect();
        let _ = write!(page, "\n```sh\n{}\n```\n", lines.join("\n"));
    }
    for command in inner {
        section(page, command, &format!("{name} {}", command.get_name()));
    }
}

/// Rows of arguments; nothing where there are none.
fn table(kind: &str, arguments: &[&Arg]) -> String {
    if arguments.is_empty() {
        return String::new();
    }
    let mut text = format!("\n| {kind} | meaning |\n| --- | --- |\n");
    for argument in arguments {
        let _ = writeln!(text, "| {} | {} |", names(argument), meaning(argument));
    }
    text
}

/// `-p`, `--profile NAME`
fn names(argument: &Arg) -> String {
    let takes_value = argument.is_positional() || argument.get_action().takes_values();
    let values = argument.get_value_names().unwrap_or_default();
    let values: Vec<_> =
        if takes_value { values.iter().map(ToString::to_string).collect() } else { Vec::new() };
    let long = argument.get_long().map(|long| [&[format!("--{long}")], values.as_slice()].concat().join(" "));
    let words = match (argument.get_short(), long) {
        (Some(short), Some(long)) => vec![format!("-{short}"), long],
        (Some(short), None) => vec![format!("-{short}")],
        (None, Some(long)) => vec![long],
        (None, None) => vec![values.join(" ")],
    };
    let quoted: Vec<_> = words.iter().map(|word| format!("`{}`", word.replace('|', "\\|"))).collect();
    quoted.join(", ")
}

fn meaning(argument: &Arg) -> String {
    let help = argument.get_long_help().or_else(|| argument.get_help());
    let mut text = cell(&help.map(ToString::to_string).unwrap_or_default());
    if !argument.get_action().takes_values() {
        return text;
    }
    let choices = argument.get_possible_values();
    let choices = choices.iter().filter(|choice| !choice.is_hide_set()).map(|choice| {
        let name = format!("`{}`", choice.get_name());
        choice.get_help().map_or(name.clone(), |help| format!("{name} ({})", cell(&help.to_string())))
    });
    let choices: Vec<_> = choices.collect();
    if !choices.is_empty() {
        let _ = write!(text, "<br>One of {}", choices.join(", "));
    }
    let defaults = argument.get_default_values();
    if !defaults.is_empty() {
        let defaults: Vec<_> =
            defaults.iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
        let _ = write!(text, "<br>Default: {}", defaults.join(" "));
    }
    text
}

/// Text that stays in one cell of a table.
fn cell(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    escaped(&text).replace('|', "\\|")
}

/// Paragraphs, each ended by a full stop: a first line of help has none.
fn sentences(text: &str) -> String {
    let end = |part: &str| if part.ends_with(['.', ':']) { part.to_owned() } else { format!("{part}.") };
    text.split("\n\n").map(|part| escaped(&end(part.trim()))).collect::<Vec<_>>().join("\n\n")
}

/// Angle brackets outside of code would be taken for HTML.
fn escaped(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(at, part)| if at % 2 == 0 { part.replace('<', "&lt;") } else { part.to_owned() });
    parts.collect::<Vec<_>>().join("`")
}
