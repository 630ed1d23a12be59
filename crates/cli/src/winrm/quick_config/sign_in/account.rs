//! Creation of an account of the service, by `telarch account add`.

use std::fs::File;
use std::process::Stdio;

use auth::SignInReport;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::super::super::Confirmation;
use super::super::super::service_command::Run;
use super::super::super::streams::Streams;
use super::super::Plan;
use super::prompt;
use crate::failure::{Failure, Kind};
use crate::installed;
use crate::program::Stop;
use crate::secret::{PASSWORD_VARIABLE, PasswordError, PasswordSource, Secret, ask_on};
use crate::session::resolve;

/// Account whose password was entered.
pub(super) struct PasswordLogin {
    pub(super) user: String,
    pub(super) password: Secret,
}

/// Creates an account with an NT hash. Returns `None` if there is no name for it.
pub(super) async fn add(
    run: &Run,
    plan: &Plan,
    report: &SignInReport,
    streams: &mut Streams<'_>,
) -> Result<Option<PasswordLogin>, Stop> {
    if !run.is_local() {
        let failure = Failure::here(Kind::Usage, "-accounts:ntlm requires the local service");
        return Err(failure.advise("on the other machine, run telarch account add NAME --ntlm").into());
    }
    let telarch = installed::find("telarch").ok_or_else(|| {
        let failure =
            Failure::here(Kind::Authentication, "cannot create an account: telarch is not installed");
        failure.advise("install the program telarch next to winrm")
    })?;
    let Some(user) = name(plan, streams)? else { return Ok(None) };
    let password = password(&user)?;
    let mut command = Command::new(telarch);
    command.args(["account", "add", &user, "--ntlm", "--password-stdin"]).args(&report.account_options);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = async {
        let mut child = command.spawn()?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(password.expose().as_bytes()).await?;
            input.write_all(b"\n").await?;
        }
        child.wait_with_output().await
    };
    let output = output.await.map_err(|error| {
        Failure::here(Kind::Authentication, format!("cannot run telarch account add: {error}"))
    })?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let mut lines = text.lines().map(|line| line.trim().trim_start_matches("telarch: "));
        let failure =
            Failure::here(Kind::Authentication, lines.next().unwrap_or("telarch account add failed"));
        return Err(lines.fold(failure, Failure::advise).into());
    }
    write!(streams.out, "{}", String::from_utf8_lossy(&output.stdout))?;
    writeln!(streams.out, "telarch access show {user} lists what {user} may do.")?;
    Ok(Some(PasswordLogin { user, password }))
}

/// Returns the name of the account: from the switch, by a question, or that of the administrator.
fn name(plan: &Plan, streams: &mut Streams<'_>) -> Result<Option<String>, Stop> {
    if let Some(name) = &plan.options.account {
        return Ok(Some(name.clone()));
    }
    let default = default_name();
    if plan.confirmation == Confirmation::Skip {
        return Ok(Some(default));
    }
    let answer = prompt(&format!("Name of the account [{default}]: "), streams)?;
    Ok(Some(if answer.is_empty() { default } else { answer }))
}

/// Returns the user who became root, otherwise the user of this process. Shells run as the Linux user of that name.
fn default_name() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    named.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| "root".to_owned())
}

/// Reads the password of an existing account, with which the sign-in is tried.
pub(super) fn existing(user: &str) -> Result<PasswordLogin, Stop> {
    let password = resolve(PasswordSource::Ask, user, "localhost")?;
    Ok(PasswordLogin { user: user.to_owned(), password })
}

/// Reads a new password from the variable, or twice from the terminal.
fn password(user: &str) -> Result<Secret, Stop> {
    if let Ok(text) = std::env::var(PASSWORD_VARIABLE)
        && !text.is_empty()
    {
        return Ok(Secret::new(text));
    }
    let terminal = File::options().read(true).write(true).open("/dev/tty");
    let terminal = terminal.map_err(|error| input_failure(user, &PasswordError::NoTerminal(error)))?;
    let question = format!("New password for {user}: ");
    let first = ask_on(&terminal, &question).map_err(|error| input_failure(user, &error))?;
    let second = ask_on(&terminal, "Repeat the password: ").map_err(|error| input_failure(user, &error))?;
    match first.matches(&second) {
        true => Ok(first),
        false => Err(Failure::here(Kind::Usage, "the two passwords differ; no account was created").into()),
    }
}

fn input_failure(user: &str, error: &PasswordError) -> Failure {
    let failure = Failure::here(Kind::Usage, format!("no account was created for {user}: {error}"));
    match error {
        PasswordError::NoTerminal(_) => failure.advise(format!(
            "set the variable {PASSWORD_VARIABLE}, or run telarch account add {user} --ntlm --password-stdin"
        )),
        _ => failure,
    }
}
