//! Every message of `qvm-copy`, rendered into `docs/messages/qvm-copy.md`, to be read as a whole.
//! `UPDATE_EXPECT=1 cargo test -p commands` writes it anew.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::ExitStatus;

use expect_test::expect_file;
use program::failure::{FAILED, Failure};
use transfer::result_line::{Outcome, ResultLine};
use walk::{Arguments, Links};

use crate::args::{Form, parse_target};
use crate::client::{Programs, without_client};
use crate::ending::{Ending, with};
use crate::judge::Report;
use crate::report;
use crate::service::Service;
use crate::survey::{Rules, Survey};
use qrexec::client::{Kind, installed, named};

const HEAD: &str = "\
# What qvm-copy, qvm-move and qubes-fs-tree-check say

Every message is listed without the name of the command at its beginning, and with the exit status.
`qvm-copy-to-vm` and `qvm-move-to-vm` have the same messages. A test generates this page and fails
if the page differs from the messages of the command: `UPDATE_EXPECT=1 cargo test -p commands`. The
messages of the sender are in [qfile-agent.md](qfile-agent.md).
";

#[test]
fn every_message_is_in_the_catalogue() {
    let mut text = HEAD.to_owned();
    let both = |what: &str| format!("qvm-copy, qvm-move: {what}");
    section(&mut text, &both("the command line"), command_lines());
    let [refused, dry_run, tree_check] = findings();
    section(
        &mut text,
        &both("what the other qube would refuse"),
        refused,
    );
    section(&mut text, &both("--dry-run"), dry_run);
    section(&mut text, &both("programs that are missing"), missing());
    section(&mut text, &both("calls without a result"), calls());
    section(&mut text, "qvm-move: what is not deleted", moves());
    section(&mut text, "qubes-fs-tree-check", tree_check);
    expect_file!["../../docs/messages/qvm-copy.md"].assert_eq(&text);
}

fn section(text: &mut String, title: &str, endings: Vec<(String, Ending)>) {
    writeln!(text, "\n## {title}").unwrap();
    for (heading, ending) in endings {
        let status = ending.status();
        let message = ending.failure.to_string();
        write!(text, "\n{heading} ({status})").unwrap();
        if message.is_empty() {
            writeln!(
                text,
                ": nothing, because the sender has already printed the message."
            )
            .unwrap();
        } else {
            writeln!(text, ":\n\n```\n{message}\n```").unwrap();
        }
    }
}

fn command_lines() -> Vec<(String, Ending)> {
    let table: [(Form, &[&str]); 11] = [
        (Form::Copy, &[]),
        (Form::Copy, &["-plan.txt"]),
        (Form::Copy, &["--no-such-option", "plan.txt"]),
        (Form::Copy, &["--with-progress=yes", "plan.txt"]),
        (Form::CopyToQube, &["my qube", "plan.txt"]),
        (Form::CopyToQube, &["none", "plan.txt"]),
        (Form::CopyToQube, &["\u{1b}[31m", "plan.txt"]),
        (Form::MoveToQube, &["my qube", "plan.txt"]),
        (Form::MoveToQube, &["@dispvm", "plan.txt"]),
        (Form::MoveToQube, &["$dispvm:web", "plan.txt"]),
        (Form::MoveToQube, &["--dry-run", "@dispvm", "plan.txt"]),
    ];
    let typed = table.map(|(form, typed)| {
        let arguments: Vec<OsString> = typed.iter().map(OsString::from).collect();
        let heading = format!("`{} {}`", form.name(), typed.join(" ").escape_debug());
        (heading, form.parse(&arguments).unwrap_err().into())
    });
    let paths: [&[&str]; 5] = [&[""], &["."], &["docs/.."], &["/"], &["a/plan", "b/plan"]];
    let judged = paths.map(|paths| {
        let error = Arguments::new(paths.iter().map(OsString::from)).unwrap_err();
        let heading = format!(
            "`qvm-copy {}`",
            format!("{paths:?}").trim_matches(['[', ']'])
        );
        (heading, crate::copy::argument(&error).into())
    });
    typed.into_iter().chain(judged).collect()
}

/// What the other qube would refuse, what `--dry-run` says of it, and `qubes-fs-tree-check`.
fn findings() -> [Vec<(String, Ending)>; 3] {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    fs::create_dir(path("docs")).unwrap();
    for (name, target) in [
        ("docs/root", "/etc/passwd"),
        ("docs/up", "../plan.txt"),
        ("docs/detour", "a/../b"),
        ("docs/\u{1b}[31mred", "\u{202e}txt.exe"),
        ("plan", "docs"),
    ] {
        symlink(target, path(name)).unwrap();
    }
    let fifo = rustix::fs::FileType::Fifo;
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(rustix::fs::CWD, path("docs/pipe"), fifo, mode, 0).unwrap();
    let asked = ["docs", "plan", "no-such-file"].map(|name| path(name).into_os_string());

    let links = |links| Rules {
        links,
        ..Rules::default()
    };
    let tree_check = Rules {
        forbid_links: true,
        forbid_folders: true,
        ..Rules::default()
    };
    let survey = |rules| Survey::of(&Arguments::new(asked.clone()).unwrap(), rules);
    let shown = |text: &str| text.replace(&format!("{}/", home.path().display()), "");
    let table = |rules| sorted(&shown(&report::refusals(&survey(rules))));
    let refused = |rules| Failure::new(format!("nothing was sent: {}", table(rules))).into();
    let ignored = survey(links(Links::Ignore));
    let dry_run = |form: Form| {
        let typed = ["--dry-run", "--ignore-symlinks", "docs"].map(OsString::from);
        let request = form.parse(&typed).unwrap();
        Failure::new(sorted(&shown(&report::dry_run(&ignored, &request)))).into()
    };
    let warning = with(Outcome::Complete, report::left_out(&ignored).unwrap()).into();
    let target = |form: Form, target: &str| {
        let request = form.parse(&[target, "docs"].map(OsString::from)).unwrap();
        let warning = report::disposable(&request).unwrap();
        let heading = format!("A warning before `{} {target} docs`", form.name());
        (heading, with(Outcome::Complete, warning).into())
    };
    let targets = [
        target(Form::CopyToQube, "@dispvm"),
        target(Form::CopyToQube, "disp1234"),
        target(Form::MoveToQube, "disp1234"),
    ];
    let mut found = [
        vec![
            ("Links are sent", refused(links(Links::Send))),
            ("With `--dereference`", refused(links(Links::Follow))),
            ("A warning, before the copy", warning),
        ],
        vec![
            ("`qvm-copy --dry-run`", dry_run(Form::Copy)),
            ("`qvm-move --dry-run`", dry_run(Form::Move)),
        ],
        vec![(
            "Neither links nor folders are allowed",
            Failure::new(table(tree_check)).into(),
        )],
    ]
    .map(|endings| {
        endings
            .into_iter()
            .map(|(heading, ending)| (heading.to_owned(), ending))
            .collect::<Vec<_>>()
    });
    found[0].extend(targets);
    found
}

