//! The ends of the program that sets up the network.

use qfile_tests::interfaces::in_qube;
use qfile_tests::network::Namespace;

fn ends_with(code: i32, words: &str) {
    in_qube(|qube| qube.run(&Namespace::new(), words).assert_code(code));
}

pub(crate) fn an_interface_that_is_gone_is_removed(_program: &str) {
    ends_with(0, "setup-ip remove eth7");
}

pub(crate) fn an_interface_is_not_there(_program: &str) {
    ends_with(1, "setup-ip add eth7");
}

pub(crate) fn requests_go_nowhere_already(_program: &str) {
    ends_with(100, "dns");
}
