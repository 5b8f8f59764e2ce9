//! The only writer of stdout and stderr. stdout carries the result, stderr everything else.

use std::io::{self, IsTerminal, Read, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use terminal_size::{Height, Width, terminal_size_of};
use zeroize::Zeroizing;

use super::args::ColorArg;
use crate::failure::{Class, Failure};

/// How much a copy between a file of an image and stdout takes at once, in bytes.
const CHUNK: usize = 256 << 10;

/// Writes to stdout and stderr.
pub(super) struct Printer {
    stdout: Stream,
    stderr: Stream,
    quiet: bool,
}

struct Stream {
    target: Mutex<Box<dyn Write + Send>>,
    color: bool,
}

impl Stream {
    fn new(target: impl Write + Send + 'static, color: bool) -> Self {
        Self { target: Mutex::new(Box::new(target)), color }
    }

    fn lock(&self) -> MutexGuard<'_, Box<dyn Write + Send>> {
        self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes text, without its colours where they are not wanted.
    fn text(&self, text: &str) -> io::Result<()> {
        let mut target = self.lock();
        if self.color {
            target.write_all(text.as_bytes())?;
        } else {
            write!(target, "{}", anstream::adapter::strip_str(text))?;
        }
        target.flush()
    }
}

/// Whether a stream gets colours.
fn wants_color(choice: ColorArg, no_color: bool, is_terminal: bool) -> bool {
    match choice {
        ColorArg::Always => true,
        ColorArg::Never => false,
        ColorArg::Auto => is_terminal && !no_color,
    }
}

impl Printer {
    /// The printer of the process.
    pub(super) fn of_process(choice: ColorArg, no_color: bool, quiet: bool) -> Self {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let out_color = wants_color(choice, no_color, stdout.is_terminal());
        let err_color = wants_color(choice, no_color, stderr.is_terminal());
        Self { stdout: Stream::new(stdout, out_color), stderr: Stream::new(stderr, err_color), quiet }
    }

    /// A printer to somewhere else, for tests.
    #[cfg(test)]
    pub(super) fn to(
        stdout: impl Write + Send + 'static,
        stderr: impl Write + Send + 'static,
        quiet: bool,
    ) -> Self {
        Self { stdout: Stream::new(stdout, false), stderr: Stream::new(stderr, false), quiet }
    }

    /// Whether stderr gets colours.
    pub(super) fn has_color(&self) -> bool {
        self.stderr.color
    }

    /// Columns of the terminal that results go to; `None` where they go elsewhere.
    pub(super) fn columns() -> Option<usize> {
        terminal_size_of(io::stdout()).map(|(Width(columns), _)| columns.into())
    }

    /// Columns and rows of the terminal that all else goes to.
    pub(super) fn size_of_stderr() -> Option<(usize, usize)> {
        terminal_size_of(io::stderr()).map(|(Width(columns), Height(rows))| (columns.into(), rows.into()))
    }

    /// Prints the result.
    ///
    /// # Errors
    /// stdout cannot be written, as on a full disk. A reader that went away is no error: it has enough.
    pub(super) fn result(&self, text: &str) -> Result<(), Failure> {
        read_enough(self.stdout.text(text))
    }

    /// Prints bytes as they are.
    ///
    /// # Errors
    /// As [`Printer::result`], and whatever reading reports.
    pub(super) fn stream(&self, mut content: impl Read) -> Result<(), Failure> {
        let mut buffer = vec![0; CHUNK];
        let mut target = self.stdout.lock();
        loop {
            let count = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(Failure::caused_by(Class::Base, "cannot read the file to its end", error));
                }
            };
            if let Err(error) = target.write_all(buffer.get(..count).unwrap_or_default()) {
                return read_enough(Err(error));
            }
        }
        read_enough(target.flush())
    }

    /// Tells a person something, unless `--quiet` asks for silence.
    pub(super) fn message(&self, text: &str) {
        if !self.quiet {
            self.always(text);
        }
    }

    /// Asks a person on the terminal; `None` where there is none.
    pub(super) fn ask(&self, question: &str) -> Option<bool> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return None;
        }
        self.always(&format!("{question} [y/N] "));
        let mut answer = String::new();
        stdin.read_line(&mut answer).ok()?;
        Some(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Asks a person for a password on the terminal, which does not show it; `None` where there is none.
    pub(super) fn ask_password(&self, what: &str) -> Option<Zeroizing<String>> {
        if !io::stdin().is_terminal() {
            return None;
        }
        self.always(&format!("{what}: "));
        rpassword::read_password().ok().map(Zeroizing::new)
    }

    /// Asks a person on the terminal for words; `None` where there is none, and at the end of what is typed.
    pub(super) fn ask_for(&self, question: &str, default: &str) -> Option<String> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return None;
        }
        self.always(&format!("{question} [{default}]: "));
        let mut answer = String::new();
        (stdin.read_line(&mut answer).ok()? > 0).then_some(answer)
    }

    /// Tells a person something in any case. There is no one left to tell where stderr is gone.
    pub(super) fn always(&self, text: &str) {
        let _ = self.stderr.text(text);
    }
}

fn read_enough(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::caused_by(Class::Host, "cannot write to stdout", error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex, PoisonError};

    use super::{Printer, wants_color};
    use crate::cli::args::ColorArg;
    use crate::failure::Class;

    /// A buffer that a test keeps while the printer writes to it.
    #[derive(Clone, Default)]
    pub(in crate::cli) struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Shared {
        pub(in crate::cli) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).expect("UTF-8")
        }
    }

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Fails(io::ErrorKind);

    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_error_and_a_full_disk_is_one() {
        let closed = Printer::to(Fails(io::ErrorKind::BrokenPipe), io::sink(), false);
        assert!(closed.result("x").is_ok());
        assert!(closed.stream(b"x".as_slice()).is_ok());
        let full = Printer::to(Fails(io::ErrorKind::StorageFull), io::sink(), false);
        assert_eq!(full.result("x").expect_err("is full").class(), Class::Host);
    }

    #[test]
    fn quiet_keeps_results_and_errors() {
        let (out, err) = (Shared::default(), Shared::default());
        let printer = Printer::to(out.clone(), err.clone(), true);
        printer.message("progress\n");
        printer.always("\u{1b}[31merror\u{1b}[0m\n");
        printer.result("path\n").expect("memory");
        assert_eq!((out.text().as_str(), err.text().as_str()), ("path\n", "error\n"));
    }

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        for (choice, no_color, terminal, expected) in [
            (ColorArg::Auto, false, true, true),
            (ColorArg::Auto, true, true, false),
            (ColorArg::Auto, false, false, false),
            (ColorArg::Always, true, false, true),
            (ColorArg::Never, false, true, false),
        ] {
            assert_eq!(wants_color(choice, no_color, terminal), expected, "{choice:?}");
        }
    }
}
