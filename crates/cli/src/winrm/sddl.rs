//! `winrm configSDDL`: shows a security descriptor, lets it be changed, and writes it back.

mod dialogue;
mod names;
mod place;

use std::io::{IsTerminal, Read, Write};
use std::process::Command;

use self::dialogue::Dialogue;
use self::names::Names;
use self::place::Place;
use super::SddlTarget;
use super::run::{Run, Streams};
use crate::failure::{Failure, Kind};
use crate::program::Stop;

/// Changes the descriptor to `new`, or to what comes out of a dialogue.
pub(super) async fn run(
    run: &Run,
    target: SddlTarget,
    new: Option<String>,
    streams: &mut Streams<'_>,
) -> Result<(), Stop> {
    let place = match target {
        // What the descriptor is now matters only to whoever is asked.
        SddlTarget::Root if new.is_some() => Place::Root { current: String::new() },
        target => Place::find(run, target).await?,
    };
    if let Some(new) = new {
        return place.write(run, &new).await;
    }
    let changed = if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        let names = Names::of_service(run, place.current()).await;
        Dialogue::new(&place, names)?.run(run, streams).await?
    } else if editor().is_some() {
        edited(place.current(), &place.to_string())?
    } else {
        return Err(no_terminal(&place).into());
    };
    match changed {
        Some(sddl) => {
            place.write(run, &sddl).await?;
            Ok(writeln!(streams.errors, "winrm: {place} was changed")?)
        }
        None => Ok(writeln!(streams.errors, "winrm: {place} was left as it is")?),
    }
}

fn no_terminal(place: &Place) -> Failure {
    let what = "there is no terminal at which configSDDL could ask";
    Failure::here(Kind::Usage, what)
        .advise(format!("give the new security descriptor as -sddl:SDDL; that of {place} is now:"))
        .advise(crate::format::harmless(place.current()))
}

fn editor() -> Option<std::ffi::OsString> {
    ["VISUAL", "EDITOR"].into_iter().find_map(std::env::var_os).filter(|editor| !editor.is_empty())
}

/// The descriptor as the editor leaves it; none if it is as it was.
fn edited(current: &str, place: &str) -> Result<Option<String>, Failure> {
    let failed = |error: std::io::Error| Failure::here(Kind::Usage, format!("cannot edit {place}: {error}"));
    let mut file = tempfile::Builder::new().prefix("winrm-").suffix(".sddl").tempfile().map_err(failed)?;
    writeln!(file, "{current}").map_err(failed)?;
    let editor = editor().unwrap_or_else(|| "vi".into());
    // The variable may hold arguments too, as in `code --wait`, so a shell takes it apart.
    let status = Command::new("sh")
        .arg("-c")
        .arg("exec $0 \"$1\"")
        .arg(&editor)
        .arg(file.path())
        .status()
        .map_err(failed)?;
    if !status.success() {
        let failure = Failure::here(Kind::Usage, format!("the editor ended with {status}"));
        return Err(failure.advise("set EDITOR, or give the descriptor as -sddl:SDDL"));
    }
    // Some editors put a new file in the place of the old one, so the name counts, not the open file.
    let mut text = String::new();
    let changed = std::fs::File::open(file.path()).map_err(failed)?;
    changed.take(MAX_OCTETS).read_to_string(&mut text).map_err(failed)?;
    let text: String = text.split_whitespace().collect();
    Ok((text != current.trim() && !text.is_empty()).then_some(text))
}

/// More than any descriptor has.
const MAX_OCTETS: u64 = 1 << 20;
