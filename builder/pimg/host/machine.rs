//! Programs that run for long: started, listened to, asked over sockets, stopped.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::error::HostError;
use super::tools::ToolError;

/// Longest line that is passed on in one piece, in bytes.
const LONGEST_LINE: u64 = 16 << 10;

/// Longest answer that is taken from a machine, in bytes.
const LONGEST_ANSWER: u64 = 64 << 20;

/// Time that goes by, by a clock that no one sets.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// What is heard of a running program; `T` says of which.
#[derive(Debug)]
pub enum Heard<T> {
    /// It printed a line on its standard output.
    Line(T, Vec<u8>),
    /// It closed its standard output: it ended or is about to.
    End(T),
}

/// A running program. It is killed when this value goes.
#[derive(Debug)]
pub struct Program {
    child: Child,
    listener: Option<JoinHandle<()>>,
}

impl Program {
    /// Starts `program` in `dir`. What it prints goes to `hear` line by line and, unchanged, to the end of the file
    /// `log`; its errors go to the end of `errors`.
    ///
    /// # Errors
    /// It cannot be started, or a file cannot be written.
    #[expect(clippy::disallowed_methods, reason = "this is the room that spawns processes")]
    pub fn start<T: Copy + Send + 'static>(
        program: &str,
        arguments: &[String],
        dir: &Path,
        (log, errors): (&Path, &Path),
        (of, hear): (T, Sender<Heard<T>>),
    ) -> Result<Self, StartError> {
        let (mut log, errors) = (append_to(log)?, append_to(errors)?);
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .map_err(|source| ToolError::Start { program: program.to_owned(), source })?;
        let stdout = child.stdout.take();
        let listener = thread::spawn(move || {
            let mut stdout = stdout.map(BufReader::new);
            while let Some(line) = stdout.as_mut().and_then(next_line) {
                // a full disk takes the log away, not the test
                let _ = log.write_all(&line);
                if hear.send(Heard::Line(of, line)).is_err() {
                    return;
                }
            }
            let _ = hear.send(Heard::End(of));
        });
        Ok(Self { child, listener: Some(listener) })
    }

    /// Stops it at once, as if its power were cut, and waits until all that it printed is passed on.
    pub fn kill(&mut self) {
        // it may have ended by itself
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }

    /// How it ended; `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A program could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// One of its files.
    #[error(transparent)]
    File(#[from] HostError),
    /// The program itself.
    #[error(transparent)]
    Tool(#[from] ToolError),
}

impl crate::failure::Fault for StartError {
    fn class(&self) -> crate::failure::Class {
        crate::failure::Class::Host
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::File(error) => error.hints(),
            Self::Tool(error) => error.hints(),
        }
    }
}

fn append_to(path: &Path) -> Result<File, HostError> {
    OpenOptions::new().append(true).create(true).open(path).map_err(HostError::file("open", path))
}

/// The next line with its end, or a piece of one that is very long.
pub(super) fn next_line(from: &mut BufReader<impl Read>) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    match from.take(LONGEST_LINE).read_until(b'\n', &mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line),
    }
}

/// The way to the script inside a machine: a line `NUMBER VERB` out, a line `NUMBER LENGTH` and as many bytes back.
#[derive(Debug, Default)]
pub struct Agent {
    stream: Option<UnixStream>,
    number: u64,
}

impl Agent {
    /// Asks, and waits for the answer at most `patience`.
    ///
    /// # Errors
    /// Nobody listens, or nothing comes in time.
    pub fn ask(&mut self, socket: &Path, verb: &str, patience: Duration) -> io::Result<Vec<u8>> {
        self.number += 1;
        let answer = self.try_to_ask(socket, verb, Instant::now() + patience);
        if answer.is_err() {
            // what comes late is not to be taken for the answer to the next question
            self.stream = None;
        }
        answer
    }

    /// Forgets the connection: the machine behind it is another one now.
    pub fn disconnect(&mut self) {
        self.stream = None;
    }

    fn try_to_ask(&mut self, socket: &Path, verb: &str, deadline: Instant) -> io::Result<Vec<u8>> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => UnixStream::connect(socket)?,
        };
        stream.set_write_timeout(Some(left(deadline)?))?;
        writeln!(stream, "{} {verb}", self.number)?;
        loop {
            let mut header = Vec::new();
            while header.last() != Some(&b'\n') {
                let mut byte = [0];
                read_by(&mut stream, &mut byte, deadline)?;
                header.extend(byte);
                if header.len() > 64 {
                    return Err(io::ErrorKind::InvalidData.into());
                }
            }
            let header = String::from_utf8_lossy(&header).into_owned();
            let mut words = header.split_whitespace().map(str::parse::<u64>);
            let (Some(Ok(number)), Some(Ok(length))) = (words.next(), words.next()) else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            if length > LONGEST_ANSWER {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            let mut answer = vec![0; usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?];
            read_by(&mut stream, &mut answer, deadline)?;
            if number == self.number {
                self.stream = Some(stream);
                return Ok(answer);
            }
        }
    }
}

