//! A local user who connects to the local socket continuously.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::fs::Uid;
use rustix::thread::set_thread_res_uid;

/// Number of connections held open.
const HELD: usize = 200;

/// Interval between two connections.
const PAUSE: Duration = Duration::from_millis(1);

pub(super) struct LocalAttacker {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<(u64, u64)>>,
}

/// Attack that runs until the flag is set. Returns the numbers of attempted and of successful connections.
type Attack = fn(PathBuf, &AtomicBool) -> (u64, u64);

impl LocalAttacker {
    /// Starts attacks as this user. The kernel reports the user of the connecting thread to the service.
    pub(super) fn start(uid: u32, socket: &Path) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let attacks: [Attack; 2] = [connect_and_close, connect_and_hold];
        let threads = attacks.map(|attack| {
            let (is_over, socket) = (Arc::clone(&is_over), socket.to_owned());
            std::thread::spawn(move || {
                let user = Uid::from_raw(uid);
                set_thread_res_uid(user, user, user).unwrap();
                attack(socket, &is_over)
            })
        });
        Self { is_over, threads: threads.into() }
    }

    pub(super) fn stop(self) -> String {
        self.is_over.store(true, Ordering::Release);
        let counts = self.threads.into_iter().map(|thread| thread.join().unwrap());
        let (tried, connected) = counts.fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
        format!("{:<44} {tried:>9} tried {connected:>9} connected", "local connections of an ordinary user")
    }
}

fn connect_and_close(socket: PathBuf, is_over: &AtomicBool) -> (u64, u64) {
    let (mut tried, mut connected) = (0, 0);
    while !is_over.load(Ordering::Acquire) {
        tried += 1;
        connected += u64::from(UnixStream::connect(&socket).is_ok());
        std::thread::sleep(PAUSE);
    }
    (tried, connected)
}

fn connect_and_hold(socket: PathBuf, is_over: &AtomicBool) -> (u64, u64) {
    let (mut tried, mut connected) = (0, 0);
    let mut held = std::collections::VecDeque::new();
    while !is_over.load(Ordering::Acquire) {
        tried += 1;
        if let Ok(stream) = UnixStream::connect(&socket) {
            connected += 1;
            held.push_back(stream);
        }
        if held.len() > HELD {
            held.pop_front();
        }
        std::thread::sleep(10 * PAUSE);
    }
    (tried, connected)
}
