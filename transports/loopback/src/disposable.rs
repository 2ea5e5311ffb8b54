//! Disposables: qubes made for one call, and gone with everything in them when that has ended.
//!
//! A process of its own looks after each: it outlives a caller that is killed. A socket joins it to
//! the calling side, [`Control`]: an empty line from here says that the qube is ready, another that
//! the service has ended, any other line is a complaint. End of input from the calling side, at any
//! time, means that the qube is not wanted any more.

use std::fs::File;
use std::io;
use std::os::fd::RawFd;
use std::process::ExitStatus;

use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::wait;
use nix::unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout, getpid, setsid};
use procfs::process::all_processes;
use program::failure::Failure;
use program::inherited;
use qfile_proto::QubeName;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::Command as AsyncCommand;
use tokio::runtime::Builder;

use crate::fresh_qube;
use crate::local_qubes::LocalQubes;
use crate::qubes_db::{Persistence, QubesDb};
use crate::role::{Call, Role};
use crate::serve;
use qrexec::Service;
use qrexec::status::{self, BROKEN, REFUSED};

/// The calling side's end of the socket.
#[derive(Debug)]
pub(crate) struct Control(BufReader<UnixStream>);

impl Control {
    /// Takes the socket.
    ///
    /// # Errors
    /// There is no runtime that can poll, or it has reached a limit.
    pub(crate) fn new(socket: std::os::unix::net::UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        UnixStream::from_std(socket).map(BufReader::new).map(Self)
    }

    /// Waits for the next report.
    ///
    /// # Errors
    /// What went wrong.
    pub(crate) async fn report(&mut self) -> Result<(), String> {
        let mut line = String::new();
        match self.0.read_line(&mut line).await {
            Ok(0) => Err("it has been killed".to_owned()),
            Ok(_) if line == "\n" => Ok(()),
            Ok(_) => Err(line.trim_end().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Gives the disposable up, and waits until it is gone.
    ///
    /// # Errors
    /// What is left of it.
    pub(crate) async fn dismiss(mut self) -> Result<(), String> {
        let mut reports = String::new();
        let told = self.0.get_mut().shutdown().await;
        told.map_err(|error| error.to_string())?;
        let read = self.0.read_to_string(&mut reports).await;
        read.map_err(|error| error.to_string())?;
        match reports.trim() {
            "" => Ok(()),
            complaint => Err(complaint.to_owned()),
        }
    }
}

/// Makes a disposable, lets the service run in it, and removes it; the status of the service.
///
/// # Errors
/// The disposable could not be made or looked after.
pub(crate) fn serve(
    source: &QubeName,
    template: Option<&QubeName>,
    service: &Service,
    control: RawFd,
) -> Result<u8, Failure> {
    let failed = |error: io::Error| Failure::of("no disposable")(error).with_status(BROKEN);
    serve::close_what_the_caller_left_open(Some(control));
    // It does not fail: see `serve::become_service`.
    let _own_session = setsid();
    let qubes = LocalQubes::from_env()?;
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    runtime.block_on(async {
        let socket = inherited::take(control).map_err(failed)?.into();
        let mut calling_side = Control::new(socket).map_err(failed)?.0;
        let qube = match fresh_qube::make(&qubes, template) {
            Ok(qube) => qube,
            Err(error) => {
                report(&mut calling_side, &error.reason()).await;
                return Ok(REFUSED);
            }
        };
        let folder = qubes.folder(&qube);
        let _qubes_db = QubesDb::of(&qubes, &qube, Persistence::Nothing);
        let call = Call {
            source: source.clone(),
            qube,
            service: service.clone(),
        };
        let ended = look_after(&mut calling_side, call).await;
        end_descendants();
        if let Err(error) = fresh_qube::remove(&folder) {
            report(&mut calling_side, &error.reason()).await;
        }
        ended.map(status::of_process).map_err(failed)
    })
}

/// Runs the service until it is given up.
async fn look_after(
    calling_side: &mut BufReader<UnixStream>,
    call: Call,
) -> io::Result<ExitStatus> {
    set_child_subreaper(true)?;
    let mut command = AsyncCommand::from(Role::Serve(call).command());
    // What a disposable's QubesDB says to who asks.
    command.env("VM_FILE_EDITOR_PERSISTENCE", "none");
    let mut service = command.spawn()?;
    let_go_of_the_streams()?;
    report(calling_side, "").await;
    tokio::select! {
        _ = service.wait() => {
            report(calling_side, "").await;
            given_up(calling_side).await;
        }
        () = given_up(calling_side) => service.start_kill()?,
    }
    service.wait().await
}

async fn report(calling_side: &mut BufReader<UnixStream>, complaint: &str) {
    // If the caller is gone there is nobody to tell.
    let _nobody_reads = calling_side
        .write_all(format!("{complaint}\n").as_bytes())
        .await;
}

async fn given_up(calling_side: &mut BufReader<UnixStream>) {
    let _ended_or_broken = calling_side.read_u8().await;
}

/// The streams are the service's: the call ends when its last holder lets go of them.
fn let_go_of_the_streams() -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    Ok(())
}

/// Kills whatever was started in the disposable. Orphans become children of this process
/// (`PR_SET_CHILD_SUBREAPER`), so once it has no child left there is nobody.
fn end_descendants() {
    loop {
        let killed = children()
            .into_iter()
            .filter(|child| kill(*child, Signal::SIGKILL).is_ok());
        // What may not be killed, a set-uid program, is not waited for either.
        if killed.count() == 0 || wait().is_err() {
            return;
        }
    }
}

fn children() -> Vec<Pid> {
    let own = getpid();
    // One that has ended meanwhile is none.
    let stats = all_processes().into_iter().flatten().flatten();
    stats
        .filter_map(|process| process.stat().ok())
        .filter(|stat| Pid::from_raw(stat.ppid) == own)
        .map(|stat| Pid::from_raw(stat.pid))
        .collect()
}
