//! The transport of a RemoteVM of Qubes OS, in its local relay: the service
//! `qubesair.SSHProxy+REMOTE+SERVICE[+ARG]`.

use std::env;

use program::failure::Failure;
use qfile_proto::QubeName;
use qrexec::Service;
use qrexec::status::REFUSED;
use qubesdb::{Address, Client, Path};

use crate::remotes::{Remote, Remotes};
use crate::resolve::not_carried;
use crate::wire::{NoRequest, Qube, Request};
use qrexec::Destination;

/// Set by qrexec: the qube that calls the RemoteVM.
const CALLER: &str = "QREXEC_REMOTE_DOMAIN";

/// Where the RemoteVM that the argument names is, and what is asked there.
///
/// # Errors
/// The argument, the caller or the settings of the RemoteVM are wrong.
pub(crate) fn resolve(
    argument: &str,
    remotes: &Remotes,
) -> Result<(String, Destination, Request), Failure> {
    let (name, service) = take_apart(argument)?;
    let source = env::var(CALLER).ok();
    let source = source.and_then(|name| QubeName::parse(name.as_bytes()));
    let source = source.ok_or_else(|| {
        Failure::new(format!("{CALLER} is not the name of a qube")).with_status(REFUSED)
    })?;
    let qube = qube(&name, &read_from_qubesdb)?;
    let destination = match remotes.get(name.as_str()) {
        Some(remote) => {
            check_qube(&name, remote, &qube)?;
            remote.destination.clone()
        }
        // A name of a qube is one of a host.
        None => Destination::parse(name.as_str()).ok_or_else(|| {
            Failure::new(format!("{name} cannot be a host of ssh")).with_status(REFUSED)
        })?,
    };
    let request =
        Request::new(qube, service, Some(source)).map_err(|why| not_carried(argument, why))?;
    Ok((name.to_string(), destination, request))
}

/// Refuses a line of remotes.conf that names another qube than dom0 does: its writer expects the call
/// there.
fn check_qube(name: &QubeName, remote: &Remote, of_dom0: &Qube) -> Result<(), Failure> {
    if remote.qube == Qube::Unnamed || remote.qube == *of_dom0 {
        return Ok(());
    }
    let failure = Failure::new(format!("cannot call the RemoteVM {name}")).because(format!(
        "remotes.conf says that it is the qube {}, and dom0 says {of_dom0}",
        remote.qube
    ));
    let advice = format!("leave QUBE out of the line for {name} in remotes.conf");
    Err(failure.advise(advice).with_status(REFUSED))
}

fn take_apart(argument: &str) -> Result<(QubeName, Service), Failure> {
    let refused = |why: &str| {
        let shown = text::own(argument.as_bytes());
        let failure = Failure::new(format!("cannot call the RemoteVM in \"{shown}\""));
        Err(failure.because(why).with_status(REFUSED))
    };
    let Some((name, service)) = argument.split_once('+') else {
        return refused("the argument is REMOTE+SERVICE[+ARG]");
    };
    if name == "@default" || name == "default" {
        return refused(
            "dom0 passed @default on, and no RemoteVM has that name; name the RemoteVM in the call, \
             or with target= in the policy of dom0",
        );
    }
    let Some(name) = QubeName::parse(name.as_bytes()) else {
        return refused("REMOTE is not the name of a qube");
    };
    let service = Service::parse(service).ok_or(NoRequest::Service);
    Ok((name, service.map_err(|why| not_carried(argument, why))?))
}

/// The name of a RemoteVM on the other machine.
fn qube(
    name: &QubeName,
    read: &dyn Fn(&str) -> Result<Vec<u8>, qubesdb::Error>,
) -> Result<Qube, Failure> {
    let path = format!("/remote/{name}");
    let attempted = format!("cannot find out what {name} is called on the other machine");
    let value = read(&path).map_err(|error| {
        Failure::new(&attempted)
            .because(format!("QubesDB, {path}: {error}"))
            .advise("in dom0, check that it is a RemoteVM, and that this qube is its relay")
            .with_status(REFUSED)
    })?;
    QubeName::parse(&value).map(Qube::Named).ok_or_else(|| {
        let shown = text::foreign(&value);
        Failure::new(attempted)
            .because(format!(
                "QubesDB has \"{shown}\" as {path}, which is no name of a qube"
            ))
            .with_status(REFUSED)
    })
}

fn read_from_qubesdb(path: &str) -> Result<Vec<u8>, qubesdb::Error> {
    let address = Address::of_this_qube(&qubesdb::folder()).for_reading();
    let value = Client::open(address)?.read(&Path::absolute(path.as_bytes())?)?;
    Ok(value.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_argument_names_a_remote_vm_and_a_service() {
        let (name, service) = take_apart("far+svc+a+b").unwrap();
        assert_eq!((name.as_str(), &*service.to_string()), ("far", "svc+a+b"));
        let (name, service) = take_apart("far+svc").unwrap();
        assert_eq!((name.as_str(), &*service.to_string()), ("far", "svc+"));
    }

    #[test]
    fn what_the_argument_lacks_is_told() {
        for (argument, says) in [
            ("@default+svc", "dom0 passed @default on"),
            ("default+svc", "dom0 passed @default on"),
            ("far", "REMOTE+SERVICE"),
            ("", "REMOTE+SERVICE"),
            ("../x+svc", "REMOTE is not"),
            ("far+", "SERVICE does not begin"),
            ("far+../svc", "SERVICE+ARG"),
        ] {
            let failure = take_apart(argument).unwrap_err();
            assert_eq!(failure.status(), REFUSED);
            assert!(failure.to_string().contains(says), "{argument}: {failure}");
        }
    }

    #[test]
    fn a_line_of_remotes_conf_may_not_name_another_qube_than_dom0() {
        let far = QubeName::parse(b"far").unwrap();
        let check = |line: &str, of_dom0: &str| {
            let remotes = Remotes::parse(line).unwrap();
            let of_dom0 = Qube::parse(of_dom0).unwrap();
            check_qube(&far, remotes.get("far").unwrap(), &of_dom0)
        };
        for line in ["far = relay", "far = relay work"] {
            assert_eq!(check(line, "work"), Ok(()), "{line}");
        }
        for line in ["far = relay vault", "far = relay @dispvm"] {
            let failure = check(line, "work").unwrap_err();
            assert_eq!(failure.status(), REFUSED);
            assert!(failure.to_string().contains("dom0 says work"), "{failure}");
        }
    }

    #[test]
    fn its_name_over_there_is_what_qubesdb_has() {
        let far = QubeName::parse(b"far").unwrap();
        let read = |path: &str| {
            assert_eq!(path, "/remote/far");
            Ok(b"work".to_vec())
        };
        assert_eq!(qube(&far, &read).unwrap().to_string(), "work");
        for wrong in [&b""[..], b"-", b"@dispvm", b"../x", b"\x1b[2J"] {
            let failure = qube(&far, &|_| Ok(wrong.to_vec())).unwrap_err();
            assert_eq!(failure.status(), REFUSED);
            assert!(!failure.to_string().contains('\x1b'));
        }
        let missing = qube(&far, &|_| Err(qubesdb::Error::Missing)).unwrap_err();
        assert_eq!(missing.status(), REFUSED);
        assert!(missing.to_string().contains("/remote/far"));
    }
}
