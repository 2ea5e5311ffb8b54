//! The services qubes.VMExec, qubes.VMExecGUI and qubes.VMRootExec.

use std::process::ExitCode;

use program::command_line;
use program::failure::end;
use services::args::VmExec;
use services::vmexec;

fn main() -> ExitCode {
    match command_line::parse() {
        Ok(VmExec { argument }) => {
            let Err(failure) = vmexec::serve(&argument);
            end(vmexec::NAME, Err(failure))
        }
        Err(status) => status,
    }
}
