//! Paths as bytes, cut at their last `/`.

/// The folder that `path` leads through, without the `/` at its end, and its last component. `None`:
/// there is no `/`. Of `/name` the folder is empty.
#[must_use]
pub fn split_last(path: &[u8]) -> (Option<&[u8]>, &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (Some(&path[..slash]), &path[slash + 1..]),
        None => (None, path),
    }
}

/// What follows the last `/` of `path`.
#[must_use]
pub fn last_component(path: &[u8]) -> &[u8] {
    split_last(path).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_cut_at_its_last_slash() {
        type Parts = (Option<&'static [u8]>, &'static [u8]);
        let table: [(&[u8], Parts); 8] = [
            (b"", (None, b"")),
            (b"name", (None, b"name")),
            (b"/", (Some(b""), b"")),
            (b"/name", (Some(b""), b"name")),
            (b"folder/name", (Some(b"folder"), b"name")),
            (b"a/b/c", (Some(b"a/b"), b"c")),
            (b"folder/", (Some(b"folder"), b"")),
            (b"a//\xFF", (Some(b"a/"), b"\xFF")),
        ];
        for (path, parts) in table {
            assert_eq!(split_last(path), parts, "{path:?}");
            assert_eq!(last_component(path), parts.1, "{path:?}");
        }
    }
}
