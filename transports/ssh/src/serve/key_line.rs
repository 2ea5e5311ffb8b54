//! The line in authorized_keys that binds a key to this program.

use std::env;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use data_encoding::BASE64;
use files::read_small;
use program::failure::Failure;
use program::say::say;

use super::request::Key;
use crate::args::{SERVE, Serve};

/// The types of keys: those of ssh-keygen(1).
const TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Where sshd looks for the keys of an account, in its home folder (`AuthorizedKeysFile` in
/// sshd_config(5)).
const AUTHORIZED_KEYS: [&str; 2] = [".ssh/authorized_keys", ".ssh/authorized_keys2"];

/// What a key can be called.
const NAMES: &str = "a name has 1 to 31 characters of A-Z a-z 0-9 _ . - and begins with a letter; the NAME of --as has no \
                     hyphen at its end, and no two hyphens in a row";

/// Longest file of a public key, in bytes.
const MAX_LEN: u64 = 64 * 1024;

/// Prints the line.
///
/// # Errors
/// The file is not a public key and nothing else, or an option of the key is wrong.
pub(super) fn print(line: &Serve) -> Result<(), Failure> {
    // A key that would be refused each time is told of now.
    Key::of(line).map_err(|failure| {
        let failure = failure.advise(NAMES);
        failure.with_status(program::failure::FAILED)
    })?;
    let path = line.key_line.as_deref().unwrap_or(Path::new(""));
    let attempted = format!("cannot use {} as a public key", text::file(path));
    let mut content = String::new();
    let file = File::open(path).map_err(Failure::of(&attempted))?;
    let mut file = file.take(MAX_LEN + 1);
    file.read_to_string(&mut content)
        .map_err(Failure::of(&attempted))?;
    let key = match file.limit() {
        0 => Err("it is longer than 65536 bytes"),
        _ => public_key(&content),
    };
    let key = key.map_err(|why| {
        Failure::new(attempted)
            .because(why)
            .advise("use a file of ssh-keygen whose name ends in .pub")
    })?;
    let program =
        env::current_exe().map_err(Failure::of("cannot find out the path of this program"))?;
    let options = options(line, &program)?;
    warn_of_other_lines(&key);
    let output = format!("restrict,command=\"{options}\" {key}\n");
    let mut stdout = io::stdout();
    let written = stdout.write_all(output.as_bytes());
    written
        .and_then(|()| stdout.flush())
        .map_err(Failure::of("cannot print the line"))
}

/// Says so if a line of the account has the key already: sshd takes the first one that fits.
fn warn_of_other_lines(key: &str) {
    let Some(home) = env::var_os("HOME").filter(|home| !home.is_empty()) else {
        return;
    };
    for name in AUTHORIZED_KEYS {
        let file = Path::new(&home).join(name);
        let shown = text::file(&file);
        match read_small(&file) {
            Ok(content) => {
                if let Some(number) = line_with(&content, key) {
                    say(format_args!(
                        "{SERVE}: warning: {shown}, line {number} has this key already\n\
                         {SERVE}: sshd uses the first line of a key: remove that line, or the key can do \
                         what it says"
                    ));
                }
            }
            Err(error) => say(format_args!(
                "{SERVE}: warning: cannot find out whether {shown} has this key already: {error}"
            )),
        }
    }
}

/// The number of the first line with the key `TYPE KEY [COMMENT]`, whatever its options.
fn line_with(content: &[u8], key: &str) -> Option<usize> {
    let key = key.split(' ').nth(1)?.as_bytes();
    let has_key = |line: &[u8]| {
        let line = line.trim_ascii();
        let mut words = line.split(u8::is_ascii_whitespace);
        !line.starts_with(b"#") && words.any(|word| word == key)
    };
    let mut lines = content.split(|byte| *byte == b'\n');
    lines.position(has_key).map(|index| index + 1)
}

/// The forced command. sshd gives it to a shell, so every word is plain, or in `\"…\"`.
fn options(line: &Serve, program: &Path) -> Result<String, Failure> {
    let plain = |path: &Path| {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._+-".contains(byte);
        let path = path
            .to_str()
            .filter(|path| path.bytes().all(|b| is_plain(&b)));
        path.map(str::to_owned)
    };
    let unsuitable = |path: &Path| {
        Failure::new(format!(
            "cannot write {} in authorized_keys",
            text::file(path)
        ))
        .because("the path has characters that mean something to a shell")
    };
    let program = plain(program).ok_or_else(|| unsuitable(program))?;
    // The names have been judged: nothing in them means anything to a shell.
    let mut command = format!("{program} --as {}", line.name);
    if let Some(names) = &line.may_speak_for {
        let names: Vec<&str> = names.split_whitespace().collect();
        command += &format!(r#" --may-speak-for \"{}\""#, names.join(" "));
    }
    if line.relay {
        command += " --relay";
    }
    if let Some(folder) = &line.services {
        let folder = plain(folder).ok_or_else(|| unsuitable(folder))?;
        command += &format!(" --services {folder}");
    }
    Ok(command)
}

/// The only public key in the text of a file, without what may make it two lines or more than a key.
fn public_key(text: &str) -> Result<String, &'static str> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    if text.contains(|c: char| c.is_control()) {
        return Err("it has more than one line, or control characters");
    }
    let (kind, rest) = text.split_once(' ').ok_or("it is not TYPE KEY [COMMENT]")?;
    if !TYPES.contains(&kind) {
        return Err("something stands before the type of the key, or the type is unknown");
    }
    let (key, comment) = rest.split_once(' ').unwrap_or((rest, ""));
    let decoded = BASE64.decode(key.as_bytes());
    let decoded = decoded.map_err(|_| "its key is not base64")?;
    // RFC 4253, 6.6: the type again, after its length.
    let len = u32::try_from(kind.len()).unwrap_or_default().to_be_bytes();
    if !decoded.starts_with(&[&len, kind.as_bytes()].concat()) {
        return Err("its key is of another type");
    }
    let comment = text::own(comment.as_bytes());
    Ok(format!("{kind} {key} {comment}").trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKHEChjAp5nCQcJ5GoyMMRe8bA7ZC4bL0bY0bTQX5XJ5";

    fn command(options: &[&str]) -> Result<String, Failure> {
        let words = ["qrexec-ssh-serve"].iter().chain(options);
        let line = Serve::try_parse_from(words).unwrap();
        super::options(&line, Path::new("/usr/lib/qubes/qrexec-ssh-serve"))
    }

    #[test]
    fn a_forced_command_is_plain_words() {
        let program = "/usr/lib/qubes/qrexec-ssh-serve";
        let plain = command(&["--as", "laptop"]).unwrap();
        assert_eq!(plain, format!("{program} --as laptop"));
        let relay = command(&["--as", "a", "--may-speak-for", "b  c", "--relay"]).unwrap();
        assert_eq!(
            relay,
            format!(r#"{program} --as a --may-speak-for \"b c\" --relay"#)
        );
        let any = command(&["--as", "a", "--may-speak-for", "*"]).unwrap();
        assert_eq!(any, format!(r#"{program} --as a --may-speak-for \"*\""#));
        for folder in ["/a b", "/a\"b", "/$(id)", "/a'b", "/é"] {
            assert!(
                command(&["--as", "a", "--services", folder]).is_err(),
                "{folder}"
            );
        }
    }

    #[test]
    fn a_key_is_found_in_a_line_with_any_options() {
        for (content, number) in [
            (format!("{KEY}\n"), Some(1)),
            (format!("# one\n\n{KEY} me@host"), Some(3)),
            (format!("a\n  command=\"x y\",pty {KEY}"), Some(2)),
            (format!("# {KEY}\n"), None),
            (format!("{KEY}x\n"), None),
            (String::new(), None),
        ] {
            let key = format!("{KEY} other@host");
            assert_eq!(line_with(content.as_bytes(), &key), number, "{content}");
        }
    }

    #[test]
    fn one_public_key_and_nothing_else_is_taken() {
        for (comment, kept) in [
            ("", ""),
            (" me@host", " me@host"),
            (" a \"b\" c", " a _b_ c"),
        ] {
            for end in ["", "\n"] {
                let line = public_key(&format!("{KEY}{comment}{end}")).unwrap();
                assert_eq!(line, format!("{KEY}{kept}"));
            }
        }
        for wrong in [
            String::new(),
            "ssh-ed25519".to_owned(),
            format!("command=\"id\" {KEY}"),
            format!("restrict {KEY}"),
            format!(" {KEY}"),
            format!("# {KEY}"),
            format!("{KEY}\n{KEY}\n"),
            format!("{KEY}\n\n"),
            format!("{KEY} a\r\n"),
            format!("{KEY}\0"),
            KEY.replace("ssh-ed25519", "ssh-rsa"),
            KEY.replace(' ', "  "),
            KEY.replace("AAAAC3", "A*AAC3"),
            "-----BEGIN OPENSSH PRIVATE KEY-----\n".to_owned(),
        ] {
            assert!(public_key(&wrong).is_err(), "{wrong:?}");
        }
    }
}
