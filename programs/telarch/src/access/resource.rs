//! The gates in front of one resource.

use accounts::{LocalLogon, LocalUser, Serving};
use sddl::linux::Proof;
use sddl::{AccessMask, Explanation, Principal, SecurityDescriptor, Verdict};

use super::gates::{Asked, Gate, Report};

/// What is shown where nobody asks for one resource.
const USUAL: [&str; 3] = [
    "http://schemas.microsoft.com/wbem/wsman/1/config",
    SHELL_CMD,
    "http://schemas.microsoft.com/wbem/wsman/1/wmi",
];

const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell";
const SHELL_CMD: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd";

/// Rights and what they are for (MS-WSMV 3.1.4.1.28).
const RIGHTS: [(&str, AccessMask); 3] = [
    ("read (Get, Enumerate)", AccessMask::GENERIC_READ),
    ("write (Put, Create, Delete)", AccessMask::GENERIC_WRITE),
    ("execute (methods)", AccessMask::GENERIC_EXECUTE),
];

/// Whatever is done with a shell needs this.
const SHELLS: [(&str, AccessMask); 1] =
    [("execute (open shells, run commands)", AccessMask::GENERIC_EXECUTE)];

impl Asked {
    pub(super) fn resources(&self, logon: &LocalLogon, report: &mut Report) {
        match &self.resource {
            Some(uri) => self.one(uri, logon, report),
            None => USUAL.iter().for_each(|uri| self.one(uri, logon, report)),
        }
    }

    fn one(&self, uri: &str, logon: &LocalLogon, report: &mut Report) {
        report.title(uri);
        let plugin = self.settings.plugins.find_by_uri(uri);
        match plugin {
            Some(plugin) if !plugin.is_enabled() => {
                let name = plugin.kind().name;
                report.line(Gate::Shut, &format!("the plug-in {name} is switched off"));
                report.line(Gate::Told, &format!("stopped by the plug-in {name}, which is switched off"));
                return;
            }
            Some(plugin) => {
                report.line(Gate::Open, &format!("the plug-in {} is enabled", plugin.kind().name));
            }
            None => report.line(Gate::Told, "no plug-in that can be set answers for it"),
        }
        let deciding = self.settings.access.of(uri);
        report.line(Gate::Told, &format!("decided by {}: {}", deciding.origin, deciding.guard));
        for explanation in deciding.guard.explain() {
            report.line(Gate::Told, &format!("  {}", self.explained(explanation)));
        }
        let is_shell = uri.get(..SHELL.len()).is_some_and(|head| head.eq_ignore_ascii_case(SHELL));
        let rights: &[(&str, AccessMask)] = if is_shell { &SHELLS } else { &RIGHTS };
        let over_network = logon.token(self.machine(), Proof::Password);
        let here = logon.token(self.machine(), Proof::UnixSocket);
        let mut stop = None;
        for (words, right) in rights {
            let verdict = deciding.guard.access_check(&over_network, *right);
            let gate = if verdict.is_granted() { Gate::Open } else { Gate::Shut };
            let told = format!("{words}: {}", entry(deciding.guard, verdict));
            report.line(gate, &told);
            if gate == Gate::Shut {
                stop.get_or_insert_with(|| format!("{}, {told}", deciding.origin));
            }
            let at_the_socket = deciding.guard.access_check(&here, *right);
            if at_the_socket.is_granted() != verdict.is_granted() {
                let told = entry(deciding.guard, at_the_socket);
                let gate = if at_the_socket.is_granted() { Gate::Open } else { Gate::Shut };
                report.line(gate, &format!("{words}, from this machine through the Unix socket: {told}"));
            }
        }
        if is_shell {
            self.shells(logon, report, &mut stop);
        }
        if plugin.is_some_and(|plugin| plugin.kind().name == "WMI Provider") {
            let next = "then the descriptor of each namespace decides, which over the network must give REMOTE_ENABLE";
            report.line(Gate::Told, next);
        }
        let end = match stop {
            Some(stop) => format!("stopped by {stop}"),
            None => "nothing stops them".to_owned(),
        };
        report.line(Gate::Told, &end);
    }

    /// The switches and quotas of shells.
    fn shells(&self, logon: &LocalLogon, report: &mut Report, stop: &mut Option<String>) {
        let mut switch = |is_open: bool, open: &str, shut: &str| {
            let (gate, told) = if is_open { (Gate::Open, open) } else { (Gate::Shut, shut) };
            report.line(gate, told);
            if !is_open {
                stop.get_or_insert_with(|| told.to_owned());
            }
        };
        let winrs = &self.settings.config.winrs;
        switch(
            winrs.allow_remote_shell_access,
            "Winrs.AllowRemoteShellAccess is true",
            "Winrs.AllowRemoteShellAccess is false: nobody opens shells",
        );
        if self.serving == Serving::Machine {
            switch(
                matches!(logon.user, LocalUser::Unix { .. }),
                "commands run as this user of the machine",
                "it is no user of this machine, so there is nobody to run commands as",
            );
        }
        let limit =
            |limit: Option<u32>| limit.map_or_else(|| "any number".to_owned(), |limit| limit.to_string());
        let quotas = format!(
            "quotas: {} users with shells (Winrs.MaxConcurrentUsers), {} shells each (MaxShellsPerUser), \
             {} processes (MaxProcessesPerShell) and {} MB a shell (MaxMemoryPerShellMB)",
            winrs.max_concurrent_users,
            limit(winrs.max_shells_per_user.limit()),
            limit(winrs.max_processes_per_shell.limit()),
            winrs.max_memory_per_shell_mb,
        );
        report.line(Gate::Told, &quotas);
        let operations = self.settings.config.service.max_concurrent_operations_per_user;
        report.line(
            Gate::Told,
            &format!("quota: {operations} operations at a time (Service.MaxConcurrentOperationsPerUser)"),
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

/// What decided, with the text of the entry if it was one.
fn entry(descriptor: &SecurityDescriptor, verdict: Verdict) -> String {
    let ace = verdict.ace().and_then(|ace| descriptor.dacl()?.aces.get(ace));
    match (ace, verdict.is_granted()) {
        (Some(ace), true) => format!("granted by {ace}"),
        (Some(ace), false) => format!("denied by {ace}"),
        (None, _) => verdict.to_string(),
    }
}
