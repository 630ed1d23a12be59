//! One question to many controllers at the same time.

use std::collections::VecDeque;
use std::future::Future;
use std::io::Write as _;

use auth::Secret;
use cli::secret::{PasswordError, PasswordSource};
use ipmi::proto::{GroupKey, Login, Password, Privilege, Timing};
use ipmi::{Connection, IpmiError};
use tokio::net::lookup_host;
use tokio::task::JoinSet;

use super::arguments::Place;
use super::hosts::Host;
use super::report::{self, Answer, Answers};
use crate::failure::Failure;

/// What is asked of each controller.
pub(super) trait Question: Clone + Send + Sync + 'static {
    /// The level it takes.
    fn privilege(&self) -> Privilege;

    /// Asks one.
    fn ask(&self, bmc: &Connection) -> impl Future<Output = Result<Answer, IpmiError>> + Send;
}

/// Asks all, and prints what has been answered; the others are the failure.
pub(super) fn ask<Q: Question>(place: Place, question: Q) -> Result<String, Failure> {
    let login = login(&place, question.privilege())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Failed(format!("cannot open sockets: {error}")))?;
    let format = place.format;
    let answers = runtime.block_on(ask_all(place, login, question));
    let text = report::written(&answers, format);
    match report::failure(&answers) {
        None => Ok(text),
        Some(failure) => {
            // What the others have said is not lost.
            std::io::stdout().write_all(text.as_bytes())?;
            Err(failure)
        }
    }
}

/// In the order of the command line, whoever answers first.
async fn ask_all<Q: Question>(place: Place, login: Login, question: Q) -> Answers {
    let mut waiting: VecDeque<(usize, Host)> = place.hosts.iter().cloned().enumerate().collect();
    let never = || Err("this program has failed; please report it".to_owned());
    let mut answers: Answers = place.hosts.into_iter().map(|host| (host, never())).collect();
    let mut asked = JoinSet::new();
    let timing = Timing { limit: place.limit, ..Timing::default() };
    loop {
        while asked.len() < place.parallel {
            let Some((order, host)) = waiting.pop_front() else { break };
            let (login, question) = (login.clone(), question.clone());
            asked.spawn(async move { (order, ask_one(&host, login, timing, &question).await) });
        }
        let Some(done) = asked.join_next().await else { break };
        let Ok((order, answer)) = done else { continue };
        if let Some((_, place)) = answers.get_mut(order) {
            *place = answer;
        }
    }
    answers
}

async fn ask_one<Q: Question>(
    host: &Host,
    login: Login,
    timing: Timing,
    question: &Q,
) -> Result<Answer, String> {
    let found = lookup_host((host.name.as_str(), host.port)).await;
    let address = found.map_err(|error| format!("the name is not known: {error}"))?.next();
    let address = address.ok_or("the name has no address")?;
    let bmc = Connection::open(address, login, timing).await.map_err(|error| error.to_string())?;
    let answer = question.ask(&bmc).await.map_err(|error| error.to_string());
    bmc.close().await;
    answer
}

fn login(place: &Place, needed: Privilege) -> Result<Login, Failure> {
    let whose = if place.user_name.is_empty() { "the anonymous user" } else { &place.user_name };
    let of = match place.hosts.as_slice() {
        [host] => host.to_string(),
        hosts => format!("{} controllers", hosts.len()),
    };
    let password = match &place.password_file {
        Some(path) => PasswordSource::File(path.clone()).resolve(whose, &of).map_err(unread)?,
        None => match std::env::var(VARIABLE) {
            Ok(text) => Secret::new(text),
            Err(std::env::VarError::NotUnicode(_)) => {
                return Err(Failure::Failed(format!("the variable {VARIABLE} is not UTF-8")));
            }
            Err(std::env::VarError::NotPresent) => cli::secret::ask(whose, &of).map_err(unread)?,
        },
    };
    let password =
        Password::new(password.expose().as_bytes()).map_err(|error| Failure::Failed(error.to_string()))?;
    let mut login = Login::new(place.user.clone(), password).privilege(place.level.unwrap_or(needed));
    if let Some(suite) = place.suite {
        login = login.suite(suite);
    }
    if let Some(path) = &place.group_key_file {
        let key = PasswordSource::File(path.clone()).resolve(whose, &of).map_err(unread)?;
        let key =
            GroupKey::new(key.expose().as_bytes()).map_err(|error| Failure::Failed(error.to_string()))?;
        login = login.group_key(key);
    }
    Ok(login)
}

/// The variable that holds the password of controllers, which is not that of machines.
const VARIABLE: &str = "TELARCH_IPMI_PASSWORD";

fn unread(error: PasswordError) -> Failure {
    match error {
        PasswordError::NoTerminal(error) => Failure::failed(
            format!("there is no terminal to ask for the password on: {error}"),
            &format!("use --password-file, or the variable {VARIABLE}"),
        ),
        other => match other.way_out() {
            Some(way_out) => Failure::failed(&other, &way_out),
            None => Failure::Failed(other.to_string()),
        },
    }
}
