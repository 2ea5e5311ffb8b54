//! The two command lines.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;
use clap::builder::{PathBufValueParser, RangedU64ValueParser, TypedValueParser as _};
use qrexec::relay::BUFFER_SIZE;

pub(crate) const CLIENT: &str = "qrexec-ssh";
pub(crate) const SERVE: &str = "qrexec-ssh-serve";

/// Call a service on another machine over OpenSSH, like qrexec-client-vm.
///
/// The program starts ssh. On the other machine, the key must be bound to qrexec-ssh-serve(8), whose
/// policy decides about the call. Authentication, encryption and everything else of the connection
/// is configured in ssh_config(5).
#[derive(Debug, Parser)]
#[command(name = CLIENT, version, after_help = CLIENT_STATUSES)]
#[command(override_usage = "qrexec-ssh [OPTIONS] [--] TARGET SERVICE[+ARG] [PROGRAM ARGS...]")]
pub struct Client {
    /// Filter the stderr of the service and of ssh: only printable ASCII, tabs and newlines pass
    #[arg(short = 'T', long)]
    pub filter_escape_chars_stderr: bool,
    /// Filter the stdout of the service in the same way; not with PROGRAM
    #[arg(short = 't', long)]
    pub filter_escape_chars_stdout: bool,
    /// The largest number of bytes that this program holds in each direction
    #[arg(long, value_name = "N", default_value_t = BUFFER_SIZE)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1 << 26))]
    pub buffer_size: usize,
    /// Make the call of a RemoteVM of Qubes OS, in its local relay: the service qubesair.SSHProxy
    #[arg(long, value_name = "REMOTE+SERVICE")]
    #[arg(conflicts_with_all = ["target", "service", "program"])]
    pub transport: Option<OsString>,
    /// A name in remotes.conf, @default, @dispvm, or a destination of ssh: HOST or USER@HOST
    #[arg(required_unless_present = "transport")]
    pub target: Option<OsString>,
    /// The service and its argument
    #[arg(value_name = "SERVICE[+ARG]", required_unless_present = "transport")]
    pub service: Option<OsString>,
    /// The absolute path of a program whose stdin and stdout are connected to the service,
    /// instead of those of qrexec-ssh
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub program: Vec<OsString>,
}

const CLIENT_STATUSES: &str = "\
Exit status:
    0  the service and PROGRAM succeeded; if not, the status is that of the
       service, or that of PROGRAM if only PROGRAM failed
    2  the command line is wrong
  125  the service cannot be executed there
  126  the call was refused, here or there
  127  the service does not exist there
  255  the connection could not be made, or it broke
128+N  the program was ended by the signal N";

/// Answer a call of qrexec-ssh(8): the forced command of a key in authorized_keys.
///
/// The program takes the call from $SSH_ORIGINAL_COMMAND, asks the policy, and runs the service as
/// the account that the key opens. No shell sees any part of the call.
#[derive(Debug, Parser)]
#[command(name = SERVE, version, after_help = SERVE_STATUSES)]
pub struct Serve {
    /// The name that the owner of the key has for services and in the policy
    #[arg(long = "as", value_name = "NAME", allow_hyphen_values = true)]
    pub name: String,
    /// The owner of the key is a relay, and may call for these qubes, separated by blanks, or * for
    /// any. The caller is then named NAME--QUBE
    #[arg(long, value_name = "NAMES", allow_hyphen_values = true)]
    pub may_speak_for: Option<String>,
    /// This machine is a qube of Qubes OS: pass the calls on to other qubes, as the policy of dom0
    /// decides
    #[arg(long)]
    pub relay: bool,
    /// Look for services in this folder first, an absolute path
    #[arg(long, value_name = "FOLDER")]
    #[arg(value_parser = PathBufValueParser::new().try_map(absolute))]
    pub services: Option<PathBuf>,
    /// Print the line for authorized_keys that binds the public key in this file to this program
    /// with the other options
    #[arg(long, value_name = "KEY.pub")]
    pub key_line: Option<PathBuf>,
}

const SERVE_STATUSES: &str = "\
Exit status:
other  the status of the service; 128+N if the signal N ended it
    1  --key-line cannot be obeyed
    2  the command line is wrong; if sshd started the program, this is 126
  125  the service cannot be executed
  126  the call is refused
  127  the service does not exist";

/// Services run in the home folder, and the program is started elsewhere.
fn absolute(path: PathBuf) -> Result<PathBuf, &'static str> {
    match path.is_absolute() {
        true => Ok(path),
        false => Err("give an absolute path"),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn everything_after_program_belongs_to_program() {
        let words = ["-T", "--", "far", "svc+x", "/bin/p", "-T", "--", "--help"];
        let line = Client::try_parse_from(["qrexec-ssh"].iter().chain(&words)).unwrap();
        assert!(line.filter_escape_chars_stderr);
        assert_eq!(line.target.unwrap(), "far");
        assert_eq!(line.program, ["/bin/p", "-T", "--", "--help"]);
    }

    #[test]
    fn a_transport_has_no_other_target() {
        let parse = |words: &[&str]| Client::try_parse_from(["qrexec-ssh"].iter().chain(words));
        assert!(parse(&["--transport", "a+b"]).is_ok());
        for wrong in [&[][..], &["far"], &["--transport", "a+b", "far", "svc"]] {
            assert_eq!(parse(wrong).unwrap_err().exit_code(), 2, "{wrong:?}");
        }
    }

    #[test]
    fn a_folder_of_services_has_an_absolute_path() {
        let parse = |folder: &str| {
            let words = ["qrexec-ssh-serve", "--as", "a", "--services", folder];
            Serve::try_parse_from(words)
        };
        assert!(parse("/srv/rpc").is_ok());
        for wrong in ["rpc", "./rpc", "../rpc", "~/rpc", ""] {
            assert_eq!(parse(wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }

    #[test]
    fn the_definitions_are_sound() {
        Client::command().debug_assert();
        Serve::command().debug_assert();
    }
}
