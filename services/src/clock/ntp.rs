//! The service qubes.SyncNtpClock: the time service that runs in this qube asks its servers, and the
//! program ends when the clock is right.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use program::failure::Failure;
use program::programs::find_in_path;
use text::line;

use super::args::SyncNtpClock;
use program::bounded::{self, Output};

/// The name of the program.
pub const NAME: &str = "qubes-sync-ntp-clock";

/// systemd touches it when its time service has set the clock (systemd-timesyncd.service(8)).
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";
const TIMESYNCD: &str = "systemd-timesyncd.service";
/// From here on chrony is told to set the clock, instead of correcting it slowly: 2 s.
const STEP: f64 = 2.0;
/// How long to wait before the time service is asked again whether it is ready.
const PAUSE: Duration = Duration::from_millis(200);

/// Has the clock set.
///
/// # Errors
/// There is no time service, or it is not ready in time.
pub fn serve(args: &SyncNtpClock) -> Result<(), Failure> {
    let waiting = Waiting {
        deadline: Instant::now() + args.timeout,
        seconds: args.timeout.as_secs(),
    };
    let chrony = match Chrony::find(waiting) {
        Ok(chrony) => return chrony.synchronise(),
        Err(missing) => missing,
    };
    let timesyncd = match Timesyncd::find(waiting) {
        Ok(timesyncd) => return timesyncd.synchronise(),
        Err(missing) => missing,
    };
    let ntpd = match Ntpd::find(waiting) {
        Ok(ntpd) => return ntpd.synchronise(),
        Err(missing) => missing,
    };
    Err(Failure::new("cannot set the clock by the network")
        .because("no time service runs in this qube")
        .advise(format_args!(
            "chrony: {chrony}\nsystemd-timesyncd: {timesyncd}\nntpd: {ntpd}\ninstall one of them in the \
             template, or switch it on in this qube"
        )))
}

/// How long all of it may take.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    deadline: Instant,
    seconds: u64,
}

impl Waiting {
    fn output(&self, program: &Path, arguments: &[&str]) -> std::io::Result<Output> {
        bounded::output(Command::new(program).args(arguments), self.deadline)
    }

    /// Runs a program that has to succeed.
    fn step(&self, program: &Path, arguments: &[&str]) -> Result<Output, Failure> {
        let name = program.file_name().unwrap_or(OsStr::new(""));
        let attempted = format!("\"{} {}\"", name.to_string_lossy(), arguments.join(" "));
        match self.output(program, arguments) {
            Ok(output) if output.status.success() => Ok(output),
            Ok(output) => Err(Failure::new(format_args!("{attempted} failed")).because(
                match said(&output) {
                    said if said.is_empty() => output.status.to_string(),
                    said => said,
                },
            )),
            Err(error) => Err(Failure::of(format_args!("cannot run {attempted}"))(error)),
        }
    }

    /// Asks again and again until the answer is yes.
    fn until(
        &self,
        service: &str,
        mut is_ready: impl FnMut() -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        while !is_ready()? {
            if Instant::now() >= self.deadline {
                return Err(
                    Failure::new(format_args!("{service} did not set the clock")).because(
                        format_args!(
                            "it reached no server that it trusts within {} s",
                            self.seconds
                        ),
                    ),
                );
            }
            sleep(PAUSE);
        }
        Ok(())
    }
}

/// The first line that a program said about its failure.
fn said(output: &Output) -> String {
    let lines = [&output.stderr, &output.stdout].map(|text| text.trim_ascii());
    let text = lines.into_iter().find(|text| !text.is_empty());
    let first = text.and_then(|text| text.split(|byte| *byte == b'\n').next());
    line(first.unwrap_or_default())
}

fn installed(name: &str) -> Result<PathBuf, String> {
    find_in_path(name).ok_or_else(|| format!("there is no {name}"))
}

/// chronyd, by its program of control.
struct Chrony {
    chronyc: PathBuf,
    waiting: Waiting,
}

impl Chrony {
    fn find(waiting: Waiting) -> Result<Self, String> {
        let chronyc = installed("chronyc")?;
        match waiting.output(&chronyc, &["-n", "tracking"]) {
            Ok(output) if output.status.success() => Ok(Self { chronyc, waiting }),
            Ok(output) => Err(said(&output)),
            Err(error) => Err(error.to_string()),
        }
    }

