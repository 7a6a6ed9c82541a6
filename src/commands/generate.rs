//! Manual pages and shell completions, from the command line's own definition.

use clap::{CommandFactory, ValueEnum};
use clap_complete::{Generator, Shell};

use super::{Exit, Outcome};
use crate::{
    cli::{Cli, GenerateArgs},
    made::MadeFolder,
};

/// Writes `agegate.1`, one page for each subcommand, and completions for bash, zsh and fish.
///
/// # Errors
/// If the folder cannot be written.
pub fn run(args: &GenerateArgs) -> Outcome {
    let folder = MadeFolder::open(&args.folder)?;
    let command = Cli::command();
    let page = |command: clap::Command, name: &str| -> Result<(), Box<dyn std::error::Error>> {
        let mut bytes = Vec::new();
        clap_mangen::Man::new(command).title(name).render(&mut bytes)?;
        Ok(folder.write(&format!("{name}.1"), &bytes)?)
    };
    page(command.clone(), "agegate")?;
    for sub in command.get_subcommands().filter(|s| !s.is_hide_set()) {
        page(sub.clone(), &format!("agegate-{}", sub.get_name()))?;
    }
    for shell in Shell::value_variants().iter().filter(|s| matches!(s, Shell::Bash | Shell::Zsh | Shell::Fish)) {
        let mut bytes = Vec::new();
        clap_complete::generate(*shell, &mut Cli::command(), "agegate", &mut bytes);
        folder.write(&shell.file_name("agegate"), &bytes)?;
    }
    Ok(Exit::Success)
}
