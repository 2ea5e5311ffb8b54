//! `dev manual FOLDER` writes the manual pages and the completions into FOLDER,
//! `dev unicode-table FILE` the table of safe code points, `dev defence-table FILE` that of defences;
//! `dev prove-defences` proves them.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Arg, ArgMatches, Command, value_parser};
use dev::defences;

fn main() -> anyhow::Result<()> {
    let path = |name, help| {
        Arg::new(name)
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .help(help)
    };
    let matches = Command::new("dev")
        .about("Generates files that are made from others, and proves the defences of the receiver")
        .subcommand_required(true)
        .subcommand(
            Command::new("manual")
                .about("Writes the manual pages and the completions")
                .arg(path("FOLDER", "The folder to write them into")),
        )
        .subcommand(
            Command::new("unicode-table")
                .about("Writes the table of safe code points")
                .arg(path("FILE", "The file to write")),
        )
        .subcommand(
            Command::new("defence-table")
                .about("Writes the table of the receiver's defences")
                .arg(path("FILE", "The file to write")),
        )
        .subcommand(
            Command::new("prove-defences")
                .about("Takes out one defence after the other: a test must notice")
                .arg(
                    Arg::new("NAME")
                        .num_args(0..)
                        .help("The defences to try [default: all]"),
                ),
        )
        .get_matches();
    match matches.subcommand() {
        Some(("manual", matches)) => manual(argument(matches, "FOLDER")?),
        Some(("unicode-table", matches)) => write(
            argument(matches, "FILE")?,
            dev::unicode_table::generated().as_bytes(),
        ),
        Some(("defence-table", matches)) => {
            let table = defences::table(&defences::all(top()?)?);
            write(argument(matches, "FILE")?, table.as_bytes())
        }
        Some(("prove-defences", matches)) => {
            let names = matches.get_many("NAME").unwrap_or_default();
            prove_defences(&names.map(String::as_str).collect::<Vec<_>>())
        }
        _ => bail!("no such subcommand"),
    }
}

fn argument<'a>(matches: &'a ArgMatches, name: &str) -> anyhow::Result<&'a Path> {
    let path = matches.get_one::<PathBuf>(name);
    path.map(PathBuf::as_path)
        .with_context(|| format!("{name} is missing"))
}

/// The top of the repository.
fn top() -> anyhow::Result<&'static Path> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    top.context("this crate is in the repository")
}

fn prove_defences(names: &[&str]) -> anyhow::Result<()> {
    let mut chosen = defences::all(top()?)?;
    if let Some(unknown) = names
        .iter()
        .find(|name| !chosen.iter().any(|defence| defence.name == **name))
    {
        bail!("there is no tests/defences/{unknown}.patch");
    }
    if !names.is_empty() {
        chosen.retain(|defence| names.contains(&&*defence.name));
    }
    defences::prove(top()?, &chosen)
}

fn manual(folder: &Path) -> anyhow::Result<()> {
    for (path, content) in dev::manual::everything()? {
        write(&folder.join(path), &content)?;
    }
    Ok(())
}

fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().context("every file is in a folder")?;
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, content))
        .with_context(|| format!("cannot write {}", path.display()))
}
