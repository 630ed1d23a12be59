//! What somebody who has signed in may do, and how well it goes.

use std::io;
use std::time::{Duration, Instant};

use client::{EnumerateOptions, Locator, Shell, ShellOptions};
use wsman::ResourceUri;
use wsman::identify::Identity;
use xml::Element;

use super::seconds;
use crate::doctor::finding::Outcome;
use crate::doctor::round::{Limit, Round};
use crate::doctor::{Check, words};
use crate::failure::Kind;
use crate::locator::Locator as Typed;
use crate::session::Service;

/// Access, quotas, a shell, latency and throughput.
pub(super) async fn look(
    service: Option<&Service>,
    identity: Option<&Identity>,
    round: &mut Round<'_>,
) -> io::Result<()> {
    let Some(service) = service else {
        for check in [Check::Access, Check::Quotas, Check::Shell, Check::Latency, Check::Throughput] {
            round.skip(check, &[Check::SignIn], "nobody has signed in")?;
        }
        return Ok(());
    };
    let settings = round.look(Check::Access, &[], seconds(20), access(service, identity)).await?;
    match settings {
        Some(settings) => {
            round.look(Check::Quotas, &[], seconds(20), quotas(service, &settings)).await?;
        }
        None => round.skip(Check::Quotas, &[Check::Access], "the settings could not be read")?,
    }
    round.look(Check::Shell, &[], seconds(90), shell(service, identity)).await?;
    round.look(Check::Latency, &[], seconds(30), latency(service)).await?;
    let late = Outcome::warn("less than 2 MiB came in two minutes");
    let limit = Limit { after: Duration::from_secs(120), late };
    round.look(Check::Throughput, &[Check::Shell], limit, throughput(service, identity)).await.map(drop)
}

/// What the settings of the service say about quotas.
struct Settings {
    shells_per_user: Option<u64>,
    memory_per_shell: Option<u64>,
    operations_per_user: Option<u64>,
    shells_allowed: bool,
}

async fn access(service: &Service, identity: Option<&Identity>) -> (Outcome, Option<Settings>) {
    let config = match located("winrm/config") {
        Ok(config) => config,
        Err(outcome) => return (outcome, None),
    };
    match service.session.get(&config).await {
        Err(error) => {
            let outcome = Outcome::from(&service.failure(error).about("winrm/config"));
            // Whether they may do what they came for, the shell tells.
            let outcome = match outcome.kind {
                Some(Kind::Denied) => told_to_a_local_administrator(outcome, identity).only_a_warning(),
                _ => outcome,
            };
            (outcome, None)
        }
        Ok(answer) => {
            let Some(root) = answer.content() else {
                return (Outcome::fail(Kind::Fault, "the settings are empty"), None);
            };
            let mut governed = Vec::new();
            collect_governed(root, &mut governed);
            let settings = Settings {
                shells_per_user: number(root, &["Winrs", "MaxShellsPerUser"]),
                memory_per_shell: number(root, &["Winrs", "MaxMemoryPerShellMB"]),
                operations_per_user: number(root, &["Service", "MaxConcurrentOperationsPerUser"]),
                shells_allowed: text(root, &["Winrs", "AllowRemoteShellAccess"])
                    .is_none_or(|value| value != "false"),
            };
            let seen = match governed.as_slice() {
                [] => "the settings may be read, and no policy governs them".to_owned(),
                names => format!("the settings may be read; a policy governs {}", names.join(", ")),
            };
            (Outcome::pass(seen), Some(settings))
        }
    }
}

/// Windows takes the rights of administrators from local accounts that come over the network.
fn told_to_a_local_administrator(outcome: Outcome, identity: Option<&Identity>) -> Outcome {
    if outcome.kind != Some(Kind::Denied) || !identity.is_some_and(Identity::is_windows) {
        return outcome;
    }
    outcome.fix(
        "a local administrator has no rights over the network there unless LocalAccountTokenFilterPolicy is 1; \
         a domain account has",
    )
}

