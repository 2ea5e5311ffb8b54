//! What `qvm-move` deletes, and what it leaves.

mod confirmed;
mod file_systems;
mod meanwhile;
mod not_confirmed;
mod only_copy;
mod races;
mod stays;
mod unusable;

qfile_tests::topics! {
    confirmed,
    file_systems,
    meanwhile,
    not_confirmed,
    only_copy,
    races,
    stays,
    unusable,
}
