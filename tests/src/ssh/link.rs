//! A link with a fault between the caller and the other machine.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::{Connections, lock};

/// The way that bytes take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the caller.
    There,
    /// To the caller.
    Back,
}

/// What is wrong with a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: bytes are counted.
    None,
    /// It is gone, in both directions, after so many bytes in one.
    Cut(Direction, u64),
    /// Nothing passes in either direction after so many bytes in one; the connection stands.
    Freeze(Direction, u64),
    /// A process is killed after so many bytes in one direction.
    Kill(Victim, Direction, u64),
    /// Only so many bytes pass at a time, and each takes the way of all others through this process.
    Pieces(usize),
}

/// A process at an end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The caller's ssh.
    Ssh,
    /// The sshd of the other machine, with all of its processes.
    Sshd,
}

/// Who is at the ends of a link.
#[derive(Debug)]
pub(super) struct Ends {
    /// The file with the number of the caller's ssh begins so, and ends with the port of the link.
    pub(super) ssh: PathBuf,
    pub(super) sshd: Connections,
}

/// A link. It goes with this.
#[derive(Debug)]
pub struct Link {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    fault: Fault,
    ends: Ends,
    port: u16,
    there: AtomicU64,
    back: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
    is_frozen: AtomicBool,
    is_over: AtomicBool,
}

impl Link {
    /// A link to a port of this machine.
    pub(super) fn new(port: u16, fault: Fault, ends: Ends) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let own_port = listener.local_addr().expect("it is bound").port();
        let state = Arc::new(State {
            fault,
            ends,
            port: own_port,
            there: AtomicU64::new(0),
            back: AtomicU64::new(0),
            open: Mutex::default(),
            is_frozen: false.into(),
            is_over: false.into(),
        });
        let of_thread = Arc::clone(&state);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if of_thread.is_over.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else {
                    break;
                };
                of_thread.join(near, far);
            }
        });
        Self {
            port: own_port,
            state,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many bytes have passed in a direction.
    #[must_use]
    pub fn passed(&self, direction: Direction) -> u64 {
        self.state.count(direction).load(Ordering::SeqCst)
    }

    /// Cuts it now.
    pub fn cut(&self) {
        self.state.cut();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.state.cut();
        self.state.is_over.store(true, Ordering::SeqCst);
        // It looks whether this is the end.
        let _connected = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl State {
    fn count(&self, direction: Direction) -> &AtomicU64 {
        match direction {
            Direction::There => &self.there,
            Direction::Back => &self.back,
        }
    }

    fn cut(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for socket in &*open {
            let _gone = socket.shutdown(Shutdown::Both);
        }
    }

    fn kill(&self, victim: Victim) {
        let pids = match victim {
            Victim::Ssh => {
                let mut file = self.ends.ssh.clone().into_os_string();
                file.push(self.port.to_string());
                let pid = fs::read_to_string(file).expect("ssh has been started");
                vec![pid.trim().parse().expect("it is a number")]
            }
            Victim::Sshd => loop {
                let pids = sshd_of(&lock(&self.ends.sshd));
                if !pids.is_empty() {
                    break pids;
                }
                // It is being started.
                thread::yield_now();
            },
        };
        for pid in pids {
            let pid = Pid::from_raw(pid).expect("it is not 0");
            let _has_ended = kill_process(pid, Signal::KILL);
        }
    }

    fn join(self: &Arc<Self>, near: TcpStream, far: TcpStream) {
        let clone = |socket: &TcpStream| socket.try_clone().expect("a socket");
        for socket in [&near, &far] {
            let _no_delay = socket.set_nodelay(true);
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.extend([clone(&near), clone(&far)]);
        let ways = [
            (clone(&near), clone(&far), Direction::There),
            (far, near, Direction::Back),
        ];
        for (from, to, direction) in ways {
            let state = Arc::clone(self);
            thread::spawn(move || state.pass(from, to, direction));
        }
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream, direction: Direction) {
        let size = match self.fault {
            Fault::Pieces(size) => size,
            _ => 64 * 1024,
        };
        let mut buffer = vec![0; size];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if self.is_frozen.load(Ordering::SeqCst) {
                // What is sent into it is lost, and the sender does not notice.
                continue;
            }
            let before = self.count(direction).load(Ordering::SeqCst);
            let left = match self.fault {
                Fault::Cut(of, after) | Fault::Freeze(of, after) | Fault::Kill(_, of, after)
                    if of == direction =>
                {
                    usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX)
                }
                _ => usize::MAX,
            };
            let passed = read.min(left);
            if to.write_all(&buffer[..passed]).is_err() {
                break;
            }
            let count = u64::try_from(passed).unwrap_or_default();
            self.count(direction).fetch_add(count, Ordering::SeqCst);
            if passed == left || passed < read {
                match self.fault {
                    Fault::Freeze(..) => self.is_frozen.store(true, Ordering::SeqCst),
                    Fault::Kill(victim, ..) => {
                        self.kill(victim);
                        break;
                    }
                    _ => break,
                }
            }
        }
        if self.is_frozen.load(Ordering::SeqCst) {
            return;
        }
        match self.fault {
            Fault::Cut(..) => self.cut(),
            _ => drop(to.shutdown(Shutdown::Write)),
        }
    }
}

/// The processes of sshd that serve these connections: the first of each, and those below it with the
/// same name. The service is none of them.
fn sshd_of(connections: &[Child]) -> Vec<i32> {
    let number = |child: &Child| i32::try_from(child.id()).expect("a process has a small number");
    let mut found: Vec<i32> = connections.iter().map(number).collect();
    let processes: Vec<(i32, i32)> = fs::read_dir("/proc")
        .expect("it is there")
        .filter_map(|entry| {
            let stat = fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
            // proc_pid_stat(5): pid (name) state ppid
            let (begin, end) = stat.rsplit_once(") ")?;
            let (pid, name) = begin.split_once(" (")?;
            let parent = end.split(' ').nth(1)?.parse().ok()?;
            let is_sshd = name.starts_with("sshd");
            is_sshd.then_some((pid.parse().ok()?, parent))
        })
        .collect();
    let mut at = 0;
    while at < found.len() {
        let children = processes.iter().filter(|(_, parent)| *parent == found[at]);
        let children: Vec<i32> = children.map(|(pid, _)| *pid).collect();
        found.extend(children);
        at += 1;
    }
    found
}
