//! The service at work.

use std::env;
use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::sync::Arc;

use program::failure::Failure;
use program::interrupt::{self, Interrupt};
use qrexec::channel::{Sink, Source};
use qrexec::local_side::LocalSide;
use qrexec::relay::{BUFFER_SIZE, End, Manner, relay, sink_pair, source_pair};
use qrexec::status::{self, BROKEN, REFUSED};
use tokio::process::{Child, Command};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task;
use tracing::debug;

use super::WANTED;
use super::decide::{Decided, Refusal};
use super::record::Record;
use crate::wire::GO_AHEAD;

/// Our ends of the streams of the service.
struct Streams {
    stdin: End<Sink>,
    stdout: End<Source>,
}

/// Runs the service, and joins it to the caller; its status.
///
/// # Errors
/// It cannot be executed, or the start cannot be written down.
pub(super) fn answer(decided: &Decided, record: &mut Record) -> Result<u8, Refusal> {
    let broken = |error: io::Error| {
        let failure = Failure::new(format!("cannot run {}", decided.service)).because(error);
        Refusal::from(failure.with_status(BROKEN))
    };
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(broken)?;
    let ended = runtime.block_on(async {
        let mut interrupt = Interrupt::catch().map_err(broken)?;
        let (mut service, streams) = start(decided, record)?;
        tokio::select! {
            ended = converse(&mut service, streams, record) => ended.map_err(broken),
            // The service sees the end of its streams.
            signal = interrupt.caught() => Ok(interrupt::exit_status(signal)),
        }
    });
    runtime.shutdown_background();
    ended
}

fn start(decided: &Decided, record: &Record) -> Result<(Child, Streams), Refusal> {
    let failed = |error: io::Error| decided.not_executed(error);
    let (stdin, its_stdin) = sink_pair().map_err(failed)?;
    let (stdout, its_stdout) = source_pair().map_err(failed)?;
    let mut command = command(decided);
    command.stdin(its_stdin).stdout(its_stdout);
    debug!(?command, "starting");
    record.begin().map_err(|error| Refusal {
        failure: Failure::new(format!("{} is refused", decided.service))
            .because("the system log takes no line about it")
            .with_status(REFUSED),
        for_the_log: Some(format!("this log took no line about the start: {error}")),
    })?;
    let service = command.spawn().map_err(failed)?;
    Ok((service, Streams { stdin, stdout }))
}

fn command(decided: &Decided) -> Command {
    let mut command = Command::new(&decided.program);
    command
        .args(&decided.arguments)
        .current_dir(&decided.home)
        .env("HOME", &decided.home);
    // Where sshd accepts variables, they are the caller's.
    for (name, _) in env::vars_os().filter(|(name, _)| is_of_the_call(name)) {
        command.env_remove(name);
    }
    if let Ok(folders) = env::join_paths(&decided.folders) {
        command.env("QREXEC_SERVICE_PATH", folders);
    }
    if let Some(tree) = &decided.build_tree {
        if env::var_os("QFILE_LIBDIR").is_none() {
            command.env("QFILE_LIBDIR", &tree.programs);
        }
    }
    command
        .env("QREXEC_REMOTE_DOMAIN", decided.source.as_str())
        .env("QREXEC_SERVICE_FULL_NAME", decided.service.to_string())
        .env("QREXEC_SERVICE_ARGUMENT", decided.service.argument())
        .env("QREXEC_REQUESTED_TARGET_TYPE", "");
    command
}

fn is_of_the_call(name: &OsStr) -> bool {
    name == WANTED || name.as_encoded_bytes().starts_with(b"QREXEC_")
}

async fn converse(service: &mut Child, streams: Streams, record: &mut Record) -> io::Result<u8> {
    // A caller that is gone is noticed as the end of its stream.
    let mut stdout = io::stdout();
    let _caller_is_gone = stdout.write_all(GO_AHEAD).and_then(|()| stdout.flush());
    let LocalSide { input, output } = LocalSide::own_streams()?;
    let manner = |passed| Manner {
        buffer_size: BUFFER_SIZE,
        only_printable: false,
        passed,
    };
    let (service_ended, when_service_ended) = oneshot::channel::<()>();
    let to_service = task::spawn(relay(
        output,
        streams.stdin,
        async { drop(when_service_ended.await) },
        manner(Arc::clone(&record.from_caller)),
    ));
    let to_caller = task::spawn(relay(
        streams.stdout,
        input,
        std::future::pending(),
        manner(Arc::clone(&record.to_caller)),
    ));
    let status = status::of_process(service.wait().await?);
    // What the caller still sends is dropped: it may be waiting to send that before it reads.
    let _call_has_ended = service_ended.send(());
    // A child that the service left behind and that holds its stdout delays the end.
    let _passed_on = to_caller.await;
    to_service.abort();
    let _aborted = to_service.await;
    Ok(status)
}
