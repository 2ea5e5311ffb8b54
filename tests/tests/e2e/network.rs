//! The network of a qube, in network namespaces, with real packets where it is about packets.

mod clients;
mod dns;
mod uplink;

qfile_tests::topics! {
    clients,
    dns,
    uplink,
}