/// The settings that a policy decides about (MS-WSMV, `Source="GPO"`).
fn collect_governed(element: Element<'_>, names: &mut Vec<String>) {
    for child in element.children() {
        let is_leaf = child.children().next().is_none();
        if is_leaf && child.attribute("", "Source").is_some_and(|source| source == "GPO") && names.len() < 16
        {
            names.push(child.name().to_owned());
        }
        collect_governed(child, names);
    }
}

fn text(root: Element<'_>, path: &[&str]) -> Option<String> {
    let mut element = root;
    for name in path {
        element = element.children().find(|child| child.name() == *name)?;
    }
    Some(element.text().trim().to_owned())
}

fn number(root: Element<'_>, path: &[&str]) -> Option<u64> {
    text(root, path)?.parse().ok()
}

async fn quotas(service: &Service, settings: &Settings) -> (Outcome, Option<()>) {
    let open = shells(service).await;
    let most = settings.shells_per_user;
    let mut seen = Vec::new();
    match (open, most) {
        (Some(open), Some(most)) => seen.push(format!("{open} shells are open, a user may have {most}")),
        (Some(open), None) => seen.push(format!("{open} shells are open")),
        (None, Some(most)) => seen.push(format!("a user may have {most} shells")),
        (None, None) => {}
    }
    seen.extend(settings.operations_per_user.map(|most| format!("{most} operations at a time")));
    seen.extend(settings.memory_per_shell.filter(|most| *most > 0).map(|most| format!("{most} MB a shell")));
    let seen = seen.join(", ");
    if !settings.shells_allowed {
        return Outcome::warn(format!("shells are switched off (AllowRemoteShellAccess); {seen}")).alone();
    }
    match (open, most, settings.memory_per_shell) {
        (Some(open), Some(most), _) if most > 0 && open >= most => Outcome::warn(seen)
            .fix("end what is not needed: winrm enumerate shell, winrm delete shell?ShellId=ID"),
        (_, _, Some(1..LITTLE_MEMORY)) => Outcome::warn(format!("{seen}: commands that need more are ended"))
            .fix("winrm set winrm/config/winrs -set:MaxMemoryPerShellMB=1024"),
        _ => Outcome::pass(seen),
    }
    .alone()
}

/// How many shells there are, as far as this user may see them.
async fn shells(service: &Service) -> Option<u64> {
    let shells = located("shell").ok()?;
    let mut items = service.session.enumerate(&shells, EnumerateOptions::default()).await.ok()?;
    let mut open = 0;
    while let Some(item) = items.next().await {
        item.ok()?;
        open += 1;
    }
    Some(open)
}

fn located(uri: &str) -> Result<Locator, Outcome> {
    let uri = Typed::parse(uri).map_err(|error| Outcome::fail(Kind::Fault, error.to_string()))?;
    let uri = ResourceUri::parse(uri.resource_uri());
    uri.map(Locator::new).map_err(|fault| Outcome::fail(Kind::Fault, fault.to_string()))
}

async fn shell(service: &Service, identity: Option<&Identity>) -> (Outcome, Option<()>) {
    let begun = Instant::now();
    let shell = match service.session.shell(ShellOptions::default()).await {
        Ok(shell) => shell,
        Err(error) => {
            let outcome = Outcome::from(&service.failure(error).about("shell/cmd"));
            return (told_to_a_local_administrator(outcome, identity), None);
        }
    };
    let opened = begun.elapsed();
    let tried = echo_and_exit(service, &shell).await;
    let closed = shell.close().await;
    let outcome = match (tried, closed) {
        (Err(outcome), _) => outcome,
        (Ok(()), Err(error)) => Outcome::from(&service.failure(error)).only_a_warning(),
        (Ok(()), Ok(())) => Outcome::pass(format!(
            "it opened after {}, said what it was told to say, and exit codes arrive",
            words::span(opened)
        )),
    };
    outcome.alone()
}

