//! What qrexec starts in a qube: one module a service.
//!
//! **Applications.** [`app_menus`] and [`start_app`] are the two sides of dom0's menu: which
//! applications this qube has, and starting one of them. `qube` asks QubesDB about this qube.
//!
//! [`image_rgba`] gives dom0 the icons of that menu as pixels, and pictures of any kind.
//!
//! [`args`] has the command lines of all of them.
//!
//! **Commands.** [`vmexec`] is qubes.VMExec, VMExecGUI and VMRootExec: it becomes the command that the
//! caller names, with [`signals`] as a program should find them.
//! [`wait_for_session`] is qubes.WaitForSession.
//!
//! **Archives as qfile streams.** The data runs one way: [`input`] is where an archive comes from and
//! how members are left out, [`block`] understands its headers, [`extension`] what goes before them,
//! [`members`] puts both together; [`selection`] says which members are wanted, [`folders`] which
//! folders have to be announced, [`convert`] writes the stream, and [`send`] brings it to a receiver
//! and hears what it says. [`archive_error`] is what can be wrong with an archive, [`error`]
//! why it was not sent or stored. [`restore`] and [`backup`] are the two services; what they have in common is [`request`], the
//! lines that they are given, and [`mod@command`], what they run.
//!
//! **The system.** [`clock`] sets the clock of this qube, [`disk`] grows its file systems, and
//! [`sleep`] prepares its devices for the sleep of the machine.
//!
//! **The desktop.** [`select_file`] has the user choose a file or a folder for dom0, and
//! [`monitor_layout`] gives this qube the monitors of the GUI domain.
//!
//! **Copies.** [`filecopy`] starts the receiver of copies, and notifies the user when a copy has arrived.
//!
//! Of the library `tar` this uses the header block alone. Its reader of whole archives keeps an
//! extended header in memory however long it is, takes the records in it apart at line ends instead
//! of by their lengths, so that an attribute with a line end in it hides the size that follows, and
//! takes a file that was cut while it seeks for one that has ended.

pub mod app_menus;
pub mod archive_error;
pub mod args;
mod arrival;
pub mod backup;
pub mod block;
pub mod clock;
pub mod command;
pub mod convert;
pub mod disk;
pub mod error;
pub mod extension;
pub mod filecopy;
pub mod folders;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod image_rgba;
pub mod input;
pub mod members;
pub mod monitor_layout;
mod qube;
pub mod request;
pub mod restore;
pub mod select_file;
pub mod selection;
pub mod send;
pub mod signals;
pub mod sleep;
pub mod start_app;
#[cfg(test)]
mod testing;
pub mod vmexec;
pub mod wait_for_session;

pub use archive_error::ArchiveError;
pub use error::Error;
pub use members::{Member, Members};
