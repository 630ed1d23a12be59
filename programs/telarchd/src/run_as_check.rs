//! Check of the PowerShell endpoints that run as another account (`RunAsUser`).

use std::io;

use accounts::UnixUsers;
use config::{EndpointName, EndpointSettings, Plugin, RunAsUser, State};
use sddl::{AccessMask, DomainSid, Token, well_known};
use service::Severity;

use crate::log::one_line_of;

/// Problem of an endpoint, with the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunAsProblem {
    pub(crate) severity: Severity,
    pub(crate) message: String,
}

/// Returns the problems of all endpoints with `RunAsUser`. `is_root` says whether the service can become other users.
pub(crate) fn problems(state: &State, users: &UnixUsers, is_root: bool) -> Vec<RunAsProblem> {
    let endpoints = state.plugins.iter().flat_map(Plugin::endpoint_settings);
    let named = endpoints.filter_map(|settings| Some((settings, settings.run_as.as_ref()?)));
    named.flat_map(|(settings, user)| of_endpoint(state, users, is_root, settings, user)).collect()
}

/// Logs the problems of this process.
pub(crate) fn log_problems(state: &State, users: &UnixUsers) {
    for problem in problems(state, users, rustix::process::geteuid().is_root()) {
        tracing::warn!(error = one_line_of(&problem.message), "Problem of a PowerShell endpoint");
    }
}

fn of_endpoint(
    state: &State,
    users: &UnixUsers,
    is_root: bool,
    settings: &EndpointSettings,
    user: &RunAsUser,
) -> Vec<RunAsProblem> {
    let name = &settings.name;
    let mut problems = Vec::new();
    if !is_root {
        let message = format!(
            "endpoint {name}: RunAsUser {user} requires a service that root has started\n  start the service as root, or remove RunAsUser; until then the endpoint is refused"
        );
        problems.push(RunAsProblem { severity: Severity::Error, message });
    }
    match uid(users, user) {
        Ok(Some(0)) if is_wide(state, name) => {
            let message = format!(
                "endpoint {name} runs as root, and its security descriptor admits users who are not administrators\n  restrict it: winrm configSDDL {}",
                name.uri()
            );
            problems.push(RunAsProblem { severity: Severity::Warning, message });
        }
        Ok(Some(_)) => {}
        Ok(None) => {
            let message = format!(
                "endpoint {name}: RunAsUser {user} is not a user of this machine\n  create the user: useradd --system {user}"
            );
            problems.push(RunAsProblem { severity: Severity::Error, message });
        }
        Err(error) => {
            let message = format!("endpoint {name}: cannot read the users of this machine: {error}\n  retry");
            problems.push(RunAsProblem { severity: Severity::Error, message });
        }
    }
    if !plugin_powershell::endpoints(&state.config).contains(name) {
        let folder = match state.config.powershell.configurations.path() {
            Some(folder) => folder.display().to_string(),
            None => "the folder of the setting PowerShell/Configurations".to_owned(),
        };
        let message = format!(
            "endpoint {name}: it does not exist, because it has no session configuration file\n  create {name}.pssc in {folder}, with the content @{{}} for no restrictions"
        );
        problems.push(RunAsProblem { severity: Severity::Warning, message });
    }
    if let Some((problem, remedy)) = program_problem(state) {
        let message = format!("endpoint {name}: {problem}\n  {remedy}");
        problems.push(RunAsProblem { severity: Severity::Warning, message });
    }
    if state.policies.disables_run_as() {
        let message = format!(
            "endpoint {name}: the policy DisableRunAs refuses endpoints with RunAsUser\n  change the policy, or remove RunAsUser"
        );
        problems.push(RunAsProblem { severity: Severity::Warning, message });
    }
    problems
}

