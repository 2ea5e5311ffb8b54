//! The whole story, from the command line to the verdict, in the order of `docs/security.md`.

use std::ffi::OsString;
use std::process::ExitCode;

use std::os::fd::OwnedFd;

use qfile_proto::{CopyReport, Refusal};

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
    result.unwrap_or_else(|error| {
        say.failure(&error);
        ExitCode::FAILURE
    })
}

fn receive_and_reply(
    arguments: impl Iterator<Item = OsString>,
    pipe: Option<OwnedFd>,
    say: &mut Say,
) -> Result<ExitCode, Error> {
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
    finish(&outcome, &into, &starter, say)
}

fn report_isolation(jailed: &Jailed, say: &Say) {
    let level = jailed.level.map_or("none", Level::name);
    say.detail(&format!("isolation: {level}"));
    for note in &jailed.notes {
        say.detail(note);
    }
}

fn finish(outcome: &Outcome, into: &str, starter: &Starter, say: &Say) -> Result<ExitCode, Error> {
    if let Some(refusal) = outcome.refusal {
        // There is none before the first entry.
        let at = match text::own(&outcome.untrusted_last_name).as_str() {
            "" => String::new(),
            name => format!(" at \"{name}\""),
        };
        say.to_the_owner(&format!(
            "a copy into {into} stopped{at}: {refusal}{}",
            setting_for(refusal)
        ));
        // A sender in the middle of a write would not read the verdict.
        reply::stop_reading();
    }
    match (reply::send(&outcome.verdict()), outcome.refusal) {
        (Err(error), None) => Err(Error::Verdict(error)),
        (Ok(()), None) => {
            let Landed { files, folders } = outcome.landed;
            starter.tell(&CopyReport::Received { files, folders });
            Ok(ExitCode::SUCCESS)
        }
        // A caller that does not take the verdict still gets the status.
        (_, refusal) => Ok(ExitCode::from(
            refusal.map_or(0, |refusal| refusal.exit_status()),
        )),
    }
}

/// Which setting the owner of this qube can change about `refusal`.
fn setting_for(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::LimitReached => "; see MAX_BYTES and MAX_FILES in filecopy.conf(5)",
        Refusal::System(libc::EEXIST) => "; see ON_CONFLICT in filecopy.conf(5)",
        _ => "",
    }
}
