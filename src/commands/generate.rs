//! Manual pages and shell completions, from the command line's own definition; the example configuration, from the table of
//! keys.

use std::path::Path;

use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;

use super::{Exit, Outcome, make_folder, write};
use crate::{
    cli::{Cli, GenerateArgs},
    config,
};

/// Writes `agegate.1`, one page for each subcommand and their subcommands (`agegate-log-verify.1`), completions for bash,
/// zsh and fish, and `agegate.toml`.
///
/// # Errors
/// If the folder cannot be written.
pub fn run(args: &GenerateArgs) -> Outcome {
    make_folder(&args.folder)?;
    let mut command = Cli::command().disable_help_subcommand(true);
    // Gives the subcommands their whole names, which each page has to bear.
    command.build();
    pages(&command, &args.folder).map_err(|e| format!("{}: {e}", args.folder.display()))?;
    for shell in Shell::value_variants().iter().filter(|s| matches!(s, Shell::Bash | Shell::Zsh | Shell::Fish)) {
        clap_complete::generate_to(*shell, &mut Cli::command(), "agegate", &args.folder)?;
    }
    write(&args.folder.join("agegate.toml"), config::example::text())?;
    Ok(Exit::Success)
}

/// The page of a command, and those of its subcommands.
fn pages(command: &clap::Command, folder: &Path) -> std::io::Result<()> {
    for sub in command.get_subcommands().filter(|s| !s.is_hide_set()) {
        pages(sub, folder)?;
    }
    let source = concat!("agegate ", env!("CARGO_PKG_VERSION"));
    clap_mangen::Man::new(command.clone()).source(source).generate_to(folder).map(|_| ())
}
