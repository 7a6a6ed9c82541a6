//! Standard output, for every command: `say!` instead of `println!`, which panics when nobody reads.
//!
//! A reader that has seen enough (`| head -1`) is no error: the command goes on in silence and ends as it would have. Anything
//! else that keeps the output from being written (a full disk) is told once at the end, with exit code 2.
//!
//! Names and values come from files of anybody, so that nothing printed moves a terminal's cursor or turns the order of its letters:
//! such characters are shown by their numbers. Only [`draw`] writes as it is told.

use std::{
    fmt::{self, Write as _},
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
    draw(&printable(text), end);
}

/// Writes text that may have escape sequences in it, and what ends it.
pub fn draw(text: &str, end: &str) {
    if is_open() {
        let mut out = io::stdout().lock();
        note(out.write_all(text.as_bytes()).and_then(|()| out.write_all(end.as_bytes())).and_then(|()| out.flush()));
    }
}

/// What writes the journal's lines: as [`printable`] has them, and a message of several lines indented, so that none passes for another's.
///
/// # Panics
/// If there is a logger already.
pub fn journal(filter: &str) {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(filter))
        .format(|line, record| {
            let level = line.default_level_style(record.level());
            let message = printable(*record.args()).replace('\n', "\n    ");
            writeln!(line, "[{level}{:<5}{level:#} {}] {message}", record.level(), record.target())
        })
        .init();
}

/// Text of one line: as [`printable`], with the ends of lines and tabs by their numbers, too.
#[must_use]
pub fn one_line(text: &str) -> String {
    printable(format_args!("{text}")).replace('\n', "\\u000a").replace('\t', "\\u0009")
}

/// A text as a field of a CSV file: of one line, in quotes where it needs them, and no formula to a spreadsheet, which takes for one what
/// begins with any of `=+-@` (OWASP, "CSV Injection").
#[must_use]
pub fn field(text: &str) -> String {
    let text = one_line(text);
    // The wide ones of East Asian keyboards are taken for the same.
    let formula = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
    // What a program may drop from the front of a cell is no protection.
    let bare = text.trim_start_matches(|c: char| {
        c.is_whitespace()
            || is_unseen(c)
            || matches!(c, '\u{2800}' | '\u{fe00}'..='\u{fe0f}' | '\u{200c}'..='\u{200d}' | '\u{e0000}'..='\u{e0fff}')
    });
    let text = if bare.starts_with(formula) { format!("'{text}") } else { text };
    if text.contains([',', '"', ';']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// Text with nothing in it that a terminal obeys but the end of a line and a tab: other control characters, and those that turn the
/// order of letters, by their numbers.
#[must_use]
pub fn printable(text: fmt::Arguments) -> String {
    let mut plain = String::new();
    for c in text.to_string().chars() {
        let kept = matches!(c, '\n' | '\t') || !(c.is_control() || turns_letters(c) || is_unseen(c));
        // As JSON and TOML write them, so that a file printed is the same file still.
        let shown = if kept { plain.write_char(c) } else { write!(plain, "\\u{:04x}", c as u32) };
        shown.expect("a String takes all that is written");
    }
    plain
}

/// Marks that change the order in which letters are shown (Unicode Standard Annex 9), and the line's ends that are no `\n`.
#[must_use]
pub fn turns_letters(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What is not to be seen, by which two names that look alike differ (Unicode's default ignorable characters, less the two that join
/// letters, those that choose a letter's form, and those beyond four digits, which JSON and TOML write differently).
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
    )
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
        if plain(io::stderr().is_terminal()) {
            complain(format_args!("{text}"));
        } else {
            let _ = write!(io::stderr().lock(), "{}", text.ansi());
        }
    } else {
        if plain(io::stdout().is_terminal()) {
            write(format_args!("{text}"), "");
        } else {
            draw(&text.ansi().to_string(), "");
        }
    }
    error.exit_code()
}

/// Writes to standard error, where nobody can be told that it fails.
pub fn complain(text: fmt::Arguments) {
    let text = printable(text);
    // A second line belongs to the first, and passes for no other's.
    let text = text.trim_end_matches('\n').replace('\n', "\n    ") + "\n";
    let _ = io::stderr().lock().write_all(text.as_bytes());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_printed_moves_the_cursor_or_turns_letters() {
        assert_eq!(printable(format_args!("a\u{200b}b\u{feff}")), "a\\u200bb\\ufeff");
        let file = "a\u{1b}[2Jb\u{202e}gpj.\u{9b}1A\rz";
        assert_eq!(printable(format_args!("{file}:\n\tok")), "a\\u001b[2Jb\\u202egpj.\\u009b1A\\u000dz:\n\tok");
        for c in ('\0'..=char::MAX).filter(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            assert!(!printable(format_args!("{c}")).contains(c), "{c:?}");
        }
        assert_eq!(one_line("a\nb\tc\u{2028}"), "a\\u000ab\\u0009c\\u2028");
        assert_eq!(printable(format_args!("größer, 年齢, ▀ 👩‍🚒")), "größer, 年齢, ▀ 👩‍🚒");
    }
}
