//! The command line. See `agegate --help`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use agegate::{
    cli::{Cli, Command},
    commands::{self, Exit},
};
use clap::Parser;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match &cli.command {
        Command::Detect(args) => commands::detect::run(args),
        Command::Evaluate(args) => commands::evaluate::run(args),
        _ => Err("not built yet".into()),
    };
    match outcome {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) => {
            eprintln!("agegate: {}", commands::chain(error.as_ref()));
            ExitCode::from(Exit::Failure as u8)
        }
    }
}
