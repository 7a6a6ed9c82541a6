//! Manual pages and shell completions, from the command line's own definition.

use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;

use super::{Exit, Outcome, make_folder, write};
use crate::cli::{Cli, GenerateArgs};

/// Writes `agegate.1`, one page for each subcommand, and completions for bash, zsh and fish.
///
/// # Errors
/// If the folder cannot be written.
pub fn run(args: &GenerateArgs) -> Outcome {
    make_folder(&args.folder)?;
    let command = Cli::command();
    let page = |command: clap::Command, name: &str| -> Result<(), Box<dyn std::error::Error>> {
        let mut bytes = Vec::new();
        clap_mangen::Man::new(command).title(name).render(&mut bytes)?;
        Ok(write(&args.folder.join(format!("{name}.1")), bytes)?)
    };
    page(command.clone(), "agegate")?;
    for sub in command.get_subcommands().filter(|s| !s.is_hide_set()) {
        page(sub.clone(), &format!("agegate-{}", sub.get_name()))?;
    }
    for shell in Shell::value_variants().iter().filter(|s| matches!(s, Shell::Bash | Shell::Zsh | Shell::Fish)) {
        clap_complete::generate_to(*shell, &mut Cli::command(), "agegate", &args.folder)?;
    }
    Ok(Exit::Success)
}
