//! The command line, which is qrexec-client-vm's, and what it names: TARGET and SERVICE+ARG.

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser};
use program::command_line::what_is_wrong;
use program::failure::Failure;
use qfile_proto::QubeName;
use qrexec::local_side::ProgramLine;
use qrexec::relay::BUFFER_SIZE;
use qrexec::{Service, Target};

use qrexec::status::{NO_AGENT, REFUSED, USAGE};

/// Longest TARGET in bytes.
const MAX_TARGET_LEN: usize = 63;

/// What a caller asks for.
#[derive(Debug)]
pub(crate) struct Request {
    /// Show only printable ASCII of what the service writes to its stderr.
    pub(crate) filter_stderr: bool,
    /// Show only printable ASCII of what the service answers (without PROGRAM).
    pub(crate) filter_stdout: bool,
    /// Most bytes in flight in each direction, beside what the sockets hold.
    pub(crate) buffer_size: usize,
    /// Where the service shall run.
    pub(crate) target: Target,
    /// What shall run.
    pub(crate) service: Service,
    /// The local program and its arguments; without it own stdin and stdout are joined.
    pub(crate) program: Option<ProgramLine>,
}

/// Parses the command line.
///
/// # Errors
/// The usage, or what `--help` prints; a service or target that cannot exist.
pub(crate) fn parse() -> Result<Request, Failure> {
    let line = CommandLine::try_parse().map_err(|error| {
        if error.use_stderr() {
            return Failure::new(what_is_wrong(error, CommandLine::command())).with_status(USAGE);
        }
        let printed = error.print();
        let status = u8::try_from(error.exit_code()).unwrap_or(USAGE);
        match printed {
            Ok(()) => Failure::said(status),
            Err(error) => Failure::of("cannot write to stdout")(error).with_status(status),
        }
    })?;
    judge(line)
}

/// Calls a service in another local qube, like qrexec-client-vm.
///
/// Local qubes are folders of this machine. This program ISOLATES NOTHING: every service runs
/// as the user who calls it, with all rights of that user. Use it to try and to test the
/// programs of qfile. It is not a security boundary, and does not replace qrexec-client-vm on
/// Qubes OS.
#[derive(Debug, Parser)]
#[command(name = "qrexec-loopback", version)]
#[command(override_usage = "qrexec-loopback [OPTIONS] [--] TARGET SERVICE[+ARG] [PROGRAM ARGS...]")]
#[command(after_long_help = AFTER_HELP)]
struct CommandLine {
    /// Filter the stderr of the service: only printable ASCII, tabs and newlines pass
    #[arg(short = 'T', long)]
    filter_escape_chars_stderr: bool,
    /// Filter the stdout of the service in the same way; not with PROGRAM
    #[arg(short = 't', long)]
    filter_escape_chars_stdout: bool,
    /// The largest number of bytes in transit in each direction
    #[arg(long, value_name = "N", default_value_t = BUFFER_SIZE)]
    #[arg(value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1 << 26))]
    buffer_size: usize,
    /// The target: a qube, @default, @dispvm or @dispvm:TEMPLATE
    target: String,
    /// The service and its argument
    #[arg(value_name = "SERVICE[+ARG]")]
    service: String,
    /// The absolute path of a program whose stdin and stdout are connected to the service,
    /// instead of those of qrexec-loopback
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    program: Vec<OsString>,
}

