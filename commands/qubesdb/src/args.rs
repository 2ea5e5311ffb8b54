//! The command lines.

use std::ffi::{OsStr, OsString};

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use program::command_line::what_is_wrong;
use program::failure::Failure;

/// A command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// `qubesdb-read`
    #[default]
    Read,
    /// `qubesdb-multiread`
    Multiread,
    /// `qubesdb-list`
    List,
    /// `qubesdb-write`
    Write,
    /// `qubesdb-rm`
    Rm,
    /// `qubesdb-watch`
    Watch,
    /// `qubesdb-read-bool`
    ReadBool,
}

/// What was typed, in the words of one of the commands.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Typed {
    pub(crate) action: Action,
    pub(crate) qube: Option<OsString>,
    pub(crate) full_paths: bool,
    pub(crate) raw: bool,
    pub(crate) quiet: bool,
    pub(crate) wait: bool,
    pub(crate) remove: bool,
    pub(crate) default: Option<OsString>,
    pub(crate) count: i64,
    pub(crate) words: Vec<OsString>,
}

/// What to do with a command line.
#[derive(Debug)]
pub(crate) enum Parsed {
    Run(Typed),
    Say { text: String, status: u8 },
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Read,
        Self::Multiread,
        Self::List,
        Self::Write,
        Self::Rm,
        Self::Watch,
        Self::ReadBool,
    ];

    /// The name of the command.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "qubesdb-read",
            Self::Multiread => "qubesdb-multiread",
            Self::List => "qubesdb-list",
            Self::Write => "qubesdb-write",
            Self::Rm => "qubesdb-rm",
            Self::Watch => "qubesdb-watch",
            Self::ReadBool => "qubesdb-read-bool",
        }
    }

    /// The definition of its command line.
    #[must_use]
    pub fn definition(self) -> Command {
        let command = Command::new(self.name())
            .version(env!("CARGO_PKG_VERSION"))
            .args_override_self(true);
        if self == Self::ReadBool {
            let key = words("key", "KEY", "The key").num_args(1);
            let default = Arg::new("default")
                .value_name("STATUS")
                .default_value("2")
                .allow_negative_numbers(true)
                .value_parser(value_parser!(u8))
                .help("The exit status if the key does not exist");
            return command
                .about("Show by the exit status whether a key of QubesDB has a value that is not empty")
                .args([key, default])
                .after_help(READ_BOOL);
        }
        let command = command.args(COMMON.map(|(id, help)| flag(id, help)));
        let command = command.arg(
            Arg::new("qube")
                .short('d')
                .value_name("QUBE")
                .value_parser(value_parser!(OsString))
                .help("In dom0: use the QubesDB of this qube"),
        );
        let (about, paths, after) = match self {
            Self::Read => ("Print the values of keys of QubesDB", KEYS, READ),
            Self::Multiread => (
                "Print all keys of QubesDB that begin with PATH, and their values",
                BEGINNING,
                MULTIREAD,
            ),
            Self::List => (
                "List the keys of QubesDB that begin with PATH",
                BEGINNING,
                LIST,
            ),
            Self::Write => ("Write keys of QubesDB", PAIRS, WRITE),
            Self::Rm => ("Remove keys of QubesDB", TO_REMOVE, RM),
            _ => (
                "Print the paths of keys of QubesDB that change",
                WATCHED,
                WATCH,
            ),
        };
        let (value_name, help) = paths;
        let paths = words("paths", value_name, help);
        let command = command.about(about).after_help(after);
        match self {
            Self::Read => command
                .args([
                    flag("w", "Wait until the key exists"),
                    flag("x", "Remove the key after reading it"),
                ])
                .arg(
                    Arg::new("default")
                        .short('e')
                        .long("default")
                        .value_name("VALUE")
                        .value_parser(value_parser!(OsString))
                        .allow_hyphen_values(true)
                        .help("Print VALUE if the key does not exist; requires exactly one PATH"),
                )
                .arg(paths.num_args(1..)),
            Self::List => command.arg(paths.num_args(1)),
            Self::Watch => command
                .arg(
                    Arg::new("count")
                        .short('n')
                        .value_name("N")
                        .value_parser(value_parser!(i64))
                        .allow_negative_numbers(true)
                        .default_value("1")
                        .help("Exit after N events; with a negative N, do not exit"),
                )
                .arg(paths.num_args(1..)),
            _ => command.arg(paths.num_args(1..)),
        }
    }

    /// The exit status of a command line that is wrong.
    fn usage_status(self) -> u8 {
        match self {
            Self::ReadBool => 3,
            _ => 1,
        }
    }

    /// What a name ends with: `bool` is the last word of `qubesdb-read-bool`.
    fn of_last_word(word: &str) -> Option<Self> {
        let is_it = |action: &Self| action.name().rsplit('-').next() == Some(word);
        Self::ALL.into_iter().find(is_it)
    }
}

