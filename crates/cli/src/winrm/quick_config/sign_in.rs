//! Last stage of `winrm quickconfig`: makes sure that users can sign in over the network, and proves it.
//!
//! The service reports for each scheme whether an account can use it. With a password that was just entered, or with the
//! Kerberos ticket of the user who runs it, quickconfig signs in at each listener. Other schemes cannot be tried without
//! credentials: for these it verifies that a listener offers them.

mod account;
mod trial;

use std::io::BufRead as _;

use auth::{Scheme, SchemeState};

use self::account::PasswordLogin;
use self::trial::{Trials, uses_kerberos};
use super::super::service_command::Run;
use super::super::streams::{Completion, Streams};
use super::super::{Accounts, Confirmation, Intent, QuickConfigOptions};
use super::{Plan, REMOTING};
use crate::endpoint::Transport;
use crate::failure::{Failure, Kind};
use crate::format::harmless;
use crate::input::KeyValues;
use crate::locator::Locator;
use crate::program::Stop;
use crate::sign_in_analysis::{AnalysisResponse, SignInAnalysis};

/// What to do so that users can sign in.
enum Choice {
    /// Create an account for NTLM.
    Account,
    /// Enable Basic over HTTPS.
    Basic,
    /// Change nothing.
    Nothing,
}

/// Runs the stage. A service without a listener has nothing to prove.
pub(super) async fn run(run: &Run, plan: &Plan, streams: &mut Streams<'_>) -> Result<Completion, Stop> {
    if plan.options.accounts == Some(Accounts::None) {
        return Ok(Completion::Success);
    }
    let Some(analysis) = request(run).await?.filter(|analysis| analysis.report.listens) else {
        return Ok(Completion::Success);
    };
    let choice = match plan.intent {
        Intent::Preview => Choice::Nothing,
        Intent::Apply => choose(plan, &analysis, streams)?,
    };
    let (created, changed) = match choice {
        Choice::Nothing => (None, None),
        Choice::Account => {
            let login = account::add(run, plan, &analysis.report, streams).await?;
            (login, request(run).await?)
        }
        Choice::Basic => {
            enable_basic(run, plan, &analysis, streams).await?;
            (None, request(run).await?)
        }
    };
    let analysis = changed.unwrap_or(analysis);
    let trials = match plan.intent {
        Intent::Apply if run.is_local() => {
            let awaited = created.as_ref().map(|_| Scheme::Negotiate);
            let login = match created {
                Some(login) => Some(login),
                None => existing(plan, &analysis)?,
            };
            Some(Trials::run(&analysis, login.as_ref(), awaited).await)
        }
        _ => None,
    };
    print(&analysis, trials.as_ref(), streams)?;
    conclude(plan, &analysis, trials.as_ref(), streams)
}

/// Reads the password of the existing account of `-account`, with which the sign-in is tried.
fn existing(plan: &Plan, analysis: &SignInAnalysis) -> Result<Option<PasswordLogin>, Stop> {
    match &plan.options.account {
        Some(user) if analysis.is_possible() => Ok(Some(account::existing(user)?)),
        _ => Ok(None),
    }
}

async fn request(run: &Run) -> Result<Option<SignInAnalysis>, Stop> {
    Ok(match SignInAnalysis::request(run.service()).await? {
        AnalysisResponse::Answered(analysis) => Some(analysis),
        AnalysisResponse::Unsupported => None,
    })
}

/// Chooses from the switches, or asks. Without a question, the safest choice that works is Basic over HTTPS: an account
/// for NTLM needs a new password.
fn choose(plan: &Plan, analysis: &SignInAnalysis, streams: &mut Streams<'_>) -> Result<Choice, Stop> {
    let report = &analysis.report;
    let allows_basic = report.verifies_passwords && !report.allow_unencrypted;
    match (plan.options.accounts, plan.confirmation) {
        (Some(Accounts::Ntlm), _) => Ok(Choice::Account),
        (Some(Accounts::Basic), _) => Ok(Choice::Basic),
        (Some(Accounts::None), _) => Ok(Choice::Nothing),
        _ if analysis.is_possible() => Ok(Choice::Nothing),
        (None, Confirmation::Skip) if allows_basic => Ok(Choice::Basic),
        (None, Confirmation::Skip) => Ok(Choice::Nothing),
        (None, Confirmation::Ask) => ask(&report.remedies, allows_basic, streams),
    }
}

/// Asks after the remedies for which this machine is prepared, such as its realm; these come before those of accounts.
fn ask(remedies: &[String], allows_basic: bool, streams: &mut Streams<'_>) -> Result<Choice, Stop> {
    writeln!(streams.out, "\nNo user can sign in over the network yet.")?;
    for remedy in remedies.iter().take_while(|remedy| !remedy.contains("telarch account")) {
        writeln!(streams.out, "Easiest on this machine: {}", harmless(remedy))?;
    }
    writeln!(streams.out, "Users can sign in with:\n")?;
    writeln!(
        streams.out,
        "  1  an account of the service with its own password (NTLM, over HTTP and HTTPS)"
    )?;
    if allows_basic {
        writeln!(streams.out, "  2  the passwords of this machine's users (Basic, over HTTPS only)")?;
    }
    let choices = if allows_basic { "1, 2, or n" } else { "1, or n" };
    let answer = prompt(&format!("\nChoose {choices} for none: "), streams)?;
    Ok(match answer.as_str() {
        "1" => Choice::Account,
        "2" if allows_basic => Choice::Basic,
        _ => Choice::Nothing,
    })
}

