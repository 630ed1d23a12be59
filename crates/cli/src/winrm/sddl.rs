//! `winrm configSDDL`: edits a security descriptor.

mod descriptor;
mod dialogue;
mod names;

use std::io::{IsTerminal, Read, Write};
use std::process::{Command, ExitStatus};

use self::descriptor::StoredDescriptor;
use self::dialogue::Dialogue;
use self::names::Names;
use super::SddlTarget;
use super::service_command::Run;
use super::streams::Streams;
use crate::failure::{Failure, Kind};
use crate::program::Stop;

/// Changes the descriptor to `new`, or to the result of a dialogue or editor.
pub(super) async fn run(
    run: &Run,
    target: SddlTarget,
    new: Option<String>,
    streams: &mut Streams<'_>,
) -> Result<(), Stop> {
    let descriptor = match target {
        // The current descriptor is needed only for editing.
        SddlTarget::Root if new.is_some() => StoredDescriptor::Root { current: String::new() },
        target => StoredDescriptor::find(run, target).await?,
    };
    if let Some(new) = new {
        return descriptor.write(run, &new).await;
    }
    let changed = if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        let names = Names::of_service(run, descriptor.current()).await;
        Dialogue::new(&descriptor, names)?.run(run, streams).await?
    } else if editor().is_some() {
        edited(descriptor.current(), &descriptor.to_string())?
    } else {
        return Err(no_terminal(&descriptor).into());
    };
    match changed {
        Some(sddl) => {
            descriptor.write(run, &sddl).await?;
            Ok(writeln!(streams.errors, "winrm: changed {descriptor}")?)
        }
        None => Ok(writeln!(streams.errors, "winrm: {descriptor} was not changed")?),
    }
}

fn no_terminal(descriptor: &StoredDescriptor) -> Failure {
    Failure::here(Kind::Usage, "configSDDL requires a terminal, an editor or -sddl")
        .advise(format!("add -sddl:SDDL with the new security descriptor; current value of {descriptor}:"))
        .advise(crate::format::harmless(descriptor.current()))
}

fn editor() -> Option<std::ffi::OsString> {
    ["VISUAL", "EDITOR"].into_iter().find_map(std::env::var_os).filter(|editor| !editor.is_empty())
}

/// Opens the descriptor in an editor; returns `None` if it was not changed.
fn edited(current: &str, name: &str) -> Result<Option<String>, Failure> {
    let (status, text) = run_editor(current)
        .map_err(|error| Failure::here(Kind::Usage, format!("cannot edit {name}: {error}")))?;
    if !status.success() {
        let failure = Failure::here(Kind::Usage, format!("the editor failed: {status}"));
        return Err(failure.advise("set EDITOR, or use -sddl:SDDL"));
    }
    let text: String = text.split_whitespace().collect();
    Ok((text != current.trim() && !text.is_empty()).then_some(text))
}

/// Runs the editor on a temporary file and returns its exit status and the edited text.
fn run_editor(current: &str) -> std::io::Result<(ExitStatus, String)> {
    let mut file = tempfile::Builder::new().prefix("winrm-").suffix(".sddl").tempfile()?;
    writeln!(file, "{current}")?;
    let editor = editor().unwrap_or_else(|| "vi".into());
    // The variable may contain arguments, as in `code --wait`, so a shell splits it.
    let status = Command::new("sh").arg("-c").arg("exec $0 \"$1\"").arg(&editor).arg(file.path()).status()?;
    let mut text = String::new();
    // Some editors replace the file, so open it again by name.
    if status.success() {
        std::fs::File::open(file.path())?.take(MAX_BYTES).read_to_string(&mut text)?;
    }
    Ok((status, text))
}

/// Maximum length of an edited descriptor in bytes.
const MAX_BYTES: u64 = 1 << 20;