/// The definition of `qubesdb-cmd`, for its page: the commands have their own.
#[must_use]
pub fn definition() -> Command {
    Command::new("qubesdb-cmd")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Read and write QubesDB; each command is another name of this program")
        .override_usage("qubesdb-cmd -c COMMAND [OPTIONS] [ARGUMENTS]")
        .arg(
            Arg::new("command")
                .short('c')
                .value_name("COMMAND")
                .help("read, multiread, list, write, rm, watch or bool; must come first"),
        )
        .arg(
            words(
                "arguments",
                "ARGUMENTS",
                "Options and arguments of the command",
            )
            .num_args(0..),
        )
        .after_help(CMD)
}

/// Reads a command line. `name` is what the program was called by.
pub(crate) fn parse(name: &OsStr, words: &[OsString]) -> Parsed {
    let name = name.to_string_lossy();
    let last_word = name.rsplit('-').next().unwrap_or_default();
    if let Some(action) = Action::of_last_word(last_word) {
        return parse_for(action, action.name(), words);
    }
    match words {
        [option, command, rest @ ..] if option == "-c" => {
            let command = command.to_string_lossy();
            match Action::of_last_word(&command) {
                Some(action) => parse_for(action, &format!("qubesdb-cmd -c {command}"), rest),
                None => usage(definition()),
            }
        }
        [option, ..] if option == "-V" || option == "--version" => Parsed::Say {
            text: definition().render_version(),
            status: 0,
        },
        _ => usage(definition()),
    }
}

fn usage(mut definition: Command) -> Parsed {
    Parsed::Say {
        text: definition.render_help().to_string(),
        status: 0,
    }
}

fn parse_for(action: Action, name: &str, words: &[OsString]) -> Parsed {
    let definition = action.definition().bin_name(name).no_binary_name(true);
    if words.is_empty() && action != Action::ReadBool {
        return usage(definition);
    }
    match definition.clone().try_get_matches_from(words) {
        Ok(matches) => typed(action, &matches).map_or_else(
            |text| Parsed::Say {
                text: format!("{}: {text}", action.name()),
                status: action.usage_status(),
            },
            Parsed::Run,
        ),
        Err(error) => Parsed::Say {
            status: match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
                _ => action.usage_status(),
            },
            text: match error.use_stderr() {
                true => Failure::new(what_is_wrong(error, definition)).lines(action.name()),
                false => error.render().to_string(),
            },
        },
    }
}

fn typed(action: Action, matches: &ArgMatches) -> Result<Typed, &'static str> {
    let mut typed = Typed {
        action,
        ..Typed::default()
    };
    let words = |id| {
        matches
            .get_many::<OsString>(id)
            .unwrap_or_default()
            .cloned()
    };
    if action == Action::ReadBool {
        typed.words = words("key").collect();
        typed.count = i64::from(matches.get_one::<u8>("default").copied().unwrap_or(2));
        return Ok(typed);
    }
    typed.words = words("paths").collect();
    typed.qube = matches.get_one("qube").cloned();
    typed.full_paths = matches.get_flag("f");
    typed.raw = matches.get_flag("r");
    typed.quiet = matches.get_flag("q");
    match action {
        Action::Read => {
            typed.wait = matches.get_flag("w");
            typed.remove = matches.get_flag("x");
            typed.default = matches.get_one("default").cloned();
            if typed.default.is_some() && typed.words.len() != 1 {
                return Err("--default takes exactly one PATH");
            }
        }
        Action::Write if typed.words.len() % 2 == 1 => {
            return Err("each PATH needs a VALUE; an empty one is ''");
        }
        Action::Watch => typed.count = matches.get_one("count").copied().unwrap_or(1),
        _ => {}
    }
    Ok(typed)
}

fn flag(id: &'static str, help: &'static str) -> Arg {
    Arg::new(id)
        .short(id.chars().next())
        .action(ArgAction::SetTrue)
        .help(help)
}

fn words(id: &'static str, name: &'static str, help: &'static str) -> Arg {
    Arg::new(id)
        .value_name(name)
        .value_parser(value_parser!(OsString))
        .required(true)
        .help(help)
}

const COMMON: [(&str, &str); 3] = [
    ("f", "Print full paths"),
    ("r", "Print raw values, without replacing bytes by \\xHH"),
    ("q", "Print no messages"),
];

const KEYS: (&str, &str) = ("PATH", "The keys. Each is a path that begins with /");
const BEGINNING: (&str, &str) = ("PATH", "The beginning of the keys; /a also finds /ab");
const PAIRS: (&str, &str) = (
    "PATH VALUE",
    "Pairs of a key and its value; a VALUE that begins with - needs -- before the first PATH",
);
const TO_REMOVE: (&str, &str) = (
    "PATH",
    "The keys. A PATH that ends with / means all keys below it, but not the key of that name",
);
const WATCHED: (&str, &str) = (
    "PATH",
    "The keys to watch, which need not exist; a PATH that ends with / means all keys below it",
);

const READ: &str = "\
The value of each key is printed on a line. Bytes outside 0x20 to 0x7f are shown as \\xHH. With -f, \
PATH = is printed before the value.

Exit status:
  0   all keys were read
  1   something failed
  2   a key does not exist, and nothing else failed";

