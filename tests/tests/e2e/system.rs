//! The services by which dom0 sets the clock of a qube, grows its disks, and handles its devices.

mod clock;
mod disk;
mod time_service;

pub(crate) use disk::{Volume, needs_loops};

qfile_tests::topics! {
    clock,
    disk,
    time_service,
}
