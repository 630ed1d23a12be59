//! `winrm trust`: lists, adds and removes entries of `TrustedHosts` of this client.

use std::path::Path;

use config::{Store, StoreError};

use super::TrustTask;
use super::streams::Streams;
use crate::failure::{Failure, Kind};
use crate::program::Stop;
use crate::settings::ClientSettings;

pub(super) fn run(task: TrustTask, settings: &ClientSettings, streams: &mut Streams<'_>) -> Result<(), Stop> {
    let list = settings.read()?.trusted_hosts;
    let entries: Vec<String> =
        list.to_string().split(',').map(|entry| entry.trim().to_owned()).filter(|e| !e.is_empty()).collect();
    match task {
        TrustTask::List => {
            for entry in &entries {
                writeln!(streams.out, "{entry}")?;
            }
            if entries.is_empty() {
                writeln!(streams.errors, "winrm: TrustedHosts is empty")?;
            }
            Ok(())
        }
        TrustTask::Add(host) if list.trusts(&host) => {
            Ok(writeln!(streams.errors, "winrm: {host} is already in TrustedHosts: {list}")?)
        }
        TrustTask::Add(host) => {
            check_not_set_by_policy(settings)?;
            let file = own_file(settings)?;
            write(file, &entries.iter().chain([&host]).cloned().collect::<Vec<_>>())?;
            writeln!(streams.errors, "winrm: added {host} to TrustedHosts in {}", file.display())?;
            for line in risk(&host) {
                writeln!(streams.errors, "  {line}")?;
            }
            Ok(())
        }
        TrustTask::Remove(host) => {
            let left: Vec<String> =
                entries.iter().filter(|entry| !entry.eq_ignore_ascii_case(&host)).cloned().collect();
            if left.len() == entries.len() {
                let failure = Failure::here(Kind::Usage, format!("{host} is not an entry of TrustedHosts"));
                let listed = if entries.is_empty() {
                    "TrustedHosts is empty".to_owned()
                } else {
                    format!("entries: {list}")
                };
                return Err(failure.advise(listed).into());
            }
            check_not_set_by_policy(settings)?;
            write(own_file(settings)?, &left)?;
            if list.trusts(&host) && still_trusts(settings, &host)? {
                writeln!(
                    streams.errors,
                    "winrm: {host} still matches an entry of TrustedHosts: {}",
                    left.join(",")
                )?;
            }
            Ok(())
        }
    }
}

/// Returns a warning about the risk of a trusted host, one line each.
fn risk(host: &str) -> [String; 4] {
    [
        "over HTTP, a server impersonating this host can capture your credentials:".to_owned(),
        "the password with Basic, or with NTLM a hash that can be cracked or relayed".to_owned(),
        format!("prefer HTTPS (-usessl, see winrm help remoting) or Kerberos for {host}"),
        format!("to undo: winrm trust {host} -delete"),
    ]
}

fn still_trusts(settings: &ClientSettings, host: &str) -> Result<bool, Failure> {
    Ok(settings.read()?.trusted_hosts.trusts(host))
}

/// Returns an error if a policy sets `TrustedHosts`, because a change of the file would have no effect.
fn check_not_set_by_policy(settings: &ClientSettings) -> Result<(), Failure> {
    match settings.policy_for("Client/TrustedHosts")? {
        None => Ok(()),
        Some(policy) => {
            let message = format!("TrustedHosts is set by policy to {}", policy.value);
            Err(Failure::here(Kind::Usage, message).advise(format!("change the policy: {}", policy.origin)))
        }
    }
}

fn own_file(settings: &ClientSettings) -> Result<&Path, Failure> {
    let file = settings.own_file().map(std::path::PathBuf::as_path);
    file.ok_or_else(|| {
        Failure::here(Kind::Usage, "cannot locate the settings file of this user: HOME is not set")
    })
}

/// Writes the list to the settings file; other settings are preserved.
fn write(file: &Path, entries: &[String]) -> Result<(), Failure> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(|error| {
            Failure::here(Kind::Usage, format!("cannot create the directory {}: {error}", folder.display()))
        })?;
    }
    let list = entries.join(",");
    let changed = Store::open(file).and_then(|store| {
        store.update(|draft| draft.config.set("Client/TrustedHosts", &list).map_err(StoreError::from))
    });
    changed.map(drop).map_err(not_written)
}

fn not_written(error: StoreError) -> Failure {
    let denied = matches!(&error, StoreError::Disk { source, .. }
        if source.kind() == std::io::ErrorKind::PermissionDenied);
    let failure = Failure::here(Kind::Usage, format!("cannot change the settings: {error}"));
    if denied {
        failure.advise("root changes the machine settings; every other user has a settings file of their own")
    } else {
        failure
    }
}
