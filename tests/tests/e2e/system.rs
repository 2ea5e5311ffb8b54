//! The services by which dom0 sets the clock of a qube, grows its disks, and handles its devices; and
//! what a qube makes of its keys, publishes of its devices, and reports of its memory.

mod clock;
mod config;
mod devices;
mod disk;
mod meminfo;
mod pci;
mod sleep;
mod time_service;

pub(crate) use disk::{Volume, needs_loops};

qfile_tests::topics! {
    clock,
    config,
    devices,
    disk,
    meminfo,
    pci,
    sleep,
    time_service,
}
