//! The services by which dom0 and other qubes run things in a qube.

mod get_date;
mod post_install;
mod run_vm;
mod vmexec;
mod vmshell;
mod wait_for_session;

qfile_tests::topics! {
    get_date,
    post_install,
    run_vm,
    vmexec,
    vmshell,
    wait_for_session,
}
