//! The command lines of `qvm-copy`, `qvm-move` and their other names: what was typed → what is wanted.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use qfile_proto::QubeName;
use qfile_proto::display::own;
use qfile_walk::Links;

use crate::ending::Ending;

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
#[derive(Debug)]
pub struct Request {
    /// The qube to copy to.
    pub target: Target,
    /// The files and folders to copy, as they were typed; at least one.
    pub paths: Vec<OsString>,
    /// What to do with symbolic links.
    pub links: Links,
    /// How progress is shown.
    pub progress: Progress,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Delete what was confirmed.
    pub delete: bool,
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

/// The qube to copy to, as `qrexec-client-vm` takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(String);

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
                "Copy files and folders to another qube; dom0 asks to which one",
                "qvm-copy [OPTIONS] [--] FILE...",
            ),
            Self::CopyToQube => (
                "Copy files and folders to the qube QUBE; without QUBE dom0 asks to which one",
                "qvm-copy-to-vm [OPTIONS] [--] QUBE FILE...\n       qvm-copy-to-vm [OPTIONS] [--] FILE",
            ),
            Self::Move => (
                "Move files and folders to another qube; dom0 asks to which one",
                "qvm-move [OPTIONS] [--] FILE...",
            ),
            Self::MoveToQube => (
                "Move files and folders to the qube QUBE; without QUBE dom0 asks to which one",
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

    /// True if what was confirmed is deleted.
    #[must_use]
    pub fn deletes(self) -> bool {
        matches!(self, Self::Move | Self::MoveToQube)
    }

    /// True if the first of several arguments is the target.
    fn takes_target(self) -> bool {
        matches!(self, Self::CopyToQube | Self::MoveToQube)
    }

    /// Reads the arguments that follow `argv[0]`.
    ///
    /// # Errors
    /// An [`Ending`] with the text of `--help` or `--version`, or of what is wrong.
    pub fn parse(self, arguments: &[OsString]) -> Result<Request, Ending> {
        let with_name = std::iter::once(OsStr::new(self.name()))
            .chain(arguments.iter().map(OsString::as_os_str));
        let typed = self
            .command()
            .try_get_matches_from(with_name)
            .and_then(|matches| Typed::from_arg_matches(&matches))
            .map_err(Ending::command_line)?;
        let options = arguments.iter().take_while(|argument| *argument != "--");
        if options.into_iter().any(|argument| argument == "-") {
            return Err(Ending::usage(
                "\"-\" is not an option; if it is the name of a file, write -- before it, or ./-",
            ));
        }
        self.request(typed)
    }

    fn request(self, typed: Typed) -> Result<Request, Ending> {
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
        let mut paths = typed.arguments;
        let target = match self.takes_target() && paths.len() > 1 {
            true => Target::parse(&paths.remove(0)).map_err(|ending| {
                let tip = "qvm-copy FILE... takes no name: dom0 asks for it";
                Ending::usage(format!("{}\n{tip}", ending.message))
            })?,
            false => Target::default(),
        };
        Ok(Request {
            target,
            paths,
            links,
            progress,
            dry_run: typed.dry_run,
            delete: self.deletes(),
        })
    }
}

impl Target {
    /// Judges what was typed as a target.
    ///
    /// # Errors
    /// An [`Ending`] that says what a target can be.
    pub fn parse(typed: &OsStr) -> Result<Self, Ending> {
        let refused = || {
            Ending::usage(format!(
                "\"{}\" is not the name of a qube; give a name such as work, or @default, @dispvm or \
                 @dispvm:TEMPLATE",
                own(typed.as_bytes())
            ))
        };
        let text = typed.to_str().ok_or_else(refused)?;
        // What qrexec itself does with names written for its first version.
        let text = match text.strip_prefix('$') {
            Some(keyword) => format!("@{keyword}"),
            None => text.to_owned(),
        };
        let qube = match text.strip_prefix("@dispvm:") {
            Some(template) => template,
            None if matches!(&*text, "@default" | "@dispvm" | "@adminvm") => return Ok(Self(text)),
            None => &text,
        };
        match QubeName::parse(qube.as_bytes()) {
            Some(_) => Ok(Self(text)),
            None => Err(refused()),
        }
    }

    /// A new disposable.
    #[must_use]
    pub fn disposable() -> Self {
        Self("@dispvm".to_owned())
    }

    /// As `qrexec-client-vm` takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Target {
    /// Policy, or the user, chooses.
    fn default() -> Self {
        Self("@default".to_owned())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const ARRIVING: &str = "\
The files arrive in ~/QubesIncoming/ of the other qube, in a folder named after this one. Before \
anything is asked or sent, all files are looked at: what the other qube would refuse is listed. \
The last of two options that contradict each other counts.";

const DELETING: &str = "\
Deleted is only what the other qube has confirmed to be on its disk, and only if it has not changed \
since it was sent. What stays is listed: links that were left out or followed, special files, what \
appeared or changed meanwhile. While an entry is checked for the last time, it is called \
.qvm-move-NUMBER-NAME: if that is left behind after a crash, rename it to NAME.";

const STATUSES_OF_MOVING: &str = "\
Exit status:
    0  everything arrived, is on disk there, and is deleted here
    1  the copy failed; what is wrong is said on stderr; nothing was deleted
    2  the command line is wrong
    3  what was sent arrived, but something was left out or stays here; it is listed on stderr
   32  cancelled
  126  refused by dom0: by its policy or by the user";

const STATUSES_OF_COPYING: &str = "\
Exit status:
    0  everything arrived and is on disk
    1  the copy failed; what is wrong is said on stderr
    2  the command line is wrong
    3  what was sent arrived, but something was left out; it is named on stderr
   32  cancelled
  126  refused by dom0: by its policy or by the user";

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
    /// Show progress, and errors, in windows
    #[arg(long, overrides_with_all = ["with_progress", "without_progress"])]
    gui: bool,
    /// Leave symbolic links out
    #[arg(long, overrides_with_all = ["no_ignore_symlinks", "dereference"])]
    ignore_symlinks: bool,
    /// Copy symbolic links as links (default)
    #[arg(long, overrides_with = "ignore_symlinks")]
    no_ignore_symlinks: bool,
    /// Copy what symbolic links point to in their place
    #[arg(long, overrides_with = "ignore_symlinks")]
    dereference: bool,
    /// Say what would be sent and what would be refused, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// The files and folders
    #[arg(required = true, value_name = "FILE")]
    arguments: Vec<OsString>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(form: Form, arguments: &[&str]) -> Result<Request, Ending> {
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
            assert_eq!(request.target.as_str(), target, "{arguments:?}");
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
            assert_eq!(ending.status, 2, "{name}");
            assert!(ending.message.contains("-- "), "{}", ending.message);
            assert!(!ending.message.contains('\u{1b}'), "{}", ending.message);
            let request = parse(Form::Copy, &["--", name]).unwrap();
            assert_eq!(request.paths, [name]);
        }
        assert_eq!(parse(Form::Copy, &[]).unwrap_err().status, 2);
        assert_eq!(parse(Form::Copy, &["--"]).unwrap_err().status, 2);
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
            assert_eq!(Target::parse(OsStr::new(typed)).unwrap().as_str(), target);
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
            let ending = Target::parse(OsStr::new(typed)).unwrap_err();
            assert_eq!(ending.status, 2, "{typed}");
        }
    }
}
