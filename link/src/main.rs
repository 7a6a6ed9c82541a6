//! The command line. See `agegate-link --help`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use agegate_link::{cli, complain, out};
use clap::Parser;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return finish(ExitCode::from(u8::try_from(out::clap(&error)).unwrap_or(2))),
    };
    out::journal("info,rumqttc=error");
    finish(match cli.run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            complain!("agegate-link: {error}");
            ExitCode::from(2)
        }
    })
}

/// The exit code, unless standard output could not be written.
fn finish(code: ExitCode) -> ExitCode {
    match out::result() {
        Ok(()) => code,
        Err(error) => {
            complain!("agegate-link: standard output: cannot write to it: {error}");
            ExitCode::from(2)
        }
    }
}
