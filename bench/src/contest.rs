//! Rounds in which every contestant runs once, each time from the same start.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::measure::{Cost, Plan};
use crate::workplace::Workplace;

/// Something done before or after a run, outside what is measured.
pub(crate) type Chore<'a> = Box<dyn Fn() -> Result<()> + 'a>;

/// One way to do the work.
pub(crate) struct Contestant<'a> {
    /// What it is called in the table.
    pub(crate) name: &'a str,
    /// What it runs.
    pub(crate) plan: Plan,
    /// Added to its environment.
    pub(crate) environment: Vec<(&'a str, PathBuf)>,
    /// Runs as root where this runs as root, else as the ordinary user.
    pub(crate) as_root: bool,
    /// Makes everything as it was before the first run.
    pub(crate) prepare: Chore<'a>,
    /// Whether the work was done.
    pub(crate) check: Chore<'a>,
}

/// What each contestant's runs did cost, in the order of the rounds.
#[derive(Debug)]
pub(crate) struct Standing {
    /// What it is called in the table.
    pub(crate) name: String,
    /// One for each round.
    pub(crate) costs: Vec<Cost>,
}

impl Standing {
    /// Seconds from start to end.
    pub(crate) fn wall(&self) -> Vec<f64> {
        let walls = self.costs.iter().map(|cost| cost.wall.as_secs_f64());
        walls.collect()
    }

    /// Seconds of processor time.
    pub(crate) fn cpu(&self) -> Vec<f64> {
        let cpus = self.costs.iter().map(|cost| cost.cpu.as_secs_f64());
        cpus.collect()
    }
}

/// Runs `rounds` rounds after one that does not count. Who begins changes from round to round.
pub(crate) fn hold(
    place: &Workplace,
    rounds: usize,
    contestants: &[Contestant<'_>],
) -> Result<Vec<Standing>> {
    let mut standings: Vec<Standing> = contestants
        .iter()
        .map(|contestant| Standing {
            name: contestant.name.to_owned(),
            costs: Vec::with_capacity(rounds),
        })
        .collect();
    for round in 0..=rounds {
        for turn in 0..contestants.len() {
            let which = (round + turn) % contestants.len();
            let contestant = &contestants[which];
            let cost = run_once(place, contestant).with_context(|| contestant.name.to_owned())?;
            if round > 0 {
                standings[which].costs.push(cost);
            }
        }
    }
    for contestant in contestants {
        (contestant.prepare)()?;
    }
    Ok(standings)
}

fn run_once(place: &Workplace, contestant: &Contestant<'_>) -> Result<Cost> {
    (contestant.prepare)()?;
    let uid = match contestant.as_root {
        true => None,
        false => place.ordinary_uid(),
    };
    let program = place.program("bench");
    let cost = contestant
        .plan
        .run(&program, uid, &contestant.environment)?;
    (contestant.check)()?;
    Ok(cost)
}
