//! The name of this qube as a host: the kernel's, and the one in `/etc/hosts`.

use std::io;
use std::path::Path;

use qfile_proto::QubeName;

/// The file whose protection keeps the name of the host, though it is not written here: the name
/// comes from dom0 at every start.
pub(crate) const HOSTNAME: &str = "/etc/hostname";
/// The names of hosts (`hosts(5)`).
pub(crate) const HOSTS: &str = "/etc/hosts";

/// Debian has another address for the name of the host than other distributions.
const DEBIAN: &str = "/etc/debian_version";

/// Does this system follow the ways of Debian?
pub(crate) fn is_debian() -> bool {
    Path::new(DEBIAN).exists()
}

/// Gives the kernel the name; whether it had another.
pub(crate) fn set_name(name: &QubeName) -> io::Result<bool> {
    let now = rustix::system::uname();
    if now.nodename().to_bytes() == name.as_str().as_bytes() {
        return Ok(false);
    }
    rustix::system::sethostname(name.as_str().as_bytes())?;
    Ok(true)
}

/// Gives the file the name; whether it did not have it. A file that cannot be read whole is left
/// alone.
pub(crate) fn set_hosts(path: &Path, name: &QubeName, is_debian: bool) -> io::Result<bool> {
    let hosts = files::read_small(path)?;
    let own = if is_debian { "127.0.1.1" } else { "127.0.0.1" };
    let mut changed = hosts.clone();
    for address in [own, "::1"] {
        changed = with_name(&changed, address, name.as_str());
    }
    if changed == hosts {
        return Ok(false);
    }
    files::replace(path, &changed, 0o644)?;
    Ok(true)
}

/// A file of hosts in which `address` has `name`.
///
/// A line that has it stays as it is. Else the last word of the line becomes it, where the name of
/// the host stands; if that is a name of every machine, it stays and `name` comes behind it. A line
/// is added if there is none.
pub(crate) fn with_name(hosts: &[u8], address: &str, name: &str) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = hosts.split_inclusive(|byte| *byte == b'\n').collect();
    let is_of_address = |line: &&[u8]| {
        words(line)
            .next()
            .is_some_and(|(_, word)| word == address.as_bytes())
    };
    let has_name = |line: &&[u8]| words(line).skip(1).any(|(_, word)| word == name.as_bytes());
    let mut of_address = lines.iter().filter(|line| is_of_address(line));
    if of_address.clone().any(has_name) {
        return hosts.to_vec();
    }
    let Some(line) = of_address.next_back().copied() else {
        let mut all = hosts.to_vec();
        if all.last().is_some_and(|last| *last != b'\n') {
            all.push(b'\n');
        }
        all.extend_from_slice(format!("{address}\t{name}\n").as_bytes());
        return all;
    };
    let new = renamed(line, name);
    if let Some(at) = lines.iter().rposition(is_of_address) {
        lines[at] = &new;
    }
    lines.concat()
}

/// A line of hosts with `name` as its last name.
fn renamed(line: &[u8], name: &str) -> Vec<u8> {
    let all: Vec<_> = words(line).collect();
    let (at, last) = all.last().copied().unwrap_or((0, b""));
    let (from, gap) = match all.len() > 1 && !is_of_every_machine(last) {
        true => (at, ""),
        false => (at + last.len(), " "),
    };
    let end = at + last.len();
    [&line[..from], gap.as_bytes(), name.as_bytes(), &line[end..]].concat()
}

fn is_of_every_machine(word: &[u8]) -> bool {
    word.starts_with(b"localhost") || word.starts_with(b"ip6-")
}

