//! What it takes to run a command for another qube: the service file of qubes.VMExec, as the login shell
//! of a qube starts it.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::ratio;
use crate::contest::{Contestant, hold};
use crate::measure::{Joint, Plan};
use crate::table::{Row, medians};
use crate::workplace::Workplace;

const ROUNDS: usize = 100;

/// `/bin/true`, against a shell that runs it, both through the service, and against a Python program
/// that does nothing.
pub(crate) fn rows(place: &Workplace) -> Result<Vec<Row>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rpc/qubes.VMExec");
    let service = place.path("qubes.VMExec");
    fs::copy(&file, &service).with_context(|| format!("cannot read {}", file.display()))?;
    let contestant = |name, words: &[&str]| -> Contestant<'_> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        Contestant {
            name,
            plan: Plan::new(Joint::Pipes, &words),
            environment: vec![("QFILE_LIBDIR", place.path("bin"))],
            as_root: false,
            prepare: Box::new(|| Ok(())),
            // A run that fails is none.
            check: Box::new(|| Ok(())),
        }
    };
    let service = service.to_string_lossy();
    let contestants = [
        contestant("ours", &[&service, "-2Fbin-2Ftrue"]),
        contestant("sh", &[&service, "sh+--c+true"]),
        contestant("python", &["python3", "-c", "pass"]),
    ];
    let standings = hold(place, ROUNDS, &contestants)?;
    let [ours, sh, python] = &standings[..] else {
        return Ok(Vec::new());
    };
    let row = |against, target, theirs: Vec<f64>| {
        let detail = medians(&standings);
        ratio(
            "qubes.VMExec of /bin/true",
            against,
            Some(target),
            [ours.wall(), theirs],
            detail,
        )
    };
    Ok(vec![
        row("sh -c true through the same", 1.0, sh.wall()),
        row("a Python program that does nothing", 0.2, python.wall()),
    ])
}
