//! The generated pages and completions are installed, and what reads them reads them without
//! complaint.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Completion, Trial};
use tempfile::TempDir;

fn main() -> ExitCode {
    let trials = vec![
        trial(
            "what_is_generated_is_installed",
            &[],
            what_is_generated_is_installed,
        ),
        trial(
            "groff_renders_every_page_without_a_warning",
            &["groff"],
            groff_renders_every_page,
        ),
        trial("man_shows_every_page", &["man"], man_shows_every_page),
        trial(
            "man_finds_the_page_of_every_name_of_qvm_copy",
            &["man"],
            man_finds_every_name,
        ),
        trial("bash_completes", &["bash"], bash_completes),
        trial("zsh_completes", &["zsh"], zsh_completes),
        trial(
            "zsh_reads_every_completion",
            &["zsh"],
            zsh_reads_every_completion,
        ),
        trial("fish_completes", &["fish"], fish_completes),
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

/// A folder with every generated file.
fn generated() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in dev::manual::everything().unwrap() {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

/// The files in `folder`, sorted.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The pages that are no links.
fn pages(generated: &TempDir) -> impl Iterator<Item = PathBuf> {
    let man = generated.path().join("man");
    let pages = ["man1", "man5", "man8"].map(|section| files_in(&man.join(section)));
    let is_link = |page: &PathBuf| fs::read(page).unwrap().starts_with(b".so ");
    pages
        .into_iter()
        .flatten()
        .filter(move |page| !is_link(page))
}

fn what_is_generated_is_installed() {
    let packaging = fs::read_dir(top().join("packaging")).unwrap();
    let lists: Vec<String> = packaging
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "list")
        })
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    assert!(!lists.is_empty());
    let lines = lists.iter().flat_map(|list| list.lines());
    let entries = lines.filter(|line| !line.starts_with('#'));
    let words = entries.flat_map(str::split_ascii_whitespace);
    let installed: BTreeSet<&str> = words
        .filter_map(|word| word.strip_prefix("generated/"))
        .collect();
    let generated = dev::manual::everything().unwrap();
    let generated: BTreeSet<&str> = generated.iter().map(|(path, _)| &**path).collect();
    let differ: Vec<_> = installed.symmetric_difference(&generated).collect();
    assert!(differ.is_empty(), "only in one of both: {differ:?}");
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

/// Section 5 describes files, which have neither options nor an exit status.
fn is_of_a_file(page: &Path) -> bool {
    page.extension().is_some_and(|section| section == "5")
}

fn groff_renders_every_page() {
    let generated = generated();
    for page in pages(&generated) {
        let mut groff = Command::new("groff");
        let text = silent_on_stderr(
            groff
                .args(["-man", "-ww", "-Tutf8", "-Kutf8", "-P-cbou"])
                .arg(&page),
            "",
        );
        let of_a_program = match is_of_a_file(&page) {
            true => &[][..],
            false => &["SYNOPSIS", "OPTIONS", "EXIT STATUS"],
        };
        for section in ["NAME", "DESCRIPTION", "SEE ALSO"]
            .iter()
            .chain(of_a_program)
        {
            assert!(
                text.contains(section),
                "{} has no {section}",
                page.display()
            );
        }
    }
}

fn man_shows_every_page() {
    let generated = generated();
    for page in pages(&generated) {
        let mut man = Command::new("man");
        man.args(["--warnings", "-l"])
            .arg(&page)
            .env("LC_ALL", "C.UTF-8")
            .env("MANWIDTH", "100");
        let text = silent_on_stderr(&mut man, "");
        let section = match is_of_a_file(&page) {
            true => "DESCRIPTION",
            false => "EXIT STATUS",
        };
        assert!(text.contains(section), "{}", page.display());
    }
}

fn man_finds_every_name() {
    let generated = generated();
    for name in ["qvm-copy", "qvm-copy-to-vm", "qvm-move", "qvm-move-to-vm"] {
        let mut man = Command::new("man");
        man.args(["--warnings", "-M"])
            .arg(generated.path().join("man"))
            .arg(name)
            .env("LC_ALL", "C.UTF-8")
            .env("MANWIDTH", "100");
        let text = silent_on_stderr(&mut man, "");
        for form in ["qvm-copy [OPTIONS]", "qvm-move-to-vm [OPTIONS]"] {
            assert!(text.contains(form), "{name}: {text}");
        }
    }
}

/// Found by its first line in a folder of `fpath`, as zsh finds it, and loaded.
fn zsh_reads_every_completion() {
    let generated = generated();
    for file in files_in(&generated.path().join("completions/zsh")) {
        let script = "fpath=($1:h $fpath); autoload -Uz compinit && compinit -u -D && \
             autoload +X $1:t && print -r -- $_comps[${${1:t}#_}]";
        let mut zsh = Command::new("zsh");
        zsh.args(["-f", "-c", script, "zsh"]).arg(&file);
        let completes = silent_on_stderr(&mut zsh, "");
        let name = file.file_name().unwrap().to_str().unwrap();
        assert_eq!(completes.trim_end(), name);
    }
}

/// What a command line becomes, typed with its TABs into a shell as people have it, with the
/// completions as they are installed.
fn typed_into(shell: &str, line: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    for path in [
        "qubes/vault/home",
        "home/QubesIncoming/untrusted",
        "home/QubesIncoming/;rm",
        "home/.config/qfile",
        "work/letters",
    ] {
        fs::create_dir_all(home.path().join(path)).unwrap();
    }
    let remotes = "# machines\n\nserver-1 = me@example.org vault\n";
    fs::write(home.path().join("home/.config/qfile/remotes.conf"), remotes).unwrap();
    for file in ["plan.txt", "two words.txt"] {
        fs::write(home.path().join("work").join(file), "").unwrap();
    }
    let generated = generated();
    let folder = generated.path().join("completions").join(shell);
    let folder = folder.to_str().unwrap();
    let command = line.rsplit("; ").next().unwrap().split(' ').next().unwrap();
    let (arguments, prepare): (&[&str], String) = match shell {
        "bash" => (
            &["--norc", "--noprofile", "-i"],
            format!(
                "source {folder}/{command}; {command}() {{ printf '[%s]' \"$@\"; echo; }}; \
                 bind 'set bell-style none'; bind 'set show-all-if-ambiguous off'"
            ),
        ),
        "zsh" => (
            &["-f", "-i"],
            format!(
                "fpath=({folder} $fpath); autoload -Uz compinit; compinit -u -D; \
                 {command}() {{ printf '[%s]' \"$@\"; echo; }}; unsetopt beep prompt_sp"
            ),
        ),
        _ => (
            &["--no-config", "-i"],
            format!(
                "source {folder}/{command}.fish; function {command}; printf '[%s]' $argv; echo; end; \
                 function fish_prompt; end"
            ),
        ),
    };
    let mut program = Command::new(shell);
    program
        .args(arguments)
        .current_dir(home.path().join("work"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home.path().join("home"))
        .env("QREXEC_LOOPBACK_ROOT", home.path().join("qubes"))
        .env("TERM", "dumb")
        .env("LC_ALL", "C.UTF-8");
    let mut session = rexpect::session::spawn_command(program, Some(30_000)).unwrap();
    session
        .send_line(&format!("{prepare}; echo rea''dy"))
        .unwrap();
    session.exp_string("ready").unwrap();
    session.send(line).unwrap();
    session.send_line("").unwrap();
    session.flush().unwrap();
    let (_, answer) = session.exp_regex(r"\[[^\r\n]*\]\r?\n").unwrap();
    // These shells ignore SIGTERM, by which the session would end them.
    session.send_line("exit").unwrap();
    session.exp_eof().unwrap();
    // zsh takes the / behind a folder away again.
    answer.trim_end().replace("/]", "]")
}

/// The lines that people begin, and what TAB makes of them.
const TYPED: [(&str, &str); 16] = [
    ("qvm-copy pl\t", "[plan.txt]"),
    ("qvm-copy tw\t", "[two words.txt]"),
    ("qvm-copy --dr\tle\t", "[--dry-run][letters]"),
    ("qvm-copy-to-vm va\tpl\t", "[vault][plan.txt]"),
    ("qvm-move-to-vm unt\tpl\t", "[untrusted][plan.txt]"),
    (
        "qvm-copy-to-vm --dry\tser\tpl\t",
        "[--dry-run][server-1][plan.txt]",
    ),
    ("qvm-open-in-vm @disp\tpl\t", "[@dispvm][plan.txt]"),
    ("qvm-open-in-vm @dispvm pl\t", "[@dispvm][plan.txt]"),
    ("qvm-copy --as=x pl\t", "[--as=x][plan.txt]"),
    ("qvm-copy --to va\tpl\t", "[--to][vault][plan.txt]"),
    // Behind the value of an option there may still be the qube.
    (
        "qvm-copy-to-vm --timeout 5 va\tpl\t",
        "[--timeout][5][vault][plan.txt]",
    ),
    (
        "qvm-copy-to-vm --exclude foo --as new va\tpl\t",
        "[--exclude][foo][--as][new][vault][plan.txt]",
    ),
    (
        "qvm-open-in-vm --timeout 5m va\tpl\t",
        "[--timeout][5m][vault][plan.txt]",
    ),
    // A file is no qube, even if nothing else begins so.
    ("qvm-copy --to pl\t", "[--to][pl]"),
    ("qvm-open-in-dvm pl\t", "[plan.txt]"),
    ("qubesdb-read --vers\t", "[--version]"),
];

fn every_line_is_completed_in(shell: &str) {
    for (line, wanted) in TYPED {
        assert_eq!(typed_into(shell, line), wanted, "{shell}: {line:?}");
    }
}

fn bash_completes() {
    every_line_is_completed_in("bash");
    // Nothing typed: a file, not an option.
    assert_eq!(
        typed_into("bash", "qvm-open-in-dvm -- le\t"),
        "[--][letters]"
    );
}

fn zsh_completes() {
    every_line_is_completed_in("zsh");
}

fn fish_completes() {
    every_line_is_completed_in("fish");
}
