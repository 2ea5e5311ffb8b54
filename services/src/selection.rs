//! Which members are wanted.

/// What is wanted of an archive: everything, or what begins with one of some prefixes.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    prefixes: Vec<Prefix>,
}

#[derive(Clone, Debug)]
struct Prefix {
    text: Vec<u8>,
    is_found: bool,
}

/// What to do with a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It is wanted.
    Take,
    /// It is not.
    Leave,
    /// It is not, and nothing that follows is.
    Stop,
}

impl Selection {
    /// Everything whose name begins with one of `prefixes`; everything, if there are none. A prefix
    /// without a character is none.
    pub fn new(prefixes: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let prefixes = prefixes
            .into_iter()
            .map(|prefix| without_dot(&prefix).to_vec())
            .filter(|prefix| !prefix.is_empty())
            .map(|text| Prefix {
                text,
                is_found: false,
            })
            .collect();
        Self { prefixes }
    }

    /// Judges a member by its name. The members of a backup are sorted, so once every prefix was
    /// found, and then a name begins with none of them, there is nothing more to be found.
    pub fn judge(&mut self, name: &[u8]) -> Choice {
        let mut is_wanted = self.prefixes.is_empty();
        for prefix in &mut self.prefixes {
            let begins = name.starts_with(&prefix.text);
            prefix.is_found |= begins;
            is_wanted |= begins;
        }
        match (is_wanted, self.missing().next()) {
            (true, _) => Choice::Take,
            (false, Some(_)) => Choice::Leave,
            (false, None) => Choice::Stop,
        }
    }

    /// The prefixes with which no name began so far.
    pub fn missing(&self) -> impl Iterator<Item = &[u8]> {
        self.prefixes
            .iter()
            .filter(|prefix| !prefix.is_found)
            .map(|prefix| &prefix.text[..])
    }
}

/// `name` without the `./` that tar puts before names when it is told to pack the folder it is in.
#[must_use]
pub fn without_dot(mut name: &[u8]) -> &[u8] {
    while let Some(rest) = name.strip_prefix(b"./") {
        name = rest;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(prefixes: &[&str], names: &[&str]) -> Vec<Choice> {
        let prefixes = prefixes.iter().map(|prefix| prefix.as_bytes().to_vec());
        let mut selection = Selection::new(prefixes);
        names
            .iter()
            .map(|name| selection.judge(name.as_bytes()))
            .collect()
    }

    #[test]
    fn without_prefixes_everything_is_wanted() {
        assert_eq!(choices(&[], &["a", "b"]), [Choice::Take; 2]);
        assert_eq!(choices(&["", "./"], &["a"]), [Choice::Take]);
    }

    #[test]
    fn a_prefix_is_the_beginning_of_a_name_and_not_of_a_component() {
        use Choice::{Leave, Stop, Take};
        assert_eq!(
            choices(
                &["./vm1", "header"],
                &["a", "header.hmac", "vm1/x", "vm10", "vm2", "vm1"]
            ),
            [Leave, Take, Take, Take, Stop, Take]
        );
        assert_eq!(
            choices(&["vm1/"], &["vm1", "vm1/", "vm1/x", "vm2"]),
            [Leave, Take, Take, Stop]
        );
    }

    #[test]
    fn as_long_as_a_prefix_is_missing_the_search_goes_on() {
        assert_eq!(
            choices(&["a", "z"], &["a", "b", "c"]),
            [Choice::Take, Choice::Leave, Choice::Leave]
        );
    }

    #[test]
    fn only_a_leading_dot_is_dropped() {
        for (name, rest) in [
            ("./a", "a"),
            ("././a", "a"),
            ("../a", "../a"),
            (".a", ".a"),
            ("a/./b", "a/./b"),
            (".//a", "/a"),
        ] {
            assert_eq!(without_dot(name.as_bytes()), rest.as_bytes());
        }
    }
}
