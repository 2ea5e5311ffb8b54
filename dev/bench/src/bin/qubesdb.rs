//! Measures QubesDB: a read beside an `echo` server over the same kind of socket, a command beside
//! `/bin/true`, a list, and a pair. Exit status 1: a target is missed.
//!
//! `qubesdb FOLDER`: the folder of the built programs.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use qubesdb::{Address, Client, Event, Value};

const READS: u32 = 100_000;
const STARTS: usize = 300;
const KEYS: u32 = 10_000;
const WRITES: u32 = 1_000;

fn main() -> Result<ExitCode> {
    let programs = std::env::args_os()
        .nth(1)
        .context("usage: qubesdb FOLDER")?;
    let programs = Path::new(&programs);
    let place = tempfile::tempdir()?;
    let daemon = |side: &str, domain: &str, arguments: &[&str]| {
        start(programs, place.path(), side, domain, arguments)
    };
    let address = |side: &str| Address::of_this_qube(&place.path().join(side));
    let mut rows = Rows { missed: false };

    let mut alone = daemon("alone", "0", &["--alone", "0"])?;
    let mut client = Client::open(address("alone"))?;
    client.write(&"/key".parse()?, &Value::parse(b"value")?)?;
    let key = "/key".parse()?;
    let read = each(READS, || {
        client.read(&key)?;
        Ok(())
    })?;
    let echo = echo(place.path())?;
    rows.add("100,000 reads, each", read, Duration::from_micros(25));
    rows.add("  beside twice an echo of the same bytes", read, echo * 2);

    let environment = place.path().join("alone");
    let link = place.path().join("qubesdb-read");
    std::os::unix::fs::symlink(fs::canonicalize(programs.join("qubesdb-cmd"))?, &link)?;
    let mut command = Command::new(&link);
    command.arg("/key").env("QUBESDB_DIR", &environment);
    let [ours, theirs] = started([&mut command, &mut Command::new("/bin/true")])?;
    let most = theirs + Duration::from_millis(2);
    rows.add("qubesdb-read beside /bin/true + 2 ms", ours, most);

    for number in 0..KEYS {
        client.write(&format!("/k/{number}").parse()?, &Value::parse(b"value")?)?;
    }
    let prefix = "/k/".parse()?;
    let list = each(20, || {
        client.list(&prefix)?;
        Ok(())
    })?;
    rows.add("a list of 10,000 keys", list, Duration::from_millis(500));
    end(&mut alone)?;

    let mut dom0 = daemon("dom0", "0", &["5", "work"])?;
    let name = qfile_proto::QubeName::parse(b"work").context("a name")?;
    let mut in_dom0 = Client::open(Address::of(&place.path().join("dom0"), &name))?;
    for number in 0..KEYS {
        in_dom0.write(&format!("/k/{number}").parse()?, &Value::parse(b"value")?)?;
    }
    let began = Instant::now();
    let mut qube = daemon("qube", "5", &["0"])?;
    rows.add(
        "10,000 keys synchronised, with the start",
        began.elapsed(),
        Duration::from_millis(500),
    );
    let mut in_qube = Client::open(address("qube"))?;
    ensure!(
        in_qube.list(&prefix)?.len() == usize::try_from(KEYS)?,
        "keys are missing"
    );
    in_qube.watch(&key)?;
    let value = Value::parse(b"value")?;
    let seen = each(WRITES, || {
        in_dom0.write(&key, &value)?;
        ensure!(
            in_qube.next_event(None)? == Event::Changed(key),
            "another event"
        );
        Ok(())
    })?;
    rows.add("a write seen across a pair", seen, Duration::from_millis(1));
    end(&mut qube)?;
    end(&mut dom0)?;
    Ok(if rows.missed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

struct Rows {
    missed: bool,
}

impl Rows {
    fn add(&mut self, what: &str, measured: Duration, most: Duration) {
        let is_met = measured <= most;
        self.missed |= !is_met;
        let verdict = if is_met { "met" } else { "MISSED" };
        let line = format!("{what:<44} {measured:>12.2?}  at most {most:>10.2?}  {verdict}\n");
        let _nobody_reads = std::io::stdout().write_all(line.as_bytes());
    }
}

fn each(count: u32, mut work: impl FnMut() -> Result<()>) -> Result<Duration> {
    let began = Instant::now();
    for _ in 0..count {
        work()?;
    }
    Ok(began.elapsed() / count)
}

/// The best a request and an answer of a read's sizes can be: a thread that blocks on one connection.
fn echo(place: &Path) -> Result<Duration> {
    let socket = place.join("echo");
    let listener = UnixListener::bind(&socket)?;
    let server = thread::spawn(move || -> Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut bytes = [0; 77];
        while stream.read_exact(&mut bytes[..72]).is_ok() {
            stream.write_all(&bytes)?;
        }
        Ok(())
    });
    let mut stream = UnixStream::connect(&socket)?;
    let mut bytes = [0; 77];
    let time = each(READS, || {
        stream.write_all(&bytes[..72])?;
        Ok(stream.read_exact(&mut bytes)?)
    })?;
    drop(stream);
    server
        .join()
        .map_err(|_| anyhow::anyhow!("the server panicked"))??;
    Ok(time)
}

/// The median of each, in turns: the load of the machine is the same for both.
fn started(commands: [&mut Command; 2]) -> Result<[Duration; 2]> {
    let mut times = [Vec::new(), Vec::new()];
    let mut commands = commands.map(|command| command.stdout(Stdio::null()));
    for _ in 0..STARTS {
        for (command, times) in commands.iter_mut().zip(&mut times) {
            let began = Instant::now();
            ensure!(command.status()?.success(), "a command failed");
            times.push(began.elapsed());
        }
    }
    Ok(times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    }))
}

fn start(
    programs: &Path,
    place: &Path,
    side: &str,
    domain: &str,
    arguments: &[&str],
) -> Result<Child> {
    let vchan = place.join("vchan");
    fs::create_dir_all(&vchan)?;
    let mut child = Command::new(programs.join("qubesdb-daemon"))
        .args(["--foreground", "--end-with-stdin"])
        .args(arguments)
        .env("QUBESDB_DIR", place.join(side))
        .env("VCHAN_SOCKET_DIR", vchan)
        .env("VCHAN_DOMAIN", domain)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start qubesdb-daemon")?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("piped")?).read_line(&mut line)?;
    ensure!(line == "READY=1\n", "the daemon did not start");
    Ok(child)
}

fn end(daemon: &mut Child) -> Result<()> {
    drop(daemon.stdin.take());
    ensure!(daemon.wait()?.success(), "a daemon failed");
    Ok(())
}
