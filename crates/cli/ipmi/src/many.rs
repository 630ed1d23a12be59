//! One question to many controllers at the same time.

use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use ipmi::proto::{Login, Privilege, Timing};
use ipmi::{Connection, Endpoint, IpmiError, RecordCache};
use tokio::net::lookup_host;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::arguments::Targets;
use super::hosts::Host;
use super::report::{Answer, Report};
use super::sign_in;
use cli_command::Failure;
use cli_command::paths;

/// What is asked of each controller.
pub(super) trait Question: Clone + Send + Sync + 'static {
    /// The level it takes.
    fn privilege(&self) -> Privilege;

    /// Asks one.
    fn ask(&self, bmc: &Connection) -> impl Future<Output = Result<Answer, IpmiError>> + Send;
}

/// Asks all, and prints what they answer; those that do not are the failure.
pub(super) fn ask<Q: Question>(targets: Targets, question: Q) -> Result<String, Failure> {
    let login = sign_in::login(&targets, question.privilege())?;
    let timing = Timing { limit: targets.limit, ..Timing::default() };
    let mut report = Report::new(targets.hosts.clone(), targets.format);
    if question.privilege() == Privilege::User {
        // Users change nothing.
        report = report.ending_unread();
    }
    let begin = |host: Host| {
        let (login, question) = (login.clone(), question.clone());
        async move { ask_one(&host, login, timing, &question).await }
    };
    runtime()?.block_on(each(targets.hosts, targets.parallel, &mut report, begin, Report::add));
    report.finish()?.map_or(Ok(String::new()), Err)
}

/// What sockets and timers are waited for with.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::Failed(format!("cannot open sockets: {error}")))
}

/// Begins something with each, so many at the same time, and hands over what comes of it and the index of the host,
/// whoever is first.
pub(super) async fn each<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
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
            if waiting.len().is_multiple_of(BEGUN_TOGETHER) {
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
            // The report knows who is missing.
            Some(Err(_)) => {}
            None => break,
        }
    }
}

/// So many are begun before whoever has answered already is asked on. If all were begun first, all would be at the same
/// step all the time: the controllers would wait for us and we for them by turns, and nothing that the first have used
/// could be used again for the last.
const BEGUN_TOGETHER: usize = 4;

/// Signs in.
pub(super) async fn open(host: &Host, login: Login, timing: Timing) -> Result<Connection, String> {
    opened(host, login, timing).await.map_err(|closed| closed.why)
}

/// Why there is no session.
struct Closed {
    why: String,
    is_about_the_user: bool,
}

async fn opened(host: &Host, login: Login, timing: Timing) -> Result<Connection, Closed> {
    let refused =
        |error: IpmiError| Closed { why: error.to_string(), is_about_the_user: error.is_about_the_user() };
    let bmc = if host.is_local() {
        Connection::local(timing).map_err(refused)?
    } else {
        let address = address(host).await.map_err(|why| Closed { why, is_about_the_user: false })?;
        ENDPOINT.open(address, host.login(login), timing).await.map_err(refused)?
    };
    Ok(bmc.behind(host.behind))
}

/// Signs in with one controller whenever there is no session, but seldom where the user was refused: many controllers
/// lock an account that is tried again and again, for everybody.
#[derive(Debug, Default)]
pub(super) struct Door {
    refused: Option<(Instant, String)>,
}

impl Door {
    pub(super) async fn open(
        &mut self,
        host: &Host,
        login: Login,
        timing: Timing,
    ) -> Result<Connection, String> {
        if let Some((at, why)) = &self.refused
            && at.elapsed() < UNTIL_REFUSED_AGAIN
        {
            return Err(why.clone());
        }
        self.refused = None;
        opened(host, login, timing).await.map_err(|Closed { why, is_about_the_user }| {
            if !is_about_the_user {
                return why;
            }
            let minutes = UNTIL_REFUSED_AGAIN.as_secs() / 60;
            let why =
                format!("{why}\n  it is tried again in {minutes} minutes only, so that no account is locked");
            self.refused = Some((Instant::now(), why.clone()));
            why
        })
    }
}

/// Longer than controllers usually remember an attempt that failed.
const UNTIL_REFUSED_AGAIN: Duration = Duration::from_secs(15 * 60);

/// The sockets of this process, and what it keeps of records of sensors for the next one.
static ENDPOINT: LazyLock<Endpoint> = LazyLock::new(|| {
    Endpoint::with_cache(
        paths::sensor_record_cache().map_or_else(RecordCache::in_memory, RecordCache::in_folder),
    )
});

/// Where a controller on the network is.
pub(super) async fn address(host: &Host) -> Result<SocketAddr, String> {
    let found = lookup_host(host.location()).await;
    let address = found.map_err(|error| format!("the name is not known: {error}"))?.next();
    address.ok_or_else(|| "the name has no address".to_owned())
}

async fn ask_one<Q: Question>(
    host: &Host,
    login: Login,
    timing: Timing,
    question: &Q,
) -> Result<Answer, String> {
    let bmc = open(host, login, timing).await?;
    let answer = question.ask(&bmc).await.map_err(|error| error.to_string());
    bmc.close().await;
    answer
}

#[cfg(test)]
mod tests {
    use ipmi::proto::{Password, UserName};
    use telarch_simulated_bmc::{Crowd, Network};

    use super::*;

    #[tokio::test]
    async fn a_user_who_was_refused_is_not_tried_again_soon() {
        let crowd = Crowd::start(1, Network::default());
        let address = crowd.addresses().first().expect("a controller").to_string();
        let host = super::super::hosts::parse(&address).expect("an address").remove(0);
        let login = |password: &[u8]| {
            let user = UserName::new("viewer").expect("a name");
            Login::new(user, Password::new(password).expect("a password")).privilege(Privilege::User)
        };
        let mut door = Door::default();
        let refused = door.open(&host, login(b"wrong"), Timing::default()).await.expect_err("a refusal");
        assert!(refused.starts_with("wrong password") && refused.contains("15 minutes"), "{refused}");
        // Not even with the right one: nothing is sent.
        let again = door.open(&host, login(b"viewer-pw"), Timing::default()).await.expect_err("a refusal");
        assert_eq!(again, refused);
        let opened = Door::default().open(&host, login(b"viewer-pw"), Timing::default()).await;
        opened.expect("a session").close().await;
    }
}
