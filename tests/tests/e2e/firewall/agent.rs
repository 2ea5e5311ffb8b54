//! The agent as a program: its start, the user's programs, signals, its rights, `--check`,
//! `--legacy`.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use qfile_tests::cannot_run::needs_program;
use qfile_tests::firewall::{Agent, CLIENT, Database, Networks, OTHER, Qube, SERVERS};
use qfile_tests::network::Fate::{Passed, Rejected};
use qfile_tests::network::Probe::Tcp;
use qfile_tests::network::needs_networks;
use qfile_tests::own_root::in_own_root;
use qfile_tests::process::run;
use qfile_tests::programs::program;
use qfile_tests::user::needs_private_mounts;
use rustix::process::Signal;

qfile_tests::suite! {
    check_prints_the_text_of_nft_or_the_error_with_its_column,
    check_reads_stdin_and_other_addresses,
    the_users_programs_run_between_the_tables_and_the_rules [needs_networks, needs_private_mounts],
    with_custom_persist_the_users_own_programs_do_not_run [needs_networks, needs_private_mounts],
    which_services_are_on_is_waited_for_before_a_program_of_the_user_runs [needs_networks, needs_private_mounts],
    sighup_reads_everything_again [needs_networks],
    it_keeps_one_capability_and_no_other_right [needs_networks],
    a_daemon_that_comes_back_is_read_again [needs_networks],
    without_qubesdb_it_ends_and_leaves_everything_closed [needs_networks],
    a_start_without_qubesdb_keeps_the_addresses_of_connected_qubes [needs_networks],
    without_a_right_it_says_which [needs_networks],
    the_rules_of_3_x_are_applied_when_they_are_asked_for [needs_networks, needs_iptables],
}

fn needs_iptables() -> Result<(), String> {
    needs_program("iptables-restore")
}