    fn synchronise(&self) -> Result<(), Failure> {
        let chronyc = |arguments: &[&str]| self.waiting.step(&self.chronyc, arguments);
        let tracking = || -> Result<Option<Tracking>, Failure> {
            Ok(Tracking::parse(&chronyc(&["-n", "-c", "tracking"])?.stdout))
        };
        let before = tracking()?;
        // Four good answers of each server, of at most eight.
        chronyc(&["-n", "burst", "4/8"])?;
        let mut offset = 0.0;
        self.waiting.until("chrony", || {
            let now = tracking()?;
            offset = now.as_ref().map_or(0.0, |now| now.offset);
            // The burst goes on after chronyc has ended, and what was measured before is no answer.
            Ok(now.is_some_and(|now| now.is_synchronised_since(before.as_ref())))
        })?;
        if offset.abs() >= STEP {
            chronyc(&["-n", "makestep"])?;
        }
        Ok(())
    }
}

/// What chrony says of itself.
#[derive(Clone, Debug, PartialEq)]
struct Tracking {
    /// When the last answer of a server was taken into account, in its words.
    reference: String,
    /// How many seconds the clock is off.
    offset: f64,
    is_synchronised: bool,
}

impl Tracking {
    /// Understands the line of `chronyc -c tracking`: the ID of the server, its name, its stratum, the
    /// time of the last answer, the offset of the clock, …, and at the end the state (chronyc(1)).
    fn parse(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?;
        let columns: Vec<&str> = line.trim().split(',').collect();
        let [id, _, _, reference, offset, .., state] = columns[..] else {
            return None;
        };
        let offset: f64 = offset
            .parse()
            .ok()
            .filter(|offset: &f64| offset.is_finite())?;
        // 7F7F0101 is the own clock, which is no server.
        let has_server = !["00000000", "7F7F0101"].contains(&id);
        Some(Self {
            reference: reference.to_owned(),
            offset,
            is_synchronised: has_server && state != "Not synchronised",
        })
    }

    /// Is the clock right by an answer that was not there `before`?
    fn is_synchronised_since(&self, before: Option<&Self>) -> bool {
        let is_new = before.is_none_or(|before| before.reference != self.reference);
        self.is_synchronised && is_new
    }
}

/// The time service of systemd.
struct Timesyncd {
    systemctl: PathBuf,
    waiting: Waiting,
}

impl Timesyncd {
    fn find(waiting: Waiting) -> Result<Self, String> {
        let systemctl = installed("systemctl")?;
        match waiting.output(&systemctl, &["is-active", TIMESYNCD]) {
            Ok(output) if output.status.success() => Ok(Self { systemctl, waiting }),
            Ok(output) => Err(format!("its unit is \"{}\"", said(&output))),
            Err(error) => Err(error.to_string()),
        }
    }

    fn synchronise(&self) -> Result<(), Failure> {
        let before = identity(Path::new(SYNCHRONISED));
        // It asks its servers when it starts, and not again for a while.
        self.waiting
            .step(&self.systemctl, &["restart", TIMESYNCD])?;
        self.waiting.until("systemd-timesyncd", || {
            let now = identity(Path::new(SYNCHRONISED));
            Ok(now.is_some() && now != before)
        })
    }
}

/// Which file this is, and when it was last touched.
fn identity(path: &Path) -> Option<(u64, i64, i64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.ctime(), metadata.ctime_nsec()))
}

/// ntpd of ntp.org or `NTPsec`, by its program of control.
struct Ntpd {
    ntpq: PathBuf,
    /// What it said first.
    before: Variables,
    waiting: Waiting,
}

impl Ntpd {
    const QUESTION: [&str; 3] = ["-n", "-c", "rv 0 leap,reftime"];

    fn find(waiting: Waiting) -> Result<Self, String> {
        let ntpq = installed("ntpq")?;
        // Its status does not say whether there was an answer.
        match waiting.output(&ntpq, &Self::QUESTION) {
            Ok(output) => match Variables::parse(&output.stdout) {
                Some(before) => Ok(Self {
                    ntpq,
                    before,
                    waiting,
                }),
                None => Err(said(&output)),
            },
            Err(error) => Err(error.to_string()),
        }
    }

    fn synchronise(&self) -> Result<(), Failure> {
        self.waiting.until("ntpd", || {
            let answer = self.waiting.step(&self.ntpq, &Self::QUESTION)?;
            let now = Variables::parse(&answer.stdout);
            Ok(now.is_some_and(|now| now.is_synchronised_since(&self.before)))
        })
    }
}

