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
    let program = place.program("bench");
    hold_with(rounds, contestants, |contestant| {
        place.interruption.check()?;
        let uid = place.ordinary_uid().filter(|_| !contestant.as_root);
        contestant.plan.run(&program, uid, &contestant.environment)
    })
}

fn hold_with(
    rounds: usize,
    contestants: &[Contestant<'_>],
    run: impl Fn(&Contestant<'_>) -> Result<Cost>,
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
            let cost = once(contestant, &run).with_context(|| contestant.name.to_owned())?;
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

fn once(
    contestant: &Contestant<'_>,
    run: impl Fn(&Contestant<'_>) -> Result<Cost>,
) -> Result<Cost> {
    (contestant.prepare)()?;
    let cost = run(contestant)?;
    (contestant.check)()?;
    Ok(cost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::time::Duration;

    use anyhow::bail;

    use crate::measure::Joint;

    type Log = RefCell<Vec<String>>;

    fn contestant<'a>(name: &'a str, log: &'a Log, whole: bool) -> Contestant<'a> {
        let note = move |what: &str| log.borrow_mut().push(format!("{what} {name}"));
        Contestant {
            name,
            plan: Plan::new(Joint::Pipes, &[""; 0]),
            environment: Vec::new(),
            as_root: false,
            prepare: Box::new(move || {
                note("prepare");
                Ok(())
            }),
            check: Box::new(move || {
                note("check");
                match whole {
                    true => Ok(()),
                    false => bail!("half of it is missing"),
                }
            }),
        }
    }

    /// Runs that take one second longer each time.
    fn hold(rounds: usize, log: &Log, contestants: &[Contestant<'_>]) -> Result<Vec<Standing>> {
        let clock = Cell::new(0);
        hold_with(rounds, contestants, |contestant| {
            log.borrow_mut().push(format!("run {}", contestant.name));
            clock.set(clock.get() + 1);
            Ok(Cost {
                wall: Duration::from_secs(clock.get()),
                cpu: Duration::ZERO,
                peak_kib: 0,
            })
        })
    }

    #[test]
    fn who_begins_alternates_and_the_first_round_does_not_count() {
        let log = Log::default();
        let both = [contestant("a", &log, true), contestant("b", &log, true)];
        let standings = hold(3, &log, &both).unwrap();
        let log = log.borrow();
        let runs = log.iter().filter_map(|line| line.strip_prefix("run "));
        assert_eq!(runs.collect::<String>(), "abbaabba");
        assert_eq!(standings[0].wall(), [4.0, 5.0, 8.0]);
        assert_eq!(standings[1].wall(), [3.0, 6.0, 7.0]);
    }

    #[test]
    fn each_run_begins_anew_and_is_checked() {
        let log = Log::default();
        hold(1, &log, &[contestant("a", &log, true)]).unwrap();
        let once = ["prepare a", "run a", "check a"];
        let expected = [&once[..], &once, &["prepare a"]].concat();
        assert_eq!(*log.borrow(), expected);
    }

    #[test]
    fn a_copy_that_is_not_whole_has_no_time() {
        let log = Log::default();
        let both = [contestant("a", &log, true), contestant("b", &log, false)];
        let error = hold(3, &log, &both).unwrap_err();
        assert_eq!(format!("{error:#}"), "b: half of it is missing");
    }
}
