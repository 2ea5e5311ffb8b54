//! The client of qubes.OpenInVM: sends one file to be opened in another qube and takes the change
//! back, without ever losing an edit or the original.
//!
//! [`Original::open`] holds the file; [`converse`] sends it (`request`) and receives what comes back
//! (`answer`) into a file without a name (`temporary`); [`finish`] puts that in the place of the
//! original (`replace`, or `rewrite` for a file with several names) or, whenever there is a doubt,
//! beside it (`keep`). Until `finish` nothing that has a name is touched.

mod answer;
mod attributes;
mod conversation;
mod folder;
mod keep;
mod original;
mod outcome;
mod replace;
mod request;
mod rewrite;
mod stamp;
mod temporary;

pub use answer::{Fault, Limit};
pub use conversation::{Conversation, converse};
pub use original::{CannotOpen, Original};
pub use outcome::{Ended, Outcome, Reason, finish};