/// How a move can end once everything was sent.
fn moves() -> Vec<(String, Ending)> {
    let told = crate::remove::stays::examples();
    let told = told.into_iter().map(|(heading, text)| {
        let outcome = match heading.starts_with("Interrupted") {
            true => Outcome::Cancelled,
            false => Outcome::Partial,
        };
        (heading, with(outcome, text).into())
    });
    let changed = Ending {
        said_by_sender:
            "\"docs/plan.txt\" changed while it was copied: the copy there may be inconsistent, \
             the one here is correct; everything else was copied"
                .to_owned(),
        failure: Failure::said(Outcome::Partial.status()),
    };
    let others = [
        (
            "The list cannot be read",
            crate::remove::nothing_tried(&io::ErrorKind::UnexpectedEof.into()).into(),
        ),
        (
            "Cancelled when everything was confirmed",
            crate::copy::nothing_deleted(Ok(())),
        ),
        (
            "Cancelled when all but a changed file was confirmed",
            crate::copy::nothing_deleted(Err(changed)),
        ),
        (
            "The copy failed",
            crate::copy::nothing_deleted(Err(Failure::said(FAILED).into())),
        ),
        (
            "There is no room for the list",
            crate::copy::no_room_for_manifest(io::Error::from_raw_os_error(28)).into(),
        ),
    ];
    let others = others.map(|(heading, ending)| (heading.to_owned(), ending));
    told.chain(others).collect()
}

/// The rows of each reason in the order of their names: folders are listed in any order.
fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    for rows in lines.chunk_by_mut(|one, next| is_row(one) && is_row(next)) {
        rows.sort_unstable();
    }
    lines.join("\n")
}

fn is_row(line: &str) -> bool {
    line.starts_with("    ") && !line.starts_with("    =>")
}

fn missing() -> Vec<(String, Ending)> {
    let nowhere = Path::new("/usr/lib/nowhere");
    vec![
        (
            "No agent".to_owned(),
            Programs::with_agent(nowhere.join("qfile-agent"))
                .unwrap_err()
                .into(),
        ),
        (
            "No client".to_owned(),
            without_client(&installed(nowhere).unwrap_err()).into(),
        ),
        (
            "`QREXEC_CLIENT_VM` is no program".to_owned(),
            without_client(&named("qrexec-loopback".into()).unwrap_err()).into(),
        ),
        (
            "The client cannot be started".to_owned(),
            Failure::of("cannot start /usr/lib/qubes/qrexec-client-vm")(
                io::Error::from_raw_os_error(13),
            )
            .into(),
        ),
    ]
}

fn calls() -> Vec<(String, Ending)> {
    let judged = |line: Option<Outcome>, raw: i32, cancelled, target: &str, service| {
        let report = Report {
            line: line.map(|outcome| ResultLine {
                outcome,
                message: String::new(),
            }),
            status: Some(ExitStatus::from_raw(raw).into()),
            client: Kind::Qrexec,
            cancelled,
        };
        let target = parse_target(OsStr::new(target)).unwrap();
        report.judge(&target, service).unwrap_err()
    };
    let mut endings = Vec::new();
    for target in ["@default", "work"] {
        for service in [Service::Filecopy, Service::FilecopyAllNames] {
            let heading = format!("{service} in {target}, status 126");
            endings.push((heading, judged(None, 126 << 8, false, target, service)));
        }
    }
    for code in [0, 1, 2, 3, 32, 125, 127, 128 + 9, 255] {
        let heading = format!("No result line, status {code}");
        endings.push((
            heading,
            judged(None, code << 8, false, "work", Service::Filecopy),
        ));
    }
    for (heading, line) in [
        ("Interrupted, no result line", None),
        (
            "Interrupted, a result line of a failure",
            Some(Outcome::Failed),
        ),
    ] {
        let ending = judged(line, 0, true, "work", Service::Filecopy);
        endings.push((heading.to_owned(), ending));
    }
    for outcome in [Outcome::Failed, Outcome::Partial, Outcome::Cancelled] {
        let heading = format!("A result line with {}", outcome.status());
        let ending = judged(Some(outcome), 0, false, "work", Service::Filecopy);
        endings.push((heading, ending));
    }
    endings
}
