//! What is asked, and by whom.

use program::failure::Failure;
use qfile_proto::QubeName;
use qrexec::status::REFUSED;

use super::record::Record;
use crate::args::Serve;
use crate::wire::Request;

/// Between the name of a relay and the qube for which it calls. With a single hyphen, the relay `a`
/// calling for `b-c` and the relay `a-b` calling for `c` would be one source.
const SEPARATOR: &str = "--";

/// A request whose source is known.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) source: QubeName,
    pub(super) request: Request,
}

/// Judges the options of the key, then the line that the caller sent.
///
/// # Errors
/// The refusal.
pub(super) fn judge(line: &Serve, wanted: &[u8], record: &mut Record) -> Result<Judged, Failure> {
    let key = Key::of(line)?;
    let request = Request::parse(wanted).map_err(|why| {
        Failure::new("this is not a call of qrexec-ssh")
            .because(why)
            .with_status(REFUSED)
    })?;
    record.set_request(&request);
    let source = key.source(request.source())?;
    record.set_source(source.as_str());
    Ok(Judged { source, request })
}

/// What is known of a caller by the key.
#[derive(Debug)]
pub(super) struct Key {
    name: QubeName,
    /// The qubes for which it may call.
    for_others: ForOthers,
}

#[derive(Debug)]
enum ForOthers {
    Any,
    These(Vec<QubeName>),
}

impl Key {
    /// Judges `--as` and `--may-speak-for`.
    ///
    /// # Errors
    /// A name is none.
    pub(super) fn of(line: &Serve) -> Result<Self, Failure> {
        let refused = |what: &str, why: &str| {
            let advice = "correct the line in authorized_keys";
            let failure = Failure::new(what).because(why).advise(advice);
            failure.with_status(REFUSED)
        };
        let name = QubeName::parse(line.name.as_bytes());
        let name = name.ok_or_else(|| refused("the NAME of --as", "it is not a name of a qube"))?;
        if name.as_str().contains(SEPARATOR) || name.as_str().ends_with('-') {
            return Err(refused(
                "the NAME of --as",
                "it has two hyphens in a row, or one at its end",
            ));
        }
        let for_others = match line.may_speak_for.as_deref() {
            None => ForOthers::These(Vec::new()),
            Some("*") => ForOthers::Any,
            Some(names) => {
                let names = names.split_whitespace();
                let names = names.map(|name| QubeName::parse(name.as_bytes()));
                let names = names.collect::<Option<Vec<_>>>().ok_or_else(|| {
                    refused(
                        "the NAMES of --may-speak-for",
                        "one is not a name of a qube",
                    )
                })?;
                ForOthers::These(names)
            }
        };
        Ok(Self { name, for_others })
    }

    /// The source of a call in which the caller says that it is `for_whom`.
    ///
    /// # Errors
    /// It may not say so.
    fn source(&self, for_whom: Option<&QubeName>) -> Result<QubeName, Failure> {
        let Some(other) = for_whom else {
            return Ok(self.name.clone());
        };
        let refused = |why: &str| {
            let attempted = format!("{} cannot call for {other}", self.name);
            Failure::new(attempted).because(why).with_status(REFUSED)
        };
        let may = match &self.for_others {
            ForOthers::Any => true,
            ForOthers::These(names) => names.contains(other),
        };
        if !may {
            return Err(refused("its key does not allow that"));
        }
        let source = format!("{}{SEPARATOR}{other}", self.name);
        QubeName::parse(source.as_bytes())
            .ok_or_else(|| refused(&format!("{source} is not a name of a qube: it is too long")))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn source(options: &[&str], line: &str) -> Result<String, Failure> {
        let options = ["qrexec-ssh-serve"].iter().chain(options);
        let options = Serve::try_parse_from(options).unwrap();
        let judged = judge(&options, line.as_bytes(), &mut Record::new("x"));
        judged.map(|judged| judged.source.to_string())
    }

    const CALL: &str = "qrexec-v1 - svc+";
    const FOR_WORK: &str = "qrexec-v1 - svc+ work";

    #[test]
    fn the_source_is_the_name_of_the_key() {
        assert_eq!(source(&["--as", "laptop"], CALL).unwrap(), "laptop");
    }

    #[test]
    fn only_a_relay_calls_for_others_and_never_passes_for_them() {
        for allowed in ["*", "work", "vault work", " work  vault "] {
            let options = ["--as", "far", "--may-speak-for", allowed];
            assert_eq!(source(&options, FOR_WORK).unwrap(), "far--work");
            assert_eq!(source(&options, CALL).unwrap(), "far");
        }
        for options in [
            &["--as", "far"][..],
            &["--as", "far", "--may-speak-for", "vault"],
            &["--as", "far", "--may-speak-for", ""],
        ] {
            assert_eq!(source(options, FOR_WORK).unwrap_err().status(), REFUSED);
        }
    }

    #[test]
    fn a_name_with_its_prefix_is_refused_rather_than_cut() {
        let may = ["--as", "relay", "--may-speak-for", "*"];
        let call = |len| source(&may, &format!("{CALL} {}", "a".repeat(len)));
        assert_eq!(call(24).unwrap().len(), 31);
        assert_eq!(call(25).unwrap_err().status(), REFUSED);
        assert!(source(&may, &format!("{CALL} x-dm")).is_err());
    }

    #[test]
    fn a_bad_name_refuses_every_call() {
        for name in [
            "",
            "9",
            "a b",
            "../x",
            "none",
            "a--b",
            "a-",
            "-a",
            "a-dm",
            "é",
            &"a".repeat(32),
        ] {
            let options = [&format!("--as={name}")[..]];
            assert_eq!(
                source(&options, CALL).unwrap_err().status(),
                REFUSED,
                "{name}"
            );
        }
        for names in ["work ../x", "* work", "-"] {
            let option = format!("--may-speak-for={names}");
            let options = ["--as", "far", &option];
            assert_eq!(
                source(&options, CALL).unwrap_err().status(),
                REFUSED,
                "{names}"
            );
        }
    }
}
