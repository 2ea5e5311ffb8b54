//! What is printed, and the verdict.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::thread;
use std::time::Instant;

use anyhow::{Error, Result};

use crate::contest::Standing;
use crate::figures::Figures;
use crate::workplace::Workplace;

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    /// What is done.
    pub(crate) work: String,
    /// What it is compared with.
    pub(crate) against: String,
    /// What came out.
    pub(crate) finding: Finding,
    /// What is behind it, in absolute figures.
    pub(crate) detail: String,
}

/// What came out of a row.
#[derive(Debug)]
pub(crate) enum Finding {
    /// A figure for each round, which should be at most `target`; without one it is reported only.
    Measured {
        figures: Figures,
        unit: Unit,
        target: Option<f64>,
    },
    /// Not measured here, and why.
    LeftOut(String),
}

/// What a figure counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    /// Ours divided by theirs.
    Ratio,
    /// Ours, or ours minus theirs.
    Milliseconds,
    /// Ours, where it is far below a millisecond.
    Microseconds,
    /// Resident memory.
    Mebibytes,
    /// How often something happened.
    Count,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Met,
    WithinSpread,
    Missed,
    Reported,
}

/// Prints rows as they come and counts what is missed.
pub(crate) struct Table {
    began: Instant,
    missed: usize,
    failed: usize,
}

impl Table {
    /// Prints the heading.
    pub(crate) fn begin(place: &Workplace) -> Result<Self> {
        let mut out = io::stdout();
        let cores = thread::available_parallelism()?;
        writeln!(out, "In {}.", place.description)?;
        writeln!(
            out,
            "Linux {}, {cores} processors, load {}{}.",
            kernel_says("/proc/sys/kernel/osrelease"),
            load(),
            place.either("", ", small files (BENCH_QUICK)"),
        )?;
        writeln!(
            out,
            "Medians over rounds; spread: from the first quartile to the third.\n"
        )?;
        let (work, against, target) = ("work", "against", "target");
        writeln!(
            out,
            "{work:<44} {against:<34} {target:>9} {:>9} {:>9}  verdict",
            "measured", "spread"
        )?;
        Ok(Self {
            began: Instant::now(),
            missed: 0,
            failed: 0,
        })
    }

    /// Prints a row.
    pub(crate) fn add(&mut self, row: &Row) -> Result<()> {
        let mut out = io::stdout();
        write!(out, "{:<44} {:<34} ", row.work, row.against)?;
        match &row.finding {
            Finding::LeftOut(reason) => writeln!(out, "not measured: {reason}")?,
            Finding::Measured {
                figures,
                unit,
                target,
            } => {
                let verdict = judge(figures, *target);
                self.missed += usize::from(verdict == Verdict::Missed);
                writeln!(
                    out,
                    "{:>9} {:>9} {:>9}  {verdict}",
                    target.map_or_else(String::new, |target| format!("≤ {}", unit.show(target))),
                    unit.show(figures.median()),
                    unit.show(figures.spread()),
                )?;
            }
        }
        if !row.detail.is_empty() {
            writeln!(out, "    {}", row.detail)?;
        }
        Ok(())
    }

    /// Prints why a topic has no rows.
    pub(crate) fn fail(&mut self, topic: &str, error: &Error) -> Result<()> {
        self.failed += 1;
        writeln!(io::stdout(), "{topic:<44} FAILED: {error:#}")?;
        Ok(())
    }

    /// Prints the end and returns how many targets were missed and topics failed.
    pub(crate) fn end(self, place: &Workplace) -> Result<usize> {
        let mut out = io::stdout();
        let seconds = self.began.elapsed().as_secs();
        writeln!(out, "\n{seconds} s, load at the end {}.", load())?;
        match self.missed {
            0 => writeln!(out, "No target is missed by more than its spread.")?,
            missed => writeln!(out, "Missed by more than the spread: {missed}.")?,
        }
        if self.failed > 0 {
            writeln!(out, "Could not be measured: {}.", self.failed)?;
        }
        if place.quick {
            writeln!(out, "Small files say little of large ones: run it whole.")?;
        }
        Ok(self.missed + self.failed)
    }
}

fn judge(figures: &Figures, target: Option<f64>) -> Verdict {
    let over = target.map(|target| figures.median() - target);
    match over {
        None => Verdict::Reported,
        Some(over) if over <= 0.0 => Verdict::Met,
        Some(over) if over <= figures.spread() => Verdict::WithinSpread,
        Some(_) => Verdict::Missed,
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Met => "met",
            Self::WithinSpread => "over, but within the spread",
            Self::Missed => "MISSED",
            Self::Reported => "reported",
        })
    }
}

impl Unit {
    fn show(self, figure: f64) -> String {
        match self {
            Self::Ratio => format!("{figure:.2}"),
            Self::Milliseconds => format!("{figure:.1} ms"),
            Self::Microseconds => format!("{figure:.1} µs"),
            Self::Mebibytes => format!("{figure:.1} MiB"),
            Self::Count => format!("{figure:.0}"),
        }
    }
}

/// The medians of all contestants, for the line below a row.
pub(crate) fn medians(standings: &[Standing]) -> String {
    let mut text = String::new();
    for standing in standings {
        let (wall, cpu) = (Figures::new(standing.wall()), Figures::new(standing.cpu()));
        let (wall, cpu) = (wall.median(), cpu.median());
        text += &format!("{} {wall:.3} s (cpu {cpu:.3} s), ", standing.name);
    }
    let rounds = standings.first().map_or(0, |first| first.costs.len());
    text + &format!("{rounds} rounds")
}

fn load() -> String {
    let load = kernel_says("/proc/loadavg");
    load.split(' ').next().unwrap_or_default().to_owned()
}

fn kernel_says(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_missed_only_by_more_than_the_spread() {
        let figures = Figures::new([0.9, 1.0, 1.1, 1.2, 1.3]);
        assert_eq!(judge(&figures, Some(1.2)), Verdict::Met);
        assert_eq!(judge(&figures, Some(1.0)), Verdict::WithinSpread);
        assert_eq!(judge(&figures, Some(0.8)), Verdict::Missed);
        assert_eq!(judge(&figures, None), Verdict::Reported);
    }
}
