//! A disposable opened from a disposable that was itself opened to look at something: often a
//! mistake, and sometimes what a hostile file is after. So it is asked about.

use std::env;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};

use qfile_proto::display;
use qvm_common::dialog::Dialogs;

use crate::ending::Ending;

/// Set by qrexec in what a service starts: `SERVICE+ARGUMENT`, the `+` is always there.
const SERVICE: &str = "QREXEC_SERVICE_FULL_NAME";

/// Asks, in a window or on the terminal, if `target` is a disposable and this qube is one that was
/// opened for a file or an address.
///
/// # Errors
/// An [`Ending`] unless the user agrees. Where nobody can be asked, nobody agrees.
pub(super) fn ask_first(target: &str) -> Result<(), Ending> {
    let service = env::var_os(SERVICE).unwrap_or_default();
    if !is_disposable(target) || !is_open_service(service.as_encoded_bytes()) {
        return Ok(());
    }
    let question = "This qube was itself opened for one file or address. Open another disposable?";
    let agreed = match Dialogs::find() {
        Some(dialogs) => dialogs
            .question("Open in a disposable", question)
            .map_err(|error| Ending::system("cannot ask in a window", error))?,
        None => ask_on_terminal(question)?,
    };
    if agreed {
        Ok(())
    } else {
        Err(Ending::failed("nothing was opened, as you answered"))
    }
}

/// qrexec takes `$` for `@`.
fn is_disposable(target: &str) -> bool {
    let name = target.strip_prefix(['@', '$']).unwrap_or_default();
    name == "dispvm" || name.starts_with("dispvm:")
}

fn is_open_service(service: &[u8]) -> bool {
    service.starts_with(b"qubes.OpenInVM+") || service.starts_with(b"qubes.OpenURL+")
}

fn ask_on_terminal(question: &str) -> Result<bool, Ending> {
    let nobody = |error| {
        Ending::failed(format!(
            "nothing was opened: this qube was itself opened for one file or address, and there is \
             neither a window nor a terminal to ask whether another disposable is meant ({error})\n\
             run it in a terminal, or install zenity or kdialog in the template"
        ))
    };
    let mut terminal = File::options()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(nobody)?;
    let question = display::own(question.as_bytes());
    write!(terminal, "{question} [y/N] ").map_err(nobody)?;
    let mut answer = String::new();
    BufReader::new(terminal)
        .read_line(&mut answer)
        .map_err(nobody)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_say_disposable_is_known() {
        for target in ["@dispvm", "@dispvm:x", "$dispvm", "$dispvm:x"] {
            assert!(is_disposable(target), "{target}");
        }
        for target in ["", "dispvm", "@default", "@dispvmx", "work", "disp1"] {
            assert!(!is_disposable(target), "{target}");
        }
    }

    #[test]
    fn only_the_two_services_make_a_qube_of_one_use() {
        for service in ["qubes.OpenInVM+", "qubes.OpenURL+", "qubes.OpenInVM+x"] {
            assert!(is_open_service(service.as_bytes()), "{service}");
        }
        for service in ["", "qubes.OpenInVM", "qubes.Filecopy+", "x.qubes.OpenURL+"] {
            assert!(!is_open_service(service.as_bytes()), "{service}");
        }
    }
}
