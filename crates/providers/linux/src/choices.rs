//! Settings of the administrator for the classes of this machine: `/etc/telarch/wmi.toml`.
//!
//! ```toml
//! # Other names of disks, for scripts that ask for C:
//! drive_alias = { "C:" = "/" }
//! # Users and groups of directories are listed, too ("all"), or only those of the machine ("files").
//! accounts = "files"
//! ```

use std::sync::Arc;

use linux::Machine;
use linux::account::Sources;
use linux::reread::Reread;

/// Settings of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choices {
    /// Alias names of disks, with their mount points.
    pub(crate) drive_aliases: Vec<(String, String)>,
    /// Sources of accounts to enumerate.
    pub(crate) accounts: Sources,
}

/// Content of the file, read again when it has changed.
#[derive(Debug, Default)]
pub(crate) struct Chosen(Reread<Choices>);

impl Chosen {
    pub(crate) fn of(&self, machine: &Machine) -> Arc<Choices> {
        self.0.of(machine, FILE, read).unwrap_or_default()
    }
}

/// Reads the file. An invalid file is logged, and the defaults apply.
fn read(machine: &Machine) -> Choices {
    let text = machine.text(FILE).map_err(|error| error.to_string());
    text.and_then(|text| parse(&text)).unwrap_or_else(|error| {
        tracing::warn!(file = FILE, %error, "Cannot read the settings of the WMI classes; defaults apply");
        Choices::default()
    })
}

fn parse(text: &str) -> Result<Choices, String> {
    let document: toml_edit::DocumentMut = text.parse().map_err(|error| format!("{error}"))?;
    let mut choices = Choices::default();
    for (name, item) in document.iter() {
        match name {
            "drive_alias" => {
                let table = item.as_table_like().ok_or("drive_alias is not a table")?;
                for (alias, place) in table.iter() {
                    let place = place.as_str().filter(|place| place.starts_with('/'));
                    let place =
                        place.ok_or_else(|| format!("drive_alias.\"{alias}\" is not an absolute path"))?;
                    if alias.is_empty() || alias.starts_with('/') {
                        return Err(format!("drive_alias: \"{alias}\" is empty or the name of a disk"));
                    }
                    choices.drive_aliases.push((alias.to_owned(), place.to_owned()));
                }
            }
            "accounts" => {
                choices.accounts = match item.as_str() {
                    Some("files") => Sources::Files,
                    Some("all") => Sources::All,
                    _ => return Err("accounts must be \"files\" or \"all\"".to_owned()),
                };
            }
            other => return Err(format!("unknown setting \"{other}\"")),
        }
    }
    Ok(choices)
}

const FILE: &str = "etc/telarch/wmi.toml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_parsed_or_rejected() {
        let chosen = parse("drive_alias = { \"C:\" = \"/\", \"D:\" = \"/srv\" }\naccounts = \"all\"\n")
            .expect("they are right");
        let aliases =
            [("C:", "/"), ("D:", "/srv")].map(|(alias, place)| (alias.to_owned(), place.to_owned()));
        assert_eq!(chosen, Choices { drive_aliases: aliases.to_vec(), accounts: Sources::All });
        assert_eq!(parse("[drive_alias]\n\"C:\" = \"/\"\n").expect("a table").drive_aliases.len(), 1);
        for wrong in [
            "drive_alias = 3",
            "drive_alias = { \"C:\" = 3 }",
            "drive_alias = { \"C:\" = \"srv\" }",
            "drive_alias = { \"/x\" = \"/\" }",
            "accounts = true",
            "drives = 1",
            "[",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
