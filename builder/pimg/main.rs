//! The program: all of it is in the library, beginning with `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pimg::cli::run(std::env::args_os())
}
