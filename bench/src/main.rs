//! `bench [TOPIC...]`: measures the copy against `tar`, `cp` and two processes that only move
//! bytes, and says for each target whether it is met. `BENCH_QUICK=1` takes smaller files.
//!
//! The files, from the bottom up:
//!
//! - [`measure`]: one run of one or two programs, in a process of its own, and what it cost
//! - [`figures`]: the runs of several rounds: median, spread, ratios
//! - [`contest`]: rounds in which every contestant runs once
//! - [`workplace`]: where and as whom: a tmpfs, an ordinary user, the receiver set-uid
//! - [`material`]: the files to copy
//! - [`rows`]: each row of the table, topic by topic
//! - [`table`]: what is printed, and the verdict
//!
//! Exit status: 0 if every target is met within its own run-to-run spread, 1 if one is not or
//! something failed, 2 usage.

mod contest;
mod figures;
mod material;
mod measure;
mod rows;
mod table;
mod workplace;

use std::env;
use std::ffi::OsString;
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
    let topics = match rows::chosen(arguments) {
        Ok(topics) => topics,
        Err(usage) => {
            complain(&usage);
            return ExitCode::from(2);
        }
    };
    report(run(&topics))
}

fn run(topics: &[rows::Topic]) -> Result<ExitCode> {
    let quick = env::var_os("BENCH_QUICK").is_some_and(|value| value == "1");
    let place = Workplace::set_up(quick)?;
    let mut table = Table::begin(&place)?;
    for topic in topics {
        for row in (topic.rows)(&place)? {
            table.add(&row)?;
        }
    }
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
