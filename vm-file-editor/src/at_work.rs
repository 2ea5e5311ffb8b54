//! Who is at work on the file, as one look after the other shows it.

use std::collections::{HashMap, HashSet};

use tokio::time::Instant;

use crate::processes::{Process, Trace};
use crate::wait::Patience;

/// Whoever has the file open now, and whoever has once named it, until it ends.
#[derive(Debug, Default)]
pub(crate) struct AtWork {
    /// Programs may rewrite their arguments; one that becomes another program is forgotten.
    named_it: HashSet<Process>,
    /// Since when they have something in the folder open.
    holding: HashMap<Process, Instant>,
    /// Since when programs that show files themselves name it.
    showing: HashMap<Process, Instant>,
    /// Who was at work at the last look.
    seen_before: HashSet<Process>,
    ever: bool,
    has_looked: bool,
}

impl AtWork {
    /// Takes note of what a look at `now` shows; whether somebody is at work. While the opener runs
    /// it names the file itself, which means nothing.
    pub(crate) fn update(
        &mut self,
        traces: &[Trace],
        returned: bool,
        now: Instant,
        patience: &Patience,
    ) -> bool {
        let counts = |trace: &&Trace| returned || trace.has_open || !trace.only_asks;
        let counted = || traces.iter().filter(counts);
        // Seen once is not enough: a child that has just been forked still bears its parent's
        // arguments, and has its parent's descriptors.
        self.ever |= counted().any(|trace| self.seen_before.contains(&trace.process));
        self.seen_before = counted().map(|trace| trace.process).collect();
        let naming = counted().filter(|trace| trace.names);
        self.named_it.extend(naming.map(|trace| trace.process));
        self.named_it.retain(Process::lives);
        note(&mut self.holding, traces, now, |trace| trace.holds);
        note(&mut self.showing, traces, now, |trace| {
            trace.names && !trace.only_asks
        });
        let longer = |since: &HashMap<Process, Instant>, than| {
            since.values().any(|since| now - *since >= than)
        };
        // A program that passes the file on to one that runs already names it for a moment too.
        self.has_looked |=
            longer(&self.holding, patience.glance) || longer(&self.showing, patience.settling);
        !self.named_it.is_empty() || traces.iter().any(|trace| trace.has_open)
    }

    /// Somebody was seen at work, more than once.
    pub(crate) fn ever(&self) -> bool {
        self.ever
    }

    /// Somebody had the file, or showed it, for longer than it takes to ask what it is or to pass it
    /// on.
    pub(crate) fn has_looked(&self) -> bool {
        self.has_looked
    }
}

/// Keeps since when each process is seen to do something, for as long as it is.
fn note(
    since: &mut HashMap<Process, Instant>,
    traces: &[Trace],
    now: Instant,
    does: impl Fn(&Trace) -> bool,
) {
    let doing: HashSet<Process> = traces
        .iter()
        .filter(|trace| does(trace))
        .map(|trace| trace.process)
        .collect();
    since.retain(|process, _| doing.contains(process));
    for process in doing {
        since.entry(process).or_insert(now);
    }
}
