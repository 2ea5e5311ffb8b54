//! A disposable opened from a disposable that was itself opened to look at something: often a
//! mistake, and sometimes what a hostile file is after. So it is asked about.

use std::env;
use std::fs::File;
use std::io::BufReader;

use desktop::dialog::Dialogs;
use program::failure::{FAILED, Failure};
use program::question::ask;
use program::say::{plain, say};
use qrexec::Target;

/// Set by qrexec in what a service starts: `SERVICE+ARGUMENT`, the `+` is always there.
const SERVICE: &str = "QREXEC_SERVICE_FULL_NAME";

/// Asks, in a window or on the terminal, if `target` is a disposable and this qube is one that was
/// opened for a file or an address.
///
/// # Errors
/// A [`Failure`] unless the user agrees. Where nobody can be asked, nobody agrees.
pub(super) fn ask_first(target: &Target, command: &str) -> Result<(), Failure> {
    let service = env::var_os(SERVICE).unwrap_or_default();
    if !target.is_disposable() || !is_open_service(service.as_encoded_bytes()) {
        return Ok(());
    }
    let question = "This qube was itself opened for one file or address. Open another disposable?";
    let agreed = match Dialogs::find() {
        Some(dialogs) => dialogs
            .question("Open in a disposable", question)
            .map_err(Failure::of("cannot ask in a window"))?,
        None => ask_on_terminal(question)?,
    };
    if agreed {
        Ok(())
    } else {
        // No window is to tell the user what they have just said.
        say(format_args!(
            "{command}: nothing was opened, because you answered no"
        ));
        Err(Failure::said(FAILED))
    }
}

fn is_open_service(service: &[u8]) -> bool {
    service.starts_with(b"qubes.OpenInVM+") || service.starts_with(b"qubes.OpenURL+")
}

fn ask_on_terminal(question: &str) -> Result<bool, Failure> {
    let nobody = |error: std::io::Error| {
        Failure::new(format_args!(
            "nothing was opened: this qube was itself opened for one file or address, and neither \
             a window nor a terminal is available to ask whether to open another disposable \
             ({})",
            plain(&error.to_string())
        ))
        .advise("run it in a terminal, or install zenity or kdialog in the template")
    };
    let mut terminal = File::options()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(nobody)?;
    let mut input = BufReader::new(terminal.try_clone().map_err(nobody)?);
    let question = text::own(question.as_bytes());
    ask(&mut input, &mut terminal, &question).map_err(nobody)
}

#[cfg(test)]
mod tests {
    use super::*;

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
