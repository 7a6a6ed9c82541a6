//! Manual pages and shell completions, from the command line's own definition; the example configuration, from the table of
//! keys.

use clap::{CommandFactory, ValueEnum};
use clap_complete::{Generator, Shell};

use super::{Exit, Outcome};
use crate::{
    cli::{Cli, GenerateArgs},
    config,
    made::MadeFolder,
};

/// Writes `agegate.1`, one page for each subcommand and their subcommands (`agegate-log-verify.1`), completions for bash,
/// zsh and fish, and `agegate.toml`.
///
/// # Errors
/// If the folder cannot be written.
pub fn run(args: &GenerateArgs) -> Outcome {
    let folder = MadeFolder::open(&args.folder)?;
    let mut command = Cli::command().disable_help_subcommand(true);
    // Gives the subcommands their whole names, which each page has to bear.
    command.build();
    pages(&command, &folder)?;
    for shell in Shell::value_variants().iter().filter(|s| matches!(s, Shell::Bash | Shell::Zsh | Shell::Fish)) {
        let mut bytes = Vec::new();
        clap_complete::generate(*shell, &mut Cli::command(), "agegate", &mut bytes);
        folder.write(&shell.file_name("agegate"), &bytes)?;
    }
    folder.write("agegate.toml", config::example::text().as_bytes())?;
    Ok(Exit::Success)
}

/// The page of a command, and those of its subcommands.
fn pages(command: &clap::Command, folder: &MadeFolder) -> Result<(), Box<dyn std::error::Error>> {
    for sub in command.get_subcommands().filter(|s| !s.is_hide_set()) {
        pages(sub, folder)?;
    }
    let page = clap_mangen::Man::new(command.clone()).source(concat!("agegate ", env!("CARGO_PKG_VERSION")));
    let mut bytes = Vec::new();
    page.render(&mut bytes)?;
    Ok(folder.write(&page.get_filename(), &bytes)?)
}
