//! The checks of one resource.

use accounts::{LocalLogon, LocalUser, ServiceScope};
use sddl::linux::Proof;
use sddl::{AccessMask, Explanation, Principal, SecurityDescriptor, Verdict};

use super::checks::{AccessQuery, Check, Report};

/// The resources that are checked by default.
pub(super) const DEFAULT_RESOURCES: [&str; 3] = [
    "http://schemas.microsoft.com/wbem/wsman/1/config",
    SHELL_CMD,
    "http://schemas.microsoft.com/wbem/wsman/1/wmi",
];

const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
const POWERSHELL: &str = "http://schemas.microsoft.com/powershell";
const SHELL_CMD: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd";

/// Rights with the operations that require them (MS-WSMV 3.1.4.1.28).
const RIGHTS: [(&str, AccessMask); 3] = [
    ("read (Get, Enumerate)", AccessMask::GENERIC_READ),
    ("write (Put, Create, Delete)", AccessMask::GENERIC_WRITE),
    ("execute (methods)", AccessMask::GENERIC_EXECUTE),
];

/// The right that every operation on a shell requires.
const SHELL_RIGHTS: [(&str, AccessMask); 1] =
    [("execute (open shells, run commands)", AccessMask::GENERIC_EXECUTE)];

impl AccessQuery {
    pub(super) fn check_resources(&self, logon: &LocalLogon, report: &mut Report) {
        match &self.resource {
            Some(uri) => self.check_resource(uri, logon, report),
            None => DEFAULT_RESOURCES.iter().for_each(|uri| self.check_resource(uri, logon, report)),
        }
    }

    fn check_resource(&self, uri: &str, logon: &LocalLogon, report: &mut Report) {
        report.title(uri);
        let plugin = self.settings.plugins.find_by_uri(uri);
        match plugin {
            Some(plugin) if !plugin.is_enabled() => {
                let name = plugin.kind().name;
                report.line(Check::Failed, &format!("the plug-in {name} is disabled"));
                report.line(Check::Info, &format!("denied: the plug-in {name} is disabled"));
                return;
            }
            Some(plugin) if plugin.disabled_endpoint(uri).is_some() => {
                let disabled = plugin.disabled_endpoint(uri).map(ToString::to_string).unwrap_or_default();
                report.line(Check::Failed, &format!("the endpoint {disabled} is disabled"));
                report.line(Check::Info, &format!("denied: the endpoint {disabled} is disabled"));
                return;
            }
            Some(plugin) => {
                report.line(Check::Passed, &format!("the plug-in {} is enabled", plugin.kind().name));
            }
            None => report.line(Check::Info, "no configurable plug-in serves this resource"),
        }
        let deciding = self.settings.access.of(uri);
        report.line(Check::Info, &format!("security descriptor ({}): {}", deciding.origin, deciding.guard));
        for explanation in deciding.guard.explain() {
            report.line(Check::Info, &format!("  {}", self.explained(explanation)));
        }
        let is_shell = is_shell(uri);
        let rights = rights_of(uri);
        let remote_token = logon.token(self.machine(), Proof::Password);
        let local_token = logon.token(self.machine(), Proof::UnixSocket);
        let mut denial = None;
        for (words, right) in rights {
            let verdict = deciding.guard.access_check(&remote_token, *right);
            let check = if verdict.is_granted() { Check::Passed } else { Check::Failed };
            let result = format!("{words}: {}", entry(deciding.guard, verdict));
            report.line(check, &result);
            if check == Check::Failed {
                denial.get_or_insert_with(|| format!("{}, {result}", deciding.origin));
            }
            let local_verdict = deciding.guard.access_check(&local_token, *right);
            if local_verdict.is_granted() != verdict.is_granted() {
                let result = entry(deciding.guard, local_verdict);
                let check = if local_verdict.is_granted() { Check::Passed } else { Check::Failed };
                report.line(check, &format!("{words}, by the Unix socket: {result}"));
            }
        }
        if is_shell {
            self.check_shells(logon, report, &mut denial);
        }
        if plugin.is_some_and(|plugin| plugin.kind().name == "WMI Provider") {
            let next = "each namespace also has a descriptor, which must grant REMOTE_ENABLE to remote users";
            report.line(Check::Info, next);
        }
        let result = denial.map_or_else(|| "access granted".to_owned(), |denial| format!("denied: {denial}"));
        report.line(Check::Info, &result);
    }

    /// Reports the settings and quotas of shells; the first setting that denies access becomes `denial`.
    fn check_shells(&self, logon: &LocalLogon, report: &mut Report, denial: &mut Option<String>) {
        let winrs = &self.settings.config.winrs;
        let mut checks = vec![if winrs.allow_remote_shell_access {
            (Check::Passed, "Winrs.AllowRemoteShellAccess is true")
        } else {
            (Check::Failed, "shells are disabled: Winrs.AllowRemoteShellAccess is false")
        }];
        if self.serving == ServiceScope::Machine {
            checks.push(if matches!(logon.user, LocalUser::Unix { .. }) {
                (Check::Passed, "commands run as this user of the machine")
            } else {
                (Check::Failed, "commands cannot run: the account is not a user of this machine")
            });
        }
        for (check, text) in checks {
            report.line(check, text);
            if check == Check::Failed {
                denial.get_or_insert_with(|| text.to_owned());
            }
        }
        let quotas = format!(
            "quotas: {} users with shells (Winrs.MaxConcurrentUsers), {} shells per user (MaxShellsPerUser), \
             {} processes (MaxProcessesPerShell) and {} MB per shell (MaxMemoryPerShellMB)",
            winrs.max_concurrent_users,
            or_unlimited(winrs.max_shells_per_user.limit()),
            or_unlimited(winrs.max_processes_per_shell.limit()),
            winrs.max_memory_per_shell_mb,
        );
        report.line(Check::Info, &quotas);
        let operations = self.settings.config.service.max_concurrent_operations_per_user;
        report.line(
            Check::Info,
            &format!(
                "quota: {operations} concurrent operations per user (Service.MaxConcurrentOperationsPerUser)"
            ),
        );
    }

    fn explained(&self, explanation: Explanation) -> String {
        let who = match explanation.principal {
            Principal::Sid(sid) => self.described(sid),
            other => other.describe(),
        };
        match (explanation.allowed.is_empty(), explanation.denied.is_empty()) {
            (true, true) => format!("{who}: no rights"),
            (false, true) => format!("{who}: allowed {}", explanation.allowed),
            (true, false) => format!("{who}: denied {}", explanation.denied),
            (false, false) => {
                format!("{who}: allowed {}, denied {}", explanation.allowed, explanation.denied)
            }
        }
    }
}

/// Returns whether a URI is that of a shell.
fn is_shell(uri: &str) -> bool {
    let is_below =
        |prefix: &str| uri.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
    is_below(SHELL) || is_below(POWERSHELL)
}

/// Returns the rights that are checked for a resource.
pub(super) fn rights_of(uri: &str) -> &'static [(&'static str, AccessMask)] {
    if is_shell(uri) { &SHELL_RIGHTS } else { &RIGHTS }
}

fn or_unlimited(limit: Option<u32>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}

/// The result of an access check, with the text of the entry that decided.
fn entry(descriptor: &SecurityDescriptor, verdict: Verdict) -> String {
    let ace = verdict.ace().and_then(|ace| descriptor.dacl()?.aces.get(ace));
    match (ace, verdict.is_granted()) {
        (Some(ace), true) => format!("granted by {ace}"),
        (Some(ace), false) => format!("denied by {ace}"),
        (None, _) => verdict.to_string(),
    }
}
