//! `meminfo-writer`. Only Xen has a XenStore, so a socket stands in for it. `/proc/meminfo` and the
//! file of the balloon driver are files of the test where it is about their content.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use qfile_tests::changes::{until, until_ended};
use qfile_tests::process::{Finished, run, wrapped_in};
use qfile_tests::programs::program;
use qfile_tests::receiver::needs_strace;
use qfile_tests::speaking::Speaking;
use qfile_tests::system_log::{only_line, with_system_log};
use qfile_tests::user::{bind, in_private_mounts, mount_tmpfs, needs_private_mounts};
use qfile_tests::xenstore::XenStore;
use rustix::process::{Pid, kill_process};

qfile_tests::suite! {
    the_use_is_reported_at_once_and_again_when_it_has_moved [needs_private_mounts],
    the_balloon_says_how_much_memory_there_is [needs_private_mounts],
    the_format_of_version_3_has_six_lines [needs_private_mounts],
    the_real_counters_are_reported_too,
    in_the_background_it_waits_for_a_signal,
    without_a_pid_file_it_reports_before_it_goes_into_the_background,
    a_wrong_command_line_is_1_with_the_usage,
    a_xenstore_that_is_missing_or_refuses_ends_it,
    in_the_background_it_says_its_end_in_the_log [needs_private_mounts],
    a_field_that_is_missing_is_said_once_and_nothing_is_reported [needs_private_mounts],
    a_look_at_nothing_new_reads_and_waits_and_the_wait_grows [needs_private_mounts, needs_strace],
}

/// Kilobytes that are free at first.
const FREE: u64 = 500_000;

/// 100,000 kB of the buffers and 1,000 of the swap make the difference.
fn meminfo(free: u64) -> String {
    format!(
        "MemTotal:        1000000 kB\nMemFree:       {free:>9} kB\nMemAvailable:     250000 kB\n\
         Buffers:          100000 kB\nCached:           150000 kB\nSwapCached:            0 kB\n\
         SwapTotal:          5000 kB\nSwapFree:           4000 kB\n"
    )
}

/// What is reported then.
fn used(total: u64, free: u64) -> (String, String) {
    let used = total - 100_000 - 150_000 - free + 1000;
    ("memory/meminfo".to_owned(), used.to_string())
}

/// Runs `body` where `/proc/meminfo` is this file. It is changed in place.
fn with_meminfo(body: impl FnOnce(&XenStore, &dyn Fn(&str)) + Send) {
    in_private_mounts(move || {
        let store = XenStore::new();
        let file = store.folder().join("meminfo");
        fs::write(&file, meminfo(FREE)).unwrap();
        bind(&file, Path::new("/proc/meminfo"));
        mount_tmpfs(Path::new("/sys/devices/system"), 1 << 20, "");
        let open = OpenOptions::new().write(true).open(&file).unwrap();
        body(&store, &|text| {
            // In one call, so that nobody sees half of it.
            assert_eq!(open.write_at(text.as_bytes(), 0).unwrap(), text.len());
        });
    });
}

fn command(store: &XenStore, words: &str) -> Command {
    let mut command = Command::new(program("meminfo-writer"));
    command
        .args(words.split(' '))
        .env("XENSTORED_PATH", store.path());
    command
}

fn in_foreground(store: &XenStore, words: &str) -> Speaking {
    Speaking::start(command(store, &format!("{words} --foreground")))
}

fn the_use_is_reported_at_once_and_again_when_it_has_moved() {
    with_meminfo(|store, set| {
        let _writer = in_foreground(store, "30000 1000");
        assert_eq!(store.next(), used(1_000_000, FREE));
        // Not far enough, so the next report is the one after that.
        set(&meminfo(FREE - 30_000));
        set(&meminfo(FREE + 30_000));
        set(&meminfo(FREE - 30_001));
        assert_eq!(store.next(), used(1_000_000, FREE - 30_001));
        set(&meminfo(FREE + 1));
        assert_eq!(store.next(), used(1_000_000, FREE + 1));
        // Most of it in use: a smaller rise is far enough.
        set(&meminfo(1));
        set(&meminfo(0));
        let next = store.next();
        assert!(
            [used(1_000_000, 1), used(1_000_000, 0)].contains(&next),
            "{next:?}"
        );
        store.assert_nothing_more();
    });
}