/// Returns why there is no PowerShell for the endpoints, and the remedy.
fn program_problem(state: &State) -> Option<(String, &'static str)> {
    match state.config.powershell.program.path() {
        Some(program) if program.is_file() => None,
        Some(program) => {
            let problem = format!("PowerShell/Program: {} does not exist", program.display());
            Some((problem, "install PowerShell 7, or correct PowerShell/Program"))
        }
        None if plugin_powershell::installed(std::env::var_os("PATH").as_deref()).is_some() => None,
        None => Some((
            "pwsh is not installed".to_owned(),
            "install PowerShell 7: package powershell of Microsoft",
        )),
    }
}

fn uid(users: &UnixUsers, user: &RunAsUser) -> io::Result<Option<u32>> {
    Ok(users.find(user.as_str())?.map(|user| user.uid))
}

/// Returns whether the descriptor of an endpoint admits users only because they can sign in or are Remote Management
/// Users.
fn is_wide(state: &State, name: &EndpointName) -> bool {
    let machine = state.machine_sid.unwrap_or(DomainSid::new([0, 0, 0]));
    let groups = [
        well_known::EVERYONE,
        well_known::AUTHENTICATED_USERS,
        well_known::USERS,
        well_known::NETWORK,
        well_known::INTERACTIVE,
        well_known::REMOTE_MANAGEMENT_USERS,
    ];
    let token = Token::new(machine.account(u32::MAX), groups, machine);
    state.access.of(&name.uri()).guard.access_check(&token, AccessMask::GENERIC_EXECUTE).is_granted()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use config::Store;

    use super::*;

    /// Returns the problems of the endpoint Backup that runs as a user.
    fn found(user: &str, sddl: &str, is_root: bool) -> Vec<(Severity, String)> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Backup.pssc"), "@{}").unwrap();
        found_with(user, sddl, is_root, "/bin/sh", folder.path())
    }

    fn found_with(
        user: &str,
        sddl: &str,
        is_root: bool,
        program: &str,
        configurations: &Path,
    ) -> Vec<(Severity, String)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let uri = "http://schemas.microsoft.com/powershell/Backup";
        let text = format!(
            "PowerShell.Program = {program:?}\nPowerShell.Configurations = {configurations:?}\n\
             [[Plugin]]\nName = \"PowerShell\"\n[[Plugin.Endpoint]]\nName = \"Backup\"\nRunAsUser = \"{user}\"\n\
             [[Plugin.Security]]\nUri = \"{uri}\"\nSddl = \"{sddl}\"\n"
        );
        fs::write(&path, text).unwrap();
        let state = Store::open(&path).unwrap().state();
        let all = problems(&state, &UnixUsers::of_this_machine(), is_root);
        all.into_iter().map(|problem| (problem.severity, problem.message)).collect()
    }

    #[test]
    fn missing_accounts_root_for_many_and_services_without_root_are_reported() {
        assert_eq!(found("root", "D:P(A;;GA;;;BA)", true), []);
        for (user, sddl, is_root, severity, part) in [
            ("root", "D:P(A;;GA;;;RM)", true, Severity::Warning, "runs as root"),
            ("root", "D:P(A;;GX;;;AU)", true, Severity::Warning, "winrm configSDDL http"),
            (
                "telarch-no-such-user",
                "D:P(A;;GA;;;BA)",
                true,
                Severity::Error,
                "is not a user of this machine",
            ),
            ("root", "D:P(A;;GA;;;BA)", false, Severity::Error, "requires a service that root has started"),
        ] {
            let problems = found(user, sddl, is_root);
            let [(found, message)] = problems.as_slice() else { panic!("{problems:?}") };
            assert!(*found == severity && message.contains(part), "{part}: {message}");
        }
    }

    #[test]
    fn endpoints_without_a_file_or_a_program_are_reported() {
        let folder = tempfile::tempdir().unwrap();
        let problems = found_with("root", "D:P(A;;GA;;;BA)", true, "/nonexistent/pwsh", folder.path());
        let [(Severity::Warning, file), (Severity::Warning, program)] = problems.as_slice() else {
            panic!("{problems:?}")
        };
        assert!(file.contains(&format!("create Backup.pssc in {}", folder.path().display())), "{file}");
        assert!(program.contains("PowerShell/Program: /nonexistent/pwsh does not exist"), "{program}");
    }
}
