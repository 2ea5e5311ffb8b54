//! What bash, zsh and fish read to complete a command line, each under the name that they look for.
//!
//! zsh and fish get what `clap_complete` makes of the definition. For bash it offers options in
//! place of files, so what bash reads is made here. What none of them knows, the names of qubes, is
//! a function of each shell in `qubes.SHELL`.

use clap::{Arg, Command, ValueHint};
use clap_complete::{Shell, generate};

use super::Generated;

/// The completions of one command.
#[must_use]
pub fn render(command: &Command) -> Vec<Generated> {
    let name = command.get_name();
    let words = Words::of(name);
    [
        (format!("bash/{name}"), bash(command, words)),
        (format!("zsh/_{name}"), zsh(command, words)),
        (format!("fish/{name}.fish"), fish(command, words)),
    ]
    .map(|(path, content)| (format!("completions/{path}"), content.into_bytes()))
    .into()
}

/// The kind of the arguments that are not options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Words {
    /// Files.
    Files,
    /// A qube, then files.
    QubeThenFiles,
    /// Nothing that a shell knows.
    Unknown,
}

impl Words {
    fn of(name: &str) -> Self {
        match name {
            "qvm-copy-to-vm" | "qvm-move-to-vm" | "qvm-open-in-vm" | "qvm-run-vm" => {
                Self::QubeThenFiles
            }
            _ if name.starts_with("qubesdb-") => Self::Unknown,
            _ => Self::Files,
        }
    }
}

// --- bash ------------------------------------------------------------------------------------------

fn bash(command: &Command, words: Words) -> String {
    let name = command.get_name();
    let function = format!("_{}", name.replace('-', "_"));
    let options = all_options(command).join(" ");
    let values: String = options_with_value(command).map(bash_value).collect();
    let positional = match words {
        Words::Files => "        compopt -o default -o bashdefault",
        Words::QubeThenFiles => BASH_QUBE_THEN_FILES,
        Words::Unknown => "        :",
    };
    let qubes = match knows_qubes(command, words) {
        true => include_str!("qubes.bash"),
        false => "",
    };
    // The names of the options that have a value, to tell their values from files.
    let valued: Vec<String> = options_with_value(command).flat_map(spellings).collect();
    let valued = match valued.is_empty() {
        true => "''".to_owned(),
        false => valued.join("|"),
    };
    format!(
        r#"# bash completion of {name}, generated from the definition of its command line.
{qubes}
{function}() {{
    local current=$2 word option= skip= joined= ended= count=0
    COMPREPLY=()
    # How many words before this one are no options. bash takes @, : and = for words, too.
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        if [[ $word == [@=] ]]; then
            continue
        elif [[ $word == : ]]; then
            joined=1
        elif [[ -n $joined ]]; then
            joined=
        elif [[ -n $skip ]]; then
            skip=
        elif [[ -z $ended && $word == -- ]]; then
            ended=1
        elif [[ -z $ended && $word == -* ]]; then
            option=$word
            case $word in
                {valued}) skip=1 ;;
            esac
        else
            count=$((count + 1))
        fi
    done
    if [[ -n $skip ]]; then
        case $option in
{values}            *) ;;
        esac
    elif [[ -z $ended && $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '{options}' -- "$current")
    else
{positional}
    fi
}}
complete -F {function} {name}
"#
    )
}

/// Files stand behind the first word; and instead of it, where no qube has such a name.
const BASH_QUBE_THEN_FILES: &str = r#"        if ((count == 0)); then
            mapfile -t COMPREPLY < <(compgen -W "$(_qfile_qubes)" -- "$current")
        fi
        compopt -o default -o bashdefault"#;

fn options_with_value(command: &Command) -> impl Iterator<Item = &Arg> {
    command
        .get_opts()
        .filter(|option| option.get_action().takes_values())
}

/// What stands behind an option.
fn bash_value(option: &Arg) -> String {
    let names = spellings(option).join("|");
    let values: Vec<String> = option
        .get_possible_values()
        .iter()
        .map(|value| value.get_name().to_owned())
        .collect();
    match values.is_empty() {
        false => format!(
            "            {names}) mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$current\") ;;\n",
            values.join(" ")
        ),
        true if takes_a_qube(option) => format!(
            "            {names}) mapfile -t COMPREPLY < <(compgen -W \"$(_qfile_qubes)\" -- \"$current\") ;;\n"
        ),
        true if takes_a_file(option) => {
            format!("            {names}) compopt -o default -o bashdefault ;;\n")
        }
        true => String::new(),
    }
}

