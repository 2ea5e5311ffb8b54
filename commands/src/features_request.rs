//! `qvm-features-request`: what this qube can do, written down for dom0, which is asked to look at it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, ExitCode, Stdio};

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use program::failure::{Failure, end};
use program::say::say;
use qrexec::CallStatus;
use qrexec::client::{self, Kind};
use qubesdb::{Address, Client, Path, Value};
use text::name as shown;

use crate::ending::{command_line, usage};

const NAME: &str = "qvm-features-request";
/// The folder in QubesDB that dom0 reads.
const FOLDER: &[u8] = b"/features-request/";
/// The service of dom0 that reads it.
const SERVICE: &str = "qubes.FeaturesRequest";

/// Tell dom0 what this qube can do
///
/// Writes each FEATURE with its VALUE to QubesDB, and with --commit asks dom0 to read what is there.
/// dom0 decides what it takes over. One that cannot be written keeps none of the others from it.
#[derive(Debug, Parser)]
#[command(name = "qvm-features-request", version, after_help = AFTER_HELP)]
struct Typed {
    /// Ask dom0 to read what has been written so far
    #[arg(long)]
    commit: bool,

    /// A feature, such as supported-rpc.qubes.VMExec=1. The name has letters, digits and -_/.:@, at
    /// most 45 bytes. An empty VALUE is an answer, too: no
    #[arg(value_name = "FEATURE=VALUE")]
    features: Vec<OsString>,
}

const AFTER_HELP: &str = "\
Exit status:
  0  all features were written, and dom0 has read them if it was asked to
  1  a feature was not written (stderr names it), or dom0 did not read the features
  2  the command line is wrong";

/// The definition of the command line.
#[must_use]
pub fn definition() -> clap::Command {
    Typed::command()
}

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let typed = Typed::command()
        .try_get_matches()
        .and_then(|matches| Typed::from_arg_matches(&matches))
        .map_err(command_line(definition()))
        .and_then(|typed| match typed {
            Typed {
                commit: false,
                features,
            } if features.is_empty() => Err(usage("there is nothing to do").advise("see --help")),
            typed => split(&typed.features).map(|features| (features, typed.commit)),
        });
    match typed {
        Ok((features, commit)) => end(NAME, request(&features, commit)),
        Err(failure) => end(NAME, Err(failure)),
    }
}

/// A name and its value.
type Feature = (Vec<u8>, Vec<u8>);

fn split(features: &[OsString]) -> Result<Vec<Feature>, Failure> {
    let each = features.iter().map(|feature| {
        let bytes = feature.as_bytes();
        let at = bytes
            .iter()
            .position(|byte| *byte == b'=')
            .filter(|at| *at > 0);
        let at = at.ok_or_else(|| usage(format_args!("{} is not FEATURE=VALUE", shown(bytes))))?;
        Ok((bytes[..at].to_vec(), bytes[at + 1..].to_vec()))
    });
    each.collect()
}

fn request(features: &[Feature], commit: bool) -> Result<(), Failure> {
    let is_all_written = features.is_empty() || write(features)?;
    if commit {
        call()?;
    }
    match is_all_written {
        true => Ok(()),
        false => Err(Failure::new("not every feature was written")),
    }
}

/// Writes what can be written, and says what cannot; true if that was nothing.
fn write(features: &[Feature]) -> Result<bool, Failure> {
    let address = Address::of_this_qube(&qubesdb::folder());
    let mut client = Client::open(address).map_err(Failure::of("cannot write to QubesDB"))?;
    let mut is_all_written = true;
    for (name, value) in features {
        let mut write = || -> Result<(), qubesdb::Error> {
            let path = Path::key(&[FOLDER, name].concat())?;
            client.write(&path, &Value::parse(value)?)
        };
        if let Err(error) = write() {
            is_all_written = false;
            say(format_args!(
                "{NAME}: the feature {} is left out: {error}",
                shown(name)
            ));
        }
    }
    Ok(is_all_written)
}

fn call() -> Result<(), Failure> {
    let client = client::find().map_err(|error| Failure::new(&error).advise(error.advice()))?;
    let attempted = format!("cannot call {SERVICE} in dom0");
    let status = Command::new(client)
        .args(["--", "dom0", SERVICE])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| Failure::of(&attempted)(error))?;
    match CallStatus::from(status).explain(Kind::Qrexec, SERVICE, "dom0") {
        None => Ok(()),
        Some(why) => Err(Failure::new(attempted).because(why.what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_is_split_at_the_first_equals_sign() {
        let typed = ["a=b=c", "x=", "os=Linux"].map(OsString::from);
        let expected = [("a", "b=c"), ("x", ""), ("os", "Linux")];
        let expected = expected.map(|(name, value)| (name.into(), value.into()));
        assert_eq!(split(&typed).unwrap(), expected);
        for wrong in ["a", "=a", ""] {
            assert_eq!(split(&[wrong.into()]).unwrap_err().status(), 2, "{wrong}");
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        definition().debug_assert();
    }
}
