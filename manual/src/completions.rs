//! What bash, zsh and fish read to complete a command line, each under the name that they look for.

use clap::{Command, ValueHint};
use clap_complete::{Shell, generate};

use crate::Generated;

/// The completions of one command.
#[must_use]
pub fn render(command: &Command) -> Vec<Generated> {
    let name = command.get_name().to_owned();
    [
        (Shell::Bash, format!("bash/{name}")),
        (Shell::Zsh, format!("zsh/_{name}")),
        (Shell::Fish, format!("fish/{name}.fish")),
    ]
    .into_iter()
    .map(|(shell, path)| {
        let mut content = Vec::new();
        generate(shell, &mut with_files(command), name.clone(), &mut content);
        (format!("packaging/completions/{path}"), content)
    })
    .collect()
}

/// What is not an option is a file, except the name of a qube, which only dom0 knows.
fn with_files(command: &Command) -> Command {
    command.clone().mut_args(|argument| {
        let is_file = argument.is_positional() && argument.get_id() != "target";
        match is_file {
            true => argument.value_hint(ValueHint::AnyPath),
            false => argument,
        }
    })
}
