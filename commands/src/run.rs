//! `qvm-run-vm`: runs a command in another qube. `args` says what was asked for, `input` hands on our
//! stdin, `call` makes one call.
//!
//! The command goes to qubes.VMExec, which is given the program and its arguments as they are. A qube
//! that lacks it, and a command that is too long for it, get a line for a shell: qubes.VMShell.

mod args;
mod call;
mod input;

use std::env;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::process::ExitCode;

use program::failure::{Failure, end, pass_on};
use program::say::say;
use qrexec::client::Kind;
use qrexec::command::{MAX_LEN_FROM_A_QUBE, encode};
use qrexec::status::{NO_SERVICE, REFUSED};
use qrexec::{CallStatus, Target, client};

use args::Request;
pub use args::definition;
use call::{Call, Ended};
use input::Input;

const NAME: &str = "qvm-run-vm";

/// Does what the command line says. Its stdout is the command's.
#[must_use]
pub fn main() -> ExitCode {
    program::log::to_stderr(NAME);
    match args::parse(env::args_os()) {
        Ok(request) => end(NAME, run(&request).and_then(pass_on)),
        Err(failure) => end(NAME, Err(failure)),
    }
}

fn run(request: &Request) -> Result<u8, Failure> {
    let client = client::find().map_err(|error| Failure::new(&error).advise(error.advice()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::of("cannot start"))?;
    runtime.block_on(async {
        let target = request.target.to_string();
        let mut call = Call::new(&client, &target)?;
        let mut input = Input::of_stdin();
        let argument = encode(request.command.iter().map(|word| word.as_bytes()));
        let (exec, shell) = request.services();
        if argument.len() > MAX_LEN_FROM_A_QUBE {
            let line = shell_line(&request.command);
            return Ok(call.make(shell, &line, &mut input).await?.status);
        }
        let ended = call
            .make(&format!("{exec}+{argument}"), b"", &mut input)
            .await?;
        if !may_lack_the_service(ended, &input) {
            if ended.status == REFUSED && !ended.has_answered {
                explain_refusal(Kind::of(&client), exec, &target);
            }
            return Ok(ended.status);
        }
        if request.target == Target::Default {
            // dom0 may choose another qube for the second call, and then both would run the command.
            say(format_args!(
                "{NAME}: the command ended with status {NO_SERVICE}, or the qube that dom0 chose has \
                 no {exec}; name the qube to have {shell} tried as well"
            ));
            return Ok(NO_SERVICE);
        }
        let line = [
            unless_it_has(exec).as_bytes(),
            &shell_line(&request.command),
        ]
        .concat();
        let ended = call.make(shell, &line, &mut input).await?;
        if ended.status == REFUSED {
            // Policies that know qubes.VMExec only are the more common ones.
            say(format_args!(
                "{NAME}: the command ended with status {NO_SERVICE}, or {target} has no {exec}; \
                 {shell}, which would show which of the two it was, is refused"
            ));
            return Ok(NO_SERVICE);
        }
        Ok(ended.status)
    })
}

/// Says what a refusal may mean, as the other commands do. The status may also be the command's own.
fn explain_refusal(kind: Kind, service: &str, target: &str) {
    let qube = match target.starts_with('@') {
        true => "the other qube".to_owned(),
        false => text::name(target.as_bytes()),
    };
    if let Some(explained) = CallStatus::Refused.explain(kind, service, &qube) {
        let what = explained.what;
        let failure = Failure::new(format_args!(
            "{what}; or the command itself ended with status {REFUSED}"
        ));
        let advice = explained.advice.unwrap_or_default();
        say(failure.advise(advice).lines(NAME));
    }
}

/// True if the call may have ended because the target has no such service: nothing has shown that the
/// command was started. Status 127 may also be the command's own.
fn may_lack_the_service(ended: Ended, input: &Input) -> bool {
    ended.status == NO_SERVICE && !ended.has_answered && input.is_kept()
}

/// A line for a shell in the target that ends with 127 if there is the service `exec` after all: then
/// the command was started, 127 is its own status, and it must not be started again. The variables stay
/// in the parentheses: the command has those of its session.
fn unless_it_has(exec: &str) -> String {
    let folders = "${QREXEC_SERVICE_PATH:-/run/qubes-rpc:/usr/local/etc/qubes-rpc:/etc/qubes-rpc}";
    format!(
        "(IFS=:; for folder in {folders}; do [ ! -e \"$folder/{exec}\" ] || exit 1; done) \
         || exit {NO_SERVICE}; "
    )
}

/// The end of a line for a shell that becomes the command. What follows the line is the command's.
fn shell_line(command: &[OsString]) -> Vec<u8> {
    let mut line = b"exec --".to_vec();
    for word in command {
        line.extend_from_slice(b" '");
        for &byte in word.as_bytes() {
            match byte {
                b'\'' => line.extend_from_slice(br"'\''"),
                _ => line.push(byte),
            }
        }
        line.push(b'\'');
    }
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_a_shell_keeps_every_byte() {
        let command = ["printf", r"%s\n", "it's", "", "a\nb", "$HOME"].map(OsString::from);
        assert_eq!(
            String::from_utf8(shell_line(&command)).unwrap(),
            "exec -- 'printf' '%s\\n' 'it'\\''s' '' 'a\nb' '$HOME'\n"
        );
    }
}
