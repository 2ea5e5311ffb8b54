//! QubesDB: a read beside an `echo` server over the same kind of socket, a command beside
//! `/bin/true`, a list, and a pair.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use qubesdb::{Address, Client, Event, Value};

use super::{Daemon, alone, milliseconds, ratio};
use crate::table::{Row, Unit};
use crate::workplace::{Workplace, remove};

/// Reads of a round.
const READS: u32 = 20_000;
const ROUNDS: usize = 5;
const STARTS: usize = 300;
const LISTS: usize = 20;
const KEYS: u32 = 10_000;
const WRITES: u32 = 1_000;

pub(crate) fn rows(place: &Workplace) -> Result<Vec<Row>> {
    let (alone_folder, dom0_folder) = (place.path("alone"), place.path("dom0"));
    let mut rows = Vec::new();
    let value = Value::parse(b"value")?;
    let key = "/key".parse()?;
    let prefix = "/k/".parse()?;

    let daemon = Daemon::start(place, &alone_folder, "0", &["--alone", "0"])?;
    let mut client = Client::open(Address::of_this_qube(&alone_folder))?;
    client.write(&key, &value)?;
    let (mut reads, mut echoes) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let read = || {
            client.read(&key)?;
            Ok(())
        };
        reads.push(each(READS, read)?.as_secs_f64() * 1e6);
        echoes.push(echo(&place.path("echo"))?.as_secs_f64() * 1e6);
    }
    rows.push(alone("a read", Unit::Microseconds, 25.0, reads.clone()));
    let against = "an echo of the same bytes";
    rows.push(ratio(
        "a read",
        against,
        Some(2.0),
        [reads, echoes],
        String::new(),
    ));
    rows.push(start_up(place, &alone_folder)?);

    for number in 0..KEYS {
        client.write(&format!("/k/{number}").parse()?, &value)?;
    }
    let mut lists = Vec::new();
    for _ in 0..LISTS {
        let began = Instant::now();
        client.list(&prefix)?;
        lists.push(began.elapsed());
    }
    let lists = milliseconds(&lists);
    rows.push(alone(
        "a list of 10,000 keys",
        Unit::Milliseconds,
        500.0,
        lists,
    ));
    drop(daemon);

    let in_dom0 = Daemon::start(place, &dom0_folder, "0", &["5", "work"])?;
    let name = qfile_proto::QubeName::parse(b"work").context("a name")?;
    let mut writer = Client::open(Address::of(&dom0_folder, &name))?;
    for number in 0..KEYS {
        writer.write(&format!("/k/{number}").parse()?, &value)?;
    }
    let qube_folder = place.path("qube");
    let began = Instant::now();
    let in_qube = Daemon::start(place, &qube_folder, "5", &["0"])?;
    let work = "10,000 keys synchronised, with the start";
    let took = milliseconds(&[began.elapsed()]);
    rows.push(alone(work, Unit::Milliseconds, 500.0, took));
    let mut reader = Client::open(Address::of_this_qube(&qube_folder))?;
    let found = reader.list(&prefix)?.len();
    ensure!(found == usize::try_from(KEYS)?, "keys are missing");
    reader.watch(&key)?;
    let mut seen = Vec::new();
    for _ in 0..WRITES {
        let began = Instant::now();
        writer.write(&key, &value)?;
        let event = reader.next_event(None)?;
        ensure!(event == Event::Changed(key), "another event");
        seen.push(began.elapsed());
    }
    let work = "a write seen across a pair";
    rows.push(alone(work, Unit::Milliseconds, 1.0, milliseconds(&seen)));
    drop((in_qube, in_dom0));
    for folder in [alone_folder, dom0_folder, qube_folder] {
        remove(&folder)?;
    }
    Ok(rows)
}

/// The command `qubesdb-read` and `/bin/true`, in turns: the load of the machine is the same for both.
fn start_up(place: &Workplace, folder: &Path) -> Result<Row> {
    let link = place.path("qubesdb-read");
    remove(&link)?;
    std::os::unix::fs::symlink(place.program("qubesdb-cmd"), &link)?;
    let mut ours = Command::new(&link);
    ours.arg("/key").env("QUBESDB_DIR", folder);
    let mut theirs = Command::new("/bin/true");
    let mut more = Vec::new();
    for _ in 0..STARTS {
        let ours = run(&mut ours)?;
        more.push((ours.as_secs_f64() - run(&mut theirs)?.as_secs_f64()) * 1e3);
    }
    remove(&link)?;
    let mut row = alone("qubesdb-read", Unit::Milliseconds, 2.0, more);
    row.against = "/bin/true, what it takes more".to_owned();
    Ok(row)
}

fn run(command: &mut Command) -> Result<Duration> {
    let began = Instant::now();
    let status = command.stdout(Stdio::null()).status()?;
    ensure!(status.success(), "a command failed");
    Ok(began.elapsed())
}

fn each(count: u32, mut work: impl FnMut() -> Result<()>) -> Result<Duration> {
    let began = Instant::now();
    for _ in 0..count {
        work()?;
    }
    Ok(began.elapsed() / count)
}

/// The best a request and an answer of a read's sizes can be: a thread that blocks on one connection.
fn echo(socket: &Path) -> Result<Duration> {
    let listener = UnixListener::bind(socket)?;
    let server = thread::spawn(move || -> Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut bytes = [0; 77];
        while stream.read_exact(&mut bytes[..72]).is_ok() {
            stream.write_all(&bytes)?;
        }
        Ok(())
    });
    let mut stream = UnixStream::connect(socket)?;
    remove(socket)?;
    let mut bytes = [0; 77];
    let time = each(READS, || {
        stream.write_all(&bytes[..72])?;
        Ok(stream.read_exact(&mut bytes)?)
    })?;
    drop(stream);
    let served = server.join();
    served.map_err(|_| anyhow::anyhow!("the server panicked"))??;
    Ok(time)
}
