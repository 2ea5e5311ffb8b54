//! The command lines of `qvm-copy`, `qvm-move` and their other names: what was typed → what is wanted.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, ValueHint};
use program::failure::Failure;
use qrexec::Target;
use qrexec::client::Kind;
use text::name;
use walk::{Exclude, Links};

use crate::deadline::{self, Deadline};
use crate::ending::{command_line, usage};

/// The names of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `qvm-copy FILE...`: dom0 asks for the target.
    Copy,
    /// `qvm-copy-to-vm QUBE FILE...`: the target is named.
    CopyToQube,
    /// `qvm-move FILE...`: as `qvm-copy`, then deletes what was confirmed.
    Move,
    /// `qvm-move-to-vm QUBE FILE...`: the same with the target named.
    MoveToQube,
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Request {
    /// The qube to copy to.
    pub target: Target,
    /// The other qubes to copy to, one after the other.
    pub more_targets: Vec<Target>,
    /// This is the call to one of several qubes: each message names the qube.
    pub names_qube: bool,
    /// The files and folders to copy, as they were typed; at least one, unless stdin is sent.
    pub paths: Vec<OsString>,
    /// The content of stdin is sent, as a file called `name`.
    pub stdin: bool,
    /// What is left out, because the user does not want it.
    pub exclude: Option<Exclude>,
    /// What to do with symbolic links.
    pub links: Links,
    /// How progress is shown.
    pub progress: Progress,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Delete what was confirmed.
    pub delete: bool,
    /// Leave out what the other qube would refuse.
    pub skip_refused: bool,
    /// The name under which the only file or folder arrives.
    pub name: Option<OsString>,
    /// Send only what the last call, which stopped, has not sent. Then `paths` may be empty.
    pub go_on: bool,
    /// Each entry is named.
    pub verbose: bool,
    /// Nothing but errors is said.
    pub quiet: bool,
    /// Scripts read what becomes of each entry on stdout.
    pub json: bool,
    /// When the call is cancelled.
    pub deadline: Option<Deadline>,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A line on the terminal.
    Terminal,
    /// A window with a Cancel button; errors too are shown in windows.
    Window,
    /// Not at all.
    None,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Copy, Self::CopyToQube, Self::Move, Self::MoveToQube];

    /// The form that `argv[0]` stands for.
    #[must_use]
    pub fn from_name(argv0: &OsStr) -> Self {
        let name = Path::new(argv0).file_name();
        let form = Self::ALL
            .into_iter()
            .find(|form| name.is_some_and(|name| name == form.name()));
        form.unwrap_or(Self::Copy)
    }

    /// The name of the command.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Copy => "qvm-copy",
            Self::CopyToQube => "qvm-copy-to-vm",
            Self::Move => "qvm-move",
            Self::MoveToQube => "qvm-move-to-vm",
        }
    }

    /// The definition of the command line.
    #[must_use]
    pub fn command(self) -> clap::Command {
        let (about, usage) = match self {
            Self::Copy => (
                "Copy files and folders to another qube; dom0 asks for the qube",
                "qvm-copy [OPTIONS] [--] FILE...",
            ),
            Self::CopyToQube => (
                "Copy files and folders to the qube QUBE; without QUBE, dom0 asks for the qube",
                "qvm-copy-to-vm [OPTIONS] [--] QUBE FILE...\n       qvm-copy-to-vm [OPTIONS] [--] FILE",
            ),
            Self::Move => (
                "Move files and folders to another qube; dom0 asks for the qube",
                "qvm-move [OPTIONS] [--] FILE...",
            ),
            Self::MoveToQube => (
                "Move files and folders to the qube QUBE; without QUBE, dom0 asks for the qube",
                "qvm-move-to-vm [OPTIONS] [--] QUBE FILE...\n       qvm-move-to-vm [OPTIONS] [--] FILE",
            ),
        };
        let after_help = match self.deletes() {
            true => format!("{ARRIVING}\n\n{DELETING}\n\n{STATUSES_OF_MOVING}"),
            false => format!("{ARRIVING}\n\n{STATUSES_OF_COPYING}"),
        };
        Typed::command()
            .name(self.name())
            .bin_name(self.name())
            .about(about)
            .override_usage(usage)
            .after_help(after_help)
    }

    /// The definitions of all forms as one, for the manual page that they share.
    #[must_use]
    pub fn all_as_one() -> clap::Command {
        let usages = Self::ALL.map(|form| form.command().render_usage().to_string());
        let usages = usages.map(|usage| usage.trim_start_matches("Usage: ").to_owned());
        Typed::command()
            .name(Self::Copy.name())
            .display_name(Self::ALL.map(Self::name).join(", "))
            .about("Copy or move files and folders to another qube")
            .override_usage(usages.join("\n       "))
            .after_help(format!("{NAMES}\n\n{ARRIVING}\n\n{DELETING}\n\n{STATUSES}"))
    }

    /// True if what was confirmed is deleted.
    #[must_use]
    pub fn deletes(self) -> bool {
        matches!(self, Self::Move | Self::MoveToQube)
    }

    /// True if the first of several arguments is the target.
    pub(crate) fn takes_target(self) -> bool {
        matches!(self, Self::CopyToQube | Self::MoveToQube)
    }

    /// Reads the arguments that follow `argv[0]`.
    ///
    /// # Errors
    /// A [`Failure`] with the text of `--help` or `--version`, or of what is wrong.
    pub fn parse(self, arguments: &[OsString]) -> Result<Request, Failure> {
        let with_name = std::iter::once(OsStr::new(self.name()))
            .chain(arguments.iter().map(OsString::as_os_str));
        let typed = self
            .command()
            .try_get_matches_from(with_name)
            .and_then(|matches| Typed::from_arg_matches(&matches))
            .map_err(command_line(self.command()))?;
        let mut options = arguments.iter().take_while(|argument| *argument != "--");
        let stdin = options.any(|argument| argument == "-");
        self.request(typed, stdin)
    }

    /// What `typed` asks for; `stdin`, if a single dash stands among the arguments.
    fn request(self, typed: Typed, stdin: bool) -> Result<Request, Failure> {
        let links = match (typed.ignore_symlinks, typed.dereference) {
            (true, _) => Links::Ignore,
            (false, true) => Links::Follow,
            (false, false) => Links::Send,
        };
        let progress = match (typed.gui, typed.without_progress) {
            (true, _) => Progress::Window,
            (false, true) => Progress::None,
            (false, false) => Progress::Terminal,
        };
        let progress = if typed.quiet {
            Progress::None
        } else {
            progress
        };
        let mut paths = typed.arguments;
        let mut targets = self.targets(&typed.to)?;
        if targets.is_empty() {
            targets.push(match self.takes_target() && paths.len() > 1 {
                true => self.target(&paths.remove(0))?,
                false => Target::default(),
            });
        }
        let target = targets.remove(0);
        if typed.go_on && !targets.is_empty() {
            return Err(usage("--continue continues the call to one qube")
                .advise("give --to once, or not at all"));
        }
        if stdin {
            self.check_stdin(&paths, typed.name.is_some(), typed.go_on)?;
            paths.clear();
        }
        let exclude = match typed.exclude.is_empty() {
            true => None,
            false => Some(
                Exclude::new(typed.exclude)
                    .map_err(|error| usage(&error).advise(error.advice()))?,
            ),
        };
        Ok(Request {
            target,
            more_targets: targets,
            names_qube: false,
            paths,
            stdin,
            exclude,
            links,
            progress,
            dry_run: typed.dry_run,
            delete: self.deletes(),
            skip_refused: typed.skip_refused,
            name: typed.name,
            go_on: typed.go_on,
            verbose: typed.verbose,
            quiet: typed.quiet,
            json: typed.json,
            deadline: typed.timeout.map(Deadline::after),
        })
    }

    /// The qubes that were named with `--to`.
    fn targets(self, typed: &[OsString]) -> Result<Vec<Target>, Failure> {
        let mut targets = Vec::with_capacity(typed.len());
        for name in typed {
            let target = self.target(name)?;
            if targets.contains(&target) {
                return Err(usage(format_args!("{target} is named twice with --to"))
                    .advise("name each qube once"));
            }
            targets.push(target);
        }
        Ok(targets)
    }

    /// A single dash stands for stdin, where there is a name for it and nothing else to send.
    fn check_stdin(self, paths: &[OsString], is_named: bool, go_on: bool) -> Result<(), Failure> {
        let wrong = |what: &str| {
            Err(usage(what).advise("if \"-\" is the name of a file, write -- before it, or ./-"))
        };
        if self.deletes() {
            return wrong("\"-\" is stdin, which can be copied, but not moved");
        }
        if go_on {
            return wrong(
                "\"-\" is stdin, which is gone when a call has stopped: use no --continue",
            );
        }
        if paths.len() != 1 || paths[0] != "-" {
            return wrong("\"-\" is stdin, which is sent alone, not together with files");
        }
        match is_named {
            true => Ok(()),
            false => wrong("\"-\" is stdin: give the file that it becomes a name with --as NAME"),
        }
    }

    /// The target that was typed. A move into a disposable would delete the only copy: the
    /// disposable is deleted with what is in it.
    fn target(self, typed: &OsStr) -> Result<Target, Failure> {
        let shown = name(typed.as_bytes());
        let others = match self.deletes() {
            true => "or @default",
            false => "or @default, @dispvm or @dispvm:TEMPLATE",
        };
        let Some(target) = parsed_target(typed) else {
            let untargeted = if self.deletes() {
                Self::Move
            } else {
                Self::Copy
            };
            return Err(
                usage(format_args!("{shown} is not the name of a qube")).advise(format_args!(
                    "give a name such as work, {others}\n\
                 {} FILE... does not take the name of a qube: dom0 asks for the qube",
                    untargeted.name()
                )),
            );
        };
        match self.deletes() && target.is_disposable() {
            true => Err(usage(format_args!(
                "{shown} is a new disposable, which is deleted with all its files when the \
                 call ends: files that are moved there would be lost"
            ))
            .advise(
                "nothing was sent; copy the files with qvm-copy-to-vm, or move them to a qube \
                 that is not a disposable",
            )),
            false => Ok(target),
        }
    }
}