/// Asks a question; the answer is empty at the end of input.
fn prompt(question: &str, streams: &mut Streams<'_>) -> Result<String, Stop> {
    write!(streams.out, "{question}")?;
    streams.out.flush()?;
    let mut answer = String::new();
    std::io::Read::take(&mut *streams.input, 1_024).read_line(&mut answer)?;
    writeln!(streams.out)?;
    Ok(answer.trim().to_owned())
}

/// Enables Basic for listeners that encrypt, after creating one if there is none.
async fn enable_basic(
    run: &Run,
    plan: &Plan,
    analysis: &SignInAnalysis,
    streams: &mut Streams<'_>,
) -> Result<(), Stop> {
    if analysis.report.allow_unencrypted {
        let what = "Basic was not enabled: the service would accept passwords over HTTP, because \
                    Service/AllowUnencrypted is true";
        let fix = "winrm set winrm/config/service -set:AllowUnencrypted=false";
        return Err(Failure::here(Kind::Authentication, what).advise(fix).into());
    }
    if !analysis.report.verifies_passwords {
        let what = "Basic was not enabled: the service cannot verify the password of any user";
        let fix = "telarchd --check gives the reason; use -accounts:ntlm for an account of the service";
        return Err(Failure::here(Kind::Authentication, what).advise(fix).into());
    }
    if !analysis.listeners.iter().any(|listener| listener.transport() == Transport::Https) {
        let options = QuickConfigOptions { group: None, ..plan.options.clone() };
        let plan =
            Plan { transport: Transport::Https, confirmation: Confirmation::Skip, options, ..plan.clone() };
        REMOTING.run(run, &Locator::parse("winrm/config/service")?, &plan, streams).await?;
    }
    let mut values = KeyValues::default();
    values.set("Basic=true")?;
    run.set(&Locator::parse("winrm/config/service/auth")?, &values).await?;
    writeln!(streams.out, "Basic authentication is enabled, over HTTPS only.")?;
    Ok(())
}

/// Prints one line for each scheme: whether it works, by whom, and what was tried.
fn print(analysis: &SignInAnalysis, trials: Option<&Trials>, streams: &mut Streams<'_>) -> Result<(), Stop> {
    writeln!(streams.out, "\nSign-in over the network:")?;
    for own in &analysis.report.schemes {
        let (word, text) = match &own.state {
            SchemeState::Disabled => ("off", String::new()),
            SchemeState::Unusable(reason) => ("no", reason.clone()),
            SchemeState::Usable(by) => match trials.map(|trials| trials.offering(own.scheme)) {
                Some(offering) if offering.is_empty() => {
                    ("no", "no listener that responds offers it".to_owned())
                }
                _ => ("yes", by.clone()),
            },
        };
        let line = format!("  {:<12} {word:<3} {text}", own.scheme.to_string());
        writeln!(streams.out, "{}", harmless(line.trim_end()))?;
        let Some(trials) = trials.filter(|_| word == "yes") else { continue };
        writeln!(streams.out, "                   offered at {}", trials.offering(own.scheme).join(", "))?;
        for tried in trials.sign_ins.iter().filter(|tried| tried.scheme == own.scheme) {
            let trial::SignIn { listener, user, .. } = tried;
            let line = match &tried.result {
                Ok(()) => format!("tried: {user} signed in at {listener}"),
                Err(reason) if user.is_empty() => format!("tried: no ticket for {listener}: {reason}"),
                Err(reason) => format!("tried: sign-in of {user} at {listener} failed: {reason}"),
            };
            writeln!(streams.out, "                   {}", harmless(&line))?;
        }
    }
    let Some(trials) = trials else { return Ok(()) };
    for (listener, reason) in &trials.silent {
        writeln!(streams.out, "Note: {listener} does not respond: {}", harmless(reason))?;
    }
    if trials.sign_ins.is_empty() && analysis.is_possible() {
        writeln!(streams.out, "Note: only the offers were verified. To try a sign-in as well:")?;
        let again = "winrm quickconfig -quiet";
        if uses_kerberos(analysis) {
            writeln!(streams.out, "  kinit USER && {again}             with a Kerberos ticket")?;
        }
        writeln!(streams.out, "  {again} -account:USER    with a password, which is asked for")?;
    }
    Ok(())
}

/// Reports an error with the commands to run if no scheme works.
fn conclude(
    plan: &Plan,
    analysis: &SignInAnalysis,
    trials: Option<&Trials>,
    streams: &mut Streams<'_>,
) -> Result<Completion, Stop> {
    if analysis.is_possible() && trials.is_none_or(|trials| trials.has_success(analysis)) {
        return Ok(Completion::Success);
    }
    if plan.intent == Intent::Preview {
        let note =
            "Note: quickconfig would ask how users sign in; -accounts:ntlm and -accounts:basic choose.";
        writeln!(streams.out, "{note}")?;
        return Ok(Completion::Success);
    }
    if let Some(tried) = trials.and_then(|trials| trials.sign_ins.first()).filter(|_| analysis.is_possible())
    {
        let user = harmless(&tried.user);
        if user.is_empty() {
            writeln!(
                streams.errors,
                "Error: the realm issued no ticket for this service to the user of quickconfig."
            )?;
            writeln!(
                streams.errors,
                "  winrm doctor localhost -authentication:kerberos tests it step by step"
            )?;
        } else {
            writeln!(streams.errors, "Error: the sign-in of {user} failed at every listener.")?;
            writeln!(streams.errors, "  winrm doctor localhost -username:{user} tests it step by step")?;
        }
        return Ok(Completion::NoSignIn);
    }
    writeln!(streams.errors, "Error: no user can sign in over the network.")?;
    for remedy in &analysis.report.remedies {
        writeln!(streams.errors, "  {}", harmless(remedy))?;
    }
    Ok(Completion::NoSignIn)
}
