//! `winrm trust`: one host more, or one less, in `TrustedHosts` of this client.

use std::path::Path;

use config::{Store, StoreError};

use super::TrustTask;
use super::run::Streams;
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
                writeln!(streams.errors, "winrm: no host is trusted without proof")?;
            }
            Ok(())
        }
        TrustTask::Add(host) if list.trusts(&host) => {
            Ok(writeln!(streams.errors, "winrm: {host} is trusted already, by: {list}")?)
        }
        TrustTask::Add(host) => {
            must_be_ours(settings)?;
            let file = own_file(settings)?;
            write(file, &entries.iter().chain([&host]).cloned().collect::<Vec<_>>())?;
            writeln!(streams.errors, "winrm: {host} is trusted without proof now, by {}", file.display())?;
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
                let listed =
                    if entries.is_empty() { "it is empty".to_owned() } else { format!("it holds {list}") };
                return Err(failure.advise(listed).into());
            }
            must_be_ours(settings)?;
            write(own_file(settings)?, &left)?;
            if list.trusts(&host) && still_trusts(settings, &host)? {
                writeln!(streams.errors, "winrm: {host} is still trusted, by: {}", left.join(","))?;
            }
            Ok(())
        }
    }
}

/// What it means, for the one who decides about it.
fn risk(host: &str) -> [String; 4] {
    [
        "over HTTP nothing proves who it is: whoever answers in its name learns what is sent to it"
            .to_owned(),
        "with Basic that is the password; with NTLM a hash that can be guessed, or used elsewhere".to_owned(),
        format!("safer: HTTPS (-usessl, winrm help remoting) or Kerberos for {host}"),
        format!("take it back: winrm trust {host} -delete"),
    ]
}

fn still_trusts(settings: &ClientSettings, host: &str) -> Result<bool, Failure> {
    Ok(settings.read()?.trusted_hosts.trusts(host))
}

/// What policy has decided would stay as it is, whatever is written here.
fn must_be_ours(settings: &ClientSettings) -> Result<(), Failure> {
    match settings.governed("Client/TrustedHosts")? {
        None => Ok(()),
        Some(demand) => {
            let message = format!("policy says who is trusted: {}", demand.value);
            let failure = Failure::here(Kind::Usage, message);
            Err(failure.advise(format!("it can be changed there only: {}", demand.origin)))
        }
    }
}

fn own_file(settings: &ClientSettings) -> Result<&Path, Failure> {
    let file = settings.own_file().map(std::path::PathBuf::as_path);
    file.ok_or_else(|| {
        Failure::here(Kind::Usage, "there is no file for settings of this user: HOME is not set")
    })
}

/// Writes the list into the file, which keeps everything else that it holds.
fn write(file: &Path, entries: &[String]) -> Result<(), Failure> {
    let failed = |error: StoreError| {
        let denied = matches!(&error, StoreError::Disk { source, .. }
            if source.kind() == std::io::ErrorKind::PermissionDenied);
        let failure = Failure::here(Kind::Usage, format!("the settings stay as they are: {error}"));
        if denied {
            failure.advise("as root it is the file of the machine; every user has one of their own")
        } else {
            failure
        }
    };
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(|error| {
            Failure::here(Kind::Usage, format!("cannot make the folder {}: {error}", folder.display()))
        })?;
    }
    let list = entries.join(",");
    let store = Store::open(file).map_err(failed)?;
    let changed =
        store.update(|draft| draft.config.set("Client/TrustedHosts", &list).map_err(StoreError::from));
    changed.map(drop).map_err(failed)
}