/// Judges what was typed as a target.
///
/// # Errors
/// A [`Failure`] that says what a target can be.
pub fn parse_target(typed: &OsStr) -> Result<Target, Failure> {
    parsed_target(typed).ok_or_else(|| {
        usage(format_args!(
            "{} is not the name of a qube",
            name(typed.as_bytes())
        ))
        .advise("give a name such as work, or @default, @dispvm or @dispvm:TEMPLATE")
    })
}

/// The target that `typed` names for the client of this machine.
pub(crate) fn parsed_target(typed: &OsStr) -> Option<Target> {
    Target::parse_for(Kind::of_this_machine(), typed.to_str()?)
}

const ARRIVING: &str = "\
The files arrive in ~/QubesIncoming/ of the other qube, in a folder that is named after this qube. \
Before dom0 asks and before anything is sent, all files are checked, and those that the other qube \
would refuse are listed. If two options contradict each other, the last one is used.";

const DELETING: &str = "\
A file is deleted only if the other qube has confirmed that it is on disk there, and only if it has \
not changed since it was sent. The following are listed and not deleted: links that were left out or \
followed, special files, and files that appeared or changed during the move. Files that are moved \
to a disposable are lost when it ends. Therefore @dispvm is refused as a target. If dom0 or its \
policy chooses the target, make sure that it is not a disposable. During its last check, a file has \
the name .qvm-move-NUMBER-NAME. If a file with such a name exists after a crash, rename it to NAME.";

