//! Checks with an authenticated session: access, quotas, shell, latency and throughput.

use std::io;
use std::time::{Duration, Instant};

use client::{EnumerateOptions, Locator, Shell, ShellOptions};
use wsman::ResourceUri;
use wsman::identify::Identity;
use xml::Element;

use super::seconds;
use crate::doctor::finding::Outcome;
use crate::doctor::runner::{CheckRunner, Limit};
use crate::doctor::{Check, units};
use crate::failure::Kind;
use crate::locator::Locator as Typed;
use crate::session::RemoteService;

/// Runs the checks that need an authenticated session.
pub(super) async fn check(
    service: Option<&RemoteService>,
    identity: Option<&Identity>,
    runner: &mut CheckRunner<'_>,
) -> io::Result<()> {
    let Some(service) = service else {
        for check in [Check::Access, Check::Quotas, Check::Shell, Check::Latency, Check::Throughput] {
            runner.skip(check, &[Check::SignIn], "not signed in")?;
        }
        return Ok(());
    };
    let settings = runner.run(Check::Access, &[], seconds(20), access(service, identity)).await?;
    match settings {
        Some(settings) => {
            runner.run(Check::Quotas, &[], seconds(20), quotas(service, &settings)).await?;
        }
        None => runner.skip(Check::Quotas, &[Check::Access], "the configuration cannot be read")?,
    }
    runner.run(Check::Shell, &[], seconds(90), shell(service, identity)).await?;
    runner.run(Check::Latency, &[], seconds(30), latency(service)).await?;
    let late = Outcome::warn("transferred less than 2 MiB in two minutes");
    let limit = Limit { after: Duration::from_secs(120), late };
    runner.run(Check::Throughput, &[Check::Shell], limit, throughput(service, identity)).await.map(drop)
}

/// Quotas in the configuration of the service.
struct Settings {
    shells_per_user: Option<u64>,
    memory_per_shell: Option<u64>,
    operations_per_user: Option<u64>,
    shells_allowed: bool,
}

async fn access(service: &RemoteService, identity: Option<&Identity>) -> (Outcome, Option<Settings>) {
    let config = match located("winrm/config") {
        Ok(config) => config,
        Err(outcome) => return (outcome, None),
    };
    match service.session.get(&config).await {
        Err(error) => {
            let outcome = Outcome::from(&service.failure(error).about("winrm/config"));
            // A user without access to the configuration may still be permitted to use shells.
            let outcome = match outcome.kind {
                Some(Kind::Denied) => explain_denied_access(outcome, identity).as_warning(),
                _ => outcome,
            };
            (outcome, None)
        }
        Ok(answer) => {
            let Some(root) = answer.content() else {
                return (Outcome::fail(Kind::Fault, "the service returned an empty configuration"), None);
            };
            let mut policy_settings = Vec::new();
            collect_policy_settings(root, &mut policy_settings);
            let settings = Settings {
                shells_per_user: number(root, &["Winrs", "MaxShellsPerUser"]),
                memory_per_shell: number(root, &["Winrs", "MaxMemoryPerShellMB"]),
                operations_per_user: number(root, &["Service", "MaxConcurrentOperationsPerUser"]),
                shells_allowed: text(root, &["Winrs", "AllowRemoteShellAccess"])
                    .is_none_or(|value| value != "false"),
            };
            let seen = match policy_settings.as_slice() {
                [] => "the configuration is readable; no setting is set by policy".to_owned(),
                names => format!("the configuration is readable; set by policy: {}", names.join(", ")),
            };
            (Outcome::pass(seen), Some(settings))
        }
    }
}

/// Adds advice for Windows, which by default removes administrator rights from local accounts in network logons.
fn explain_denied_access(outcome: Outcome, identity: Option<&Identity>) -> Outcome {
    if outcome.kind != Some(Kind::Denied) || !identity.is_some_and(Identity::is_windows) {
        return outcome;
    }
    outcome.fix(
        "local administrators have no administrator rights over the network unless LocalAccountTokenFilterPolicy is 1; \
         use a domain account or set this value",
    )
}

