//! Archives as streams, and backups of a qube in another.

mod archive_faults;
mod archive_formats;
mod create;
mod restore;

qfile_tests::topics! {
    archive_faults,
    archive_formats,
    create,
    restore,
}
