//! `qrexec-loopback`, which stands in for qrexec between folders of one machine.

mod arrival;
mod disposables;
mod environment;
mod filecopy_service;
mod password_entry;
mod qubes_db;
mod statuses;
mod streams;
mod targets;

qfile_tests::topics! {
    arrival,
    disposables,
    environment,
    filecopy_service,
    password_entry,
    qubes_db,
    statuses,
    streams,
    targets,
}