/// Collects the names of up to 16 settings that are set by policy (MS-WSMV, `Source="GPO"`).
fn collect_policy_settings(element: Element<'_>, names: &mut Vec<String>) {
    for child in element.children() {
        let is_leaf = child.children().next().is_none();
        if is_leaf && child.attribute("", "Source").is_some_and(|source| source == "GPO") && names.len() < 16
        {
            names.push(child.name().to_owned());
        }
        collect_policy_settings(child, names);
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

async fn quotas(service: &RemoteService, settings: &Settings) -> (Outcome, Option<()>) {
    let open = shells(service).await;
    let most = settings.shells_per_user;
    let mut seen = Vec::new();
    match (open, most) {
        (Some(open), Some(most)) => seen.push(format!("{open} shells open, at most {most} per user")),
        (Some(open), None) => seen.push(format!("{open} shells open")),
        (None, Some(most)) => seen.push(format!("at most {most} shells per user")),
        (None, None) => {}
    }
    seen.extend(settings.operations_per_user.map(|most| format!("{most} concurrent operations per user")));
    seen.extend(
        settings.memory_per_shell.filter(|most| *most > 0).map(|most| format!("{most} MB per shell")),
    );
    let seen = seen.join(", ");
    if !settings.shells_allowed {
        return Outcome::warn(format!("shells are disabled (AllowRemoteShellAccess); {seen}")).without_data();
    }
    match (open, most, settings.memory_per_shell) {
        (Some(open), Some(most), _) if most > 0 && open >= most => Outcome::warn(seen)
            .fix("close unused shells: winrm enumerate shell, winrm delete shell?ShellId=ID"),
        (_, _, Some(1..LITTLE_MEMORY)) => {
            Outcome::warn(format!("{seen}: commands that need more memory are terminated"))
                .fix("winrm set winrm/config/winrs -set:MaxMemoryPerShellMB=1024")
        }
        _ => Outcome::pass(seen),
    }
    .without_data()
}

/// Returns the number of shells visible to this user, or `None` if they cannot be listed.
async fn shells(service: &RemoteService) -> Option<u64> {
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

async fn shell(service: &RemoteService, identity: Option<&Identity>) -> (Outcome, Option<()>) {
    let begun = Instant::now();
    let shell = match service.session.shell(ShellOptions::default()).await {
        Ok(shell) => shell,
        Err(error) => {
            let outcome = Outcome::from(&service.failure(error).about("shell/cmd"));
            return (explain_denied_access(outcome, identity), None);
        }
    };
    let opened = begun.elapsed();
    let tried = echo_and_exit(service, &shell).await;
    let closed = shell.close().await;
    let outcome = match (tried, closed) {
        (Err(outcome), _) => outcome,
        (Ok(()), Err(error)) => Outcome::from(&service.failure(error)).as_warning(),
        (Ok(()), Ok(())) => Outcome::pass(format!(
            "opened in {}; output and exit codes are correct",
            units::duration_text(opened)
        )),
    };
    outcome.without_data()
}

async fn echo_and_exit(service: &RemoteService, shell: &Shell) -> Result<(), Outcome> {
    let text = format!("doctor-{}", std::process::id());
    let failed = |error| Outcome::from(&service.failure(error).about("shell/cmd"));
    let printed = shell.run(&format!("echo {text}")).await.map_err(failed)?;
    let stdout = String::from_utf8_lossy(&printed.stdout).trim().to_owned();
    if stdout != text || printed.exit_code != 0 {
        let stderr = String::from_utf8_lossy(&printed.stderr).trim().to_owned();
        let seen = format!(
            "echo {text} printed '{stdout}' to standard output and '{stderr}' to standard error, exit code {}",
            printed.exit_code
        );
        return Err(Outcome::fail(Kind::Fault, seen)
            .fix("check the user profile and the login shell: LoginShell and Profiles of the service"));
    }
    let exited = shell.run("exit 3").await.map_err(failed)?;
    if exited.exit_code != 3 {
        let seen = format!("exit 3 returned exit code {}", exited.exit_code);
        return Err(Outcome::fail(Kind::Fault, seen)
            .fix("check the login shell of the user, which changes exit codes"));
    }
    Ok(())
}

async fn latency(service: &RemoteService) -> (Outcome, Option<()>) {
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
    let (typical, longest) = (units::duration_text(median), units::duration_text(most));
    let seen = format!("{typical} per request (median), {longest} maximum of {ROUNDS} requests");
    if median > SLOW {
        return Outcome::warn(seen)
            .fix("every command needs several requests: check the network path to the service")
            .without_data();
    }
    Outcome::pass(seen).without_data()
}

async fn throughput(service: &RemoteService, identity: Option<&Identity>) -> (Outcome, Option<()>) {
    let is_windows = identity.is_some_and(Identity::is_windows);
    let line =
        if is_windows { WINDOWS_OUTPUT.replace("{line}", &"x".repeat(1_022)) } else { OUTPUT.to_owned() };
    let shell = match service.session.shell(ShellOptions::default()).await {
        Ok(shell) => shell,
        Err(error) => return (Outcome::from(&service.failure(error)).as_warning(), None),
    };
    let begun = Instant::now();
    let printed = shell.run(&line).await;
    let elapsed = begun.elapsed();
    // The shell check has already tested closing a shell.
    let _ = shell.close().await;
    let bytes = match printed {
        Ok(printed) => printed.stdout.len(),
        Err(error) => return (Outcome::from(&service.failure(error)).as_warning(), None),
    };
    if bytes < LEAST_PRINTED {
        return Outcome::skip(format!("the test command printed only {bytes} bytes")).without_data();
    }
    #[allow(clippy::cast_precision_loss)] // Shown with one decimal place.
    let rate = bytes as f64 / elapsed.as_secs_f64() / 1_048_576.0;
    let seen = format!("{rate:.1} MiB/s of command output, including the start of the command");
    if rate < 0.1 {
        return Outcome::warn(seen)
            .fix("check the network path to the service, and MaxEnvelopeSizekb")
            .without_data();
    }
    Outcome::pass(seen).without_data()
}

/// Command that prints 2 MiB.
const OUTPUT: &str = "head -c 2097152 /dev/zero | tr '\\000' x";
const WINDOWS_OUTPUT: &str = "for /L %i in (1,1,2048) do @echo {line}";
/// Minimum output in bytes; less would measure mainly the start of the command.
const LEAST_PRINTED: usize = 1_000_000;
/// Number of requests for the latency check.
const ROUNDS: usize = 20;
/// Median latency above which a warning is reported.
const SLOW: Duration = Duration::from_millis(500);
/// Memory per shell in MB below which a warning is reported.
const LITTLE_MEMORY: u64 = 256;
