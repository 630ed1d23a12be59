//! Creation, change and removal of user shares, by `net usershare`.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use cim::{Instance, Value};
use linux::program;
use linux::share::samba::{CONFIGURATION, LIMIT};
use linux::share::{Origin, Share, access};
use rustix::fs::{Access, AtFlags, CWD, accessat};
use wmi::{ProviderError, descriptor};

use crate::Machine;
use crate::account::identity::AccountDirectory;
use crate::table::failure;
use crate::table::text_in;

/// Result codes of methods (`Win32_Share`, return values).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done = 0,
    Denied = 2,
    Failed = 8,
    InvalidName = 9,
    InvalidParameter = 21,
    Duplicate = 22,
    UnknownDirectory = 24,
}

/// Shares a folder.
///
/// # Errors
/// If the existing shares cannot be read.
pub(super) fn create(machine: &Machine, input: &Instance) -> Result<Outcome, ProviderError> {
    let (name, path) =
        (text_in(input, "Name").unwrap_or_default(), text_in(input, "Path").unwrap_or_default());
    let is_folder = matches!(input.value("Type"), Some(Value::Uint32(0)));
    let has_password = text_in(input, "Password").is_some_and(|password| !password.is_empty());
    if !is_name(name) {
        return Ok(Outcome::InvalidName);
    }
    if !is_folder || has_password || asks_for_limit(input) || !is_remark(input) {
        return Ok(Outcome::InvalidParameter);
    }
    if !path.starts_with('/') || path.contains('\n') || !machine.path(path).is_dir() {
        return Ok(Outcome::UnknownDirectory);
    }
    if Share::find(machine, name).map_err(failure)?.is_some() {
        return Ok(Outcome::Duplicate);
    }
    let entries = match input.value("Access") {
        Some(Value::Object(_)) => match wanted(machine, input) {
            Some(entries) => entries,
            None => return Ok(Outcome::InvalidParameter),
        },
        _ => access::default(),
    };
    let remark = text_in(input, "Description").unwrap_or_default();
    Ok(add(machine, name, path, remark, &entries))
}

/// Removes a user share.
///
/// # Errors
/// Currently does not fail.
pub(super) fn delete(machine: &Machine, share: &Share) -> Result<Outcome, ProviderError> {
    match share.origin {
        Origin::Users(_) => Ok(net(machine, &["delete", &share.name])),
        // The files of the administrator are not changed.
        Origin::Configuration { .. } | Origin::Nfs => Ok(Outcome::Denied),
    }
}

/// Changes the remark or the access rights of a user share.
///
/// # Errors
/// Currently does not fail.
pub(super) fn change(machine: &Machine, share: Share, input: &Instance) -> Result<Outcome, ProviderError> {
    let Origin::Users(entries) = share.origin else { return Ok(Outcome::Denied) };
    if asks_for_limit(input) || !is_remark(input) {
        return Ok(Outcome::InvalidParameter);
    }
    let entries = match input.value("Access") {
        Some(Value::Object(_)) => match wanted(machine, input) {
            Some(entries) => entries,
            None => return Ok(Outcome::InvalidParameter),
        },
        _ => entries,
    };
    let remark = text_in(input, "Description").unwrap_or(&share.remark);
    Ok(add(machine, &share.name, &share.path, remark, &entries))
}

fn add(machine: &Machine, name: &str, path: &str, remark: &str, entries: &[access::Entry]) -> Outcome {
    // The command also replaces an existing share.
    net(machine, &["add", name, path, remark, &access::written(entries), "guest_ok=n"])
}

/// Runs `net usershare`.
fn net(machine: &Machine, words: &[&str]) -> Outcome {
    let configuration = machine.path(CONFIGURATION);
    // Words after the dashes are not options, whatever a remark looks like.
    let begin = ["-s".as_ref(), configuration.as_os_str(), OsStr::new("--"), OsStr::new("usershare")];
    let words = begin.into_iter().chain(words.iter().map(OsStr::new));
    match program::of_system("net", words, LIMIT) {
        Ok(ended) if ended.code == 0 => Outcome::Done,
        Ok(ended) => {
            let problem = ended.stderr.lines().last().unwrap_or_default();
            tracing::debug!(%problem, "net usershare failed");
            if may_write(machine) { Outcome::Failed } else { Outcome::Denied }
        }
        // Samba is not installed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Outcome::Denied,
        Err(_) => Outcome::Failed,
    }
}

/// Returns whether this user may write user shares, judged by the usual folder.
fn may_write(machine: &Machine) -> bool {
    let folder = machine.path("var/lib/samba/usershares");
    accessat(CWD, folder, Access::WRITE_OK, AtFlags::EACCESS).is_ok()
}

/// Converts the parameter `Access` to entries.
fn wanted(machine: &Machine, input: &Instance) -> Option<Vec<access::Entry>> {
    let Some(Value::Object(object)) = input.value("Access") else { return None };
    let descriptor = descriptor::read(object, &AccountDirectory::of(machine)).ok()?;
    access::of_descriptor(machine, &descriptor)
}

/// Returns whether the parameters ask for a user limit, which user shares do not have.
fn asks_for_limit(input: &Instance) -> bool {
    // The maximum number means no limit (`SHI_USES_UNLIMITED`).
    !matches!(input.value("MaximumAllowed"), None | Some(Value::Null | Value::Uint32(0 | u32::MAX)))
}

/// Returns whether the remark fits on one line.
fn is_remark(input: &Instance) -> bool {
    text_in(input, "Description").is_none_or(|remark| !remark.contains(['\n', '\0']))
}

/// Returns whether Samba accepts the name, and it cannot lead to a file in another folder.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().count() <= 80
        && !name.contains(|character: char| character.is_control() || "%<>*?|/\\+=;:\",".contains(character))
        && !name.starts_with(['-', '.'])
        && Path::new(name).file_name().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share_names_cannot_be_options_or_paths() {
        for (name, expected) in [
            ("pub", true),
            ("a b", true),
            ("c$", true),
            ("", false),
            ("-l", false),
            ("..", false),
            ("a/b", false),
            ("a\n", false),
        ] {
            assert_eq!(is_name(name), expected, "{name:?}");
        }
    }
}
