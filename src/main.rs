//! The command line. See `agegate --help`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use agegate::{
    camera,
    cli::{Cli, Command},
    commands::{self, Exit},
    complain, out,
};
use clap::Parser;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = out::clap(&error);
            return finish(ExitCode::from(u8::try_from(code).unwrap_or(Exit::Failure as u8)));
        }
    };
    out::journal("info,tract=warn");
    // Through /proc: an upgrade may have put another program in the place of this one.
    camera::pipe::guard_with("/proc/self/exe".into());
    let outcome = match &cli.command {
        Command::Detect(args) => commands::detect::run(args),
        Command::Evaluate(args) => commands::evaluate::run(args),
        Command::Run(args) => commands::run::run(args),
        Command::Supervise(args) => commands::supervise::run(args),
        Command::Demo(args) => commands::demo::run(args),
        Command::Setup(args) => commands::setup::run(args),
        Command::Aim(args) => commands::aim::run(args),
        Command::Check(args) => commands::check::run(args),
        Command::Log(args) => commands::log::run(args),
        Command::Relay(args) => commands::relay::off(args),
        Command::ResetTamper(args) => commands::tamper::reset(args),
        Command::RelayKeeper => commands::relay::keeper(),
        Command::CameraCommand(args) => commands::camera_command::run(args),
        Command::Replay(args) => commands::replay::run(args),
        Command::Generate(args) => commands::generate::run(args),
        Command::Calibrate(args) => commands::calibrate::run(args),
    };
    finish(match outcome {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) => {
            // Names in it may hold ends of lines, which would make lines of their own.
            complain!("agegate: {}", out::one_line(&commands::chain(error.as_ref())));
            ExitCode::from(Exit::Failure as u8)
        }
    })
}

/// The exit code, unless standard output could not be written.
fn finish(code: ExitCode) -> ExitCode {
    match out::result() {
        Ok(()) => code,
        Err(error) => {
            complain!("agegate: standard output: cannot write to it: {error}");
            ExitCode::from(Exit::Failure as u8)
        }
    }
}
