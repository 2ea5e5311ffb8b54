//! The settings of a service: `rpc-config/SERVICE+ARG`, else `rpc-config/SERVICE`.
//!
//! Lines are `key = value`. A value is `true`, `false`, a decimal number, or `'text'`. A file of which
//! any line is something else is not used at all, as with qrexec.

use std::collections::BTreeSet;

/// The folders in which qrexec looks for settings, in this order.
pub const FOLDERS: [&str; 3] = [
    "/run/qubes/rpc-config",
    "/usr/local/etc/qubes/rpc-config",
    "/etc/qubes/rpc-config",
];

/// Keys whose value is true or false.
const SWITCHES: [&str; 4] = [
    "wait-for-session",
    "skip-service-descriptor",
    "exit-on-service-eof",
    "exit-on-client-eof",
];

/// The only one of them that may stand beside `force-user`, and that may be 0 or 1 too. The others are
/// for services that are sockets.
const WAIT_FOR_SESSION: &str = SWITCHES[0];

/// What the settings of a service say, as far as it means something here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The account that the service runs as.
    pub force_user: Option<String>,
}

#[derive(Debug)]
enum Value<'a> {
    Switch,
    Number(&'a str),
    Text(&'a str),
}

impl Settings {
    /// Parses the text of a file. A key that is not known is passed over.
    ///
    /// # Errors
    /// The first line that is wrong, with its number.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut settings = Self::default();
        let mut keys = BTreeSet::new();
        for (index, line) in text.split('\n').enumerate() {
            let line = line.strip_suffix('\r').unwrap_or(line);
            let wrong = |why: &str| format!("line {}: {why}", index + 1);
            let Some((key, value)) = parse_line(line).map_err(wrong)? else {
                continue;
            };
            if !keys.insert(key) {
                return Err(wrong("its key stands there twice"));
            }
            match (key, value) {
                ("force-user", Value::Text(name)) => settings.force_user = Some(name.to_owned()),
                ("force-user", _) => return Err(wrong("force-user is 'text'")),
                (WAIT_FOR_SESSION, Value::Number("0" | "1")) => {}
                (key, Value::Number(_) | Value::Text(_)) if SWITCHES.contains(&key) => {
                    return Err(wrong("its value is true or false"));
                }
                _ => {}
            }
            let is_of_sockets = |key: &&str| SWITCHES[1..].contains(key);
            if settings.force_user.is_some() && keys.iter().any(is_of_sockets) {
                return Err(wrong("force-user is not for services that are sockets"));
            }
        }
        Ok(settings)
    }
}

/// The key and the value, if it is no comment.
fn parse_line(line: &str) -> Result<Option<(&str, Value<'_>)>, &'static str> {
    let is_blank = |c: char| c == ' ' || c == '\t';
    if line.trim_matches(is_blank).is_empty() || line.starts_with('#') {
        return match line.contains('\0') {
            true => Err("it has a NUL"),
            false => Ok(None),
        };
    }
    let is_of_key = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let end = line.find(|c| !is_of_key(c)).unwrap_or(line.len());
    let (key, rest) = line.split_at(end);
    if !key.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Err("it does not begin with a key");
    }
    let rest = rest.trim_start_matches(is_blank).strip_prefix('=');
    let rest = rest.ok_or("there is no = after the key")?;
    let rest = rest.trim_start_matches(is_blank);
    let (value, rest) = match rest.strip_prefix('\'') {
        Some(rest) => {
            let (text, rest) = rest.split_once('\'').ok_or("the text has no end")?;
            (Value::Text(text), rest)
        }
        None => {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric());
            let (word, rest) = rest.split_at(end.unwrap_or(rest.len()));
            let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
            let value = match word {
                "true" | "false" => Value::Switch,
                number if is_number && (number == "0" || !number.starts_with('0')) => {
                    Value::Number(number)
                }
                _ => return Err("the value is not true, false, a number or 'text'"),
            };
            (value, rest)
        }
    };
    let rest = rest.trim_start_matches(is_blank);
    match (
        rest.is_empty() || rest.starts_with('#'),
        line.contains('\0'),
    ) {
        (true, false) => Ok(Some((key, value))),
        (_, true) => Err("it has a NUL"),
        (false, _) => Err("something stands after the value"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str) -> Option<String> {
        Settings::parse(text).unwrap().force_user
    }

    #[test]
    fn the_account_is_found_among_comments_and_other_settings() {
        for text in [
            "force-user='root'",
            "force-user='root'\n",
            "force-user='root'\r\n",
            "# one\n\nwait-for-session=1\nforce-user \t= 'root' \t# two\n",
            "wait-for-session = false\nunknown.key_1 = 17\nforce-user = 'root'#",
        ] {
            assert_eq!(user(text).as_deref(), Some("root"), "{text:?}");
        }
        for text in [
            "",
            "#force-user='root'",
            "wait-for-session=true",
            "x=''",
            "exit-on-client-eof=true",
        ] {
            assert_eq!(user(text), None, "{text:?}");
        }
        assert_eq!(user("force-user='#a b'").as_deref(), Some("#a b"));
    }

    #[test]
    fn a_line_that_is_wrong_is_told_with_its_number() {
        for line in [
            "force-user=root",
            "force-user=\"root\"",
            "force-user=true",
            "force-user=0",
            "force-user='root",
            "force-user='''root'''",
            "force-user='root' x",
            "force-user",
            "force-user 'root'",
            " force-user='root'",
            "\tforce-user='root'",
            "[section]",
            "1x=1",
            "=1",
            "x=",
            "x=01",
            "x=-1",
            "x=1.5",
            "x=True",
            "x=é",
            "x='a\0b'",
            "# \0",
            "first=1",
            "wait-for-session=2",
            "wait-for-session='1'",
            "skip-service-descriptor=1",
            "exit-on-client-eof='x'",
        ] {
            let wrong = Settings::parse(&format!("first=1\n{line}\n")).unwrap_err();
            assert!(wrong.starts_with("line 2: "), "{line:?}: {wrong}");
        }
        for key in &SWITCHES[1..] {
            for text in [
                format!("{key}=true\nforce-user='x'"),
                format!("force-user='x'\n{key}=false"),
            ] {
                assert!(Settings::parse(&text).unwrap_err().starts_with("line 2: "));
            }
        }
        assert!(Settings::parse("wait-for-session=1\nforce-user='x'").is_ok());
    }
}
