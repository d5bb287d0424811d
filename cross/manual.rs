//! Writes man pages and shell completions from the command line's own description: `make manual`. The packages carry them.
//! It runs on the machine that builds, never on the door.

use std::path::PathBuf;

use clap_complete::Shell;

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).unwrap_or_else(|| "target/manual".into());
    // Pages of commands that are gone go too.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let mut command = doorward::cli::description();
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut command, "doorward", &folder)?;
    }
    // A description of its own: making completions adds `help` to that one.
    clap_mangen::generate_to(without_help(doorward::cli::description()), &folder)
}

/// `help` repeats every command: it has no page.
fn without_help(command: clap::Command) -> clap::Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}