/// The words of a line before a comment, each with its offset.
fn words(line: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let end = line
        .iter()
        .position(|byte| *byte == b'#')
        .unwrap_or(line.len());
    let text = &line[..end];
    let begins = move |at: &usize| {
        let before = at.checked_sub(1).map(|before| text[before]);
        !text[*at].is_ascii_whitespace() && before.is_none_or(|byte| byte.is_ascii_whitespace())
    };
    (0..end).filter(begins).map(move |at| {
        let rest = &text[at..];
        let len = rest
            .iter()
            .position(u8::is_ascii_whitespace)
            .unwrap_or(rest.len());
        (at, &rest[..len])
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn changed(hosts: &str, address: &str, name: &str) -> String {
        String::from_utf8(with_name(hosts.as_bytes(), address, name)).unwrap()
    }

    #[test]
    fn the_name_stands_where_the_name_of_the_host_stood() {
        for (before, after) in [
            ("127.0.1.1\tdebian\n", "127.0.1.1\twork\n"),
            ("127.0.1.1 a.b debian # x\n", "127.0.1.1 a.b work # x\n"),
            ("127.0.1.1 work\n", "127.0.1.1 work\n"),
            ("127.0.1.1 work other\n", "127.0.1.1 work other\n"),
            ("127.0.1.1 localhost\n", "127.0.1.1 localhost work\n"),
            ("127.0.1.1\n", "127.0.1.1 work\n"),
            ("127.0.1.1 debian", "127.0.1.1 work"),
            ("", "127.0.1.1\twork\n"),
            ("#127.0.1.1 x\n", "#127.0.1.1 x\n127.0.1.1\twork\n"),
            ("127.0.1.10 x", "127.0.1.10 x\n127.0.1.1\twork\n"),
            (
                "127.0.0.1 localhost\n127.0.1.1 a\n::1 localhost ip6-localhost\n",
                "127.0.0.1 localhost\n127.0.1.1 work\n::1 localhost ip6-localhost\n",
            ),
            (
                "127.0.1.1 db\n127.0.1.1 a\n",
                "127.0.1.1 db\n127.0.1.1 work\n",
            ),
        ] {
            assert_eq!(changed(before, "127.0.1.1", "work"), after, "{before:?}");
        }
        let ipv6 = changed("::1 localhost ip6-localhost\n", "::1", "work");
        assert_eq!(ipv6, "::1 localhost ip6-localhost work\n");
        // What another template is called by.
        assert_eq!(
            changed(&ipv6, "::1", "home"),
            "::1 localhost ip6-localhost home\n"
        );
    }

    #[test]
    fn a_file_that_has_the_name_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hosts");
        fs::write(&path, "127.0.0.1 localhost\n").unwrap();
        let name = QubeName::parse(b"work").unwrap();
        assert!(set_hosts(&path, &name, true).unwrap());
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "127.0.0.1 localhost\n127.0.1.1\twork\n::1\twork\n");
        assert!(!set_hosts(&path, &name, true).unwrap());
        assert!(set_hosts(&path, &name, false).unwrap());
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("127.0.0.1 localhost work\n"), "{text}");
    }

    #[test]
    fn a_file_that_cannot_be_read_whole_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hosts");
        let name = QubeName::parse(b"work").unwrap();
        let long = "10.0.0.1 x\n".repeat(100_000);
        fs::write(&path, &long).unwrap();
        assert!(set_hosts(&path, &name, true).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), long);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(set_hosts(&path, &name, true).is_err());
        assert!(path.is_dir());
    }

    proptest! {
        #[test]
        fn other_lines_stay_and_the_second_time_changes_nothing(
            lines in proptest::collection::vec("(127\\.0\\.1\\.1|::1|10\\.0\\.0\\.1|#)?[ \ta-z.#]{0,12}", 0..6),
            bytes in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let text = [lines.join("\n").into_bytes(), bytes].concat();
            let once = with_name(&text, "127.0.1.1", "work");
            prop_assert_eq!(&with_name(&once, "127.0.1.1", "work"), &once);
            let others = |hosts: &[u8]| -> Vec<Vec<u8>> {
                hosts
                    .split(|byte| *byte == b'\n')
                    .filter(|line| words(line).next().is_some_and(|(_, word)| word != b"127.0.1.1"))
                    .map(<[u8]>::to_vec)
                    .collect()
            };
            prop_assert_eq!(others(&once), others(&text));
        }
    }
}
