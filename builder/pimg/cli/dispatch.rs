//! From what was typed to what it means: one match, one command function, one answer.

use super::args::{BuildArgs, CheckArgs, Cli, Command, FormatArg, InspectArgs, PartitionArg, PlanArgs};
use super::exit_code::ExitCode;
use super::printer::Printer;
use super::progress::Progress;
use super::text::Show;
use super::{generate, json};
use crate::command::outcome::InspectOutcome;
use crate::command::request::{
    BuildRequest, CheckRequest, CleanRequest, InspectRequest, PlanRequest, Selection, VerifyRequest,
};
use crate::command::{self, Context};
use crate::failure::Failure;
use crate::image::format::ImageFormat;
use crate::plan::change::Partition;

/// Shows what a command found or made, in the way that was asked for.
pub(super) struct Presenter<'a> {
    pub(super) printer: &'a Printer,
    pub(super) progress: &'a Progress,
    pub(super) json: bool,
    pub(super) verbose: bool,
}

impl Presenter<'_> {
    fn show(&self, command: &str, outcome: &impl Show) -> Result<ExitCode, Failure> {
        self.progress.end();
        if self.json {
            self.printer.result(&json::result(command, outcome)?)?;
        } else {
            let text = outcome.text(self.verbose);
            self.printer.result(&text.out)?;
            self.printer.message(&text.err);
        }
        Ok(ExitCode::Done)
    }

    fn show_inspection(&self, outcome: InspectOutcome) -> Result<ExitCode, Failure> {
        match outcome {
            InspectOutcome::File(file) if !self.json => {
                self.progress.end();
                self.printer.stream(file.content)?;
                Ok(ExitCode::Done)
            }
            outcome => self.show("inspect", &outcome),
        }
    }

    fn print_raw(&self, bytes: &[u8]) -> Result<ExitCode, Failure> {
        self.printer.stream(bytes)?;
        Ok(ExitCode::Done)
    }
}

/// Runs the command that was typed.
pub(super) fn dispatch(
    cli: Cli,
    context: &Context<'_>,
    presenter: &Presenter<'_>,
) -> Result<ExitCode, Failure> {
    match cli.command {
        Command::Build(args) => {
            let outcome = command::build::run(&build_request(args), context)?;
            presenter.show("build", &outcome)
        }
        Command::Check(args) => {
            let outcome = command::check::run(&check_request(args), context)?;
            presenter.show("check", &outcome)
        }
        Command::Plan(args) => {
            let outcome = command::plan::run(&plan_request(args), context)?;
            presenter.show("plan", &outcome)
        }
        Command::Inspect(args) => {
            let outcome = command::inspect::run(&inspect_request(args), context)?;
            presenter.show_inspection(outcome)
        }
        Command::Verify(args) => {
            let outcome = command::verify::run(&VerifyRequest { image: args.image }, context)?;
            let done = presenter.show("verify", &outcome)?;
            Ok(outcome.failed().map_or(done, ExitCode::from))
        }
        Command::Clean(args) => {
            let request = CleanRequest { cache: args.cache, out: args.out };
            presenter.show("clean", &command::clean::run(&request, context)?)
        }
        Command::Completions(args) => presenter.print_raw(&generate::completions(args.shell)),
        Command::Man(args) => presenter.print_raw(&generate::manual(args.command.as_deref())?),
    }
}

/// The command's name, as `--json` gives it.
pub(super) fn name(command: &Command) -> &'static str {
    match command {
        Command::Build(_) => "build",
        Command::Check(_) => "check",
        Command::Plan(_) => "plan",
        Command::Inspect(_) => "inspect",
        Command::Verify(_) => "verify",
        Command::Clean(_) => "clean",
        Command::Completions(_) => "completions",
        Command::Man(_) => "man",
    }
}

fn build_request(args: BuildArgs) -> BuildRequest {
    BuildRequest {
        hosts: if args.all { Selection::All } else { Selection::Named(args.profile) },
        base: args.base,
        out: args.out,
        format: match args.format {
            FormatArg::Zst => ImageFormat::Zst,
            FormatArg::Xz => ImageFormat::Xz,
            FormatArg::Raw => ImageFormat::Raw,
        },
        locked: args.locked,
        offline: args.offline,
        ssh_keys: args.login.ssh_keys,
    }
}

fn check_request(args: CheckArgs) -> CheckRequest {
    let hosts = if args.profile.is_empty() { Selection::All } else { Selection::Named(args.profile) };
    CheckRequest { hosts, ssh_keys: args.login.ssh_keys }
}

fn plan_request(args: PlanArgs) -> PlanRequest {
    PlanRequest {
        profile: args.profile,
        base: args.base,
        offline: args.offline,
        ssh_keys: args.login.ssh_keys,
    }
}

fn inspect_request(args: InspectArgs) -> InspectRequest {
    let partition = args.partition.map(|partition| match partition {
        PartitionArg::Boot => Partition::Boot,
        PartitionArg::Root => Partition::Root,
    });
    InspectRequest { image: args.image, path: args.path, partition, list: args.list }
}
