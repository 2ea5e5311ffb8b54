//! setxkbmap, which sets the layout of one display.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use program::bounded;
use program::failure::Failure;
use program::programs::find_in_path;

use crate::layout::Layout;

/// How long an X server that does not answer keeps the others waiting.
const TO_ANSWER: Duration = Duration::from_secs(10);

/// The program, by its absolute path.
#[derive(Clone, Debug)]
pub(crate) struct Setxkbmap(PathBuf);

impl Setxkbmap {
    /// Finds it in `PATH`.
    pub(crate) fn find() -> Result<Self, Failure> {
        find_in_path("setxkbmap").map(Self).ok_or_else(|| {
            Failure::new("cannot set any keyboard layout")
                .because("setxkbmap is not installed")
                .advise("install x11-xkb-utils or setxkbmap in this qube or its template")
        })
    }

    /// Sets the layout of a display, with all of its options.
    pub(crate) fn set(&self, display: &str, layout: &Layout) -> Result<(), Failure> {
        let cannot = || {
            Failure::new(format_args!(
                "cannot set {layout} on the display \"{display}\""
            ))
        };
        let mut command = Command::new(&self.0);
        command.args(["-display", display]).args(layout.arguments());
        let output = bounded::output(&mut command, Instant::now() + TO_ANSWER)
            .map_err(|error| cannot().because(format_args!("setxkbmap: {error}")))?;
        if output.status.success() {
            return Ok(());
        }
        let said = output.stderr.split(|byte| *byte == b'\n');
        let said: Vec<String> = said
            .filter(|line| !line.is_empty())
            .take(2)
            .map(text::line)
            .collect();
        Err(cannot()
            .because(format_args!(
                "setxkbmap: {}: {}",
                output.status,
                said.join("; ")
            ))
            .advise("the old layout stays; choose another one in dom0"))
    }
}
