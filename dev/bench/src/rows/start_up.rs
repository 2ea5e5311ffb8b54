//! What it takes to copy one byte through the whole chain: almost nothing but starting programs.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::peak;
use crate::arrived::{Look, same};
use crate::contest::{Contestant, Standing, hold};
use crate::figures::Figures;
use crate::measure::{Joint, Plan};
use crate::table::{Finding, Row, Unit, medians};
use crate::workplace::Workplace;

const ROUNDS: usize = 25;
const SOURCE: &str = "work";
const TARGET: &str = "vault";

/// Against `cat` in place of both programs over the same loopback.
pub(crate) fn rows(place: &Workplace) -> Result<Vec<Row>> {
    let root = place.path("qubes");
    let home = set_up_qubes(place, &root)?;
    let file = &place.path("byte");
    fs::write(file, "x")?;
    let incoming = home.join("QubesIncoming");
    let environment = || {
        vec![
            ("QREXEC_LOOPBACK_ROOT", root.clone()),
            ("QREXEC_LOOPBACK_QUBE", PathBuf::from(SOURCE)),
            ("QFILE_LIBDIR", place.path("bin")),
            ("HOME", root.join(SOURCE).join("home")),
        ]
    };
    let contestant = |name, service: &str, program: &Path, landed: PathBuf| -> Contestant<'_> {
        let loopback = place.program("qrexec-loopback");
        let words: [&OsStr; 5] = [
            loopback.as_ref(),
            TARGET.as_ref(),
            service.as_ref(),
            program.as_ref(),
            file.as_ref(),
        ];
        let incoming = incoming.clone();
        Contestant {
            name,
            plan: Plan::new(Joint::Sockets, &words),
            environment: environment(),
            as_root: false,
            prepare: Box::new(move || place.empty(&incoming)),
            check: Box::new(move || same(file, &landed, Look::AtContent)),
        }
    };
    let contestants = [
        contestant(
            "ours",
            "qubes.Filecopy",
            &place.program("qfile-agent"),
            incoming.join(SOURCE).join("byte"),
        ),
        contestant(
            "cat",
            "bench.Cat",
            Path::new("/bin/cat"),
            incoming.join("byte"),
        ),
    ];
    let standings = hold(place, ROUNDS, &contestants)?;
    let [ours, cat] = &standings[..] else {
        return Ok(Vec::new());
    };
    let work = "1 byte through the loopback";
    let more = Row {
        work: work.to_owned(),
        against: "cat for both programs".to_owned(),
        finding: Finding::Measured {
            figures: milliseconds_more(ours, cat),
            unit: Unit::Milliseconds,
            target: Some(10.0),
        },
        detail: medians(&standings),
    };
    Ok(vec![more, peak(work, ours)])
}

fn milliseconds_more(ours: &Standing, theirs: &Standing) -> Figures {
    let pairs = ours.wall().into_iter().zip(theirs.wall());
    Figures::new(pairs.map(|(ours, theirs)| (ours - theirs) * 1_000.0))
}

/// Makes two qubes and returns the target's home folder.
fn set_up_qubes(place: &Workplace, root: &Path) -> Result<PathBuf> {
    for folder in [
        "work/home",
        "work/qubes-rpc",
        "vault/home",
        "vault/qubes-rpc",
        "policy.d",
    ] {
        place.empty(&root.join(folder))?;
    }
    fs::write(
        root.join("policy.d/30-bench.policy"),
        "* * @anyvm @anyvm allow\n",
    )?;
    let services = root.join(TARGET).join("qubes-rpc");
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rpc/qubes.Filecopy");
    let ours = fs::read_to_string(&ours)
        .with_context(|| format!("cannot read the service {}", ours.display()))?;
    let cat = "#!/bin/sh\nexec cat >QubesIncoming/byte\n".to_owned();
    for (name, script) in [("qubes.Filecopy", ours), ("bench.Cat", cat)] {
        let file = services.join(name);
        fs::write(&file, script)?;
        fs::set_permissions(&file, Permissions::from_mode(0o755))?;
    }
    let home = root.join(TARGET).join("home");
    place.give_home(&home)?;
    Ok(home)
}
