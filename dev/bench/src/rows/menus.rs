//! The list of a qube's applications for dom0's menu.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::contest::{Contestant, hold};
use crate::figures::Figures;
use crate::measure::{Joint, Plan};
use crate::table::{Finding, Row, Unit, medians};
use crate::workplace::{Workplace, remove};

const ROUNDS: usize = 15;
const COUNT: usize = 2000;

/// Languages into which each application is translated.
const LANGUAGES: usize = 30;

/// From the start of the program to its end, which is what a call of qubes.GetAppmenus adds to
/// qrexec. The files are in memory.
pub(crate) fn rows(place: &Workplace) -> Result<Vec<Row>> {
    let data = place.path("data");
    let folder = data.join("applications");
    place.empty(&folder)?;
    for number in 0..COUNT {
        fs::write(
            folder.join(format!("org.example.App{number}.desktop")),
            entry(number)?,
        )?;
    }
    let program = place.program("qubes-app-menus");
    let words = [program.as_os_str(), ">".as_ref(), "/dev/null".as_ref()];
    let contestant = Contestant {
        name: "ours",
        plan: Plan::new(Joint::Pipes, &words),
        environment: vec![
            ("XDG_DATA_HOME", data.clone()),
            ("XDG_DATA_DIRS", "/no/such".into()),
            ("QUBESDB_DIR", "/no/such".into()),
        ],
        as_root: false,
        prepare: Box::new(|| Ok(())),
        check: Box::new(|| Ok(())),
    };
    let standings = hold(place, ROUNDS, &[contestant])?;
    remove(Path::new(&data))?;
    let [ours] = &standings[..] else {
        return Ok(Vec::new());
    };
    let work = format!("menu entries of {COUNT} desktop files");
    let wall = ours.wall().into_iter().map(|seconds| seconds * 1_000.0);
    let peak = ours.costs.iter().map(|cost| cost.peak_kib).max();
    let row = |against: &str, figures, unit, target, detail| Row {
        work: work.clone(),
        against: against.to_owned(),
        finding: Finding::Measured {
            figures,
            unit,
            target: Some(target),
        },
        detail,
    };
    let peak = Figures::new([peak.unwrap_or(0) as f64 / 1024.0]);
    Ok(vec![
        row(
            "nothing",
            Figures::new(wall),
            Unit::Milliseconds,
            50.0,
            medians(&standings),
        ),
        row("peak memory", peak, Unit::Mebibytes, 16.0, String::new()),
    ])
}

/// A desktop file as applications have them, some 4 KB.
fn entry(number: usize) -> Result<String> {
    let mut text = format!(
        "[Desktop Entry]\nVersion=1.0\nType=Application\nName=Application {number}\n\
         GenericName=Example\nComment=Shows how long it takes\nTryExec=sh\nExec=example %U\n\
         Icon=org.example.App{number}\nTerminal=false\nStartupNotify=true\n\
         Categories=GNOME;GTK;Utility;\nMimeType=text/plain;text/html;\nActions=new-window;\n"
    );
    for key in ["Name", "Comment", "Keywords"] {
        for language in 0..LANGUAGES {
            let value = if language % 2 == 0 {
                "Beispiel"
            } else {
                "\u{43f}\u{440}\u{438}\u{43c}\u{435}\u{440}"
            };
            writeln!(text, "{key}[l{language}]={value} {number}")?;
        }
    }
    text.push_str("\n[Desktop Action new-window]\nName=New Window\nExec=example --new-window\n");
    Ok(text)
}
