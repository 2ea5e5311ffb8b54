//! What is told: the log, the user, and QubesDB.

use std::collections::BTreeSet;
use std::net::IpAddr;

use firewall::{Client, Family};
use qubesdb::{Error as DbError, Path, Value};

use super::{Agent, path, say};
use crate::clients::{Blocked, Chain};

/// How often a text was read, by its text.
const HANDLED: &str = "/qubes-firewall-handled/";

/// The addresses of names, as they are in force.
const DNS: &str = "/dns/";

impl Agent {
    /// Says what has become of an address, and answers whoever asked, once all its names have been
    /// looked up.
    pub(super) fn settle(&mut self, client: Client) {
        let Some(state) = self.clients.get_mut(&client) else {
            return;
        };
        if !state.is_settled(&self.names) {
            return;
        }
        let why = match (state.in_force(client, &self.names), state.chain) {
            (Err(why), _) => Some(why),
            (Ok(_), Chain::Rules) => None,
            (Ok(_), _) => Some(Blocked::NotApplied("the reason stands above".to_owned())),
        };
        let said = std::mem::replace(&mut state.said, why.clone());
        state.is_told &= why.is_some();
        if let Some(why) = why.filter(|why| Some(why) != said.as_ref()) {
            say(format_args!("{client} is blocked: {why}"));
            // That nothing was asked for is nothing to tell.
            if why != Blocked::NoEntries && !std::mem::replace(&mut state.is_told, true) {
                self.notices.show(&format!(
                    "The qube with the address {client} is blocked: {why}"
                ));
            }
        }
        let unanswered = std::mem::take(&mut state.unanswered);
        let texts = state
            .texts
            .iter()
            .chain(unanswered.keys())
            .cloned()
            .collect();
        self.publish_names(client, texts);
        for (text, times) in unanswered {
            self.answer(&text, times);
        }
    }

    /// Counts `/qubes-firewall-handled/TEXT` up, which says that the rules were read.
    pub(super) fn answer(&mut self, text: &str, times: u64) {
        let Ok(handled) = Path::key(format!("{HANDLED}{text}").as_bytes()) else {
            return;
        };
        let count = self.db.read(&handled).ok();
        let count =
            count.and_then(|count| std::str::from_utf8(count.as_bytes()).ok()?.parse().ok());
        let count = count.unwrap_or(0_u64).wrapping_add(times);
        self.write(&handled, &count.to_string());
    }

    /// Writes the addresses of the names of an address to `/dns/ADDR/NAME`.
    pub(super) fn publish_names(&mut self, client: Client, texts: BTreeSet<String>) {
        let Some(state) = self.clients.get(&client) else {
            return;
        };
        let hosts = state.hosts();
        for text in texts {
            let below = format!("{DNS}{text}/");
            if let Err(error) = self.db.remove(&path(&below)) {
                say(format_args!(
                    "cannot remove \"{below}\" from QubesDB: {error}"
                ));
            }
            for name in &hosts {
                let Ok(key) = Path::key(format!("{below}{name}").as_bytes()) else {
                    say(format_args!(
                        "\"{below}{name}\" is too long for QubesDB, and left out"
                    ));
                    continue;
                };
                let addresses = self.names.addresses(name, client.family());
                self.write(&key, &as_python_set(&addresses));
            }
        }
    }

    pub(super) fn write(&mut self, key: &Path, value: &str) {
        let written = Value::parse(value.as_bytes())
            .map_err(DbError::from)
            .and_then(|value| self.db.write(key, &value));
        if let Err(error) = written {
            say(format_args!("cannot write \"{key}\" to QubesDB: {error}"));
        }
    }
}

/// The form in which the agent of Qubes OS writes addresses: as many as a value of QubesDB holds.
fn as_python_set(addresses: &[IpAddr]) -> String {
    let mut text = String::from("{");
    for address in addresses {
        let separator = if text.len() > 1 { ", " } else { "" };
        let more = format!("{separator}'{address}/{}'", Family::of(*address).bits());
        if text.len() + more.len() + 1 > qubesdb::MAX_VALUE_LEN {
            break;
        }
        text.push_str(&more);
    }
    match text.len() {
        // Python's empty set.
        1 => "set()".to_owned(),
        _ => text + "}",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_python_does() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(as_python_set(&[]), "set()");
        assert_eq!(as_python_set(&[address("192.0.2.1")]), "{'192.0.2.1/32'}");
        let both = [address("2001:db8::1"), address("2001:db8::2")];
        assert_eq!(
            as_python_set(&both),
            "{'2001:db8::1/128', '2001:db8::2/128'}"
        );
        let bytes = (0..=u8::MAX).cycle().take(500);
        let many: Vec<IpAddr> = bytes.map(|byte| IpAddr::from([10, 0, 1, byte])).collect();
        assert!(as_python_set(&many).len() <= qubesdb::MAX_VALUE_LEN);
    }
}
