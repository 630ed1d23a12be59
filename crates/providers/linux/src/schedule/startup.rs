//! `Win32_StartupCommand`: what desktops start for whoever signs in (Desktop Application Autostart Specification).

use std::sync::Arc;

use wmi::{ProviderError, Scan};

use crate::Machine;
use crate::table::{Fill, Push, Table};

/// The entries of all users.
pub(crate) struct StartupCommand;

/// An entry.
pub(crate) struct Entry {
    name: String,
    command: String,
    folder: String,
    /// Of one user, by name and number; `None` of everybody.
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
        entries(machine, "/etc/xdg/autostart", None).into_iter().try_for_each(&mut *push)?;
        let text = machine.text("etc/passwd").unwrap_or_default();
        for line in text.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, uid, _, _, home, ..] = *fields.as_slice() else { continue };
            let Ok(uid) = uid.parse() else { continue };
            if home.len() > 1 {
                let folder = format!("{home}/.config/autostart");
                let owner = Some((name.to_owned(), uid));
                entries(machine, &folder, owner.as_ref()).into_iter().try_for_each(&mut *push)?;
            }
        }
        Ok(())
    }
}

/// The entries in a folder, in the order of their files; none if this user may not look.
fn entries(machine: &Machine, folder: &str, owner: Option<&(String, u32)>) -> Vec<Entry> {
    let inside = folder.trim_start_matches('/');
    let mut files = machine.names(inside).unwrap_or_default();
    files.sort_unstable();
    let files = files.iter().filter_map(|file| file.to_str()).filter(|file| file.ends_with(".desktop"));
    let entry = |file: &str| {
        let text = machine.text_of_others(format!("{inside}/{file}")).ok()?;
        let lines = text.lines().skip_while(|line| line.trim() != "[Desktop Entry]").skip(1);
        let lines: Vec<&str> = lines.take_while(|line| !line.starts_with('[')).collect();
        let value = |key: &str| {
            let line = lines.iter().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='));
            line.map(|value| value.trim().to_owned())
        };
        if value("Hidden").as_deref() == Some("true") {
            return None;
        }
        let name = value("Name").unwrap_or_else(|| file.trim_end_matches(".desktop").to_owned());
        Some(Entry { name, command: value("Exec")?, folder: folder.to_owned(), owner: owner.cloned() })
    };
    files.filter_map(entry).collect()
}
