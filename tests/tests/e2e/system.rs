//! The services by which dom0 sets the clock of a qube, grows its disks, and handles its devices.

mod clock;
mod disk;
mod pci;
mod sleep;
mod time_service;

pub(crate) use disk::{Volume, needs_loops};

qfile_tests::topics! {
    clock,
    disk,
    pci,
    sleep,
    time_service,
}
