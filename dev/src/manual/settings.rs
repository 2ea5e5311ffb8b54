//! The page filecopy.conf(5). The keys and their options are those of the receiver's own table.

use std::io;

use clap_mangen::roff::{Roff, bold, roman};
use qfile_unpacker::usage;

use super::Generated;

/// What is known of a key beside its option: the key, its values, and what it does.
const KEYS: [(&str, &str, &str); 5] = [
    (
        "WAIT_FOR_SPACE",
        "SIZE",
        "The receiver waits, for at most ten minutes, until there is space for a file and this many \
         additional bytes. The range is 0 to 2147483647 (just below 2G). The default is 0, which turns this off.",
    ),
    (
        "ON_CONFLICT",
        "fail|rename|skip-identical",
        "What the receiver does with a file whose name already exists. With fail, the default, it \
         refuses the file. With rename, it stores the file as \"name (2).ext\". With \
         skip-identical, it skips the file if the existing file is identical, and refuses it \
         otherwise.",
    ),
    (
        "MAX_BYTES",
        "SIZE",
        "The largest number of bytes of content in one copy. By default there is no limit.",
    ),
    (
        "MAX_FILES",
        "N",
        "The largest number of files, folders and links in one copy. By default there is no limit.",
    ),
    (
        "NOTIFY",
        "yes|no",
        "With yes, the default, a notification on the desktop tells the user that a copy has \
         arrived, or that copies are refused because the settings cannot be used. With no, there \
         are no notifications. See qubes-filecopy(8).",
    ),
];

const DESCRIPTION: [&str; 4] = [
    "The owner of a qube can limit what other qubes send to it. The receiver, qfile-unpacker(8), \
     reads two files. Both are optional. The first comes with the template. The second belongs to \
     the qube, and its values override those of the first. An option on the command line of the \
     receiver overrides both files.",
    "A line has the form KEY=value. Blanks are permitted around the key, the = and the value. Empty \
     lines and lines that begin with # are ignored. Quotes and comments after a value are not \
     supported.",
    "A SIZE is a number of bytes with a suffix or without: K, M, G, T and P (or Ki, KiB, and so on) \
     multiply by 1024, kB, MB, GB, TB and PB by 1000.",
    "A file must be a regular file (not a link), belong to root, be writable only by root, and have \
     at most 16 KiB. If a file is not so, or cannot be read, or a line is not understood, the \
     receiver refuses every copy until this is corrected. The system log of the qube names the \
     file, the line and the reason. The calling qube is not told the reason.",
];

/// The page.
///
/// # Errors
/// Those of writing to memory: none is expected.
pub fn render() -> io::Result<Generated> {
    let mut page = Roff::new();
    let version = concat!("qfile ", env!("CARGO_PKG_VERSION"));
    page.control("TH", ["FILECOPY.CONF", "5", "", version, "Qubes OS"]);
    page.control("SH", ["NAME"]);
    page.text([roman(
        "filecopy.conf - settings for copies from other qubes",
    )]);
    page.control("SH", ["SYNOPSIS"]);
    page.text([bold("/etc/qubes/filecopy.conf")]);
    page.control("br", []);
    page.text([bold("/rw/config/filecopy.conf")]);
    page.control("SH", ["DESCRIPTION"]);
    for paragraph in DESCRIPTION {
        page.control("PP", []).text([roman(paragraph)]);
    }
    page.control("SH", ["KEYS"]);
    for flag in usage::FLAGS {
        let key = KEYS.iter().find(|(key, ..)| Some(*key) == flag.setting);
        if let Some((key, values, meaning)) = key {
            page.control("TP", []);
            page.text([bold(*key), roman(format!("={values}"))]);
            let option = format!("{meaning} The option is --{}.", flag.long);
            page.text([roman(option)]);
        }
    }
    page.control("PP", []).text([roman(
        "The settings cannot disable a check of names, links or free space, or weaken the \
         isolation. They cannot make the receiver overwrite a file.",
    )]);
    page.control("SH", ["EXAMPLES"]);
    page.text([roman(
        "Limit each copy to 10 GiB, and give a new name to files whose name already exists:",
    )]);
    page.control("PP", [])
        .control("RS", ["4"])
        .control("nf", []);
    page.text([roman("# /rw/config/filecopy.conf")]);
    page.text([roman("ON_CONFLICT=rename")]);
    page.text([roman("MAX_BYTES=10G")]);
    page.control("fi", []).control("RE", []);
    page.control("SH", ["SEE ALSO"]);
    page.text([bold("qfile-unpacker"), roman("(8), ")]);
    page.text([bold("qubes-filecopy"), roman("(8)")]);
    let mut text = Vec::new();
    page.to_writer(&mut text)?;
    Ok(("man/man5/filecopy.conf.5".to_owned(), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_receiver_has_its_words() {
        let mut of_the_receiver: Vec<_> = usage::FLAGS
            .iter()
            .filter_map(|flag| flag.setting)
            .collect();
        let mut described = KEYS.map(|(key, ..)| key);
        of_the_receiver.sort_unstable();
        described.sort_unstable();
        assert_eq!(of_the_receiver, described);
    }
}
