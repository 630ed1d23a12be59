//! Operations on many controllers at the same time.

use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use cli::screen::{Progress, Screen};
use ipmi::proto::{CompletionCode, Login, Privilege, Timing};
use ipmi::{Connection, Endpoint, IpmiError, RecordCache};
use tokio::net::lookup_host;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::hosts::Host;
use super::report::{Answer, Report};
use super::sign_in;
use super::targets::Targets;
use cli_command::Failure;
use cli_command::paths;

/// An operation on one controller.
pub(super) trait Operation: Clone + Send + Sync + 'static {
    /// Privilege level that the operation requires.
    fn privilege(&self) -> Privilege;

    /// Collector of `ipmi_exporter` to which the metrics belong.
    fn collector(&self) -> &'static str {
        "ipmi"
    }

    /// Runs the operation on a controller.
    fn run(&self, bmc: &Connection) -> impl Future<Output = Result<Answer, IpmiError>> + Send;
}

/// Runs an operation on all controllers and prints the results; controllers that fail are returned as the failure.
pub(super) fn run<O: Operation>(targets: Targets, operation: O) -> Result<String, Failure> {
    let login = sign_in::login(&targets, operation.privilege())?;
    // A level on the command line is an upper bound.
    let may_raise = targets.level.is_none();
    let timing = Timing { limit: targets.limit, ..Timing::default() };
    let mut report = Report::new(targets.hosts.clone(), targets.format).of_collector(operation.collector());
    if operation.privilege() == Privilege::User {
        // Operations at user level change nothing, so that they may stop when the reader of the output stops.
        report = report.ending_unread();
    }
    let begin = |host: Host| {
        let (login, operation) = (login.clone(), operation.clone());
        async move { run_one(&host, login, may_raise, timing, &operation).await }
    };
    runtime()?.block_on(each(targets.hosts, targets.parallel, &mut report, begin, Report::add));
    report.finish()?.map_or(Ok(String::new()), Err)
}

/// Creates a runtime for sockets and timers.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::Failed(format!("cannot open sockets: {error}")))
}

/// Runs a task for each host, `parallel` at a time, and passes each result with the index of its host to `take` as soon
/// as it is available.
///
/// On a terminal, standard error shows how many are done if it takes more than a second.
pub(super) async fn each<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    hosts: Vec<Host>,
    parallel: usize,
    report: &mut Report,
    begin: impl Fn(Host) -> F,
    mut take: impl FnMut(&mut Report, usize, T),
) {
    let progress = Progress::new(&Screen::of_this_process(), "controllers").after(PROGRESS_DELAY);
    progress.set_total(u64::try_from(hosts.len()).unwrap_or(u64::MAX));
    let progress = Rc::new(progress);
    report.show_after(Rc::clone(&progress));
    let take = |report: &mut Report, index, result| {
        progress.step();
        take(report, index, result);
    };
    progress.during(run_each(hosts, parallel, report, begin, take)).await;
}

async fn run_each<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    hosts: Vec<Host>,
    parallel: usize,
    report: &mut Report,
    begin: impl Fn(Host) -> F,
    mut take: impl FnMut(&mut Report, usize, T),
) {
    let mut waiting: VecDeque<(usize, Host)> = hosts.into_iter().enumerate().collect();
    let mut running = JoinSet::new();
    loop {
        while running.len() < parallel && report.wants_more() {
            let Some((index, host)) = waiting.pop_front() else { break };
            let begun = begin(host);
            running.spawn(async move { (index, begun.await) });
            if waiting.len().is_multiple_of(BATCH) {
                tokio::task::yield_now().await;
            }
        }
        let done = match report.flush_at() {
            None => running.join_next().await,
            Some(at) => {
                let Ok(done) = timeout_at(at.into(), running.join_next()).await else {
                    report.flush();
                    continue;
                };
                done
            }
        };
        match done {
            Some(Ok((index, outcome))) => take(report, index, outcome),
            // The report notices the missing result of a task that panicked.
            Some(Err(_)) => {}
            None => break,
        }
    }
}

/// Duration of an operation before its progress is shown.
const PROGRESS_DELAY: Duration = Duration::from_secs(1);

/// Number of tasks started before running tasks may continue. If all tasks were started first, all would be at the same
/// step: this program and the controllers would wait for each other in turns, and no buffer could be reused.
const BATCH: usize = 4;

/// Opens a session with a controller.
pub(super) async fn open(host: &Host, login: Login, timing: Timing) -> Result<Connection, String> {
    try_open(host, login, timing).await.map_err(|error| error.message)
}

/// The reason why a session could not be opened.
struct OpenError {
    message: String,
    /// The controller rejected the user or the password.
    is_about_user: bool,
}

impl From<IpmiError> for OpenError {
    fn from(error: IpmiError) -> Self {
        Self { message: error.to_string(), is_about_user: error.is_about_the_user() }
    }
}

