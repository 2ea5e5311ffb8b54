//! The block and USB devices of this qube, published in QubesDB so that dom0 can attach them to
//! other qubes.
//!
//! udev starts the programs at each event. `udev` reads what it knows of a device, `system` what the
//! kernel knows, `usage` which devices are in use,
//! and `backend` which ones Xen gives to other qubes. `block` and `usb` judge a device, and `database`
//! publishes or withdraws it.

pub mod args;
mod backend;
mod block;
mod database;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod run;
mod system;
mod udev;
mod usage;
mod usb;
mod values;

pub use run::{main_of_block, main_of_usb};
