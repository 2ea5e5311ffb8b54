//! Measures the firewall of a network qube: the reload of an address, the start with many, memory,
//! and what it does when nothing happens. Exit status 1: a target is missed. Needs root.
//!
//! `firewall FOLDER`: the folder of the built programs.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sched::{CloneFlags, unshare};
use qubesdb::{Address, Client, Event, Value};

const ADDRESSES: u32 = 1_000;
const RULES: u32 = 50;
const RELOADS: usize = 200;

/// How long nothing happens.
const IDLE: Duration = Duration::from_secs(5);

/// Most memory in KiB, of the agent; the resolver is a process of its own.
const MEMORY: u64 = 16 << 10;

fn main() -> Result<ExitCode> {
    let programs = std::env::args_os()
        .nth(1)
        .context("usage: firewall FOLDER")?;
    let programs = Path::new(&programs);
    if unshare(CloneFlags::CLONE_NEWNET).is_err() {
        say("the firewall is not measured: that needs root\n");
        return Ok(ExitCode::SUCCESS);
    }
    let place = tempfile::tempdir()?;
    let mut daemon = Command::new(programs.join("qubesdb-daemon"))
        .args(["--foreground", "--end-with-stdin", "--alone", "0"])
        .env("QUBESDB_DIR", place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start qubesdb-daemon")?;
    let mut line = String::new();
    BufReader::new(daemon.stdout.take().context("piped")?).read_line(&mut line)?;
    let mut db = Client::open(Address::of_this_qube(place.path()))?;
    db.watch(&"/qubes-firewall-handled/".parse()?)?;
    let mut rows = Rows { missed: false };

    write_rules(&mut db, &address(0))?;
    let mut agent = start(programs, place.path())?;
    changed(&mut db)?;
    let alone = reload(&mut db, 0)?;
    rows.time(
        "the reload of an address of 50 rules",
        alone,
        Duration::from_millis(20),
    );
    agent.kill()?;
    agent.wait()?;

    for number in 0..ADDRESSES {
        write_rules(&mut db, &address(number))?;
    }
    let began = Instant::now();
    let mut agent = start(programs, place.path())?;
    for _ in 0..ADDRESSES {
        changed(&mut db)?;
    }
    let many = began.elapsed();
    rows.time(
        "the start with 1,000 such addresses",
        many,
        Duration::from_secs(3),
    );
    // The kernel looks at the whole table in each step.
    let among = reload(&mut db, 500)?;
    rows.time(
        "  the reload of one among them",
        among,
        Duration::from_millis(100),
    );
    let memory = status(&agent, "VmHWM")?;
    rows.add("memory at its highest, KiB", memory, MEMORY);
    // It goes to sleep after its last answer.
    thread::sleep(Duration::from_millis(500));
    let before = wake_ups(&agent)?;
    thread::sleep(IDLE);
    rows.add(
        "wake-ups in 5 s without work",
        wake_ups(&agent)? - before,
        0,
    );

    agent.kill()?;
    agent.wait()?;
    drop(daemon.stdin.take());
    daemon.wait()?;
    Ok(if rows.missed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn start(programs: &Path, folder: &Path) -> Result<Child> {
    Command::new(programs.join("qubes-firewall"))
        .env("QUBESDB_DIR", folder)
        .spawn()
        .context("cannot start qubes-firewall")
}

/// From the trigger to the answer, the median.
fn reload(db: &mut Client, number: u32) -> Result<Duration> {
    let trigger = format!("/qubes-firewall/{}", address(number)).parse()?;
    let mut times = Vec::new();
    for _ in 0..RELOADS {
        let began = Instant::now();
        db.write(&trigger, &Value::default())?;
        changed(db)?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

fn address(number: u32) -> String {
    format!("10.140.{}.{}", number / 250, number % 250)
}

fn write_rules(db: &mut Client, address: &str) -> Result<()> {
    let below = format!("/qubes-firewall/{address}");
    db.write(&format!("{below}/policy").parse()?, &Value::parse(b"drop")?)?;
    for number in 0..RULES {
        let rule = format!("action=accept dst4=10.0.{number}.0/24 proto=tcp dstports=80-443");
        let key = format!("{below}/{number:04}").parse()?;
        db.write(&key, &Value::parse(rule.as_bytes())?)?;
    }
    Ok(())
}

fn changed(db: &mut Client) -> Result<()> {
    let event = db.next_event(Some(Duration::from_secs(60)))?;
    ensure!(matches!(event, Event::Changed(_)), "the daemon went away");
    Ok(())
}

/// A number of `/proc/PID/status`.
fn status(child: &Child, name: &str) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next());
    Ok(number.context("no such line")?.parse()?)
}

/// How often the process has gone to sleep: as often as it was woken.
fn wake_ups(child: &Child) -> Result<u64> {
    status(child, "voluntary_ctxt_switches")
}

struct Rows {
    missed: bool,
}

impl Rows {
    fn time(&mut self, what: &str, measured: Duration, most: Duration) {
        self.row(
            what,
            &format!("{measured:.2?}"),
            &format!("{most:.2?}"),
            measured <= most,
        );
    }

    fn add(&mut self, what: &str, measured: u64, most: u64) {
        self.row(
            what,
            &measured.to_string(),
            &most.to_string(),
            measured <= most,
        );
    }

    fn row(&mut self, what: &str, measured: &str, most: &str, is_met: bool) {
        self.missed |= !is_met;
        let verdict = if is_met { "met" } else { "MISSED" };
        say(&format!(
            "{what:<44} {measured:>12}  at most {most:>10}  {verdict}\n"
        ));
    }
}

fn say(text: &str) {
    let _nobody_reads = std::io::stdout().write_all(text.as_bytes());
}
