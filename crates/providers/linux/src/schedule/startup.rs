//! `Win32_StartupCommand`: programs that desktops start at logon (Desktop Application Autostart
//! Specification).

use std::sync::Arc;

use wmi::{ProviderError, Scan};

use crate::Machine;
use crate::table::{Fill, Push, Table};

/// Entries of all users.
pub(crate) struct StartupCommand;

/// An autostart entry.
pub(crate) struct Entry {
    name: String,
    command: String,
    folder: String,
    /// Name and ID of the user; `None` for entries of all users.
    owner: Option<(String, u32)>,
}

impl Table for StartupCommand {
    type Row = Entry;

    const CLASS: &'static str = "Win32_StartupCommand";

    const COLUMNS: &'static [(&'static str, Fill<Entry>)] = &[
        ("Caption", |_, entry| entry.name.clone().into()),
        ("Command", |_, entry| entry.command.clone().into()),
        ("Description", |_, entry| entry.name.clone().into()),
        ("Location", |_, entry| entry.folder.clone().into()),
        ("Name", |_, entry| entry.name.clone().into()),
        ("User", |_, entry| {
            entry.owner.as_ref().map_or("Public", |(name, _)| name.as_str()).to_owned().into()
        }),
        ("UserSID", |machine, entry| {
            let sid = entry.owner.as_ref().and_then(|(_, uid)| machine.user_sid(*uid));
            sid.map(|sid| sid.numeric().to_string()).into()
        }),
    ];

    fn rows(
        &self,
        machine: &Arc<Machine>,
        _: &Scan,
        push: &mut Push<'_, Entry>,
    ) -> Result<(), ProviderError> {
        entries(machine, "/etc/xdg/autostart", None).try_for_each(&mut *push)?;
        let text = machine.text("etc/passwd").unwrap_or_default();
        for line in text.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, uid, _, _, home, ..] = *fields.as_slice() else { continue };
            let Ok(uid) = uid.parse() else { continue };
            if home.len() > 1 {
                let folder = format!("{home}/.config/autostart");
                let owner = Some((name.to_owned(), uid));
                entries(machine, &folder, owner.as_ref()).try_for_each(&mut *push)?;
            }
        }
        Ok(())
    }
}

/// Limits on a folder: its number of entries, the number of files examined to find them, and the bytes read
/// of each. Users control the folders in their homes, and may put millions of links to one large file there.
const MOST_ENTRIES: usize = 1_000;
const MOST_FILES: usize = 10_000;
const LONGEST_ENTRY: u64 = 64 << 10;

/// Returns the entries of a folder in the order of their file names; none if this user may not read it.
fn entries<'a>(
    machine: &'a Machine,
    folder: &'a str,
    owner: Option<&'a (String, u32)>,
) -> impl Iterator<Item = Entry> + 'a {
    let inside = folder.trim_start_matches('/');
    let mut files = machine.names_up_to(inside, MOST_FILES).unwrap_or_default();
    files.retain(|file| file.to_str().is_some_and(|file| file.ends_with(".desktop")));
    files.sort_unstable();
    files.truncate(MOST_ENTRIES);
    files.into_iter().filter_map(move |file| entry(machine, folder, file.to_str()?, owner))
}

fn entry(machine: &Machine, folder: &str, file: &str, owner: Option<&(String, u32)>) -> Option<Entry> {
    let path = format!("{}/{file}", folder.trim_start_matches('/'));
    let text = machine.text_of_others_up_to(path, LONGEST_ENTRY).ok()?;
    let lines = text.lines().skip_while(|line| line.trim() != "[Desktop Entry]").skip(1);
    let lines: Vec<&str> = lines.take_while(|line| !line.starts_with('[')).collect();
    if value_in(&lines, "Hidden") == Some("true") {
        return None;
    }
    let name = value_in(&lines, "Name").unwrap_or_else(|| file.trim_end_matches(".desktop")).to_owned();
    let command = value_in(&lines, "Exec")?.to_owned();
    Some(Entry { name, command, folder: folder.to_owned(), owner: owner.cloned() })
}

fn value_in<'a>(lines: &[&'a str], key: &str) -> Option<&'a str> {
    let value = lines.iter().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='));
    value.map(str::trim)
}
