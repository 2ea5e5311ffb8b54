//! `--check`: what nft would be given for rules, or what is wrong with them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use firewall::nft::Table;
use firewall::{Client, Family, Policy, PolicyError};
use program::failure::Failure;
use program::say::say;
use text::{foreign, own};

/// What `qubesdb-multiread -f` prints before a key of an address.
const RULES: &str = "/qubes-firewall/";

/// Entries by their key, each with the number of its line and its column there.
type Entries = BTreeMap<Vec<u8>, (usize, usize, Vec<u8>)>;

/// Checks the rules in a file, those without an address as of `default`.
pub(crate) fn check(file: &Path, default: Client) -> Result<(), Failure> {
    let name = if file == Path::new("-") {
        "stdin".to_owned()
    } else {
        // Editors look for FILE:LINE:COLUMN, without quotes.
        own(file.as_os_str().as_encoded_bytes())
    };
    let shown = match file == Path::new("-") {
        true => name.clone(),
        false => text::file(file),
    };
    let text = read(file).map_err(Failure::of(format_args!("cannot read {shown}")))?;
    let mut table = Table::default();
    let mut errors = 0;
    for (client, entries) in clients(&text, default, |line, why| {
        errors += 1;
        say(format_args!("{name}:{line}:1: {why}"));
    }) {
        let policy = policy(client, &entries).map_err(|(line, column, why)| {
            errors += 1;
            say(format_args!(
                "{name}:{line}:{column}: {why}; {client} would be blocked"
            ));
        });
        table.clients.push((client, policy.ok()));
    }
    let families = Family::ALL.into_iter();
    let families = families.filter(|family| {
        table
            .clients
            .iter()
            .any(|(client, _)| client.family() == *family)
    });
    let text: String = families.map(|family| table.text(family)).collect();
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(Failure::of("cannot write the text for nft"))?;
    match errors {
        0 => Ok(()),
        _ => Err(Failure::new(format_args!(
            "there are {errors} errors in {shown}"
        ))),
    }
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    if file != Path::new("-") {
        return fs::read(file);
    }
    let mut text = Vec::new();
    io::stdin().lock().read_to_end(&mut text)?;
    Ok(text)
}

/// The entries of each address; `fault` is told about lines that are for none.
fn clients(
    text: &[u8],
    default: Client,
    mut fault: impl FnMut(usize, String),
) -> BTreeMap<Client, Entries> {
    let mut all: BTreeMap<Client, Entries> = BTreeMap::new();
    let mut rules = 0;
    let lines = text.split(|byte| *byte == b'\n').enumerate();
    for (number, line) in lines.map(|(number, line)| (number + 1, line)) {
        if let Some(rest) = line.strip_prefix(RULES.as_bytes()) {
            let Some((key, value)) = split(rest, b" = ") else {
                fault(number, "a line of QubesDB is KEY = VALUE".to_owned());
                continue;
            };
            let Some((address, entry)) = split(key, b"/") else {
                // The empty entry by which dom0 says that the rules are there.
                continue;
            };
            let Some(client) = Client::parse(address) else {
                fault(number, format!("\"{}\" is no address", foreign(address)));
                continue;
            };
            let column = line.len() - value.len();
            let entries = all.entry(client).or_default();
            entries.insert(entry.to_vec(), (number, column, value.to_vec()));
        } else if !line.is_empty() && !line.starts_with(b"#") {
            let entries = all.entry(default).or_default();
            let (key, column, value) = match line.strip_prefix(b"policy=") {
                Some(policy) => (b"policy".to_vec(), b"policy=".len(), policy),
                None => {
                    rules += 1;
                    (format!("{:04}", rules - 1).into_bytes(), 0, line)
                }
            };
            entries.insert(key, (number, column, value.to_vec()));
        }
    }
    if rules > 0 {
        let drop = || (0, 0, b"drop".to_vec());
        let entries = all.entry(default).or_default();
        entries.entry(b"policy".to_vec()).or_insert_with(drop);
    }
    all
}

/// The policy, or the line and column of the first error.
fn policy(client: Client, entries: &Entries) -> Result<Policy, (usize, usize, PolicyError)> {
    let by_key = entries
        .iter()
        .map(|(key, (_, _, value))| (&key[..], &value[..]));
    Policy::parse(client.family(), by_key).map_err(|error| {
        let at = |key: &[u8]| entries.get(key).map(|(line, column, _)| (*line, *column));
        let place = match &error {
            PolicyError::NoPolicy => None,
            PolicyError::BadPolicy => at(b"policy").map(|(line, column)| (line, column + 1)),
            PolicyError::Key(key) => at(key).map(|(line, _)| (line, 1)),
            PolicyError::Rule(number, error) => at(format!("{number:04}").as_bytes())
                .map(|(line, column)| (line, column + error.column)),
        };
        let (line, column) = place.unwrap_or((1, 1));
        (line, column, error)
    })
}

fn split<'a>(text: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let found = text.windows(at.len()).position(|window| window == at)?;
    Some((&text[..found], &text[found + at.len()..]))
}
