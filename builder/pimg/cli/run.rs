//! The whole program: parse, run, report, exit code.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Parser;

use super::args::{Cli, ColorArg, ProgressArg};
use super::dispatch::{Presenter, dispatch, name};
use super::exit_code::ExitCode;
use super::printer::Printer;
use super::progress::Progress;
use super::{interrupt, json, panic, report};
use crate::command::{self, Context};
use crate::failure::{Class, Failure};
use crate::host::env::Environment;

/// Runs pimg with these arguments, the first of which is the program's own name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> std::process::ExitCode {
    let arguments: Vec<_> = arguments.into_iter().collect();
    if command::inside::is_asked_for(&arguments) {
        return command::inside::run().into();
    }
    let environment = Environment::capture();
    let code = match Cli::try_parse_from(arguments) {
        Ok(cli) => run_command(cli, &environment),
        Err(error) => usage(&error, &environment),
    };
    code.number().into()
}

/// Prints what clap has to say: help and version are results, all else is an error.
fn usage(error: &clap::Error, environment: &Environment) -> ExitCode {
    let printer = Printer::of_process(ColorArg::Auto, environment.no_color(), false);
    let text = error.render().ansi().to_string();
    if error.use_stderr() {
        printer.always(&text);
        return ExitCode::Usage;
    }
    match printer.result(&text) {
        Ok(()) => ExitCode::Done,
        Err(failure) => ExitCode::from(failure.class()),
    }
}

fn run_command(cli: Cli, environment: &Environment) -> ExitCode {
    let global = &cli.global;
    let printer = Arc::new(Printer::of_process(global.color, environment.no_color(), global.quiet));
    panic::report_to(Arc::clone(&printer), environment.wants_backtrace());

    let interrupted = Arc::new(AtomicBool::new(false));
    let is_terminal = std::io::stderr().is_terminal() && !environment.is_ci();
    let how = if global.quiet && global.progress == ProgressArg::Auto {
        ProgressArg::None
    } else {
        global.progress
    };
    let progress = Arc::new(Progress::new(how, is_terminal, Arc::clone(&printer), Arc::clone(&interrupted)));
    interrupt::watch(interrupted, Arc::clone(&progress));

    let (command, is_json) = (name(&cli.command), global.json);
    let presenter =
        Presenter { printer: &printer, progress: &progress, json: is_json, verbose: global.verbose };
    let context = Context { reporter: &*progress, environment, project: global.project.clone() };
    // the panic hook has reported it
    let Ok(result) = catch_unwind(AssertUnwindSafe(|| {
        require_project(&context)?;
        dispatch(cli, &context, &presenter)
    })) else {
        return ExitCode::Internal;
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            progress.end();
            if is_json {
                // stdout that cannot be written changes nothing: it failed already
                let _ = printer.result(&json::failure(command, &failure));
            }
            printer.always(&report::render(&failure));
            failure.class().into()
        }
    }
}

fn require_project(context: &Context<'_>) -> Result<(), Failure> {
    if context.project.is_dir() {
        return Ok(());
    }
    let message = format!("there is no project directory `{}`", context.project.display());
    Err(Failure::new(Class::Usage, message))
}
