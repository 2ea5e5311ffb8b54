//! The lines about a call in the system log: one right before its service is executed, and one at its
//! end, which alone has a status. So a call whose end nobody could write down is known, too.
//!
//! The first comes before the service, and not after it: a service can kill this program at once, and
//! nothing would be left of the call.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use program::failure::Failure;
use program::system_log;

use crate::args::SERVE;
use crate::wire::Request;

/// How long a line waits for room in the log.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is known of a call so far.
#[derive(Debug)]
pub(super) struct Record {
    source: String,
    service: String,
    target: String,
    since: Instant,
    /// Why it was refused, where the caller is not told.
    pub(super) why: Option<String>,
    /// Bytes from the caller.
    pub(super) from_caller: Arc<AtomicU64>,
    /// Bytes to the caller.
    pub(super) to_caller: Arc<AtomicU64>,
}

impl Record {
    /// A call of which only the key is known.
    pub(super) fn new(key_name: &str) -> Self {
        Self {
            source: field(key_name),
            service: "-".to_owned(),
            target: "-".to_owned(),
            since: Instant::now(),
            why: None,
            from_caller: Arc::default(),
            to_caller: Arc::default(),
        }
    }

    /// Notes who calls.
    pub(super) fn set_source(&mut self, source: &str) {
        self.source = field(source);
    }

    /// Notes what is called.
    pub(super) fn set_request(&mut self, request: &Request) {
        self.service = field(&request.service().to_string());
        self.target = field(&request.qube().to_string());
    }

    /// Writes the line about the start. A machine without a log needs none.
    ///
    /// # Errors
    /// The log does not take the line.
    pub(super) fn begin(&self) -> io::Result<()> {
        let line = format!("{} starting", self.call());
        match system_log::info_within(PATIENCE, SERVE, line) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn call(&self) -> String {
        format!(
            "source={} service={} target={}",
            self.source, self.service, self.target
        )
    }

    /// Writes the line about the end.
    pub(super) fn write(&self, status: u8, failure: Option<&Failure>) {
        let line = self.line(status, failure);
        // The call has ended. Nothing can be done about a log that is full for so long.
        let _lost = system_log::info_within(PATIENCE, SERVE, line);
    }

    fn line(&self, status: u8, failure: Option<&Failure>) -> String {
        let count = |bytes: &AtomicU64| bytes.load(Ordering::Relaxed);
        let mut line = format!(
            "{} status={status} in={} out={} seconds={:.3}",
            self.call(),
            count(&self.from_caller),
            count(&self.to_caller),
            self.since.elapsed().as_secs_f64()
        );
        let why = self.why.clone().or_else(|| Some(failure?.reason()));
        if let Some(why) = why {
            let why = text::foreign(why.replace('"', "'").as_bytes());
            let _never_fails = write!(line, " why=\"{why}\"");
        }
        line
    }
}

/// One word: a blank in it would begin another field.
fn field(untrusted: &str) -> String {
    let shown = text::foreign(untrusted.as_bytes()).replace(' ', "_");
    match shown.is_empty() {
        true => "-".to_owned(),
        false => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_is_one_word_and_the_reason_comes_last() {
        let mut record = Record::new("laptop");
        let request = Request::parse(b"qrexec-v1 work svc+arg").unwrap();
        record.set_request(&request);
        record.from_caller.store(7, Ordering::Relaxed);
        let line = record.line(3, None);
        let begins = "source=laptop service=svc+arg target=work status=3 in=7 out=0 seconds=0.";
        assert!(line.starts_with(begins), "{line}");
        assert!(!line.contains("why="));
        record.set_source("a status=0\n\x1b");
        let failure = Failure::new("cannot call \"x\"").because("no\nway");
        let line = record.line(126, Some(&failure));
        assert!(line.starts_with("source=a_status=0__ service="), "{line}");
        assert!(line.ends_with(" why=\"cannot call 'x': no_way\""), "{line}");
        record.why = Some("in the log only".to_owned());
        let line = record.line(126, Some(&failure));
        assert!(line.ends_with(" why=\"in the log only\""), "{line}");
    }
}
