//! What passes between the two programs beside the bytes of a service: the request, which is the
//! remote command of ssh, and the go-ahead, which comes before the first byte of the service.
//!
//! The request is the line `qrexec-v1 QUBE SERVICE+ARG [SOURCE]`.

use std::fmt;

use qfile_proto::QubeName;
use qrexec::Service;

/// First word of a request.
const VERSION: &str = "qrexec-v1";

/// Longest request in bytes.
pub const MAX_LEN: usize = 65_000;

/// Longest name of a service in bytes, without its argument.
const MAX_SERVICE_LEN: usize = 255;

/// Written by the other machine when the call is allowed and the service is found. What follows on its
/// stdout is the service's.
pub const GO_AHEAD: &[u8; 19] = b"\0qrexec-v1 allowed\n";

/// The qube in which the service shall run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Qube {
    /// `-`: the other machine itself, or what the policy of its dom0 says.
    Unnamed,
    /// `@dispvm`: a new disposable.
    Disposable,
    /// That one.
    Named(QubeName),
}

impl Qube {
    /// Judges `-`, `@dispvm` or a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "-" => Some(Self::Unnamed),
            "@dispvm" => Some(Self::Disposable),
            name => QubeName::parse(name.as_bytes()).map(Self::Named),
        }
    }
}

impl fmt::Display for Qube {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unnamed => f.write_str("-"),
            Self::Disposable => f.write_str("@dispvm"),
            Self::Named(name) => name.fmt(f),
        }
    }
}

/// A call, as the other machine is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    qube: Qube,
    service: Service,
    source: Option<QubeName>,
}

/// Why there is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRequest {
    /// There is no line: somebody wants a shell.
    Missing,
    /// The line has another form.
    Form,
    /// The line is too long.
    Long,
    /// QUBE is none.
    Qube,
    /// SERVICE+ARG is none.
    Service,
    /// SOURCE is none.
    Source,
}

impl fmt::Display for NoRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no service is named, and there is no shell here"),
            Self::Form => write!(f, "it is not \"{VERSION} QUBE SERVICE+ARG [SOURCE]\""),
            Self::Long => write!(f, "it is longer than {MAX_LEN} bytes"),
            Self::Qube => f.write_str("QUBE is not the name of a qube"),
            Self::Service => f.write_str(
                "SERVICE+ARG has other characters than A-Z a-z 0-9 . _ + -, or SERVICE does not begin \
                 with a letter or a digit, or it is longer than 255 bytes",
            ),
            Self::Source => f.write_str("SOURCE is not the name of a qube"),
        }
    }
}

impl std::error::Error for NoRequest {}

impl Request {
    /// The request of a call.
    ///
    /// # Errors
    /// The wire cannot carry it.
    pub fn new(qube: Qube, service: Service, source: Option<QubeName>) -> Result<Self, NoRequest> {
        let first = service.name().bytes().next();
        let begins_well = first.is_some_and(|byte| byte.is_ascii_alphanumeric());
        if !begins_well || service.name().len() > MAX_SERVICE_LEN {
            return Err(NoRequest::Service);
        }
        let request = Self {
            qube,
            service,
            source,
        };
        match request.to_string().len() <= MAX_LEN {
            true => Ok(request),
            false => Err(NoRequest::Long),
        }
    }

    /// Takes a line apart. Nothing in it is optional but SOURCE.
    ///
    /// # Errors
    /// It is no request.
    pub fn parse(untrusted_line: &[u8]) -> Result<Self, NoRequest> {
        if untrusted_line.is_empty() {
            return Err(NoRequest::Missing);
        }
        if untrusted_line.len() > MAX_LEN {
            return Err(NoRequest::Long);
        }
        let line = std::str::from_utf8(untrusted_line).map_err(|_| NoRequest::Form)?;
        let words: Vec<&str> = line.split(' ').collect();
        let (qube, service, source) = match words.as_slice() {
            [VERSION, qube, service] => (qube, service, None),
            [VERSION, qube, service, source] => (qube, service, Some(source)),
            _ => return Err(NoRequest::Form),
        };
        let qube = Qube::parse(qube).ok_or(NoRequest::Qube)?;
        if !service.contains('+') {
            return Err(NoRequest::Service);
        }
        let service = Service::parse(service).ok_or(NoRequest::Service)?;
        let source = source
            .map(|name| QubeName::parse(name.as_bytes()).ok_or(NoRequest::Source))
            .transpose()?;
        Self::new(qube, service, source)
    }

    /// The qube.
    #[must_use]
    pub fn qube(&self) -> &Qube {
        &self.qube
    }

    /// The service.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// The qube for which a relay calls.
    #[must_use]
    pub fn source(&self) -> Option<&QubeName> {
        self.source.as_ref()
    }
}

/// The line.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION} {} {}", self.qube, self.service)?;
        self.source
            .as_ref()
            .map_or(Ok(()), |source| write!(f, " {source}"))
    }
}

/// What the fuzzer and the tests check.
#[cfg(any(test, fuzzing))]
pub mod fuzzing {
    use super::*;