async fn echo_and_exit(service: &Service, shell: &Shell) -> Result<(), Outcome> {
    let words = format!("doctor-{}", std::process::id());
    let failed = |error| Outcome::from(&service.failure(error).about("shell/cmd"));
    let said = shell.run(&format!("echo {words}")).await.map_err(failed)?;
    let stdout = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    if stdout != words || said.exit_code != 0 {
        let stderr = String::from_utf8_lossy(&said.stderr).trim().to_owned();
        let seen = format!("echo {words} printed {stdout:?} and {stderr:?}, exit code {}", said.exit_code);
        return Err(Outcome::fail(Kind::Fault, seen)
            .fix("the profile of the user, or the program that reads command lines, changes what is run: LoginShell and Profiles of the service"));
    }
    let left = shell.run("exit 3").await.map_err(failed)?;
    if left.exit_code != 3 {
        let seen = format!("exit 3 came back as exit code {}", left.exit_code);
        return Err(Outcome::fail(Kind::Fault, seen).fix("what reads command lines there changes exit codes"));
    }
    Ok(())
}

async fn latency(service: &Service) -> (Outcome, Option<()>) {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        if let Err(error) = service.session.identify().await {
            return (Outcome::from(&service.failure(error)), None);
        }
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let at = |index: usize| times.get(index).copied().unwrap_or_default();
    let (median, most) = (at(ROUNDS / 2), at(ROUNDS - 1));
    let seen = format!("{} a request, {} at most, of {ROUNDS}", words::span(median), words::span(most));
    if median > SLOW {
        return Outcome::warn(seen)
            .fix("every command takes several requests: look for a service nearer by, or at the way there")
            .alone();
    }
    Outcome::pass(seen).alone()
}

async fn throughput(service: &Service, identity: Option<&Identity>) -> (Outcome, Option<()>) {
    let is_windows = identity.is_some_and(Identity::is_windows);
    let line =
        if is_windows { WINDOWS_OUTPUT.replace("{line}", &"x".repeat(1_022)) } else { OUTPUT.to_owned() };
    let shell = match service.session.shell(ShellOptions::default()).await {
        Ok(shell) => shell,
        Err(error) => return (Outcome::from(&service.failure(error)).only_a_warning(), None),
    };
    let begun = Instant::now();
    let printed = shell.run(&line).await;
    let elapsed = begun.elapsed();
    // The shell has done its work; whether it ends well was looked at before.
    let _ = shell.close().await;
    let octets = match printed {
        Ok(printed) => printed.stdout.len(),
        Err(error) => return (Outcome::from(&service.failure(error)).only_a_warning(), None),
    };
    if octets < LEAST_PRINTED {
        return Outcome::skip(format!("the command for it printed {octets} octets only")).alone();
    }
    #[allow(clippy::cast_precision_loss)] // A figure of two digits for people.
    let rate = octets as f64 / elapsed.as_secs_f64() / 1_048_576.0;
    let seen = format!("{rate:.1} MiB/s of what a command prints, with its start");
    if rate < 0.1 {
        return Outcome::warn(seen)
            .fix("large files take long: look at the way there, and at MaxEnvelopeSizekb")
            .alone();
    }
    Outcome::pass(seen).alone()
}

/// 2 MiB on standard output.
const OUTPUT: &str = "head -c 2097152 /dev/zero | tr '\\000' x";
const WINDOWS_OUTPUT: &str = "for /L %i in (1,1,2048) do @echo {line}";
/// Less than that measures the start of a program.
const LEAST_PRINTED: usize = 1_000_000;
/// How many requests are timed.
const ROUNDS: usize = 20;
/// What makes working there tedious.
const SLOW: Duration = Duration::from_millis(500);
/// With less, larger programs are ended in the middle of their work.
const LITTLE_MEMORY: u64 = 256;
