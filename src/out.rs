//! Standard output, for every command: `say!` instead of `println!`, which panics when nobody reads.
//!
//! A reader that has seen enough (`| head -1`) is no error: the command goes on in silence and ends as it would have. Anything
//! else that keeps the output from being written (a full disk) is told once at the end, with exit code 2.

use std::{
    fmt,
    io::{self, ErrorKind, IsTerminal, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

static STATE: Mutex<State> = Mutex::new(State::Open);

enum State {
    Open,
    Closed,
    Failed(io::Error),
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(result: io::Result<()>) {
    let Err(error) = result else { return };
    let mut state = state();
    if matches!(*state, State::Open) {
        *state = if error.kind() == ErrorKind::BrokenPipe { State::Closed } else { State::Failed(error) };
    }
}

/// Whether what is written still gets anywhere.
#[must_use]
pub fn is_open() -> bool {
    matches!(*state(), State::Open)
}

/// Writes text, and what ends it.
pub fn write(text: fmt::Arguments, end: &str) {
    if is_open() {
        let mut out = io::stdout().lock();
        note(out.write_fmt(text).and_then(|()| out.write_all(end.as_bytes())).and_then(|()| out.flush()));
    }
}

/// Writes much at once; `work` should stop when [`is_open`] says no.
pub fn bulk(work: impl FnOnce(&mut dyn Write)) {
    let mut out = io::BufWriter::new(Tolerant);
    work(&mut out);
    note(out.flush());
}

/// Writes to standard output and notes the error, so that whoever writes through it has none.
struct Tolerant;

impl Write for Tolerant {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if is_open() {
            note(io::stdout().lock().write_all(bytes));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if is_open() {
            note(io::stdout().lock().flush());
        }
        Ok(())
    }
}

/// Prints what clap has to say to its right place; the exit code that goes with it.
#[must_use]
pub fn clap(error: &clap::Error) -> i32 {
    let text = error.render();
    let plain = |terminal: bool| !terminal || std::env::var_os("NO_COLOR").is_some();
    if error.use_stderr() {
        let plain = plain(io::stderr().is_terminal());
        let text = if plain { text.to_string() } else { text.ansi().to_string() };
        complain(format_args!("{text}"));
    } else {
        let plain = plain(io::stdout().is_terminal());
        let text = if plain { text.to_string() } else { text.ansi().to_string() };
        write(format_args!("{text}"), "");
    }
    error.exit_code()
}

/// Writes to standard error, where nobody can be told that it fails.
pub fn complain(text: fmt::Arguments) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// What kept standard output from being written, if anything did but a reader that had seen enough.
///
/// # Errors
/// The first error.
pub fn result() -> io::Result<()> {
    note(io::stdout().lock().flush());
    match std::mem::replace(&mut *state(), State::Closed) {
        State::Failed(error) => Err(error),
        _ => Ok(()),
    }
}

/// `println!` for standard output that may be closed or full.
#[macro_export]
macro_rules! say {
    ($($arg:tt)*) => { $crate::out::write(format_args!($($arg)*), "\n") };
}

/// `eprintln!` that does not panic.
#[macro_export]
macro_rules! complain {
    ($($arg:tt)*) => { $crate::out::complain(format_args!("{}\n", format_args!($($arg)*))) };
}