fn the_balloon_says_how_much_memory_there_is() {
    with_meminfo(|store, set| {
        let folder = Path::new("/sys/devices/system/xen_memory/xen_memory0/info");
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("current_kb"), "2000000\n").unwrap();
        let _writer = in_foreground(store, "30000 1000");
        assert_eq!(store.next(), used(2_000_000, FREE));
        set(&meminfo(FREE + 40_000));
        assert_eq!(store.next(), used(2_000_000, FREE + 40_000));
    });
}

fn the_format_of_version_3_has_six_lines() {
    with_meminfo(|store, _set| {
        let _writer = in_foreground(store, "30000 1000 --format=3");
        let expected = "MemTotal: 1000000 kB\nMemFree: 500000 kB\nBuffers: 100000 kB\n\
                        Cached: 150000 kB\nSwapTotal: 5000 kB\nSwapFree: 4000 kB\n";
        assert_eq!(
            store.next(),
            ("memory/meminfo".to_owned(), expected.to_owned())
        );
    });
}

fn the_real_counters_are_reported_too() {
    let store = XenStore::new();
    let writer = in_foreground(&store, "1000000000 1000");
    let (path, value) = store.next();
    assert_eq!(path, "memory/meminfo");
    let used: u64 = value.parse().unwrap();
    assert!(used.to_string() == value && used > 0, "{value}");
    assert_eq!(writer.stop(), [""; 0]);
    store.assert_nothing_more();
}

/// The process in the background. It ends with this.
struct Background(Pid);

impl Background {
    fn named_in(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap();
        let number = text.strip_suffix('\n').unwrap().parse().unwrap();
        Self(Pid::from_raw(number).unwrap())
    }

    fn signal(&self, signal: Signal) {
        let signal = rustix::process::Signal::from_named_raw(signal as i32).unwrap();
        kill_process(self.0, signal).unwrap();
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _has_ended = kill_process(self.0, rustix::process::Signal::TERM);
        until_ended(self.0);
    }
}

fn in_the_background_it_waits_for_a_signal() {
    let store = XenStore::new();
    let file = store.folder().join("pid");
    let done = run(command(&store, &format!("30000 1000 {}", file.display())));
    done.assert_code(0);
    assert_eq!((done.stderr(), done.stdout.len()), (String::new(), 0));
    let writer = Background::named_in(&file);
    store.assert_nothing_more();
    writer.signal(Signal::SIGUSR1);
    assert_eq!(store.next().0, "memory/meminfo");
    // Another is not the end of it.
    writer.signal(Signal::SIGUSR1);
    assert!(Path::new(&format!("/proc/{}", writer.0.as_raw_nonzero())).exists());
}

fn without_a_pid_file_it_reports_before_it_goes_into_the_background() {
    let store = XenStore::new();
    // The process in the background inherits this, and is found by it.
    let mut command = command(&store, "1000000000 1000");
    command.env("TEST_FOLDER", store.folder());
    run(command).assert_code(0);
    assert_eq!(store.next().0, "memory/meminfo");
    store.assert_nothing_more();
    let mark = format!("TEST_FOLDER={}\0", store.folder().display());
    let is_ours = |number: &i32| {
        let environment = fs::read(format!("/proc/{number}/environ")).unwrap_or_default();
        environment
            .windows(mark.len())
            .any(|part| part == mark.as_bytes())
    };
    let entries = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap());
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let ours: Vec<i32> = numbers.filter(is_ours).collect();
    assert_eq!(ours.len(), 1, "{ours:?}");
    drop(Background(Pid::from_raw(ours[0]).unwrap()));
}

fn a_wrong_command_line_is_1_with_the_usage() {
    let store = XenStore::new();
    for words in [
        "",
        "1",
        "x 1",
        "1 0",
        "-1 1",
        "1 1 file more",
        "1 1 --no-such",
    ] {
        let done = run(command(&store, words));
        done.assert_code(1);
        done.assert_says("Usage: meminfo-writer");
        assert_eq!(done.stdout, b"");
    }
    let help = run(command(&store, "--help"));
    help.assert_code(0);
    help.assert_says("Usage: meminfo-writer");
    store.assert_nothing_more();
}

