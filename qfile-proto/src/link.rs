//! [`SafeTarget`]: the only way to get a link target that may be created.

use crate::name::SafeName;
use crate::verdict::Refusal;
use text::Charset;

/// How link targets are judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkRules {
    /// Which characters a target may have.
    pub charset: Charset,
    /// Refuse `//` and `.` components (`--canonical-symlinks`; what dom0 asks for).
    pub canonical: bool,
    /// Skip every check of the target but that for NUL (`--allow-unsafe-symlinks`).
    pub allow_unsafe: bool,
}

/// The target of a symbolic link, judged together with the link's own name: from a link at
/// `a/b/c` it can never lead out of `a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SafeTarget<'a>(&'a [u8]);

impl<'a> SafeTarget<'a> {
    /// Judges the target of the link `name`. The first fault from the left decides.
    ///
    /// # Errors
    /// [`Refusal::UnsafeLink`] for a target that could lead out, [`Refusal::ForbiddenTarget`] for
    /// characters that are not allowed.
    pub fn parse(
        untrusted_target: &'a [u8],
        name: SafeName<'_>,
        rules: LinkRules,
    ) -> Result<Self, Refusal> {
        if rules.allow_unsafe {
            return match untrusted_target.contains(&0) {
                true => Err(Refusal::ForbiddenTarget),
                false => Ok(Self(untrusted_target)),
            };
        }
        // Linux has no link with an empty target.
        if name.depth() < 2 || untrusted_target.is_empty() || untrusted_target[0] == b'/' {
            return Err(Refusal::UnsafeLink);
        }
        let mut may_climb = name.depth() - 2;
        let judged = untrusted_target
            .strip_suffix(b"/")
            .unwrap_or(untrusted_target);
        for component in judged.split(|byte| *byte == b'/') {
            match component {
                b".." if may_climb == 0 => return Err(Refusal::UnsafeLink),
                b".." => may_climb -= 1,
                b"" | b"." if rules.canonical => return Err(Refusal::ForbiddenTarget),
                b"" | b"." => {}
                other if other.contains(&0) || !rules.charset.allows(other) => {
                    return Err(Refusal::ForbiddenTarget);
                }
                _ => may_climb = 0,
            }
        }
        Ok(Self(untrusted_target))
    }

    /// The target.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NORMAL: LinkRules = LinkRules {
        charset: Charset::Safe,
        canonical: false,
        allow_unsafe: false,
    };
    const CANONICAL: LinkRules = LinkRules {
        canonical: true,
        ..NORMAL
    };
    const UNSAFE: LinkRules = LinkRules {
        allow_unsafe: true,
        ..NORMAL
    };
    const ALL_NAMES: LinkRules = LinkRules {
        charset: Charset::All,
        ..NORMAL
    };

    fn judge(name: &str, target: &[u8], rules: LinkRules) -> Result<(), Refusal> {
        let name = SafeName::parse(name.as_bytes(), Charset::Safe).unwrap();
        SafeTarget::parse(target, name, rules)
            .map(|target_again| assert_eq!(target_again.as_bytes(), target))
    }

    #[test]
    fn a_link_never_leaves_its_top_folder() {
        let leads_out = Err(Refusal::UnsafeLink);
        let table: [(&str, &str, Result<(), Refusal>); 27] = [
            ("a", "b", leads_out),
            ("a", "", leads_out),
            ("a/b", "c", Ok(())),
            ("a/b", "../c", leads_out),
            ("a/b/c", "..", Ok(())),
            ("a/b/c", "../", Ok(())),
            ("a/b/c", "../d", Ok(())),
            ("a/b/c", "d/", Ok(())),
            ("a/b/c", "../../d", leads_out),
            ("a/b/c/d", "../../e", Ok(())),
            ("a/b/c/d", "../..", Ok(())),
            ("a/b/c/d", "../../..", leads_out),
            ("a/b", "c/../d", leads_out),
            ("a/b/c", "d/..", leads_out),
            ("a/b/c", "../d/..", leads_out),
            ("a/b/c", "./../x", Ok(())),
            ("a/b/c", ".//../x", Ok(())),
            ("a/b/c", "x/./..", leads_out),
            ("a/b", "./c", Ok(())),
            ("a/b", "b//c", Ok(())),
            ("a/b", ".", Ok(())),
            ("a/b", "", leads_out),
            ("a/b", "/etc/passwd", leads_out),
            ("a/b", "/", leads_out),
            ("a/b", "//", leads_out),
            ("a/b", "...", Ok(())),
            ("a/b", "..c/c..", Ok(())),
        ];
        for (name, target, expected) in table {
            assert_eq!(
                judge(name, target.as_bytes(), NORMAL),
                expected,
                "{name} -> {target:?}"
            );
        }
    }

    #[test]
    fn canonical_mode_refuses_detours() {
        for target in [".", "./c", "b//c", "b/./c", "b/.", "c//", ".//", "./"] {
            assert_eq!(
                judge("a/b/c", target.as_bytes(), CANONICAL),
                Err(Refusal::ForbiddenTarget),
                "{target}"
            );
            assert_eq!(
                judge("a/b/c", target.as_bytes(), NORMAL),
                Ok(()),
                "{target}"
            );
        }
        for target in ["c", "c/", "../c", "..", "c/d/", "../"] {
            assert_eq!(
                judge("a/b/c", target.as_bytes(), CANONICAL),
                Ok(()),
                "{target}"
            );
        }
        assert_eq!(judge("a/b", b"", CANONICAL), Err(Refusal::UnsafeLink));
    }

    #[test]
    fn the_first_fault_from_the_left_decides() {
        assert_eq!(
            judge("a/b", b"\x01/..", NORMAL),
            Err(Refusal::ForbiddenTarget)
        );
        assert_eq!(judge("a/b", b"../\x01", NORMAL), Err(Refusal::UnsafeLink));
        assert_eq!(judge("a/b", b"x/../\x01", NORMAL), Err(Refusal::UnsafeLink));
        assert_eq!(judge("a/b", b"/\x01", NORMAL), Err(Refusal::UnsafeLink));
        assert_eq!(
            judge("a/b/c", b"./../..", CANONICAL),
            Err(Refusal::ForbiddenTarget)
        );
        assert_eq!(
            judge("a/b/c", b"../../.", CANONICAL),
            Err(Refusal::UnsafeLink)
        );
        assert_eq!(judge("a", b"\x01", NORMAL), Err(Refusal::UnsafeLink));
    }

    #[test]
    fn all_names_lifts_the_rule_of_characters_only() {
        assert_eq!(
            judge("a/b", b"\xFF\n", NORMAL),
            Err(Refusal::ForbiddenTarget)
        );
        assert_eq!(judge("a/b", b"\xFF\n", ALL_NAMES), Ok(()));
        assert_eq!(
            judge("a/b", b"\xFF/..", ALL_NAMES),
            Err(Refusal::UnsafeLink)
        );
        assert_eq!(
            judge("a/b", b"c\0d", ALL_NAMES),
            Err(Refusal::ForbiddenTarget)
        );
    }

    #[test]
    fn unsafe_links_skip_every_check_of_the_target_but_nul() {
        for target in [&b"/etc/passwd"[..], b"../../..", b"\xFF\n", b"x/../.."] {
            assert_eq!(judge("a", target, UNSAFE), Ok(()));
        }
        assert_eq!(judge("a", b"c\0d", UNSAFE), Err(Refusal::ForbiddenTarget));
    }
}
