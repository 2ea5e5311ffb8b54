//! A file that is opened in another qube.

mod answers;
mod attributes;
mod backups;
mod beside;
mod big;
mod caller_gone;
mod commands;
mod editors;
mod exchange;
mod folders;
mod framed;
mod hostile;
mod killed;
mod links;
mod looks;
mod mark_inside;
mod meanwhile;
mod names;
mod options;
mod places;
mod started;
mod stderr;
mod waiting;

qfile_tests::topics! {
    answers,
    attributes,
    backups,
    beside,
    big,
    caller_gone,
    commands,
    editors,
    exchange,
    folders,
    framed,
    hostile,
    killed,
    links,
    looks,
    mark_inside,
    meanwhile,
    names,
    options,
    places,
    started,
    stderr,
    waiting,
}
