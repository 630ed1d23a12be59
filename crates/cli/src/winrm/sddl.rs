//! `winrm configSDDL`: reads a security descriptor, lets it be edited, and writes it back.

use std::io::{Read, Write};
use std::process::Command;

use super::run::{Run, Streams};
use crate::failure::{Failure, Kind};
use crate::input::KeyValues;
use crate::locator::Locator;
use crate::program::Stop;

/// Changes `RootSDDL` to `new`, or to what comes out of an editor.
pub(super) async fn run(run: &Run, new: Option<String>, streams: &mut Streams<'_>) -> Result<(), Stop> {
    let locator = Locator::parse("winrm/config/service")?;
    let new = match new {
        Some(sddl) => sddl,
        None => {
            let answer = run.read(&locator).await?;
            let setting = answer.content().and_then(|c| c.children().find(|child| child.name() == SETTING));
            let current = setting.map(|setting| setting.text().into_owned()).unwrap_or_default();
            match edited(&current)? {
                Some(sddl) => sddl,
                None => {
                    writeln!(streams.errors, "winrm: {SETTING} was left as it is")?;
                    return Ok(());
                }
            }
        }
    };
    let mut values = KeyValues::default();
    values.set(&format!("{SETTING}={new}"))?;
    run.set(&locator, &values).await.map(drop)
}

const SETTING: &str = "RootSDDL";

/// The descriptor as the editor leaves it; none if it is as it was.
fn edited(current: &str) -> Result<Option<String>, Failure> {
    let failed =
        |error: std::io::Error| Failure::here(Kind::Usage, format!("cannot edit {SETTING}: {error}"));
    let mut file = tempfile::Builder::new().prefix("winrm-").suffix(".sddl").tempfile().map_err(failed)?;
    writeln!(file, "{current}").map_err(failed)?;
    let editor = ["VISUAL", "EDITOR"].into_iter().find_map(std::env::var_os);
    let editor = editor.filter(|editor| !editor.is_empty()).unwrap_or_else(|| "vi".into());
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
