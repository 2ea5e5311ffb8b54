//! The services by which dom0 sets the clock of a qube, grows its disks, and handles its devices; and
//! what a qube makes of its keys, publishes of its devices, and reports of its memory.

mod config;
mod devices;
mod meminfo;

qfile_tests::topics! {
    config,
    devices,
    meminfo,
}
