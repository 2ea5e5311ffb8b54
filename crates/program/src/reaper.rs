//! The one place that reaps children: those that were started here, and the orphans of those, whom
//! the kernel gives to us as their subreaper (`PR_SET_CHILD_SUBREAPER(2const)`).

use std::collections::HashMap;
use std::io;
use std::process::Command;

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, set_child_subreaper, wait,
};
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};

/// Everything that descends from us, whether its parents still live or not.
#[derive(Debug)]
pub struct Reaper {
    child_ended: SignalStream,
    /// Those that somebody will ask for, and how they have ended, if they have.
    started: HashMap<Pid, Option<WaitStatus>>,
}

/// A child that is ended when nobody waits for it any more.
struct Ours(Option<Pid>);

impl Drop for Ours {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            let _has_ended = kill_process(pid, Signal::TERM);
        }
    }
}

impl Reaper {
    /// Makes this process the subreaper of what it will start. There has to be a runtime.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new() -> io::Result<Self> {
        let child_ended = signal(SignalKind::child())?;
        set_child_subreaper(Some(getpid()))?;
        Ok(Self {
            child_ended,
            started: HashMap::new(),
        })
    }

    /// Starts a command, whose end [`Reaper::wait`] will tell.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&mut self, command: &mut Command) -> io::Result<Pid> {
        let child = command.spawn()?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or(Errno::SRCH)?;
        self.started.insert(pid, None);
        Ok(pid)
    }

    /// Waits until a child that was started here has ended.
    pub async fn wait(&mut self, pid: Pid) -> WaitStatus {
        loop {
            self.reap();
            if let Some(Some(status)) = self.started.get(&pid) {
                let status = *status;
                self.started.remove(&pid);
                return status;
            }
            self.child_ended.recv().await;
        }
    }

    /// Starts a command and waits until it has ended; when this is given up, it is ended too.
    ///
    /// # Errors
    /// It cannot be started.
    pub async fn run(&mut self, command: &mut Command) -> io::Result<WaitStatus> {
        let pid = self.start(command)?;
        let mut ours = Ours(Some(pid));
        let status = self.wait(pid).await;
        // There is nothing left to end, and the number may be another's soon.
        ours.0 = None;
        Ok(status)
    }

    /// Waits until a child, whoever started it, has ended.
    pub async fn changed(&mut self) {
        self.child_ended.recv().await;
    }

    /// Buries who has ended; whether anybody is left.
    pub fn reap(&mut self) -> bool {
        loop {
            // Every child: `waitpid(None, …)` would be those of our process group only, without what
            // has started a session of its own.
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    if let Some(ended) = self.started.get_mut(&pid) {
                        *ended = Some(status);
                    }
                }
                Ok(None) => return true,
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }
}