fn takes_a_qube(option: &Arg) -> bool {
    option.get_value_hint() == ValueHint::Hostname
}

/// True if a qube may stand among the words, or behind an option.
fn knows_qubes(command: &Command, words: Words) -> bool {
    words == Words::QubeThenFiles || command.get_opts().any(takes_a_qube)
}

fn takes_a_file(option: &Arg) -> bool {
    matches!(
        option.get_value_hint(),
        ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath
    )
}

fn spellings(option: &Arg) -> Vec<String> {
    let long = option.get_long_and_visible_aliases().unwrap_or_default();
    let short = option.get_short_and_visible_aliases().unwrap_or_default();
    let long = long.into_iter().map(|name| format!("--{name}"));
    long.chain(short.into_iter().map(|letter| format!("-{letter}")))
        .collect()
}

/// Also `--help` and `--version`, which the definition gets when it is built.
fn all_options(command: &Command) -> Vec<String> {
    let mut command = command.clone();
    command.build();
    command
        .get_arguments()
        .filter(|argument| !argument.is_positional() && !argument.is_hide_set())
        .flat_map(spellings)
        .collect()
}

// --- zsh -------------------------------------------------------------------------------------------

fn zsh(command: &Command, words: Words) -> String {
    let name = command.get_name();
    let made = made_by_clap(Shell::Zsh, command, words);
    if !knows_qubes(command, words) {
        return made;
    }
    // clap knows hosts, but no qubes. The value of an option is one; in place of the first word there may
    // be a file, if dom0 asks for the qube.
    let lines = made.split_inclusive('\n').map(|line| {
        let is_option = line
            .trim_start_matches(['(', '\'', '*', ' '])
            .starts_with('-');
        match is_option {
            true => line.replace("_hosts'", "_qfile_qubes'"),
            false => line.replace("_hosts'", "_qfile_qubes_or_files'"),
        }
    });
    let made: String = lines.collect();
    let head = format!("#compdef {name}\n");
    made.replacen(&head, &format!("{head}\n{}", include_str!("qubes.zsh")), 1)
}

// --- fish ------------------------------------------------------------------------------------------

fn fish(command: &Command, words: Words) -> String {
    let name = command.get_name();
    // clap knows hosts, but no qubes.
    let made = made_by_clap(Shell::Fish, command, words);
    let made = made.replace("(__fish_print_hostnames)", "(__qfile_qubes)");
    match words {
        Words::Files if knows_qubes(command, words) => {
            format!("{}{made}", include_str!("qubes.fish"))
        }
        Words::Files => made,
        Words::Unknown => format!("{made}complete -c {name} -f\n"),
        Words::QubeThenFiles => {
            let valued: Vec<String> = options_with_value(command).flat_map(spellings).collect();
            format!(
                "{}{made}complete -c {name} -n '__qfile_is_first {}' -a '(__qfile_qubes)' -d qube\n",
                include_str!("qubes.fish"),
                valued.join(" ")
            )
        }
    }
}

// --- both ------------------------------------------------------------------------------------------

fn made_by_clap(shell: Shell, command: &Command, words: Words) -> String {
    let mut content = Vec::new();
    let mut command = with_hints(command, words);
    let name = command.get_name().to_owned();
    generate(shell, &mut command, name, &mut content);
    String::from_utf8_lossy(&content).into_owned()
}

/// The definition with what its words are: for the shells the qube is an argument of its own.
fn with_hints(command: &Command, words: Words) -> Command {
    let files = |argument: Arg| match argument.is_positional() {
        true => argument.required(false).value_hint(ValueHint::AnyPath),
        false => argument,
    };
    let command = command.clone();
    match words {
        Words::Unknown => command,
        Words::Files => command.mut_args(files),
        Words::QubeThenFiles => {
            let qube = Arg::new("qube").index(1).value_hint(ValueHint::Hostname);
            command
                .mut_args(files)
                .mut_arg("arguments", |argument| argument.index(2).num_args(1..))
                .arg(qube.help("The qube"))
        }
    }
}
