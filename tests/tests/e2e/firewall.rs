//! The firewall of a network qube, with real packets between network namespaces.

mod agent;
mod agreement;
mod connections;
mod errors;
mod kernel;
mod names;
mod notices;
mod rules;

qfile_tests::topics! {
    agent,
    agreement,
    connections,
    errors,
    kernel,
    names,
    notices,
    rules,
}
