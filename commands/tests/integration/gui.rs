//! `qvm-copy --gui` on a desktop: what its windows are told, and what their Cancel does.

use crate::bench::{Bench, run};

#[test]
fn byte_counts_become_percentages_and_never_100_before_the_end() {
    let bench = Bench::new();
    bench.file("a", "1234567890");
    let mut command = bench.command_on_desktop("qvm-copy");
    command
        .args(["--gui", "a"])
        .env("COUNTS", "0 5 5 10")
        .env("SHOWN", "99")
        .env("LINE", "0 \\n");
    let ended = run(&mut command);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let dialog = bench.record("zenity--progress");
    assert!(dialog.starts_with("--progress\n"), "{dialog}");
    let told = dialog.lines().filter(|line| !line.starts_with("--"));
    assert_eq!(told.collect::<Vec<_>>(), ["50", "99"], "{dialog}");
    assert!(
        bench
            .record("environment")
            .contains("\nPROGRESS_TYPE=gui\n")
    );
}

#[test]
fn cancel_stops_the_copy() {
    let bench = Bench::new();
    bench.file("a", "12");
    let mut command = bench.command_on_desktop("qvm-copy");
    command.args(["--gui", "a"]).env("CANCEL", "/");
    command
        .env("COUNTS", "endless")
        .env("LINE", "32 cancelled\\n");
    let ended = run(&mut command);
    assert_eq!(ended.status, Some(32), "{ended:?}");
    assert_eq!(bench.record("zenity--error"), "");
}

#[test]
fn on_kde_the_bar_is_told_over_d_bus_and_closed_in_the_end() {
    let bench = Bench::new();
    bench.file("a", "1234567890");
    bench.will_be_told("closed");
    let mut command = bench.command_on_kde("qvm-copy");
    command.args(["--gui", "a"]).env("COUNTS", "0 5 5 10");
    command.env("TOLD", "99").env("LINE", "0 \\n");
    let ended = run(&mut command);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let opened = "--title|qvm-copy|--progressbar|<qt>Copying to another qube</qt>|100|\n";
    assert_eq!(bench.record("kdialog"), opened);
    let calls = bench.record("qdbus");
    let bar = "org.kde.kdialog-4242|/ProgressDialog|";
    let told = calls.lines().map(|line| line.strip_prefix(bar).unwrap());
    let told: Vec<_> = told.filter(|call| *call != "wasCancelled|").collect();
    let expected = ["showCancelButton|true|", "Set||value|50|", "Set||value|99|"];
    assert_eq!(told[..3], expected, "{calls}");
    assert_eq!(bench.record("zenity--progress"), "");
    // The copy does not wait for this call.
    bench.until_told("closed");
    assert!(bench.record("qdbus").contains("|close|\n"));
}

#[test]
fn cancel_on_kde_stops_the_copy() {
    let bench = Bench::new();
    bench.file("a", "12");
    let mut command = bench.command_on_kde("qvm-copy");
    command.args(["--gui", "a"]).env("CANCEL", "/");
    command
        .env("COUNTS", "endless")
        .env("LINE", "32 cancelled\\n");
    let ended = run(&mut command);
    assert_eq!(ended.status, Some(32), "{ended:?}");
}

#[test]
fn a_call_that_was_not_made_is_told_in_a_window_too() {
    let bench = Bench::new();
    bench.file("a", "");
    let mut command = bench.command_on_desktop("qvm-copy");
    let ended = run(command.args(["--gui", "a"]).env("STATUS", "126"));
    assert_eq!(ended.status, Some(126), "{ended:?}");
    assert!(ended.stderr.contains("refused"), "{ended:?}");
    assert!(bench.record("zenity--error").contains("refused"));
    assert_eq!(bench.record("zenity--progress"), "");
}

#[test]
fn a_hostile_name_in_an_error_is_plain_text() {
    let bench = Bench::new();
    bench.link("<b>\u{1b}$(id)", "/");
    let mut command = bench.command_on_desktop("qvm-copy");
    let ended = run(command.args(["--gui", "<b>\u{1b}$(id)"]));
    assert_eq!(ended.status, Some(1), "{ended:?}");
    let dialog = bench.record("zenity--error");
    assert!(dialog.contains("--no-markup\n"), "{dialog}");
    assert!(dialog.contains(r#"$'<b>\x1b$(id)' -> "/""#), "{dialog}");
}

#[test]
fn without_a_display_the_progress_is_on_the_terminal() {
    let bench = Bench::new();
    bench.file("a", "");
    let mut command = bench.command("qvm-copy");
    let ended = run(command.args(["--gui", "a"]).env("LINE", "0 \\n"));
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(
        bench
            .record("environment")
            .contains("\nPROGRESS_TYPE=console\n")
    );
}
