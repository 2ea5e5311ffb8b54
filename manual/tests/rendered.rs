//! The committed pages and completions are current, and what reads them reads them without complaint.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Completion, Trial};

fn main() -> ExitCode {
    let trials = vec![
        trial(
            "what_is_committed_is_current",
            &[],
            what_is_committed_is_current,
        ),
        trial(
            "groff_renders_every_page_without_a_warning",
            &["groff"],
            groff_renders_every_page,
        ),
        trial("man_shows_every_page", &["man"], man_shows_every_page),
        trial("bash_completes_options", &["bash"], bash_completes_options),
        trial(
            "zsh_reads_every_completion",
            &["zsh"],
            zsh_reads_every_completion,
        ),
        trial("fish_completes_options", &["fish"], fish_completes_options),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(name: &str, needs: &'static [&str], body: fn()) -> Trial {
    Trial::ignorable_test(name, move || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let is_here =
            |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
        match needs.iter().find(|name| !is_here(name)) {
            Some(missing) => Ok(Completion::ignored_with(format!("needs {missing}"))),
            None => {
                body();
                Ok(Completion::Completed)
            }
        }
    })
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn committed(folder: &str) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(top().join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn what_is_committed_is_current() {
    let generated = manual::everything().unwrap();
    for (path, content) in &generated {
        let there = fs::read(top().join(path)).unwrap_or_default();
        assert!(there == *content, "{path} is not current: run `make man`");
    }
    let generated: BTreeSet<PathBuf> = generated.iter().map(|(path, _)| top().join(path)).collect();
    for folder in ["bash", "zsh", "fish"].map(|shell| format!("packaging/completions/{shell}")) {
        assert!(
            committed(&folder).is_subset(&generated),
            "{folder} has more than is generated"
        );
    }
    assert!(
        committed("docs/man").is_subset(&generated),
        "docs/man has more than is generated"
    );
}

/// Runs it to its end; what it wrote to stdout. It must not complain.
#[track_caller]
fn silent_on_stderr(command: &mut Command, input: &str) -> String {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stderr.is_empty(),
        "{command:?}: {}\n{stderr}",
        output.status
    );
    String::from_utf8(output.stdout).unwrap()
}

fn groff_renders_every_page() {
    for page in committed("docs/man") {
        let mut groff = Command::new("groff");
        let text = silent_on_stderr(
            groff
                .args(["-man", "-ww", "-Tutf8", "-Kutf8", "-P-cbou"])
                .arg(&page),
            "",
        );
        for section in [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "EXIT STATUS",
            "SEE ALSO",
        ] {
            assert!(
                text.contains(section),
                "{} has no {section}",
                page.display()
            );
        }
    }
}

fn man_shows_every_page() {
    for page in committed("docs/man") {
        let mut man = Command::new("man");
        man.args(["--warnings", "-l"])
            .arg(&page)
            .env("LC_ALL", "C.UTF-8")
            .env("MANWIDTH", "100");
        let text = silent_on_stderr(&mut man, "");
        assert!(text.contains("EXIT STATUS"), "{}", page.display());
    }
}

fn bash_completes_options() {
    for file in committed("packaging/completions/bash") {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let script = "source \"$1\"; COMP_WORDS=(\"$2\" --v); COMP_CWORD=1; \
             function=$(complete -p \"$2\" | sed 's/.*-F \\([^ ]*\\).*/\\1/'); \
             \"$function\" \"$2\" --v \"$2\"; printf '%s\\n' \"${COMPREPLY[@]}\"";
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", script, "bash"])
            .arg(&file)
            .arg(&name);
        let completed = silent_on_stderr(&mut bash, "");
        assert!(
            completed.lines().any(|line| line == "--version"),
            "{name}: {completed}"
        );
    }
}

/// Found by its first line in a folder of `fpath`, as zsh finds it, and loaded.
fn zsh_reads_every_completion() {
    for file in committed("packaging/completions/zsh") {
        let script = "fpath=($1:h $fpath); autoload -Uz compinit && compinit -u -D && \
             autoload +X $1:t && print -r -- $_comps[${${1:t}#_}]";
        let mut zsh = Command::new("zsh");
        zsh.args(["-f", "-c", script, "zsh"]).arg(&file);
        let completes = silent_on_stderr(&mut zsh, "");
        let name = file.file_name().unwrap().to_str().unwrap();
        assert_eq!(completes.trim_end(), name);
    }
}

fn fish_completes_options() {
    for file in committed("packaging/completions/fish") {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let script = "source $argv[1]; complete -C \"$argv[2] --v\"";
        let home = tempfile::tempdir().unwrap();
        let mut fish = Command::new("fish");
        fish.args(["--no-config", "-c", script])
            .arg(&file)
            .arg(name)
            .env("HOME", home.path());
        let completed = silent_on_stderr(&mut fish, "");
        assert!(completed.contains("--version"), "{name}: {completed}");
    }
}
