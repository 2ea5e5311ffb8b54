//! The services that prepare a qube for the sleep of the machine, and wake it up: qubes.SuspendPre,
//! SuspendPost, SuspendPreAll and SuspendPostAll; and qubes.DetachPciDevice.
//!
//! `pre` takes devices away from their drivers and removes modules, as `interfaces`, [`pci`]
//! and [`modules`] find them. Each step is noted by `state` before it is done, so that a call that was
//! stopped half-way is undone. `post` undoes the steps. `scripts` runs the programs of the
//! administrator, `network_manager` tells that one, `memory` makes room, and `kernel` writes to files
//! of the kernel, which can take for ever. `root` knows where all of that is, and [`args`] has the
//! command lines.

use std::fmt::Display;
use std::time::{Duration, Instant};

use program::failure::Failure;
use program::say::say;

use self::args::{Action, Suspend};
use self::root::Root;

pub mod args;
pub mod detach;
mod interfaces;
mod kernel;
mod memory;
pub mod modules;
mod network_manager;
pub mod pci;
mod post;
mod pre;
mod root;
mod scripts;
mod state;

/// The name of the program.
pub const NAME: &str = "qubes-suspend";

/// The longest time for one step.
const STEP: Duration = Duration::from_secs(15);

/// Does what the command line says.
///
/// # Errors
/// A step failed, or there was no time left for it. Each of them was said. All other steps were done.
pub fn serve(args: &Suspend) -> Result<(), Failure> {
    let mut run = Run {
        root: Root::new(args.root.clone()),
        deadline: Instant::now() + args.timeout,
        seconds: args.timeout.as_secs(),
        failed: 0,
    };
    match &args.action {
        Action::Pre { .. } => pre::pre(&mut run),
        Action::Post { .. } => post::post(&mut run),
        Action::PreAll { .. } => scripts::run_all(&mut run, "suspend-pre.d"),
        Action::PostAll { .. } => scripts::run_all(&mut run, "suspend-post.d"),
        Action::Write { file, value } => return kernel::write_here(file, value),
    }
    match run.failed {
        0 => Ok(()),
        // All has been said.
        _ => Err(Failure::said(program::failure::FAILED)),
    }
}

/// A call: where everything is, how long it may take, and what failed.
#[derive(Debug)]
struct Run {
    root: Root,
    deadline: Instant,
    seconds: u64,
    failed: usize,
}

impl Run {
    /// Says that a step failed. The rest goes on.
    fn failed(&mut self, step: impl Display, why: impl Display) {
        self.failed += 1;
        say(format_args!("{NAME}: cannot {step}: {why}"));
    }

    /// Takes note of how a step ended.
    fn note<E: Display>(&mut self, step: impl Display, ended: Result<(), E>) {
        if let Err(error) = ended {
            self.failed(step, error);
        }
    }

    /// Until when a step can take: none may use up the time of all others.
    fn step_deadline(&self) -> Instant {
        self.deadline.min(Instant::now() + STEP)
    }

    /// Is there time for another step? If not, this is said, with what is left.
    fn has_time(&mut self, step: impl Display) -> bool {
        let has_time = Instant::now() < self.deadline;
        if !has_time {
            let seconds = self.seconds;
            self.failed(
                step,
                format_args!("the time limit of {seconds} s was reached"),
            );
        }
        has_time
    }
}
