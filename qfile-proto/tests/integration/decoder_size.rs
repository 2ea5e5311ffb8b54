//! The decoder is what an auditor reads, so it stays short.

const MAX_LINES_OF_CODE: usize = 100;

/// Lines that are neither empty nor a comment, up to the tests.
fn lines_of_code(source: &str) -> usize {
    source
        .lines()
        .take_while(|line| *line != "#[cfg(test)]")
        .map(|line| line.trim_start_matches(' '))
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .count()
}

#[test]
fn the_decoder_stays_within_100_lines_of_code() {
    let lines = lines_of_code(include_str!("../../src/decode.rs"));
    assert!(lines > 50, "{lines} lines: is this still the decoder?");
    assert!(
        lines <= MAX_LINES_OF_CODE,
        "src/decode.rs has {lines} lines of code"
    );
}

#[test]
fn comments_and_empty_lines_are_not_code() {
    let source =
        "//! A file.\n\n/// Does it.\nfn f() {\n    // Why.\n    g();\n}\n#[cfg(test)]\nmod t;\n";
    assert_eq!(lines_of_code(source), 3);
}
