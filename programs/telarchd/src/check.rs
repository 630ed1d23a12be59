//! `telarchd --check`: reports problems of the configuration without starting the service.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use accounts::{AccountsError, ClientCertificateFile, HostKey, UnixUsers};
use auth::account_file::AccountFile;
use config::{ListenerKey, State, Store};
use service::{CertificateError, Certificates, Finding, Severity, check_listeners};

use crate::arguments::{PathOrigin, Persistent};
use crate::metrics_export::ExportSettings;
use crate::ntlm_setup;
use crate::persistent::{policies, require_private};
use crate::run_as_check;
use crate::separate::require_user;
use crate::sign_in_state;
use crate::wmi_engine::{self, WmiCounts};

/// Prints the problems; the exit code is a failure if the service could not run as configured.
pub(crate) fn run(arguments: &Persistent) -> Result<ExitCode, Box<dyn Error>> {
    let mut report = Report::default();
    report.settings(arguments);
    report.accounts(arguments);
    report.certificate_mappings(arguments);
    if let Err(error) = ntlm_setup::winbind(arguments) {
        report.add(Severity::Error, &error.to_string(), None);
    }
    if arguments.paths.state.exists()
        && let Err(error) = require_private(&arguments.paths.state)
    {
        report.add(Severity::Error, &error.to_string(), None);
    }
    if rustix::process::geteuid().is_root()
        && let Err(error) = require_user(&UnixUsers::of_this_machine(), &arguments.separate.gateway_user)
    {
        report.add(Severity::Error, &error.to_string(), None);
    }
    report.wmi(arguments);
    let exit = if report.errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    std::io::stdout().write_all(report.finish(arguments).as_bytes())?;
    Ok(exit)
}

#[derive(Default)]
struct Report {
    /// Information without a severity, printed last.
    facts: String,
    text: String,
    errors: usize,
    warnings: usize,
}

impl Report {
    fn settings(&mut self, arguments: &Persistent) {
        let path = &arguments.paths.config;
        if arguments.config == PathOrigin::CommandLine && !path.exists() {
            self.add(Severity::Error, &format!("{} does not exist", path.display()), None);
            return;
        }
        // A missing directory is equivalent to an empty file, because the service creates it.
        if !path.exists() && path.parent().is_none_or(|directory| !directory.exists()) {
            self.listeners(arguments, &State::default());
            return;
        }
        match Store::open_with(path, &arguments.settings) {
            Ok(store) => self.listeners(arguments, &store.state()),
            Err(error) => self.add(Severity::Error, &error.to_string(), None),
        }
    }

    fn listeners(&mut self, arguments: &Persistent, state: &State) {
        let paths = &arguments.paths;
        let certificates = Certificates::new(paths.certificates.clone(), paths.state.clone());
        let lines = Lines::of(&paths.config, state);
        for warning in policies::warnings(&state.policies) {
            self.add(Severity::Warning, &warning, None);
        }
        if state.listeners.in_force(&state.config.service).iter().all(|listener| !listener.enabled) {
            let what = "no listener is enabled; only local programs are served\n  add a section [[Listener]] with Address = \"*\" and Transport = \"HTTPS\"";
            self.add(Severity::Warning, what, Some(&paths.config.display().to_string()));
        }
        if let Some(thumbprint) = state.config.service.certificate_thumbprint
            && let Err(error) = certificates.find(thumbprint)
        {
            self.add(Severity::Error, &format!("Service/CertificateThumbprint: {error}"), None);
        }
        for Finding { listener, severity, message: what, .. } in check_listeners(state, &certificates) {
            let line = lines.of_listener(listener);
            let place = match line {
                Some(line) => format!("{}, line {line}", paths.config.display()),
                None => paths.config.display().to_string(),
            };
            self.add(severity, &format!("listener {listener}: {what}"), Some(&place));
        }
        self.other_certificates(&paths.certificates, &certificates);
        if let Err(error) = ExportSettings::read(&state.config) {
            self.add(Severity::Error, &error.to_string(), Some(&paths.config.display().to_string()));
        }
        let is_root = rustix::process::geteuid().is_root();
        for problem in run_as_check::problems(state, &UnixUsers::of_this_machine(), is_root) {
            self.add(problem.severity, &problem.message, Some(&paths.config.display().to_string()));
        }
        if let Some(problem) = sign_in_state::of_files(arguments, state).problem() {
            self.add(Severity::Error, &problem, Some(&paths.config.display().to_string()));
        }
    }

    /// Reports problems of certificates that no listener uses yet.
    fn other_certificates(&mut self, directory: &Path, certificates: &Certificates) {
        let Ok(files) = fs::read_dir(directory) else { return };
        // The subdirectory contains the issuers of client certificates.
        for path in files.filter_map(Result::ok).map(|file| file.path()).filter(|path| !path.is_dir()) {
            let named = path.file_stem().and_then(|stem| stem.to_str());
            let thumbprint = named.and_then(|name| config::Thumbprint::parse(name).ok());
            match thumbprint.map(|thumbprint| certificates.find(thumbprint)) {
                None => {
                    let what = format!(
                        "{} is not named after its certificate; expected THUMBPRINT.pem",
                        path.display()
                    );
                    self.add(Severity::Warning, &what, None);
                }
                // Chain and key are two files of one certificate; those of listeners were already checked.
                Some(Ok(_) | Err(CertificateError::NotFound { .. })) => {}
                Some(Err(error)) => self.add(Severity::Warning, &error.to_string(), None),
            }
        }
    }

