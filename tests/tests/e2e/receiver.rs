//! What the receiver takes, where it puts it, and what it lets nobody do.

mod command_line;
mod conflicts;
mod failing_steps;
mod fallbacks;
mod fuse;
mod in_its_jail;
mod landing;
mod limits;
mod links;
mod log;
mod metadata;
mod names;
mod profile;
mod refusals;
mod settings;
mod system_calls;
mod users;

qfile_tests::topics! {
    command_line,
    conflicts,
    failing_steps,
    fallbacks,
    fuse,
    in_its_jail,
    landing,
    limits,
    links,
    log,
    metadata,
    names,
    profile,
    refusals,
    settings,
    system_calls,
    users,
}
