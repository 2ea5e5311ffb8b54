//! One manual page: the definition of a command line and its [`Words`](super::words::Words) in roff.
//!
//! The text that follows the options of `--help` is taken apart: its paragraphs belong to the
//! description, its tables to the sections EXIT STATUS and ENVIRONMENT.

use std::io;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::Generated;
use super::programs::Program;
use super::words::Row;

/// The page of a program.
///
/// # Errors
/// Those of writing to memory: none is expected.
pub fn render(program: &Program) -> io::Result<Generated> {
    let command = program.command.clone();
    let name = command.get_name().to_owned();
    let version = command.get_version().unwrap_or_default().to_owned();
    let help = AfterHelp::of(&command);
    let mut text = Vec::new();
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .section(program.section.to_string())
        .source(format!("qfile {version}"))
        .manual("Qubes OS");
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;

    let mut page = Roff::new();
    synopsis(&mut page, command);
    page.to_writer(&mut text)?;
    man.render_description_section(&mut text)?;
    let mut page = Roff::new();
    for paragraph in help
        .paragraphs
        .iter()
        .map(String::as_str)
        .chain(program.words.more.iter().copied())
    {
        page.control("PP", []).text([roman(paragraph)]);
    }
    page.to_writer(&mut text)?;
    man.render_options_section(&mut text)?;

    let mut page = Roff::new();
    let owned = |rows: &[Row]| -> Vec<(String, String)> {
        rows.iter()
            .map(|(name, meaning)| ((*name).to_owned(), (*meaning).to_owned()))
            .collect()
    };
    table(&mut page, "EXIT STATUS", &help.statuses);
    let variables = [help.environment, owned(program.words.environment)].concat();
    table(&mut page, "ENVIRONMENT", &variables);
    table(&mut page, "FILES", &owned(program.words.files));
    examples(&mut page, program.words.examples);
    see_also(&mut page, program.words.see_also);
    page.to_writer(&mut text)?;
    Ok((path(&name, program.section), text))
}

/// The page of a command that is another name of `other` (soelim(1)).
#[must_use]
pub fn link(name: &str, other: &str) -> Generated {
    (path(name, 1), format!(".so man1/{other}.1\n").into())
}

fn path(name: &str, section: u8) -> String {
    format!("man/man{section}/{name}.{section}")
}

fn synopsis(page: &mut Roff, mut command: Command) {
    let usage = command.render_usage().to_string();
    let forms = usage.trim_start_matches("Usage: ").lines().map(str::trim);
    page.control("SH", ["SYNOPSIS"]);
    for (number, form) in forms.enumerate() {
        if number > 0 {
            page.control("br", []);
        }
        let (name, rest) = form.split_once(' ').unwrap_or((form, ""));
        page.text([bold(name), roman(format!(" {rest}"))]);
    }
}

fn table(page: &mut Roff, title: &str, rows: &[(String, String)]) {
    if rows.is_empty() {
        return;
    }
    page.control("SH", [title]);
    for (name, meaning) in rows {
        page.control("TP", []).text([bold(name.as_str())]);
        page.text([roman(format!(
            "{}.",
            capitalised(meaning).trim_end_matches('.')
        ))]);
    }
}

fn examples(page: &mut Roff, rows: &[Row]) {
    if rows.is_empty() {
        return;
    }
    page.control("SH", ["EXAMPLES"]);
    for (command, meaning) in rows {
        page.control("PP", []).text([roman(*meaning)]);
        page.control("PP", [])
            .control("RS", ["4"])
            .control("nf", []);
        page.text([Inline::from(*command)]);
        page.control("fi", []).control("RE", []);
    }
}

fn see_also(page: &mut Roff, pages: &[&str]) {
    page.control("SH", ["SEE ALSO"]);
    for (number, name) in pages.iter().enumerate() {
        let end = if number + 1 < pages.len() { ", " } else { "" };
        match name.split_once('(') {
            Some((name, section)) => {
                page.text([bold(name), roman(format!("({section}{end}"))]);
            }
            None => {
                page.text([roman(format!("{name}{end}"))]);
            }
        }
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// What follows the options of `--help`, by its parts.
struct AfterHelp {
    paragraphs: Vec<String>,
    environment: Vec<(String, String)>,
    statuses: Vec<(String, String)>,
}

impl AfterHelp {
    fn of(command: &Command) -> Self {
        let text = command.get_after_help().map(ToString::to_string);
        let text = text.unwrap_or_default();
        let mut parts = Self {
            paragraphs: Vec::new(),
            environment: Vec::new(),
            statuses: Vec::new(),
        };
        for part in text.split("\n\n").filter(|part| !part.is_empty()) {
            match part.split_once(":\n") {
                Some(("Exit status", table)) => parts.statuses = rows(table),
                Some(("Environment", table)) => parts.environment = rows(table),
                _ => parts.paragraphs.push(part.to_owned()),
            }
        }
        parts
    }
}

/// The rows of a table: a name, two spaces or more, a meaning; a line without a name goes on.
fn rows(table: &str) -> Vec<(String, String)> {
    let mut rows: Vec<(String, String)> = Vec::new();
    let go_on_at = table.lines().filter_map(meaning_at).min().unwrap_or(0);
    for line in table.lines() {
        match (meaning_at(line), rows.last_mut()) {
            (None, Some((_, meaning))) if line.find(|c| c != ' ') >= Some(go_on_at) => {
                meaning.push(' ');
                meaning.push_str(line.trim());
            }
            _ => {
                let (name, meaning) = line.trim().split_once("  ").unwrap_or((line.trim(), ""));
                rows.push((name.to_owned(), meaning.trim().to_owned()));
            }
        }
    }
    rows
}

/// Where the meaning starts, in a line that has a name too.
fn meaning_at(line: &str) -> Option<usize> {
    let indent = line.len() - line.trim_start().len();
    let gap = line.trim_start().find("  ")? + indent;
    Some(gap + line[gap..].len() - line[gap..].trim_start().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_help_is_read_row_by_row() {
        let table = "    0  all is well\n  A=b  one thing\n       and more of it\n128+N  signal N";
        let expected = [
            ("0", "all is well"),
            ("A=b", "one thing and more of it"),
            ("128+N", "signal N"),
        ];
        let expected = expected.map(|(name, meaning)| (name.to_owned(), meaning.to_owned()));
        assert_eq!(rows(table), expected);
    }
}