/// No line is longer than those of a terminal, where it would be cut anywhere.
const AFTER_HELP: &str = "\
Local qubes:
  $QREXEC_LOOPBACK_ROOT   the folder of all local qubes, called ROOT here
  $QREXEC_LOOPBACK_QUBE   the name of the calling qube
  ROOT/QUBE/home/         HOME and working directory of its services; a folder
                          without it is not a qube
  ROOT/QUBE/qubes-rpc/    its services, which are searched before those of the
                          project and the installed ones
  ROOT/QUBE/qubesdb/      its QubesDB, which is QUBESDB_DIR of its services; it
                          exists from the first call to the last
  ROOT/policy.d/*.policy  lines of
                          SERVICE|* +ARG|* SOURCE TARGET ACTION [OPTIONS]
                          where ACTION is allow, ask or deny;
                          the first matching line decides; if no line matches,
                          the call is refused; without any line, every call is
                          allowed
  ROOT/default-dvm/       the folder that @dispvm copies, if it exists

Exit status:
    0  the service and PROGRAM succeeded; if not, the status is that of the
       service, or that of PROGRAM if only PROGRAM failed
    1  there are no local qubes
    2  the command line is wrong
  125  the service cannot be executed
  126  the call was refused
  127  the service does not exist
  255  the connection broke
128+N  the program was ended by the signal N

rpc-config (wait-for-session) has no effect, because a local qube has no session
of its own.";

fn judge(line: CommandLine) -> Result<Request, Failure> {
    let show = |text: &str| text::own(text.as_bytes());
    if line.target.len() > MAX_TARGET_LEN {
        let message = format!("TARGET is longer than {MAX_TARGET_LEN} bytes");
        return Err(Failure::new(message).with_status(USAGE));
    }
    let target = Target::parse(&line.target).ok_or_else(|| {
        let message = format!("\"{}\" is not the name of a qube", show(&line.target));
        Failure::new(message).with_status(REFUSED)
    })?;
    let service = Service::parse(&line.service).ok_or_else(|| {
        let message = format!("\"{}\" is no name of a service", show(&line.service));
        Failure::new(message).with_status(REFUSED)
    })?;
    Ok(Request {
        filter_stderr: line.filter_escape_chars_stderr,
        filter_stdout: line.filter_escape_chars_stdout,
        buffer_size: line.buffer_size,
        target,
        service,
        program: ProgramLine::of(line.program),
    })
}

/// The calling qube, from `QREXEC_LOOPBACK_QUBE`.
///
/// # Errors
/// The variable is missing or names no qube.
pub(crate) fn calling_qube() -> Result<QubeName, Failure> {
    std::env::var("QREXEC_LOOPBACK_QUBE")
        .ok()
        .and_then(|name| QubeName::parse(name.as_bytes()))
        .ok_or_else(|| {
            Failure::new("QREXEC_LOOPBACK_QUBE does not name the calling qube")
                .advise(
                    "set it to one of those in QREXEC_LOOPBACK_ROOT; see qrexec-loopback --help",
                )
                .with_status(NO_AGENT)
        })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(words: &[&str]) -> Result<CommandLine, clap::Error> {
        CommandLine::try_parse_from(std::iter::once(&"qrexec-loopback").chain(words))
    }

    #[test]
    fn everything_after_program_belongs_to_program() {
        for before in [
            &[][..],
            &["-T"],
            &["--"],
            &["-Tt", "--buffer-size=4096", "--"],
        ] {
            let tail = [
                "work",
                "qubes.Filecopy+x",
                "/bin/p",
                "-T",
                "--",
                "a",
                "--",
                "--help",
            ];
            let made = judge(parse(&[before, &tail[..]].concat()).unwrap()).unwrap();
            assert_eq!(made.filter_stderr, before.concat().contains('T'));
            assert_eq!(made.filter_stdout, before.concat().contains('t'));
            assert_eq!(made.target.to_string(), "work");
            assert_eq!(made.service.to_string(), "qubes.Filecopy+x");
            let program = made.program.unwrap();
            assert_eq!(program.path.to_str(), Some("/bin/p"));
            assert_eq!(program.arguments, ["-T", "--", "a", "--", "--help"]);
        }
    }

    #[test]
    fn the_tables_of_help_are_whole_on_a_terminal() {
        let help = CommandLine::command().term_width(80).render_long_help();
        assert!(help.to_string().contains(AFTER_HELP), "{help}");
    }

    #[test]
    fn what_is_missing_or_unknown_is_a_usage_error() {
        for words in [
            &[][..],
            &["work"],
            &["--no-such-option", "work", "svc"],
            &["--buffer-size=0", "work", "svc"],
            &["--buffer-size=x", "work", "svc"],
        ] {
            assert_eq!(
                parse(words).unwrap_err().exit_code(),
                i32::from(USAGE),
                "{words:?}"
            );
        }
    }

    #[test]
    fn a_target_has_at_most_63_bytes() {
        let status = |len| {
            judge(parse(&[&"x".repeat(len), "svc"]).unwrap())
                .unwrap_err()
                .status()
        };
        assert_eq!((status(63), status(64)), (REFUSED, USAGE));
    }
}
