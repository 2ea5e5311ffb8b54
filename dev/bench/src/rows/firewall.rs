//! The firewall of a network qube: the reload of an address, the start with many, memory, and what it
//! does when nothing happens.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use nix::sched::{CloneFlags, unshare};
use qubesdb::{Address, Client, Event, Value};

use super::{Daemon, alone, left_out, milliseconds};
use crate::table::{Row, Unit};
use crate::workplace::{Workplace, remove};

const ADDRESSES: u32 = 1_000;
const RULES: u32 = 50;
const RELOADS: usize = 200;
const STARTS: usize = 3;

/// How long nothing happens.
const IDLE: Duration = Duration::from_secs(5);

pub(crate) fn rows(place: &Workplace) -> Result<Vec<Row>> {
    // A network namespace belongs to a thread, so the other topics keep theirs.
    let measured = thread::scope(|scope| {
        let thread = scope.spawn(|| match unshare(CloneFlags::CLONE_NEWNET) {
            Ok(()) => measure(place),
            Err(_) => {
                let work = "the firewall of a network qube";
                Ok(left_out(work, "nothing", "needs root".to_owned()))
            }
        });
        thread.join()
    });
    measured.map_err(|_| anyhow!("the measurement panicked"))?
}

fn measure(place: &Workplace) -> Result<Vec<Row>> {
    let folder = place.path("firewall");
    let daemon = Daemon::start(place, &folder, "0", &["--alone", "0"])?;
    let mut db = Client::open(Address::of_this_qube(&folder))?;
    db.watch(&"/qubes-firewall-handled/".parse()?)?;
    write_rules(&mut db, &address(0))?;
    let agent = Agent::start(place, &folder)?;
    changed(&mut db)?;
    let one = reload(&mut db, 0)?;
    drop(agent);

    for number in 0..ADDRESSES {
        write_rules(&mut db, &address(number))?;
    }
    let mut starts = Vec::new();
    let agent = loop {
        let began = Instant::now();
        let agent = Agent::start(place, &folder)?;
        for _ in 0..ADDRESSES {
            changed(&mut db)?;
        }
        starts.push(began.elapsed());
        if starts.len() == STARTS {
            break agent;
        }
    };
    // The kernel looks at the whole table in each step.
    let among = reload(&mut db, 500)?;
    let memory = agent.status("VmHWM")? as f64 / 1024.0;
    // It goes to sleep after its last answer.
    thread::sleep(Duration::from_millis(500));
    // A process goes to sleep as often as it was woken.
    let before = agent.status("voluntary_ctxt_switches")?;
    thread::sleep(IDLE);
    let woken = agent.status("voluntary_ctxt_switches")? - before;
    drop((agent, daemon));
    remove(&folder)?;
    let times = |work, target, times: &[Duration]| {
        alone(work, Unit::Milliseconds, target, milliseconds(times))
    };
    Ok(vec![
        times("the reload of an address of 50 rules", 20.0, &one),
        times("the start with 1,000 such addresses", 3_000.0, &starts),
        times("the reload of one among them", 100.0, &among),
        alone("memory of the firewall", Unit::Mebibytes, 16.0, [memory]),
        alone(
            "wake-ups in 5 s without work",
            Unit::Count,
            0.0,
            [woken as f64],
        ),
    ])
}

/// The program `qubes-firewall`, which ends with this handle; its resolver is a process of its own.
struct Agent(Child);

impl Agent {
    fn start(place: &Workplace, folder: &Path) -> Result<Self> {
        let mut command = Command::new(place.program("qubes-firewall"));
        let child = command.env("QUBESDB_DIR", folder).spawn();
        child.map(Self).context("cannot start qubes-firewall")
    }

    /// A number of `/proc/PID/status`.
    fn status(&self, name: &str) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next());
        Ok(number.context("no such line")?.parse()?)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _it_was_there = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// From the trigger to the answer.
fn reload(db: &mut Client, number: u32) -> Result<Vec<Duration>> {
    let trigger = format!("/qubes-firewall/{}", address(number)).parse()?;
    let mut times = Vec::new();
    for _ in 0..RELOADS {
        let began = Instant::now();
        db.write(&trigger, &Value::default())?;
        changed(db)?;
        times.push(began.elapsed());
    }
    Ok(times)
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
