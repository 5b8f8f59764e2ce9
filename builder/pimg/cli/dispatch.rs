//! From what was typed to what it means: one match, one command function, one answer.

use super::args::{BuildArgs, CheckArgs, Cli, Command, FetchArgs, FormatArg, LockArgs, PlanArgs};
use super::exit_code::ExitCode;
use super::printer::Printer;
use super::progress::Progress;
use super::text::Show;
use super::{generate, json};
use crate::command::outcome::InspectOutcome;
use crate::command::request::{
    BuildRequest, CheckRequest, CleanRequest, FetchRequest, Ingredients, LockRequest, PlanRequest, Selection,
    VerifyRequest,
};
use crate::command::{self, Context};
use crate::failure::Failure;
use crate::image::format::ImageFormat;
use crate::packages::Update;

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
        Command::Bake(args) => presenter.show("bake", &command::bake::run(&args.into(), context)?),
        Command::Lock(args) => {
            let outcome = command::lock::run(&lock_request(args), context)?;
            presenter.show("lock", &outcome)
        }
        Command::Fetch(args) => {
            let outcome = command::fetch::run(&fetch_request(args), context)?;
            presenter.show("fetch", &outcome)
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
            let outcome = command::inspect::run(&args.into(), context)?;
            presenter.show_inspection(outcome)
        }
        Command::Diff(args) => presenter.show("diff", &command::diff::run(&args.into(), context)?),
        Command::Bump(args) => presenter.show("bump", &command::bump::run(&args.into(), context)?),
        Command::Verify(args) => {
            if let Some(request) = args.rebuild.request(&args.image) {
                let outcome = command::rebuild::run(&request, context)?;
                let done = presenter.show("verify", &outcome)?;
                return Ok(outcome.failed().map_or(done, ExitCode::from));
            }
            let request = VerifyRequest { image: args.image, key: args.key };
            let outcome = command::verify::run(&request, context)?;
            let done = presenter.show("verify", &outcome)?;
            Ok(outcome.failed().map_or(done, ExitCode::from))
        }
        Command::Flash(args) => {
            let outcome = command::flash::run(&args.into(), context)?;
            let done = presenter.show("flash", &outcome)?;
            Ok(outcome.failed().map_or(done, ExitCode::from))
        }
        Command::Secrets(args) => presenter.show("secrets", &command::secrets::run(args.into(), context)?),
        Command::Module(args) => presenter.show("module", &command::module::run(&args.into(), context)?),
        Command::Keys(args) => presenter.show("keys", &command::keys::run(args.into(), context)?),
        Command::Layer(args) => presenter.show("layer", &command::layer::run(&args.into(), context)?),
        Command::Schema(args) => presenter.print_raw(command::schema::run(args.into()).as_bytes()),
        Command::Seed(args) => presenter.show("seed", &command::seed::run(&args.into(), context)?),
        Command::Status(args) => presenter.status(args, context),
        Command::Test(args) => {
            let outcome = command::test::run(&args.request(), context)?;
            let done = presenter.show("test", &outcome)?;
            Ok(if outcome.passed { done } else { ExitCode::BootTest })
        }
        Command::Publish(args) => presenter.show("publish", &command::publish::run(&args.into(), context)?),
        Command::New(args) => presenter.show("new", &command::new_project::run(&args.into(), context)?),
        Command::Import(args) => presenter.show("import", &command::import::run(&args.into(), context)?),
        Command::Doctor(args) => {
            let outcome = command::doctor::run(&args.into(), context)?;
            let done = presenter.show("doctor", &outcome)?;
            Ok(if outcome.passed() { done } else { ExitCode::Host })
        }
        Command::Clean(args) => {
            let request = CleanRequest { cache: args.cache, older_than: args.older_than, out: args.out };
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
        Command::Bake(_) => "bake",
        Command::Check(_) => "check",
        Command::Lock(_) => "lock",
        Command::Fetch(_) => "fetch",
        Command::Plan(_) => "plan",
        Command::Inspect(_) => "inspect",
        Command::Diff(_) => "diff",
        Command::Bump(_) => "bump",
        Command::Verify(_) => "verify",
        Command::Flash(_) => "flash",
        Command::Secrets(_) => "secrets",
        Command::Module(_) => "module",
        Command::Keys(_) => "keys",
        Command::Layer(_) => "layer",
        Command::Schema(_) => "schema",
        Command::Seed(_) => "seed",
        Command::Status(_) => "status",
        Command::Test(_) => "test",
        Command::Publish(_) => "publish",
        Command::New(_) => "new",
        Command::Import(_) => "import",
        Command::Doctor(_) => "doctor",
        Command::Clean(_) => "clean",
        Command::Completions(_) => "completions",
        Command::Man(_) => "man",
    }
}

fn build_request(args: BuildArgs) -> BuildRequest {
    BuildRequest {
        hosts: if args.all { Selection::All } else { Selection::Named(args.profile) },
        out: args.out,
        format: match args.format {
            FormatArg::Zst => ImageFormat::Zst,
            FormatArg::Xz => ImageFormat::Xz,
            FormatArg::Raw => ImageFormat::Raw,
        },
        jobs: args.jobs,
        ingredients: Ingredients {
            base: args.base,
            locked: args.packages.locked,
            release: args.release,
            bake: args.bake.choice(),
            packages: args.packages.options(),
            ssh_keys: args.login.ssh_keys,
        },
    }
}

/// The profiles that were named, or all.
fn selection(named: Vec<String>) -> Selection {
    if named.is_empty() { Selection::All } else { Selection::Named(named) }
}

fn lock_request(args: LockArgs) -> LockRequest {
    let update = match args.update.as_deref() {
        None => Update::Keep,
        Some("base") => Update::Base,
        Some("packages") => Update::Packages,
        Some(name) => Update::One(name.to_owned()),
    };
    LockRequest {
        hosts: selection(args.profile),
        base: args.base,
        update,
        packages: args.packages.options(None),
    }
}

fn fetch_request(args: FetchArgs) -> FetchRequest {
    FetchRequest {
        hosts: selection(args.profile),
        base: args.base,
        locked: args.locked,
        vault: args.vault,
        packages: args.packages.options(None),
    }
}

fn check_request(args: CheckArgs) -> CheckRequest {
    CheckRequest { hosts: selection(args.profile), ssh_keys: args.login.ssh_keys }
}

fn plan_request(args: PlanArgs) -> PlanRequest {
    PlanRequest {
        profile: args.profile,
        base: args.base,
        bake: args.bake.choice(),
        packages: args.packages.options(None),
        ssh_keys: args.login.ssh_keys,
    }
}
