//! The client of qubes.OpenInVM: sends one file to be opened in another qube and takes the change
//! back, without ever losing an edit or the original.
//!
//! [`Original::open`] holds the file; [`converse`] sends it (`request`) and receives what comes back
//! (`answer`) into a file without a name (`temporary`); [`finish`] puts that in the place of the
//! original (`place`: `replace`, or `rewrite` where a name cannot be exchanged or must not be) or,
//! whenever there is a doubt, beside it (`keep`). Until `finish` nothing that has a name is touched.
//!
//! [`run()`] is the program that qrexec starts as its local program; the commands call the rest.

mod answer;
mod answer_error;
mod args;
mod attributes;
mod choice;
mod conversation;
mod folder;
mod keep;
mod original;
mod outcome;
mod place;
mod replace;
mod request;
mod rewrite;
mod run;
mod temporary;

pub use answer::Limit;
pub use answer_error::{AnswerError, MAY_BE_OPEN, OPEN_AGAIN};
pub use args::Args;
pub use choice::{Approve, Choice};
pub use conversation::{Conversation, converse};
pub use original::{CannotOpen, Original};
pub use outcome::{BackupReason, Ended, Outcome, finish, finish_as};
pub use run::run;
