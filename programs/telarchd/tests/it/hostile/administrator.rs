//! An administrator who signs in and runs a command every second.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::test_user::TestUser;

/// Timeout of a command.
const LIMIT: Duration = Duration::from_secs(30);

pub(super) struct Administrator {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    done: AtomicUsize,
    commands: Mutex<Vec<Ran>>,
}

struct Ran {
    took: Duration,
    error: Option<String>,
}

/// Results of the administrator's commands.
pub(super) struct Commands(Vec<Ran>);

impl Administrator {
    pub(super) fn start(user: &Arc<TestUser>, port: u16) -> Self {
        let shared = Arc::<Shared>::default();
        let (ours, user) = (Arc::clone(&shared), Arc::clone(user));
        let thread = std::thread::spawn(move || ours.work(&user, port));
        Self { shared, thread }
    }

    /// Waits until this number of commands has ended.
    pub(super) fn wait_for(&self, commands: usize) {
        while self.shared.done.load(Ordering::Acquire) < commands {
            std::thread::sleep(Duration::from_millis(50));
        }
        // These commands ran before the attack.
        let ran = std::mem::take(&mut *self.shared.commands.lock().unwrap());
        assert!(ran.iter().all(|ran| ran.error.is_none()), "{}", Commands(ran));
    }

    pub(super) fn stop(self) -> Commands {
        self.shared.is_over.store(true, Ordering::Release);
        self.thread.join().unwrap();
        Commands(std::mem::take(&mut *self.shared.commands.lock().unwrap()))
    }
}

impl Shared {
    fn work(&self, user: &TestUser, port: u16) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        while !self.is_over.load(Ordering::Acquire) {
            let begin = Instant::now();
            let command = user.run(port, "echo $((6 * 7))");
            let error = match runtime.block_on(async { tokio::time::timeout(LIMIT, command).await }) {
                Ok(Ok(text)) if text == "42\n" => None,
                Ok(Ok(text)) => Some(format!("answered {text:?}")),
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("not done after {LIMIT:?}")),
            };
            self.commands.lock().unwrap().push(Ran { took: begin.elapsed(), error });
            self.done.fetch_add(1, Ordering::Release);
            std::thread::sleep(Duration::from_secs(1).saturating_sub(begin.elapsed()));
        }
    }
}

impl Commands {
    pub(super) fn failures(&self) -> usize {
        self.0.iter().filter(|ran| ran.error.is_some()).count()
    }

    /// Returns the duration within which a percentage of all commands has ended, failed ones included.
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        let mut times: Vec<_> = self.0.iter().map(|ran| ran.took).collect();
        times.sort_unstable();
        let last = times.len().saturating_sub(1);
        times.get((times.len() * percent / 100).min(last)).copied().unwrap_or(Duration::MAX)
    }
}

impl fmt::Display for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "commands of the administrator: {}, failed {}", self.0.len(), self.failures())?;
        for (name, percent) in [("median", 50), ("p99", 99), ("longest", 100)] {
            write!(f, ", {name} {:.2} s", self.percentile(percent).as_secs_f64())?;
        }
        let mut errors = BTreeMap::<&str, usize>::new();
        for error in self.0.iter().filter_map(|ran| ran.error.as_deref()) {
            *errors.entry(error.lines().next().unwrap_or_default()).or_default() += 1;
        }
        errors.iter().try_for_each(|(error, count)| write!(f, "\n  {count} times: {error}"))
    }
}
