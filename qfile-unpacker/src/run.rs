//! The whole story, from the command line to the verdict, in the order of `docs/security.md`.

use std::ffi::OsString;
use std::process::ExitCode;

use std::os::fd::OwnedFd;

use qfile_proto::CopyReport;

use crate::error::Error;
use crate::identity::Identity;
use crate::jail::{self, Jailed, Requirements};
use crate::options::{Level, Notify, OnConflict};
use crate::outcome::{Landed, Outcome};
use crate::say::Say;
use crate::starter::Starter;
use crate::{args, environment, incoming, process, receive, reply, settings, starter, usage};

/// Receives one stream on stdin and answers on stdout. The exit status is 0 if everything landed and
/// is on disk, 1 if nothing was received, else the code of the refusal cut to 8 bits.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let mut say = Say::default();
    let mut arguments = arguments.peekable();
    if let Some(text) = arguments.peek().and_then(|first| usage::asked_for(first)) {
        say.asked_for(&text);
        return ExitCode::SUCCESS;
    }
    let result = starter::take_pipe(&mut arguments)
        .and_then(|pipe| receive_and_reply(arguments, pipe, &mut say));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say.failure(&error);
            // A caller that does not take the verdict still gets the status.
            if let Error::Stopped { verdict, .. } = &error {
                reply::refuse(verdict);
            }
            ExitCode::from(error.exit_status())
        }
    }
}

fn receive_and_reply(
    arguments: impl Iterator<Item = OsString>,
    pipe: Option<OwnedFd>,
    say: &mut Say,
) -> Result<(), Error> {
    process::reset_inherited_state(pipe.as_ref())?;
    let mut environment = environment::read_and_clear();
    let (settings, faults) = settings::read();
    let options = args::parse(arguments, settings, &environment.update_limits)?;
    say.set_verbose(options.verbose);
    let wants_home = options.dir.is_none();
    let home = environment.untrusted_home.take();
    let identity = Identity::look_up(options.uid, wants_home, home)?;
    // The libraries of the password database may have left some open.
    process::close_inherited_descriptors(pipe.as_ref()).map_err(Error::Descriptors)?;
    // From here on every path is opened with the user's rights only.
    identity.use_for_files()?;
    // In the jail there is no socket to connect to.
    say.connect_to_the_owner();
    let starter = Starter::new(pipe);
    let notify = options.notify == Notify::Yes;
    if !faults.is_empty() {
        starter.tell(&CopyReport::Refused { notify });
        return Err(Error::Settings(faults));
    }
    let remote_domain = environment.untrusted_remote_domain.as_deref();
    let incoming = incoming::open(options.dir.as_deref(), &identity, remote_domain)?;
    let into = text::file(&incoming.path);
    starter.tell(&starter::started(&incoming, notify));
    let requirements = Requirements {
        level: options.require_isolation,
        read_files: options.on_conflict == OnConflict::SkipIdentical,
        sleep: options.wait_for_space > 0,
    };
    let jailed = jail::enter(incoming, &identity, requirements)?;
    report_isolation(&jailed, say);
    // Nothing of the stream is read before.
    let outcome = receive::receive(reply::Stdin, jailed, &options, say);
    finish(&outcome, into, &starter)
}

fn report_isolation(jailed: &Jailed, say: &Say) {
    let level = jailed.level.map_or("none", Level::name);
    say.detail(&format!("isolation: {level}"));
    for note in &jailed.notes {
        say.detail(note);
    }
}

fn finish(outcome: &Outcome, into: String, starter: &Starter) -> Result<(), Error> {
    let verdict = outcome.verdict();
    if let Some(refusal) = outcome.refusal {
        let at = text::own(&outcome.untrusted_last_name);
        return Err(Error::Stopped {
            into,
            at,
            refusal,
            verdict,
        });
    }
    reply::send(&verdict).map_err(Error::Verdict)?;
    let Landed { files, folders } = outcome.landed;
    starter.tell(&CopyReport::Received { files, folders });
    Ok(())
}