    fn accounts(&mut self, arguments: &Persistent) {
        match accounts::read(&arguments.paths.accounts) {
            Ok(file) => self.nt_hashes(arguments, &file),
            Err(AccountsError::Missing { .. }) if arguments.accounts == PathOrigin::Default => {}
            Err(error) => self.add(Severity::Error, &error.to_string(), None),
        }
    }

    fn certificate_mappings(&mut self, arguments: &Persistent) {
        if let Err(error) = ClientCertificateFile::validate(&arguments.paths.certificate_mappings) {
            self.add(Severity::Error, &error.to_string(), None);
        }
    }

    /// Summarizes WMI in one line; `telarch wmi security` shows the rights of each namespace.
    fn wmi(&mut self, arguments: &Persistent) {
        let path = &arguments.paths.repository;
        match wmi_engine::count(path, &arguments.paths.state) {
            Ok(WmiCounts { namespaces, classes }) => {
                let repository = if path.exists() { "valid" } else { "not created yet" };
                self.facts += &format!(
                    "WMI: {classes} classes in {namespaces} namespaces; repository {}: {repository}\n",
                    path.display()
                );
            }
            Err(error) => {
                let what = format!(
                    "cannot read the WMI repository: {error}\n  WMI refuses all requests until it is repaired"
                );
                self.add(Severity::Error, &what, None);
            }
        }
    }

    /// Reports NT hashes that another machine has sealed, as in a copied file.
    fn nt_hashes(&mut self, arguments: &Persistent, file: &AccountFile) {
        let key = match HostKey::load(&arguments.paths.state) {
            Ok(Some(key)) => Some(key),
            Ok(None) if file.records().all(|record| record.nt_hash.is_none()) => return,
            Ok(None) => None,
            Err(error) => return self.add(Severity::Error, &error.to_string(), None),
        };
        for record in file.records() {
            let Some(hash) = &record.nt_hash else { continue };
            let opened = key.as_ref().and_then(|key| key.open_nt_hash(hash, &record.name, record.rid));
            if opened.is_none() {
                let (name, state) = (&record.name, arguments.paths.state.display());
                let remedy = match record.linux_password() {
                    Some(_) => format!("a local sign-in of {name} renews it, if pam_telarch is enabled"),
                    None => format!("set a new password: telarch account set-password {name} --ntlm"),
                };
                let what = format!(
                    "account {name}: cannot sign in with NTLM: its NT hash was not sealed with host-key in {state}\n  {remedy}"
                );
                let place = arguments.paths.accounts.display().to_string();
                self.add(Severity::Warning, &what, Some(&place));
            }
        }
    }

    /// Adds a finding. `place` is appended to its first line, before the advice.
    fn add(&mut self, severity: Severity, what: &str, place: Option<&str>) {
        let word = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let line = match (what.split_once('\n'), place) {
            (Some((first, rest)), Some(place)) => format!("{word}: {first} ({place})\n{rest}\n"),
            (None, Some(place)) => format!("{word}: {what} ({place})\n"),
            (_, None) => format!("{word}: {what}\n"),
        };
        if self.text.contains(&line) {
            return;
        }
        self.text.push_str(&line);
        match severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
        }
    }

    fn finish(mut self, arguments: &Persistent) -> String {
        let path = arguments.paths.config.display();
        let (errors, warnings) = (self.errors, self.warnings);
        // Writing to a string cannot fail.
        let _ = match (errors, warnings) {
            (0, 0) => writeln!(self.text, "{path}: no problems found"),
            _ => writeln!(self.text, "{path}: errors: {errors}, warnings: {warnings}"),
        };
        self.text + &self.facts
    }
}

/// Line numbers of the listener sections in the configuration file.
struct Lines(Vec<(ListenerKey, usize)>);

impl Lines {
    /// Assigns section headers to listeners, which are parsed in the order of the file.
    fn of(path: &Path, state: &State) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        let headers: Vec<usize> =
            text.lines().enumerate().filter(|(_, line)| is_header(line)).map(|(at, _)| at + 1).collect();
        // A header inside a multi-line string makes the assignment ambiguous.
        if headers.len() != state.listeners.len() {
            return Self(Vec::new());
        }
        Self(state.listeners.iter().map(config::Listener::key).zip(headers).collect())
    }

    fn of_listener(&self, key: ListenerKey) -> Option<usize> {
        self.0.iter().find(|(own, _)| *own == key).map(|(_, line)| *line)
    }
}

fn is_header(line: &str) -> bool {
    let line = line.split('#').next().unwrap_or_default();
    let bare: String = line.chars().filter(|c| !c.is_whitespace() && !matches!(c, '"' | '\'')).collect();
    bare == "[[Listener]]"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listener_headers_are_recognized_in_all_spellings() {
        for header in ["[[Listener]]", "  [[ Listener ]]  # HTTP", "[[\"Listener\"]]"] {
            assert!(is_header(header), "{header}");
        }
        for other in ["# [[Listener]]", "[Listener]", "x = \"[[Listener]]\""] {
            assert!(!is_header(other), "{other}");
        }
    }
}
