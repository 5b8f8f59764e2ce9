//! What is generated from the command line's own definition: completions and manual pages.

mod markdown;

use std::fmt::Write as _;
use std::io;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::args::Cli;
use super::exit_code::ExitCode;
use crate::failure::{Class, Failure};
pub use markdown::{commands, exit_codes};

/// Environment variables that pimg reads, and what they do.
pub const VARIABLES: [(&str, &str); 8] = [
    ("PIMG_CACHE", "directory for base images, in place of pimg in the user's cache directory"),
    (
        "PIMG_LAYERS",
        "where baked layers are, such as `oci://ghcr.io/you/layers`, in place of what profiles say",
    ),
    (
        "PIMG_REGISTRY_USER, PIMG_REGISTRY_PASSWORD",
        "account for a registry of layers, in place of that of `docker login`",
    ),
    (
        "PIMG_AGE_IDENTITY",
        "file of your age key, in place of pimg/identity.txt in the user's configuration directory",
    ),
    ("VISUAL, EDITOR", "what `pimg secrets edit` opens"),
    ("NO_COLOR", "when set to anything, no colours are used"),
    ("SOURCE_DATE_EPOCH", "seconds since 1970 that stand for the time of the build"),
    ("RUST_BACKTRACE", "when set to 1, an internal error shows where it came from"),
];

/// The completion script of a shell.
pub(super) fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pimg", &mut script);
    script
}

/// The manual page of pimg, or of one of its commands: `secrets`, or `secrets-init` for a command of a command, as
/// pages refer to each other.
///
/// # Errors
/// There is no such command.
pub(super) fn manual(command: Option<&str>) -> Result<Vec<u8>, Failure> {
    let mut program = Cli::command();
    // hands the global options down to the commands
    program.build();
    let page = match command {
        None => render(program.clone(), true),
        Some(name) => {
            let found = find(&program, &format!("pimg-{name}")).cloned();
            let found = found.ok_or_else(|| {
                let names: Vec<_> = program.get_subcommands().map(Command::get_name).collect();
                Failure::new(Class::Usage, format!("there is no command `{name}`"))
                    .hint(format!("the commands are {}", names.join(", ")))
            })?;
            render(found, false)
        }
    };
    page.map_err(|error| Failure::caused_by(Class::Internal, "cannot make the manual page", error))
}

/// The command that calls itself `display_name`, however deep it is.
fn find<'a>(command: &'a Command, display_name: &str) -> Option<&'a Command> {
    command.get_subcommands().find_map(|below| match below.get_display_name() == Some(display_name) {
        true => Some(below),
        false => find(below, display_name),
    })
}

fn render(command: Command, is_program: bool) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    if is_program {
        page.extend_from_slice(common_sections().as_bytes());
    }
    Ok(page)
}

/// What holds for every command, in roff.
fn common_sections() -> String {
    let mut text = String::from(".SH \"EXIT STATUS\"\n");
    for code in ExitCode::ALL {
        let _ = write!(text, ".TP\n\\fB{}\\fR\n{}\n", code.number(), code.meaning());
    }
    text.push_str(".SH ENVIRONMENT\n");
    for (name, meaning) in VARIABLES {
        let _ = write!(text, ".TP\n\\fB{name}\\fR\n{meaning}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, ValueEnum};

    use super::{Cli, Shell, completions, manual};
    use crate::failure::Class;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_shell_gets_a_script_that_knows_the_commands() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(completions(*shell)).expect("text");
            assert!(script.contains("inspect") && script.contains("offline"), "{shell}");
        }
    }

    #[test]
    fn manual_pages_name_the_command_and_the_exit_codes() {
        let page = |command| String::from_utf8(manual(command).expect("exists")).expect("text");
        assert!(page(None).contains(".SH \"EXIT STATUS\"") && page(None).contains("PIMG_CACHE"));
        assert!(
            page(Some("build")).contains("pimg\\-build") && page(Some("build")).contains("\\-\\-offline")
        );
        assert!(page(Some("secrets")).contains("pimg\\-secrets\\-init(1)"));
        assert!(page(Some("secrets-init")).contains("pimg\\-secrets\\-init \\- "));
        assert_eq!(manual(Some("bild")).expect_err("no such command").class(), Class::Usage);
    }

    #[test]
    fn help_begins_with_a_short_imperative_line_and_ends_with_an_example() {
        for command in Cli::command().get_subcommands() {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(
                (10..80).contains(&about.len()) && !about.ends_with('.'),
                "{}: {about}",
                command.get_name()
            );
            let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(example.starts_with("Example:\n  pimg "), "{}: {example}", command.get_name());
        }
    }
}
