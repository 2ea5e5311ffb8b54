//! `bench [TOPIC...]`: measures the programs, most of them against others that do the same, and says
//! for each target whether it is met. `BENCH_QUICK=1` takes smaller files.
//!
//! The files, from the bottom up:
//!
//! - [`measure`]: one run of one or two programs, in a process of its own, and what it cost
//! - [`figures`]: the runs of several rounds: median, spread, ratios
//! - [`contest`]: rounds in which every contestant runs once
//! - [`workplace`]: where and as whom: a tmpfs, an ordinary user, the receiver set-uid
//! - [`interruption`]: Ctrl+C, after which nothing of all that may be left
//! - [`material`]: the files to copy
//! - [`arrived`]: whether a copy is one
//! - [`rows`]: each row of the table, topic by topic
//! - [`table`]: what is printed, and the verdict
//!
//! Exit status: 0 if every target is met within its own run-to-run spread, 1 if one is not or
//! something failed, 2 usage. A topic that fails does not keep the others from being measured.

mod arrived;
mod contest;
mod figures;
mod interruption;
mod material;
mod measure;
mod rows;
mod table;
mod workplace;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;

use crate::table::Table;
use crate::workplace::Workplace;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let result = match arguments.split_first() {
        Some((first, plan)) if first == measure::FLAG => measure::serve(plan),
        _ => return bench(&arguments),
    };
    report(result.map(|()| ExitCode::SUCCESS))
}

fn bench(arguments: &[OsString]) -> ExitCode {
    let quick = is_quick(env::var_os("BENCH_QUICK").as_deref());
    match quick.and_then(|quick| Ok((rows::chosen(arguments)?, quick))) {
        Ok((topics, quick)) => report(run(&topics, quick)),
        Err(usage) => {
            complain(&usage);
            ExitCode::from(2)
        }
    }
}

fn is_quick(value: Option<&OsStr>) -> Result<bool, String> {
    match value.map(OsStr::to_str) {
        None | Some(Some("" | "0")) => Ok(false),
        Some(Some("1")) => Ok(true),
        _ => Err("BENCH_QUICK is 1 for smaller files, or not set".to_owned()),
    }
}

fn run(topics: &[rows::Topic], quick: bool) -> Result<ExitCode> {
    let place = Workplace::set_up(quick)?;
    let mut table = Table::begin(&place)?;
    for topic in topics {
        match (topic.rows)(&place) {
            Ok(rows) => rows.iter().try_for_each(|row| table.add(row))?,
            Err(error) => {
                place.interruption.check()?;
                table.fail(topic.name, &error)?;
                place.clear();
            }
        }
    }
    place.interruption.check()?;
    Ok(match table.end(&place)? {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn report(result: Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        complain(&format!("bench: {error:#}"));
        ExitCode::FAILURE
    })
}

fn complain(text: &str) {
    let _nobody_reads = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_yes_nor_no_is_not_taken_for_either() {
        let quick = |value: &str| is_quick(Some(OsStr::new(value)));
        assert_eq!((is_quick(None), quick("")), (Ok(false), Ok(false)));
        assert_eq!((quick("0"), quick("1")), (Ok(false), Ok(true)));
        assert!(quick("yes").is_err());
    }
}
