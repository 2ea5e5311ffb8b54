//! The firewall of a network qube, with real packets between network namespaces.

mod agent;
mod connections;
mod errors;
mod kernel;
mod names;
mod rules;

qfile_tests::topics! {
    agent,
    connections,
    errors,
    kernel,
    names,
    rules,
}
