//! The calling side: starts the called side and PROGRAM, joins them, and learns how both ended.

use std::fmt::Display;
use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use program::failure::Failure;
use program::interrupt::{self, Interrupt};
use qfile_proto::QubeName;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task;
use tracing::debug;

use crate::args::{self, Request};
use crate::called_side::{CalledSide, Streams};
use crate::decide::{self, Destination};
use crate::local_qubes::LocalQubes;
use crate::qubes_db::{self, Persistence, QubesDb};
use qrexec::local_side::{LocalSide, Program, ProgramLine};
use qrexec::relay::{Manner, forward_stderr, relay, sink_pair, source_pair};
use qrexec::status::{self, BROKEN};

/// Makes a call, and waits until it has ended; its exit status.
///
/// # Errors
/// The call was refused, or broke.
pub(crate) fn make(request: &Request) -> Result<u8, Failure> {
    let source = args::calling_qube()?;
    let qubes = LocalQubes::from_env()?;
    let destination = decide::decide(&qubes, &source, request)?;
    let _of_source = QubesDb::of(&qubes, &source, Persistence::Home);
    let _of_target = match &destination {
        Destination::Qube(qube) => QubesDb::of(&qubes, qube, Persistence::Home),
        // Who looks after it does it.
        Destination::Disposable(_) => None,
    };
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(broken)?;
    let ended = runtime.block_on(connect(request, source, destination));
    // The thread of the service's stderr may still be waiting for it after an interrupt.
    runtime.shutdown_background();
    ended
}

/// A signal ends the call as it ends qrexec-client-vm's: the streams of both sides are closed, and
/// a disposable is removed.
async fn connect(
    request: &Request,
    source: QubeName,
    destination: Destination,
) -> Result<u8, Failure> {
    let mut interrupt = Interrupt::catch().map_err(broken)?;
    let (mut called, streams) =
        CalledSide::start(source, destination, request.service.clone()).map_err(broken)?;
    let ended = tokio::select! {
        ended = converse(request, &mut called, streams) => ended,
        signal = interrupt.caught() => Ok(interrupt::exit_status(signal)),
    };
    called.dismiss_disposable().await;
    ended
}

async fn converse(
    request: &Request,
    called: &mut CalledSide,
    streams: Streams,
) -> Result<u8, Failure> {
    called.is_ready().await?;
    let (local, program) = match &request.program {
        Some(line) => start_program(line)
            .map(|(local, program)| (local, Some(program)))
            .map_err(broken)?,
        None => (LocalSide::own_streams().map_err(broken)?, None),
    };
    let manner = |only_printable| Manner {
        buffer_size: request.buffer_size,
        only_printable,
        passed: Arc::default(),
    };
    let (service_ended, when_service_ended) = oneshot::channel();
    let (program_ended, when_program_ended) = oneshot::channel();

    let to_service = task::spawn(relay(
        local.output,
        streams.stdin,
        async { drop(when_service_ended.await) },
        manner(false),
    ));
    let from_service = task::spawn(relay(
        streams.stdout,
        local.input,
        async { drop(when_program_ended.await) },
        manner(request.filter_stdout && request.program.is_none()),
    ));
    let only_printable = request.filter_stderr;
    let stderr = task::spawn_blocking(move || forward_stderr(streams.stderr, only_printable));
    let program = task::spawn(async move {
        let status = match program {
            Some(program) => program.status().await,
            None => pending().await,
        };
        let _call_has_ended = program_ended.send(());
        status
    });

    called.service_has_ended().await?;
    let _call_has_ended = service_ended.send(());
    // A child that the service left behind and that holds one of them delays the end.
    let (from_service, stderr) = tokio::join!(from_service, stderr);
    debug!(
        ?from_service,
        ?stderr,
        "the service has let go of its streams"
    );
    let service = called.status().await?;
    // Only now PROGRAM notices that nobody reads what it writes.
    to_service.abort();
    let _aborted = to_service.await;
    if request.program.is_none() {
        return Ok(service);
    }
    let program = program.await.unwrap_or(BROKEN);
    debug!(service, program, "ended");
    Ok(status::of_call(service, program))
}

/// PROGRAM, and our ends of its streams.
fn start_program(line: &ProgramLine) -> io::Result<(LocalSide, Program)> {
    let (input, its_stdin) = sink_pair()?;
    let (output, its_stdout) = source_pair()?;
    let program = Program::start(
        "qrexec-loopback",
        line,
        own_qubes_db(),
        its_stdin,
        its_stdout,
    )?;
    Ok((LocalSide { input, output }, program))
}

/// Where PROGRAM finds the QubesDB of its qube.
fn own_qubes_db() -> Option<(&'static str, PathBuf)> {
    let (qubes, qube) = (LocalQubes::from_env().ok()?, args::calling_qube().ok()?);
    Some((qubesdb::FOLDER_VARIABLE, qubes_db::folder(&qubes, &qube)))
}

/// The connection broke, for this reason.
pub(crate) fn broken(error: impl Display) -> Failure {
    Failure::of("the connection broke")(error).with_status(BROKEN)
}