/// Fills `buffer` before `deadline`.
fn read_by(stream: &mut UnixStream, buffer: &mut [u8], deadline: Instant) -> io::Result<()> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(rest)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => filled += read,
        }
    }
    Ok(())
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Gives a line to a program that listens on a Unix socket, such as QEMU's monitor. The socket may take a moment to be
/// there.
///
/// # Errors
/// Nobody listens within `patience`.
pub fn tell(socket: &Path, line: &str, patience: Duration) -> Result<(), HostError> {
    let deadline = Instant::now() + patience;
    loop {
        match UnixStream::connect(socket).and_then(|mut stream| told(&mut stream, line, deadline)) {
            Ok(()) => return Ok(()),
            Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(50)),
            Err(error) => return Err(HostError::file("talk to", socket)(error)),
        }
    }
}

/// Waits for a prompt, writes, and waits for the prompt behind it: what was told is done then.
fn told(stream: &mut UnixStream, line: &str, deadline: Instant) -> io::Result<()> {
    prompt(stream, deadline)?;
    writeln!(stream, "{line}")?;
    prompt(stream, deadline)
}

fn prompt(stream: &mut UnixStream, deadline: Instant) -> io::Result<()> {
    let mut seen = Vec::new();
    while !seen.ends_with(b"(qemu) ") {
        let mut byte = [0];
        read_by(stream, &mut byte, deadline)?;
        seen.extend(byte);
    }
    Ok(())
}

/// What makes an arm64 machine fast on this host.
pub fn has_native_processor() -> Option<&'static str> {
    if !cfg!(target_arch = "aarch64") {
        return None;
    }
    if cfg!(target_os = "macos") {
        return Some("hvf");
    }
    let may_be_used = OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok();
    may_be_used.then_some("kvm")
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::{Agent, Heard, Program, tell};

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_program_is_heard_line_by_line_and_killed() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let (log, errors) = (dir.path().join("log"), dir.path().join("errors"));
        let (sender, heard) = channel();
        let arguments = ["-c", "echo one; printf two; echo oops >&2; exec sleep 600"].map(str::to_owned);
        let mut program = Program::start("/bin/sh", &arguments, dir.path(), (&log, &errors), (7, sender))?;
        assert!(matches!(heard.recv_timeout(LONG)?, Heard::Line(7, line) if line == b"one\n"));
        assert!(program.ended().is_none());
        // it says this last
        while std::fs::read(&errors)? != b"oops\n" {
            std::thread::sleep(Duration::from_millis(10));
        }
        program.kill();
        // the piece of a line comes with the end
        assert!(matches!(heard.recv_timeout(LONG)?, Heard::Line(7, line) if line == b"two"));
        assert!(matches!(heard.recv_timeout(LONG)?, Heard::End(7)));
        assert_eq!(std::fs::read(log)?, b"one\ntwo");
        assert_eq!(std::fs::read(errors)?, b"oops\n");
        Ok(())
    }

    #[test]
    fn an_answer_that_comes_late_is_not_taken_for_another() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let socket = dir.path().join("agent");
        let listener = UnixListener::bind(&socket)?;
        let machine = std::thread::spawn(move || {
            let mut question = [0; 9];
            let (mut stream, _) = listener.accept().expect("a caller");
            stream.read_exact(&mut question).expect("a question");
            // it gives up and calls again
            let (mut stream, _) = listener.accept().expect("a caller");
            stream.read_exact(&mut question).expect("a question");
            stream.write_all(b"1 4\nlate2 5\nearly").expect("an answer");
            question
        });
        let mut agent = Agent::default();
        assert!(agent.ask(&socket, "status", Duration::from_millis(50)).is_err());
        assert_eq!(agent.ask(&socket, "status", LONG)?, b"early");
        assert_eq!(&machine.join().expect("ends"), b"2 status\n");
        Ok(())
    }

    #[test]
    fn nobody_to_talk_to_is_an_error() {
        let error =
            tell(std::path::Path::new("/nowhere/monitor"), "quit", Duration::ZERO).expect_err("nobody");
        assert_eq!(error.to_string(), "cannot talk to `/nowhere/monitor`");
    }
}