const NAMES: &str = "With qvm-copy and qvm-move, dom0 asks for the other qube. qvm-copy-to-vm and \
                     qvm-move-to-vm send to the qube QUBE; if there is only one argument, it is \
                     the file, and dom0 asks for the qube. qvm-move and qvm-move-to-vm delete in \
                     this qube what the other qube has confirmed.";

const STATUSES: &str = "\
Exit status:
    0  all files arrived and are on disk in the other qube; after a move, they are deleted in \
    this qube
    1  the copy failed; stderr gives the reason; nothing was deleted
    2  the command line is wrong
    3  what was sent arrived, but stderr lists files that were left out or not deleted
   32  cancelled
  126  the policy of dom0, or the user, refused the call";

const STATUSES_OF_MOVING: &str = "\
Exit status:
    0  all files arrived, are on disk in the other qube, and are deleted in this qube
    1  the copy failed; stderr gives the reason; nothing was deleted
    2  the command line is wrong
    3  what was sent arrived, but stderr lists files that were left out or not deleted
   32  the copy was cancelled
  126  the policy of dom0, or the user, refused the call";

const STATUSES_OF_COPYING: &str = "\
Exit status:
    0  all files arrived and are on disk in the other qube
    1  the copy failed; stderr gives the reason
    2  the command line is wrong
    3  what was sent arrived, but stderr lists files that were left out
   32  the copy was cancelled
  126  the policy of dom0, or the user, refused the call";

