//! The receiver of the qfile protocol: set-uid root, it takes a hostile stream and puts files into
//! the incoming folder of one user.
//!
//! [`run`] is the whole story, in the order of `docs/security.md`:
//! [`process`] (1, 2), [`settings`], [`args`] and [`profile`], which make the [`options`] (3),
//! [`identity`] (3, 4), [`incoming`] (4), [`jail`] (5 to 10), [`receive`] (11) with [`folders`],
//! [`place`] and [`space`], and [`reply`]. [`say`] is what people are told on the way, [`error`] why
//! nothing was received, and [`usage`] what `--help` says. It is a library as well as a program, so
//! that tests and [`fuzzing`] can feed streams to [`receive`] without a jail.

pub mod args;
pub mod error;
pub mod folders;
pub mod fuzzing;
pub mod identity;
pub mod incoming;
pub mod jail;
pub mod options;
pub mod place;
pub mod process;
pub mod profile;
pub mod receive;
pub mod reply;
pub mod say;
pub mod settings;
pub mod space;
pub mod usage;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use qfile_proto::display;

pub use error::Error;
pub use identity::Identity;
pub use options::Options;
pub use process::Environment;
pub use receive::Outcome;
pub use say::Say;

use jail::Wishes;

/// Receives one stream on stdin and answers on stdout. The exit status is 0 if everything landed and
/// is on disk, 1 if nothing was received, else the code of the refusal cut to 8 bits.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let mut say = Say::default();
    let mut arguments = arguments.peekable();
    if let Some(text) = arguments.peek().and_then(|first| usage::asked_for(first)) {
        say.asked_for(&text);
        return ExitCode::SUCCESS;
    }
    receive_and_reply(arguments, &mut say).unwrap_or_else(|error| {
        say.failure(&error);
        ExitCode::FAILURE
    })
}

fn receive_and_reply(
    arguments: impl Iterator<Item = OsString>,
    say: &mut Say,
) -> Result<ExitCode, Error> {
    process::shut_out_the_caller()?; // 1
    let mut environment = process::take_environment(); // 2
    let (settings, faults) = settings::read(); // 3
    let options = args::parse(arguments, settings, &environment.limits)?;
    say.set_verbose(options.verbose);
    let wants_home = options.dir.is_none();
    let home = environment.untrusted_home.take();
    let identity = Identity::look_up(options.uid, wants_home, home)?; // 3
    process::close_all_but_the_standard_ones().map_err(Error::Descriptors)?; // those of databases
    identity.take_up_for_files()?; // 4
    say.connect_to_the_owner();
    for fault in &faults {
        say.to_the_owner(fault);
    }
    let incoming = incoming::open(options.dir.as_deref(), &identity, &environment)?;
    let wishes = Wishes {
        required: options.require_isolation,
        read_files: options.on_conflict == options::OnConflict::SkipIdentical,
        wait: options.wait_for_space > 0,
    };
    let into = display::own(incoming.path.as_os_str().as_bytes());
    let jailed = jail::enter(incoming, &identity, wishes)?; // 5 to 10
    say.isolation(&jailed);
    let outcome = receive::receive(reply::Stdin, jailed, &options, say); // 11
    finish(&outcome, &into, say)
}

fn finish(outcome: &Outcome, into: &str, say: &Say) -> Result<ExitCode, Error> {
    if let Some(refusal) = outcome.refusal {
        // There is none before the first entry.
        let at = match display::own(&outcome.untrusted_last_name).as_str() {
            "" => String::new(),
            name => format!(" at \"{name}\""),
        };
        say.to_the_owner(&format!("a copy into \"{into}\" stopped{at}: {refusal}"));
        reply::stop_reading();
    }
    match (reply::send(outcome), outcome.refusal) {
        (Err(error), None) => Err(Error::Verdict(error)),
        // Whoever does not take the verdict still gets the status.
        (_, refusal) => Ok(ExitCode::from(
            refusal.map_or(0, |refusal| refusal.exit_status()),
        )),
    }
}