async fn try_open(host: &Host, login: Login, timing: Timing) -> Result<Connection, OpenError> {
    let bmc = if host.is_local() {
        Connection::local(timing)?
    } else {
        let address = address(host).await.map_err(|message| OpenError { message, is_about_user: false })?;
        ENDPOINT.open(address, host.login(login), timing).await?
    };
    Ok(bmc.behind(host.behind))
}

/// Opens sessions with one controller, but rarely after its user was rejected: many controllers lock an account after
/// repeated failures.
#[derive(Debug, Default)]
pub(super) struct SessionOpener {
    /// Time and message of the last rejection of the user.
    rejected: Option<(Instant, String)>,
}

impl SessionOpener {
    pub(super) async fn open(
        &mut self,
        host: &Host,
        login: Login,
        timing: Timing,
    ) -> Result<Connection, String> {
        if let Some((at, message)) = &self.rejected
            && at.elapsed() < RETRY_AFTER_REJECTION
        {
            return Err(message.clone());
        }
        self.rejected = None;
        try_open(host, login, timing).await.map_err(|OpenError { message, is_about_user }| {
            if !is_about_user {
                return message;
            }
            let minutes = RETRY_AFTER_REJECTION.as_secs() / 60;
            let message =
                format!("{message}\n  next attempt in {minutes} minutes, to avoid locking the account");
            self.rejected = Some((Instant::now(), message.clone()));
            message
        })
    }
}

/// Longer than the usual interval in which controllers count failed attempts.
const RETRY_AFTER_REJECTION: Duration = Duration::from_secs(15 * 60);

/// The sockets of this process, with the cache of sensor data records.
static ENDPOINT: LazyLock<Endpoint> = LazyLock::new(|| {
    Endpoint::with_cache(
        paths::sensor_record_cache().map_or_else(RecordCache::in_memory, RecordCache::in_folder),
    )
});

/// Resolves the address of a controller.
pub(super) async fn address(host: &Host) -> Result<SocketAddr, String> {
    let found = lookup_host(host.location()).await;
    let address = found.map_err(|error| format!("cannot resolve the host name: {error}"))?.next();
    address.ok_or_else(|| "the host name has no address".to_owned())
}

async fn run_one<O: Operation>(
    host: &Host,
    login: Login,
    may_raise: bool,
    timing: Timing,
    operation: &O,
) -> Result<Answer, String> {
    let bmc = open(host, login.clone(), timing).await?;
    let mut answer = operation.run(&bmc).await;
    bmc.close().await;
    let is_about_level = matches!(answer, Err(IpmiError::Completion(CompletionCode::PRIVILEGE)));
    // The driver of the local controller has no privilege levels.
    if is_about_level && may_raise && !host.is_local() {
        answer = run_at_higher_level(host, &login, timing, operation).await.unwrap_or(answer);
    }
    answer.map_err(|error| error.to_string())
}

/// Runs an operation again at the highest level that the user may have; `None` if that is not higher than the level of
/// `login`. Some controllers require a higher level than the specification.
async fn run_at_higher_level<O: Operation>(
    host: &Host,
    login: &Login,
    timing: Timing,
    operation: &O,
) -> Option<Result<Answer, IpmiError>> {
    let rejected = host.login(login.clone()).level();
    for level in [Privilege::Administrator, Privilege::Operator] {
        let login = login.clone().privilege(level);
        if host.login(login.clone()).level() <= rejected {
            continue;
        }
        // A user without this level is rejected, and may have the next one.
        if let Ok(bmc) = try_open(host, login, timing).await {
            let answer = operation.run(&bmc).await;
            bmc.close().await;
            return Some(answer);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use ipmi::proto::{Password, UserName};
    use telarch_simulated_bmc::{ControllerGroup, Network};

    use super::*;

    #[tokio::test]
    async fn a_rejected_user_is_not_retried_soon() {
        let group = ControllerGroup::start(1, Network::default());
        let address = group.addresses().first().expect("a controller").to_string();
        let host = super::super::hosts::parse(&address).expect("an address").remove(0);
        let login = |password: &[u8]| {
            let user = UserName::new("viewer").expect("a name");
            Login::new(user, Password::new(password).expect("a password")).privilege(Privilege::User)
        };
        let mut opener = SessionOpener::default();
        let rejected = opener.open(&host, login(b"wrong"), Timing::default()).await.expect_err("a rejection");
        assert!(rejected.starts_with("wrong password") && rejected.contains("15 minutes"), "{rejected}");
        // The correct password is not sent either.
        let again =
            opener.open(&host, login(b"viewer-pw"), Timing::default()).await.expect_err("a rejection");
        assert_eq!(again, rejected);
        let opened = SessionOpener::default().open(&host, login(b"viewer-pw"), Timing::default()).await;
        opened.expect("a session").close().await;
    }
}