fn check(arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut child = Command::new(program("qubes-firewall"))
        .args(["--check", "-"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn check_prints_the_text_of_nft_or_the_error_with_its_column() {
    let (status, text, said) = check(
        &[],
        "# a comment\naction=accept proto=tcp\n\npolicy=accept\n",
    );
    assert_eq!((status, said.as_str()), (Some(0), ""));
    assert!(
        text.contains("chain qbs-10-137-0-5 {\n\t\tmeta l4proto tcp accept\n\t\taccept\n\t}"),
        "{text}"
    );
    assert!(!text.contains("ip6"), "{text}");
    let (status, text, said) = check(&[], "action=drop\naction=accept  proto=tcp\n");
    assert_eq!(status, Some(1));
    assert!(
        said.contains("stdin:2:15: rule 0001, column 15: exactly one blank"),
        "{said}"
    );
    let blocked = "chain qbs-10-137-0-5 {\n\t\treject with icmp type admin-prohibited\n\t}";
    assert!(text.contains(blocked), "{text}");
    let finished = run({
        let mut command = Command::new(program("qubes-firewall"));
        command.args(["--check", "/no/such/file"]);
        command
    });
    finished.assert_code(1);
    finished.assert_says("cannot read \"/no/such/file\"");
}

fn check_reads_stdin_and_other_addresses() {
    let (status, text, _) = check(&["--address", "fd09::7"], "action=accept dst6=2000::/3\n");
    assert_eq!(status, Some(0));
    assert!(text.contains("ip6 daddr 2000::/3 accept"), "{text}");
    assert!(
        text.contains("\t\treject with icmpv6 type admin-prohibited\n"),
        "{text}"
    );
    let lines = "/qubes-firewall/10.137.0.9 = \n\
        /qubes-firewall/10.137.0.9/policy = drop\n\
        /qubes-firewall/10.137.0.9/0000 = action=accept dst4=1.2.3.4;\n\
        /qubes-firewall/x/0000 = action=accept\n";
    let (status, _, said) = check(&[], lines);
    assert_eq!(status, Some(1));
    assert!(said.contains("stdin:3:54: rule 0000, column 20"), "{said}");
    assert!(said.contains("stdin:4:1: \"x\" is no address"), "{said}");
}

/// Writes a program that notes its name and what it sees.
fn hook(path: &str, is_executable: bool) {
    let text = "#!/bin/sh\n\
        { echo \"$0\"; nft list tables; nft list chain ip qubes-firewall qbs-10-137-0-5 2>&1; \
        echo \"socket $NOTIFY_SOCKET\"; } >>/rw/noted\nexit 7\n";
    fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    let mode = if is_executable { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn the_users_programs_run_between_the_tables_and_the_rules() {
    in_own_root(|| {
        qfile_tests::user::mount_tmpfs(std::path::Path::new("/run"), 1 << 20, "");
        fs::write("/run/qubes-service-environment", "").unwrap();
        hook("/etc/qubes/qubes-firewall.d/20-b", true);
        hook("/etc/qubes/qubes-firewall.d/10-a", true);
        hook("/etc/qubes/qubes-firewall.d/15-not", false);
        hook("/rw/config/qubes-firewall.d/05-c", true);
        hook("/rw/config/qubes-firewall-user-script", true);
        let mut database = Database::new();
        database.write_rules(CLIENT, "accept", &[]);
        let qube = Qube::with(database, &[CLIENT]);
        let noted = fs::read_to_string("/rw/noted").unwrap();
        let programs: Vec<&str> = noted.lines().filter(|line| line.starts_with('/')).collect();
        assert_eq!(
            programs,
            [
                "/etc/qubes/qubes-firewall.d/10-a",
                "/etc/qubes/qubes-firewall.d/20-b",
                "/rw/config/qubes-firewall.d/05-c",
                "/rw/config/qubes-firewall-user-script",
            ]
        );
        // The tables were there, no rules of a qube were, and nobody can speak to systemd.
        assert_eq!(
            noted.matches("table ip6 qubes-firewall").count(),
            4,
            "{noted}"
        );
        assert_eq!(
            noted.matches("No such file or directory").count(),
            4,
            "{noted}"
        );
        assert_eq!(noted.matches("socket \n").count(), 4, "{noted}");
        assert_eq!(qube.networks.probe(Tcp(80), SERVERS[0]), Passed);
    });
}

fn with_custom_persist_the_users_own_programs_do_not_run() {
    in_own_root(|| {
        qfile_tests::user::mount_tmpfs(std::path::Path::new("/run"), 1 << 20, "");
        fs::create_dir_all("/run/qubes-service").unwrap();
        fs::write("/run/qubes-service/custom-persist", "").unwrap();
        fs::write("/run/qubes-service-environment", "").unwrap();
        hook("/etc/qubes/qubes-firewall.d/10-a", true);
        hook("/rw/config/qubes-firewall.d/05-c", true);
        hook("/rw/config/qubes-firewall-user-script", true);
        let _qube = Qube::new();
        let noted = fs::read_to_string("/rw/noted").unwrap();
        assert_eq!(
            noted.lines().filter(|line| line.starts_with('/')).count(),
            1,
            "{noted}"
        );
    });
}

/// At boot, the services may be written while the firewall starts.
fn which_services_are_on_is_waited_for_before_a_program_of_the_user_runs() {
    in_own_root(|| {
        qfile_tests::user::mount_tmpfs(std::path::Path::new("/run"), 1 << 20, "");
        fs::create_dir_all("/run/qubes-service").unwrap();
        hook("/etc/qubes/qubes-firewall.d/10-a", true);
        hook("/rw/config/qubes-firewall-user-script", true);
        let mut database = Database::new();
        database.write_rules(CLIENT, "accept", &[]);
        let networks = Networks::new();
        let agent = Agent::start(&networks, &database);
        qfile_tests::changes::until_it_watches(agent.pid());
        assert_eq!(networks.ruleset().matches("policy drop").count(), 2);
        fs::write("/run/qubes-service/custom-persist", "").unwrap();
        fs::write("/run/qubes-service-environment", "").unwrap();
        agent.wait_for("READY=1");
        let noted = fs::read_to_string("/rw/noted").unwrap();
        let programs: Vec<&str> = noted.lines().filter(|line| line.starts_with('/')).collect();
        assert_eq!(programs, ["/etc/qubes/qubes-firewall.d/10-a"]);
    });
}

fn sighup_reads_everything_again() {
    let mut qube = Qube::new();
    qube.database.write_rules(CLIENT, "accept", &[]);
    qube.database.write_rules(OTHER, "accept", &[]);
    qube.agent.signal(Signal::HUP);
    qube.agent.wait_for("RELOADING=1");
    qube.agent.wait_for("READY=1");
    assert_eq!(qube.networks.probe(Tcp(80), SERVERS[0]), Passed);
    assert_eq!(qube.database.handled(OTHER), 1);
    // What is gone is blocked, and a rule of the user's own in a table stays.
    let own = "add rule ip qubes-firewall forward ip daddr 192.0.2.9 drop";
    qube.networks.firewall.feed("nft", &["-f", "-"], own);
    qube.database.remove("/qubes-firewall/");
    qube.agent.signal(Signal::HUP);
    qube.agent.wait_for("RELOADING=1");
    qube.agent.wait_for("READY=1");
    assert_eq!(qube.networks.probe(Tcp(80), SERVERS[0]), Rejected);
    assert!(qube.networks.ruleset().contains("ip daddr 192.0.2.9 drop"));
}

fn it_keeps_one_capability_and_no_other_right() {
    let mut qube = Qube::new();
    qube.database.set_rules(CLIENT, "accept", &[]);
    let pid = qube.agent.pid();
    let status = |pid: u32| fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = |status: &str, name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.trim_start_matches(':')
            .split_whitespace()
            .next()
            .unwrap()
            .to_owned()
    };
    let of_agent = status(pid);
    let net_admin = "0000000000001000";
    for (name, expected) in [
        ("CapPrm", net_admin),
        ("CapEff", net_admin),
        ("CapBnd", net_admin),
        ("CapInh", "0000000000000000"),
        ("CapAmb", "0000000000000000"),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
        ("Uid", "0"),
    ] {
        assert_eq!(value(&of_agent, name), expected, "{name}");
    }
    // The resolver and what starts it, which are nobody.
    let children = |pid: u32| -> Vec<u32> {
        let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        text.split_whitespace()
            .map(|pid| pid.parse().unwrap())
            .collect()
    };
    let [supervisor] = children(pid)[..] else {
        panic!("{:?}", children(pid))
    };
    let [worker] = children(supervisor)[..] else {
        panic!("no worker")
    };
    for (pid, seccomp) in [(supervisor, "0"), (worker, "2")] {
        let of_child = status(pid);
        for (name, expected) in [
            ("CapPrm", "0000000000000000"),
            ("CapEff", "0000000000000000"),
            ("NoNewPrivs", "1"),
            ("Uid", "65534"),
            ("Gid", "65534"),
            ("Groups", ""),
        ] {
            let groups = name == "Groups";
            let line = of_child
                .lines()
                .find(|line| line.starts_with(name))
                .unwrap();
            match groups {
                true => assert_eq!(line.trim_end(), "Groups:"),
                false => assert_eq!(value(&of_child, name), expected, "{name}"),
            }
        }
        assert_eq!(value(&of_child, "Seccomp"), seccomp);
    }
    // A worker that is killed is started again.
    let worker = rustix::process::Pid::from_raw(i32::try_from(worker).unwrap()).unwrap();
    rustix::process::kill_process(worker, Signal::KILL).unwrap();
    qube.agent
        .wait_for_line("the resolver ended and is started again");
    qube.database
        .set_rules(CLIENT, "accept", &["action=accept dsthost=127.0.0.1"]);
    assert_eq!(qube.networks.probe(Tcp(80), SERVERS[0]), Passed);
}

fn a_daemon_that_comes_back_is_read_again() {
    let networks = Networks::new();
    let place = qfile_tests::qubesdb::Place::new();
    let mut database = Database::of(place);
    database.write_rules(CLIENT, "accept", &[]);
    let mut agent = Agent::started(&networks, &database, &[CLIENT]);
    assert_eq!(networks.probe(Tcp(80), SERVERS[0]), Passed);
    // The new one knows nothing, and says so of every address.
    let mut database = database.restarted();
    agent.wait_for_line("10.137.0.5 is blocked: there are no rules");
    assert_eq!(networks.probe(Tcp(80), SERVERS[0]), Rejected);
    database.write_rules(CLIENT, "accept", &[]);
    database.write(&format!("/qubes-firewall/{CLIENT}"), b"");
    database.wait_until_handled(CLIENT, 2);
    assert_eq!(networks.probe(Tcp(80), SERVERS[0]), Passed);
}

fn without_qubesdb_it_ends_and_leaves_everything_closed() {
    let networks = Networks::new();
    let output = networks.firewall.run(|| {
        Command::new(program("qubes-firewall"))
            .env("QUBESDB_DIR", "/no/such/folder")
            .output()
            .unwrap()
    });
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("cannot ask QubesDB: no QubesDB daemon answers"),
        "{said}"
    );
    assert_eq!(networks.ruleset().matches("policy drop").count(), 2);
}

fn a_start_without_qubesdb_keeps_the_addresses_of_connected_qubes() {
    let networks = Networks::new();
    let mut database = Database::new();
    database.write("/connected-ips", CLIENT.as_bytes());
    let agent = Agent::started(&networks, &database, &[]);
    let guards = || -> Vec<String> {
        let ruleset = networks.ruleset();
        let lines = ruleset.lines().filter(|line| line.contains(CLIENT));
        lines.map(str::to_owned).collect()
    };
    let before = guards();
    assert_eq!(before.len(), 2, "{before:?}");
    agent.end(Signal::KILL);
    let output = networks.firewall.run(|| {
        Command::new(program("qubes-firewall"))
            .env("QUBESDB_DIR", "/no/such/folder")
            .output()
            .unwrap()
    });
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(guards(), before);
}

fn without_a_right_it_says_which() {
    let mut command = Command::new(program("qubes-firewall"));
    qfile_tests::user::as_ordinary(&mut command);
    let installed = qfile_tests::user::Installed::new(&["qubes-firewall"]);
    let mut command = Command::new(installed.program("qubes-firewall"));
    qfile_tests::user::as_ordinary(&mut command);
    let finished = run(command);
    finished.assert_code(1);
    finished.assert_says("the program needs CAP_NET_ADMIN");
}

fn the_rules_of_3_x_are_applied_when_they_are_asked_for() {
    let networks = Networks::new();
    let mut database = Database::new();
    let header = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
        -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\nCOMMIT\n";
    database.write("/qubes-iptables-header", header.as_bytes());
    let rules = "*filter\n-A FORWARD -s 10.137.0.5 -j ACCEPT\nCOMMIT\n";
    database.write("/qubes-iptables-domainrules/5", rules.as_bytes());
    let mut watch = database.watch("/qubes-iptables-error");
    let mut command = Agent::command(&database, &database.sockets().join("none"));
    command.arg("--legacy").env_remove("NOTIFY_SOCKET");
    let agent = networks.firewall.run(|| command.spawn()).unwrap();
    let agent = Ended(agent);
    watch.next_path();
    assert_eq!(database.read("/qubes-iptables-error").unwrap(), "");
    assert_eq!(networks.probe(Tcp(80), SERVERS[0]), Passed);
    // A text that iptables does not take changes nothing, and dom0 is told.
    database.write(
        "/qubes-iptables-domainrules/5",
        b"*filter\n-A FORWARD -s nonsense -j ACCEPT\nCOMMIT\n",
    );
    database.write("/qubes-iptables", b"reload");
    watch.next_path();
    let error = database.read("/qubes-iptables-error").unwrap();
    assert!(error.contains("/qubes-iptables-domainrules/5"), "{error}");
    database.write("/qubes-iptables-domainrules/5", rules.as_bytes());
    database.write("/qubes-iptables", b"reload");
    watch.next_path();
    assert_eq!(database.read("/qubes-iptables-error").unwrap(), "");
    assert_eq!(networks.probe(Tcp(80), SERVERS[0]), Passed);
    drop(agent);
}

/// A program that is killed at the end of its test.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}