fn a_xenstore_that_is_missing_or_refuses_ends_it() {
    let started = |path: &Path, words: &str| -> Finished {
        let mut command = Command::new(program("meminfo-writer"));
        command.args(words.split(' ')).env("XENSTORED_PATH", path);
        run(command)
    };
    let refusing = XenStore::that_refuses("EACCES");
    // In the foreground and before it would go into the background.
    for words in ["1 1000 --foreground", "1 1000"] {
        let done = started(Path::new("/no/xenstore"), words);
        done.assert_code(1);
        done.assert_says("meminfo-writer: cannot open XenStore, \"/no/xenstore\": ");
        let done = started(&refusing.path(), words);
        done.assert_code(1);
        done.assert_says("cannot write \"memory/meminfo\" to XenStore: XenStore refused: EACCES");
    }
    let mut command = Command::new(program("meminfo-writer"));
    command.args(["1", "1000"]).env("XENSTORED_PATH", "");
    if !Path::new("/dev/xen/xenbus").exists() {
        run(command).assert_says("cannot open XenStore, \"/dev/xen/xenbus\"");
    }
}

fn in_the_background_it_says_its_end_in_the_log() {
    with_system_log(|log| {
        let store = XenStore::that_refuses("EINVAL");
        let file = store.folder().join("pid");
        run(command(&store, &format!("1 1000 {}", file.display()))).assert_code(0);
        let writer = Background::named_in(&file);
        writer.signal(Signal::SIGUSR1);
        until_ended(writer.0);
        let line = only_line(log);
        let expected =
            "meminfo-writer: cannot write \"memory/meminfo\" to XenStore: XenStore refused: EINVAL";
        assert!(line.ends_with(expected), "{line}");
    });
}

fn a_field_that_is_missing_is_said_once_and_nothing_is_reported() {
    with_meminfo(|store, set| {
        let broken = meminfo(FREE).replace("Cached: ", "Kached: ");
        set(&broken);
        let writer = in_foreground(store, "30000 1000");
        writer.assert_says(&[
            "meminfo-writer: cannot understand \"/proc/meminfo\", so nothing is reported: it has no \
             number of kB for Cached",
        ]);
        set(&meminfo(FREE));
        assert_eq!(store.next(), used(1_000_000, FREE));
        set(&broken);
        set(&meminfo(FREE + 40_000));
        assert_eq!(store.next(), used(1_000_000, FREE + 40_000));
        assert_eq!(writer.stop(), [""; 0]);
    });
}

/// The calls of the program after its last report, as strace writes them: name and arguments.
fn calls_after_report(log: &Path) -> Vec<String> {
    let text = fs::read_to_string(log).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let report = lines.iter().rposition(|line| line.contains("\"OK\\0\""));
    let after = report.map_or(lines.len(), |report| report + 1);
    lines[after..]
        .iter()
        .map(|line| (*line).to_owned())
        .collect()
}

fn a_look_at_nothing_new_reads_and_waits_and_the_wait_grows() {
    with_meminfo(|store, _set| {
        let log = store.folder().join("trace");
        let strace = [
            "strace",
            "--interruptible=waiting",
            "-o",
            log.to_str().unwrap(),
        ];
        let command = command(store, "30000 1000 --foreground");
        let _writer = Speaking::start(wrapped_in(&strace, &command));
        assert_eq!(store.next(), used(1_000_000, FREE));
        let waits = || {
            let calls = calls_after_report(&log);
            calls
                .iter()
                .filter(|call| call.starts_with("clock_nanosleep("))
                .count()
        };
        until(log.parent().unwrap(), || waits() >= 12);
        let calls = calls_after_report(&log);
        // It looks and waits, and does nothing else: no file is opened, no memory is taken.
        for call in &calls {
            let is_known = ["clock_nanosleep(", "pread64("]
                .iter()
                .any(|name| call.starts_with(name));
            assert!(is_known, "{call}");
        }
        let reads = calls
            .iter()
            .filter(|call| call.starts_with("pread64("))
            .count();
        assert!(reads <= 3 * calls.len().div_ceil(2), "{calls:?}");
        // 1 ms, 2, 4 … 512, and 900 from there on.
        let asked = calls
            .iter()
            .filter_map(|call| call.split_once("tv_nsec=")?.1.split('}').next());
        let asked: Vec<u64> = asked.map(|digits| digits.parse().unwrap()).collect();
        let asked = &asked[..12];
        assert_eq!(asked[0], 1_000_000);
        assert!(
            asked
                .windows(2)
                .all(|two| two[1] == (two[0] * 2).min(900_000_000)),
            "{asked:?}"
        );
        assert_eq!(asked[11], 900_000_000);
        store.assert_nothing_more();
    });
}
