//! End-to-end tests and the harness they share.
//!
//! The tests see the programs as the world does: they start what has been built, give it bytes and
//! files, and look at what comes out. One module of `tests/e2e/` is one topic; this library holds
//! what the topics share:
//!
//! - [`cannot_run`]: the list of tests of a topic, and what a test needs of the machine
//! - [`changes`]: waiting for what another process does
//! - [`programs`]: where the built programs are
//! - [`tarball`]: tar archives block by block, and made by real programs
//! - [`backups`]: a qube that keeps backups, and another that makes and restores them
//! - [`choosers`]: a user who chooses files, and the choosers that this user sees
//! - [`applications`]: desktop files, and the programs that they start
//! - [`bus`]: a private session bus, with fakes on it
//! - [`desktop`]: a real desktop without a screen
//! - [`editing`]: a file, an editor of the test's own, and the qubes between them
//! - [`process`]: starting programs, waiting with a bound, what is left of them
//! - [`framed`]: requests for a framed answer to an edit, and such answers, byte by byte
//! - [`fifo`]: making FIFOs, and holding them open
//! - [`keyboards`]: the keyboard layout that dom0 wants, and the displays that get it
//! - [`mounted`]: file systems in user space, mounted for one test
//! - [`peer`]: talking to one over pipes or sockets as its (hostile) other side
//! - [`stream`]: qfile streams and verdicts, byte by byte, right or wrong
//! - [`clock`]: programs that set the clock, which they never do here
//! - [`code`]: the codes that a verdict carries
//! - [`moving`]: files that are moved to another qube, and what happens to them meanwhile
//! - [`inbox`]: an incoming folder with sentinels around it, and the receiver that fills it
//! - [`hostile`]: a hostile receiver as the service of a qube
//! - [`qubes`]: local qubes under a temporary root, joined by `qrexec-loopback`
//! - [`network`]: network namespaces, and real packets between them
//! - [`firewall`]: a network qube with its firewall, and qubes behind it
//! - [`interfaces`]: a qube whose network is set up by `qubes-network`
//! - [`qubesdb`]: QubesDB daemons, and messages to them, byte by byte
//! - [`raw_device`]: carriers of files without a file system: image files and loop devices
//! - [`receiver`]: the receiver in each form of its isolation
//! - [`attack`]: tests of attacks on it, run for each form
//! - [`inherits`]: programs that are started by somebody who ignores or blocks signals
//! - [`injected`]: the receiver where the system lacks something or fails
//! - [`sentinel`]: files outside that an attack must leave as they are, to the last bit
//! - [`terminal`]: a program on a real terminal, and the screen that a person would see
//! - [`spelling`]: commands as the argument of qubes.VMExec
//! - [`speaking`]: a program that stays, and what it says line by line
//! - [`ssh`]: another machine, behind a real sshd, and links with faults
//! - [`suspend`]: a made-up tree of the kernel, with devices that can be taken from their drivers
//! - [`system_log`]: the log of the system, as only one test sees it
//! - [`tree`]: making, comparing and removing trees of files, however deep
//! - [`own_root`]: a root folder that only one test sees, with an `/etc` and an `/rw` to write to
//! - [`user`]: running programs as an ordinary user, installed set-uid, in mounts of their own
//! - [`watched`]: a receiver that is fed by hand and watched at work
//! - [`icons`]: icon-sender, with dom0 at its other end, which judges every byte
//! - [`x_server`]: X servers of one test
//! - [`windows`]: a desktop that records its windows in place of showing them
//! - [`xenstore`]: a stand-in for XenStore
//!
//! Nothing here uses the encoder or decoder under test. Where a test cannot go on, the harness
//! panics: that is how the test fails.
#![expect(
    clippy::missing_panics_doc,
    reason = "a harness panics where its test has failed"
)]

pub mod applications;
pub mod attack;
pub mod backups;
pub mod bus;
pub mod cannot_run;
pub mod changes;
pub mod choosers;
pub mod clock;
pub mod code;
pub mod desktop;
pub mod editing;
pub mod fifo;
pub mod firewall;
pub mod framed;
mod hangup;
pub mod hostile;
pub mod icons;
pub mod inbox;
pub mod inherits;
pub mod injected;
pub mod interfaces;
pub mod interrupted;
pub mod keyboards;
pub mod mounted;
pub mod moving;
pub mod network;
pub mod own_root;
pub mod peer;
pub mod pictures;
pub mod process;
pub mod programs;
pub mod qubes;
pub mod qubesdb;
pub mod raw_device;
pub mod receiver;
pub mod sentinel;
pub mod speaking;
pub mod spelling;
pub mod ssh;
pub mod stream;
pub mod suspend;
pub mod system_log;
pub mod tarball;
pub mod terminal;
pub mod tree;
pub mod user;
pub mod watched;
pub mod windows;
pub mod x_server;
pub mod xenstore;
