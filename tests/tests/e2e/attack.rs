//! Attacks on the receiver, each in every form of its isolation.

mod inheritance;
mod lengths;
mod local_user;
mod names;
mod order;
mod races;
mod races_free;
mod resources;
mod types;

qfile_tests::topics! {
    inheritance,
    lengths,
    local_user,
    names,
    order,
    races,
    races_free,
    resources,
    types,
}