/// What was typed.
#[derive(Debug, Parser)]
#[command(version, args_override_self = true, max_term_width = 100)]
struct Typed {
    /// Show progress on the terminal (default)
    #[arg(long, overrides_with_all = ["without_progress", "gui"])]
    with_progress: bool,
    /// Show no progress
    #[arg(long, overrides_with_all = ["with_progress", "gui"])]
    without_progress: bool,
    /// Show progress and errors in windows
    #[arg(long, overrides_with_all = ["with_progress", "without_progress"])]
    gui: bool,
    /// Leave out symbolic links
    #[arg(long, overrides_with_all = ["no_ignore_symlinks", "dereference"])]
    ignore_symlinks: bool,
    /// Copy symbolic links as links (default)
    #[arg(long, overrides_with = "ignore_symlinks")]
    no_ignore_symlinks: bool,
    /// Copy the files that symbolic links point to, instead of the links
    #[arg(long, overrides_with = "ignore_symlinks")]
    dereference: bool,
    /// List what would be sent and what would be refused, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Leave out and list what the other qube would refuse. The exit status is then 3
    #[arg(long)]
    skip_refused: bool,
    /// Leave out files, folders and links whose name matches the pattern GLOB, or, if GLOB contains a
    /// slash, whose path below its FILE matches. A slash at the end of GLOB restricts it to folders.
    /// The option can be repeated
    #[arg(long, value_name = "GLOB", allow_hyphen_values = true)]
    exclude: Vec<OsString>,
    /// Send to QUBE. The option can be repeated: the files are sent to one qube after the other, and
    /// a move deletes only what every qube has confirmed
    #[arg(long, value_name = "QUBE", value_hint = ValueHint::Hostname)]
    to: Vec<OsString>,
    /// Send the only FILE under the name NAME. If FILE is -, stdin is sent
    #[arg(long = "as", value_name = "NAME")]
    name: Option<OsString>,
    /// Continue the last call that stopped: send the rest of its files. FILE need not be given
    /// again. If dom0 asks for the target qube, choose the same qube as before
    #[arg(long = "continue")]
    go_on: bool,
    /// Cancel the call after this time: a number of seconds, or a time such as 90s, 5m or 2h. If a file
    /// system does not answer, the command says so in time but may end only when it answers
    #[arg(long, value_name = "TIME", value_parser = deadline::limit)]
    timeout: Option<Duration>,
    /// Name each file, folder and link when it has been sent
    #[arg(short, long, overrides_with = "quiet")]
    verbose: bool,
    /// Print errors only
    #[arg(short, long, overrides_with = "verbose")]
    quiet: bool,
    /// Write a line of JSON for each file, folder and link to stdout, and one for the result
    #[arg(long)]
    json: bool,
    /// The files and folders
    #[arg(required_unless_present = "go_on", value_name = "FILE")]
    arguments: Vec<OsString>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(form: Form, arguments: &[&str]) -> Result<Request, Failure> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        form.parse(&arguments)
    }

    #[test]
    fn the_command_definitions_are_sound() {
        for form in Form::ALL {
            form.command().debug_assert();
        }
    }

    #[test]
    fn the_name_of_the_program_makes_the_difference() {
        for (name, form) in [
            ("qvm-copy", Form::Copy),
            ("/usr/bin/qvm-copy-to-vm", Form::CopyToQube),
            ("qvm-move", Form::Move),
            ("./qvm-move-to-vm", Form::MoveToQube),
            ("anything", Form::Copy),
        ] {
            assert_eq!(Form::from_name(OsStr::new(name)), form);
        }
        let table: [(Form, &[&str], &str, &[&str]); 8] = [
            (Form::Copy, &["work", "b"], "@default", &["work", "b"]),
            (Form::CopyToQube, &["work", "b"], "work", &["b"]),
            (
                Form::CopyToQube,
                &["work", "--", "-b", "--"],
                "work",
                &["-b", "--"],
            ),
            (Form::CopyToQube, &["b"], "@default", &["b"]),
            (Form::CopyToQube, &["--", "@dispvm", "b"], "@dispvm", &["b"]),
            (Form::Move, &["work", "b"], "@default", &["work", "b"]),
            (Form::MoveToQube, &["work", "b"], "work", &["b"]),
            (Form::MoveToQube, &["b"], "@default", &["b"]),
        ];
        for (form, arguments, target, paths) in table {
            let request = parse(form, arguments).unwrap();
            assert_eq!(request.target.to_string(), target, "{arguments:?}");
            assert_eq!(request.paths, paths, "{arguments:?}");
            let deletes = [Form::Move, Form::MoveToQube].contains(&form);
            assert_eq!(request.delete, deletes, "{arguments:?}");
        }
    }

    #[test]
    fn the_last_of_two_options_that_contradict_each_other_counts() {
        let links: [(&[&str], Links); 8] = [
            (&[], Links::Send),
            (&["--ignore-symlinks", "--ignore-symlinks"], Links::Ignore),
            (&["--ignore-symlinks", "--no-ignore-symlinks"], Links::Send),
            (
                &["--no-ignore-symlinks", "--ignore-symlinks"],
                Links::Ignore,
            ),
            (&["--ignore-symlinks", "--dereference"], Links::Follow),
            (&["--dereference", "--ignore-symlinks"], Links::Ignore),
            (&["--dereference", "--no-ignore-symlinks"], Links::Follow),
            (&["--dereference"], Links::Follow),
        ];
        for (options, expected) in links {
            let request = parse(Form::Copy, &[options, &["f"]].concat()).unwrap();
            assert_eq!(request.links, expected, "{options:?}");
        }
        let progress: [(&[&str], Progress); 6] = [
            (&[], Progress::Terminal),
            (&["--without-progress"], Progress::None),
            (
                &["--without-progress", "--with-progress"],
                Progress::Terminal,
            ),
            (&["--with-progress", "--without-progress"], Progress::None),
            (&["--without-progress", "--gui"], Progress::Window),
            (&["--gui", "--without-progress"], Progress::None),
        ];
        for (options, expected) in progress {
            let request = parse(Form::Copy, &[&["f"], options].concat()).unwrap();
            assert_eq!(request.progress, expected, "{options:?}");
        }
    }

    #[test]
    fn a_name_that_starts_with_a_dash_needs_two_dashes_before_it() {
        for name in ["-", "-f", "--file", "-1", "-\u{1b}[31m"] {
            let ending = parse(Form::Copy, &["a", name]).unwrap_err();
            assert_eq!(ending.status(), 2, "{name}");
            assert!(ending.to_string().contains("-- "), "{}", ending);
            assert!(!ending.to_string().contains('\u{1b}'), "{}", ending);
            let request = parse(Form::Copy, &["--", name]).unwrap();
            assert_eq!(request.paths, [name]);
        }
        assert_eq!(parse(Form::Copy, &[]).unwrap_err().status(), 2);
        assert_eq!(parse(Form::Copy, &["--"]).unwrap_err().status(), 2);
    }

    #[test]
    fn nothing_is_moved_into_a_disposable() {
        for target in ["@dispvm", "$dispvm", "@dispvm:web", "$dispvm:web"] {
            for options in [&[][..], &["--dry-run"], &["--gui"], &["--"]] {
                let arguments = [options, &[target, "f"]].concat();
                let ending = parse(Form::MoveToQube, &arguments).unwrap_err();
                assert_eq!(ending.status(), 2, "{arguments:?}");
                assert!(ending.to_string().contains("nothing was sent"));
                let copied = parse(Form::CopyToQube, &arguments).unwrap();
                assert!(copied.target.is_disposable(), "{arguments:?}");
            }
            // Without a target it is a file.
            assert_eq!(parse(Form::Move, &[target]).unwrap().paths, [target]);
            assert_eq!(parse(Form::MoveToQube, &[target]).unwrap().paths, [target]);
        }
        for target in ["@default", "work", "dispvm", "disp1234", "@adminvm"] {
            let request = parse(Form::MoveToQube, &[target, "f"]).unwrap();
            assert!(!request.target.is_disposable(), "{target}");
        }
    }

    #[test]
    fn nothing_proposes_to_move_into_a_disposable() {
        for form in [Form::Move, Form::MoveToQube] {
            let wrong = parse(Form::MoveToQube, &["a b", "f"]).unwrap_err();
            assert!(!wrong.to_string().contains("dispvm"), "{}", wrong);
            let help = form.command().render_long_help().to_string();
            let words: Vec<&str> = help.split_whitespace().collect();
            assert!(words.join(" ").contains("@dispvm is refused"), "{help}");
        }
    }

    #[test]
    fn a_target_is_a_qube_or_a_keyword_of_qrexec() {
        for (typed, target) in [
            ("work", "work"),
            ("dom0", "dom0"),
            ("@default", "@default"),
            ("$default", "@default"),
            ("@dispvm:debian-12-dvm", "@dispvm:debian-12-dvm"),
        ] {
            assert_eq!(parse_target(OsStr::new(typed)).unwrap().to_string(), target);
        }
        for typed in [
            "",
            "a b",
            "@dispvm:",
            "@dispvm:a/b",
            "@tag:x",
            "@",
            "../x",
            "é",
            "--",
            "none",
        ] {
            let ending = parse_target(OsStr::new(typed)).unwrap_err();
            assert_eq!(ending.status(), 2, "{typed}");
        }
    }
}
