//! The server of qubes.OpenInVM: opens a file from another qube, waits until the user has finished
//! with it, and answers with its new content, if it has one.
//!
//! `session` tells the story: `intake` receives the file into a `scratch` folder, `opener`
//! starts what shows it (`output` reads what that writes, in `lines`), `wait` finds out when the
//! user is done (with the help of `program::reaper`, `processes`, `launchers` and `at_work`), `answer`
//! sends what `changed`, and `ending` has stay here what is not sent: `others` finds it, and it is
//! `kept`. `telling` writes to the caller.

mod answer;
mod args;
mod at_work;
mod changed;
mod ending;
mod error;
mod intake;
mod kept;
mod launchers;
mod lines;
mod notice;
mod opener;
mod others;
mod output;
mod persistence;
mod processes;
mod run;
mod scratch;
mod session;
mod settings;
mod telling;
mod wait;

pub use args::Args;
pub use run::run;