    /// Whatever the line: if it is a request, it is the only spelling of that, and in characters that
    /// mean nothing to a shell or a file system.
    ///
    /// # Panics
    /// It is not so.
    pub fn request(untrusted_line: &[u8]) {
        let Ok(request) = Request::parse(untrusted_line) else {
            return;
        };
        assert_eq!(request.to_string().as_bytes(), untrusted_line);
        let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"._+@- ".contains(byte);
        assert!(untrusted_line.iter().all(harmless));
        let service = request.service();
        for name in [service.name().to_owned(), service.to_string()] {
            assert!(!name.contains('/') && !name.starts_with(['.', '-']) && !name.is_empty());
        }
        assert!(service.name().len() <= MAX_SERVICE_LEN);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bytes_of_the_wire() {
        let name = |name: &str| QubeName::parse(name.as_bytes()).unwrap();
        let service = |text| Service::parse(text).unwrap();
        for (line, qube, called, source) in [
            (
                "qrexec-v1 - qubes.Filecopy+",
                Qube::Unnamed,
                "qubes.Filecopy",
                None,
            ),
            (
                "qrexec-v1 work svc+a+b",
                Qube::Named(name("work")),
                "svc+a+b",
                None,
            ),
            (
                "qrexec-v1 @dispvm 9+ vault",
                Qube::Disposable,
                "9",
                Some("vault"),
            ),
        ] {
            let request = Request::new(qube, service(called), source.map(name)).unwrap();
            assert_eq!(request.to_string(), line);
            assert_eq!(Request::parse(line.as_bytes()), Ok(request));
        }
        assert_eq!(GO_AHEAD.len(), 19);
    }

    #[test]
    fn what_is_no_request_is_told_by_its_fault() {
        for (line, fault) in [
            ("", NoRequest::Missing),
            ("id", NoRequest::Form),
            ("qrexec-v1", NoRequest::Form),
            ("qrexec-v2 - svc+", NoRequest::Form),
            (" qrexec-v1 - svc+", NoRequest::Form),
            ("qrexec-v1 - svc+ ", NoRequest::Source),
            ("qrexec-v1 -  svc+", NoRequest::Service),
            ("qrexec-v1\t-\tsvc+", NoRequest::Form),
            ("qrexec-v1 - svc+ work more", NoRequest::Form),
            ("qrexec-v1 - svc", NoRequest::Service),
            ("qrexec-v1 - svc+\n", NoRequest::Service),
            ("qrexec-v1 - ../svc+", NoRequest::Service),
            ("qrexec-v1 - -svc+", NoRequest::Service),
            ("qrexec-v1 - .svc+", NoRequest::Service),
            ("qrexec-v1 - _svc+", NoRequest::Service),
            ("qrexec-v1 - +", NoRequest::Service),
            ("qrexec-v1 - svc+@x", NoRequest::Service),
            ("qrexec-v1 - svc+$(id)", NoRequest::Service),
            ("qrexec-v1  svc+", NoRequest::Qube),
            ("qrexec-v1 @default svc+", NoRequest::Qube),
            ("qrexec-v1 @dispvm:web svc+", NoRequest::Qube),
            ("qrexec-v1 9 svc+", NoRequest::Qube),
            ("qrexec-v1 - svc+ @adminvm", NoRequest::Source),
            ("qrexec-v1 - svc+ é", NoRequest::Source),
        ] {
            assert_eq!(Request::parse(line.as_bytes()), Err(fault), "{line:?}");
        }
        assert_eq!(Request::parse(b"\xFF"), Err(NoRequest::Form));
    }

    #[test]
    fn lengths_have_their_bounds() {
        let name = |len| Request::parse(format!("qrexec-v1 - {}+", "s".repeat(len)).as_bytes());
        assert!(name(255).is_ok());
        assert_eq!(name(256), Err(NoRequest::Service));
        let fixed = "qrexec-v1 - s+".len();
        let line = |len| format!("qrexec-v1 - s+{}", "a".repeat(len - fixed));
        assert!(Request::parse(line(MAX_LEN).as_bytes()).is_ok());
        assert_eq!(
            Request::parse(line(MAX_LEN + 1).as_bytes()),
            Err(NoRequest::Long)
        );
        let argument = format!("s+{}", "a".repeat(MAX_LEN));
        let service = Service::parse(&argument).unwrap();
        assert_eq!(
            Request::new(Qube::Unnamed, service, None),
            Err(NoRequest::Long)
        );
    }

    /// What `make fuzz` starts from.
    #[test]
    fn the_corpus_of_the_fuzz_target() {
        test_support::corpus("remote_request", 3, fuzzing::request);
    }

    proptest! {
        #[test]
        fn any_line_is_harmless_or_none(line in "(qrexec-v1 )?[ -~]{0,40}|\\PC*|[a-z@+ ./-]{0,30}") {
            fuzzing::request(line.as_bytes());
        }

        #[test]
        fn any_bytes_are_harmless_or_none(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            fuzzing::request(&line);
            fuzzing::request(&[b"qrexec-v1 - ", &line[..]].concat());
        }

        #[test]
        fn what_can_be_said_is_understood(
            qube in "-|@dispvm|[a-c]{2,4}", service in "[a-z0-9][a-zA-Z0-9._-]{0,9}[+][a-z+._-]{0,9}",
            source in proptest::option::of("[d-f]{2,4}"),
        ) {
            let source = source.map_or(String::new(), |source| format!(" {source}"));
            let line = format!("qrexec-v1 {qube} {service}{source}");
            prop_assert_eq!(Request::parse(line.as_bytes()).unwrap().to_string(), line);
        }
    }
}
