//! Calls between machines over OpenSSH: `qrexec-ssh` and `qrexec-ssh-serve`, with a real `sshd`.

mod calls;
mod commands;
mod faults;
mod identity;
mod key_lines;
mod policies;
mod remote_vm;
mod requests;
mod session;
mod targets;

qfile_tests::topics! {
    calls,
    commands,
    faults,
    identity,
    key_lines,
    policies,
    remote_vm,
    requests,
    session,
    targets,
}
