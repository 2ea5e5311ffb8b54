//! Files on a bare block device: image files, loop devices, and hostile ones.

mod accidents;
mod hostile;
mod loop_devices;
mod session;
mod transfer;

qfile_tests::topics! {
    accidents,
    hostile,
    loop_devices,
    session,
    transfer,
}