/// What ntpd says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Variables {
    /// Its leap indicator; 11 in binary says that its clock is not right.
    leap: String,
    /// When it last corrected the clock, in its words. It stays the same until a server has answered
    /// again.
    reference: String,
}

impl Variables {
    /// Understands an answer such as `leap=00, reftime=ecd0a1b2.00000000 Thu, Nov 26 2026 …`.
    fn parse(answer: &[u8]) -> Option<Self> {
        let answer = std::str::from_utf8(answer).ok()?;
        let value = |key: &str| {
            let mut words = answer.split([',', '\n', ' ']);
            words.find_map(|word| word.strip_prefix(key))
        };
        Some(Self {
            leap: value("leap=")?.to_owned(),
            reference: value("reftime=")?.to_owned(),
        })
    }

    /// Is the clock right by an answer that was not there `before`?
    fn is_synchronised_since(&self, before: &Self) -> bool {
        !["11", "3"].contains(&self.leap.as_str()) && self.reference != before.reference
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn chrony_is_right_when_it_has_a_server() {
        let parse = |line: &str| Tracking::parse(line.as_bytes());
        let good = parse(
            "C0A80101,192.168.1.1,3,1795656466.5,-0.000012,0.00001,0.00002,1.5,0.0,0.1,0.02,0.001,64.5,Normal\n",
        );
        assert_eq!(
            good,
            Some(Tracking {
                reference: "1795656466.5".to_owned(),
                offset: -0.000_012,
                is_synchronised: true
            })
        );
        let none = parse("00000000,,0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,1.0,0.0,Not synchronised\n");
        assert!(!none.unwrap().is_synchronised);
        let own = parse("7F7F0101,,10,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,Normal\n");
        assert!(!own.unwrap().is_synchronised);
        for wrong in ["", "x", "a,b,c,d,e,f", "a,b,c,d,inf,f", "a,b,c,d,1.0"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ntpd_is_right_when_its_leap_indicator_says_so() {
        let parse = |answer: &str| Variables::parse(answer.as_bytes());
        let before = parse("leap=00, reftime=ecd0a1b2.00000000  Thu, Nov 26 2026  1:27:46.000\n");
        let before = before.unwrap();
        assert_eq!(before.leap, "00");
        assert_eq!(before.reference, "ecd0a1b2.00000000");
        // What it measured before it was asked says nothing about now.
        assert!(!before.is_synchronised_since(&before));
        let after = |answer: &str| parse(answer).unwrap().is_synchronised_since(&before);
        assert!(after("leap=01, reftime=ecd0a1b3.00000000  Thu"));
        assert!(after(
            "associd=0 status=0615 leap_none,\nleap=0,\nreftime=ecd0a1b3.00000000"
        ));
        for leap in ["11", "3"] {
            assert!(!after(&format!("leap={leap}, reftime=ecd0a1b3.00000000")));
        }
        assert_eq!(parse("ntpq: read: Connection refused\n"), None);
        assert_eq!(parse("leap=00\n"), None);
        assert_eq!(Variables::parse(b"\xFF"), None);
    }

    #[test]
    fn chrony_is_right_only_by_an_answer_that_it_has_got_since() {
        let tracking = |id: &str, reference: &str| {
            let line = format!("{id},192.168.1.1,3,{reference},-3600.0,0.1,64.5,Normal\n");
            Tracking::parse(line.as_bytes()).unwrap()
        };
        let before = tracking("C0A80101", "1795656466.5");
        assert!(before.is_synchronised_since(None));
        assert!(!before.is_synchronised_since(Some(&before)));
        let after = tracking("C0A80101", "1795656470.5");
        assert!(after.is_synchronised_since(Some(&before)));
        assert!(!tracking("7F7F0101", "1795656470.5").is_synchronised_since(Some(&before)));
    }

    proptest! {
        #[test]
        fn whatever_a_time_service_says_is_understood_or_not(said in prop::collection::vec(any::<u8>(), 0..200)) {
            let _no_panic = (Tracking::parse(&said), Variables::parse(&said));
        }

        #[test]
        fn whatever_columns_there_are(columns in prop::collection::vec("[0-9A-F.a-z -]{0,8}", 0..20)) {
            let tracking = Tracking::parse(columns.join(",").as_bytes());
            prop_assert!(tracking.is_none_or(|tracking| tracking.offset.is_finite()));
        }
    }
}