const MULTIREAD: &str = "\
Each key is printed on a line as REST = VALUE. REST is its path without the text PATH, or with -f the \
whole path. Bytes of the value outside 0x20 to 0x7f are shown as \\xHH.

Exit status:
  0   all matching keys were printed, or there are none
  1   something failed";

const LIST: &str = "\
The path of each key is printed on a line, without the text PATH, or with -f the whole path.

Exit status:
  0   all matching keys were printed, or there are none
  1   something failed";

const WRITE: &str = "\
Exit status:
  0   all keys were written
  1   something failed";

const RM: &str = "\
Exit status:
  0   none of the keys exists any more
  1   something failed";

const WATCH: &str = "\
The path of each key that is written or removed is printed on a line, at once. The removal of all \
keys below a folder is one line, which ends with /. If the connection to the daemon is lost, the \
command connects again and prints a message. Changes in the meantime are not reported.

Exit status:
  0   all events were printed
  1   something failed";

const READ_BOOL: &str = "\
The value 0 is not empty.

Exit status:
  0       the value is not empty
  1       the value is empty
  STATUS  the key does not exist (2 if STATUS was not given)
  3       something failed, or the command line is wrong";

const CMD: &str = "\
If the program is started under the name of a command, such as qubesdb-read, it runs that command.

Exit status:
  0   help was printed, or the command does not exist; otherwise the status of the command
  1   something failed";

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(name: &str, words: &[&str]) -> Parsed {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        parse(OsStr::new(name), &words)
    }

    fn run(name: &str, words: &[&str]) -> Typed {
        match parsed(name, words) {
            Parsed::Run(typed) => typed,
            Parsed::Say { text, .. } => panic!("{name} {words:?}: {text}"),
        }
    }

    fn status(name: &str, words: &[&str]) -> (u8, String) {
        match parsed(name, words) {
            Parsed::Say { text, status } => (status, text),
            Parsed::Run(typed) => panic!("{name} {words:?}: {typed:?}"),
        }
    }

    #[test]
    fn the_definitions_are_well_formed() {
        for action in Action::ALL {
            action.definition().debug_assert();
        }
        definition().debug_assert();
    }

    #[test]
    fn the_name_is_the_command() {
        assert_eq!(run("/usr/bin/qubesdb-rm", &["/a"]).action, Action::Rm);
        assert_eq!(run("qubesdb-read-bool", &["/a"]).action, Action::ReadBool);
        assert_eq!(
            run("qubesdb-cmd", &["-c", "list", "/a"]).action,
            Action::List
        );
        for words in [
            &[][..],
            &["-c", "none", "/a"],
            &["-h"],
            &["/a", "-c", "read"],
        ] {
            let (status, text) = status("qubesdb-cmd", words);
            assert!(status == 0 && text.contains("Usage: qubesdb-cmd"), "{text}");
        }
    }

    #[test]
    fn options_stand_anywhere_before_two_dashes() {
        let typed = run(
            "qubesdb-read",
            &["/a", "-frq", "/b", "-d", "work", "--", "-x"],
        );
        let expected = Typed {
            qube: Some("work".into()),
            full_paths: true,
            raw: true,
            quiet: true,
            words: ["/a", "/b", "-x"].map(OsString::from).into(),
            ..Typed::default()
        };
        assert_eq!(typed, expected);
        assert_eq!(run("qubesdb-watch", &["/a", "-n", "-1"]).count, -1);
        assert_eq!(run("qubesdb-watch", &["/a"]).count, 1);
        let typed = run("qubesdb-read", &["-e", "-5", "/a"]);
        assert_eq!(typed.default.unwrap(), "-5");
    }

    #[test]
    fn what_is_wrong_ends_with_1_and_teaches_two_dashes() {
        for (name, words) in [
            ("qubesdb-read", &["-z", "/a"][..]),
            ("qubesdb-write", &["-w", "/a", "v"]),
            ("qubesdb-list", &["/a", "/b"]),
            ("qubesdb-list", &["-n", "1", "/a"]),
            ("qubesdb-write", &["/a"]),
            ("qubesdb-read", &["-e", "v", "/a", "/b"]),
            ("qubesdb-watch", &["-n", "x", "/a"]),
            ("qubesdb-rm", &["-q"]),
        ] {
            assert_eq!(status(name, words).0, 1, "{name} {words:?}");
        }
        let two_dashes = "write -- before it";
        assert!(
            status("qubesdb-write", &["/a", "-5"])
                .1
                .contains(two_dashes)
        );
        for name in [
            "qubesdb-read",
            "qubesdb-list",
            "qubesdb-watch",
            "qubesdb-write",
        ] {
            for words in [&[][..], &["-h"]] {
                let (status, text) = status(name, words);
                assert!(
                    status == 0 && text.contains(&format!("Usage: {name}")),
                    "{text}"
                );
            }
        }
        for words in [
            &[][..],
            &["/a", "x"],
            &["/a", "2", "3"],
            &["/a", "256"],
            &["-f", "/a"],
        ] {
            assert_eq!(status("qubesdb-read-bool", words).0, 3, "{words:?}");
        }
    }
}
