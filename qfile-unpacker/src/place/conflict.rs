//! Names for what lands beside something of the same name: `name (2).ext`, `name (3).ext`, …

/// How many names are tried before it is given up.
pub(super) const LAST_NUMBER: u32 = 999;

/// The path with `number` put into its last component: before the extension of a file, at the end
/// of a folder's name and of one that only begins with a dot.
pub(super) fn numbered(path: &[u8], is_folder: bool, number: u32) -> Vec<u8> {
    let start = path
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |slash| slash + 1);
    let last = &path[start..];
    let stem_len = match last.iter().rposition(|byte| *byte == b'.') {
        Some(dot) if dot > 0 && !is_folder => dot,
        _ => last.len(),
    };
    let (stem, extension) = path.split_at(start + stem_len);
    [stem, format!(" ({number})").as_bytes(), extension].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_stands_before_the_extension() {
        let file = |path: &str| String::from_utf8(numbered(path.as_bytes(), false, 2)).unwrap();
        assert_eq!(file("name.ext"), "name (2).ext");
        assert_eq!(file("name"), "name (2)");
        assert_eq!(file(".bashrc"), ".bashrc (2)");
        assert_eq!(file("a.b/c.d.e"), "a.b/c.d (2).e");
        assert_eq!(file("a.b/c"), "a.b/c (2)");
        assert_eq!(file("a."), "a (2).");
        assert_eq!(numbered(b"photos.2024", true, 13), b"photos.2024 (13)");
    }
}
