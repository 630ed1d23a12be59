//! Unit files (systemd.unit(5), systemd.service(5), systemd.syntax(7)).

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::unit::MANAGER;
use crate::Machine;
use crate::bus::BusError;

/// Settings of a service that clients create or change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `Description`.
    pub description: Option<String>,
    /// Absolute path of the program, and its arguments.
    pub command: Option<Vec<String>>,
    /// `User`.
    pub user: Option<String>,
    /// Units that are started before the service.
    pub needs: Vec<String>,
}

/// Folder with the administrator's units.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Target that starts the enabled services at boot.
    target: &'static str,
}

impl Folder {
    /// Returns the first folder for administrators in the search path of systemd.
    ///
    /// # Errors
    /// [`BusError`] if systemd refused the request or does not answer.
    pub fn of(machine: &Machine) -> Result<Self, BusError> {
        let paths = machine.bus().wait(async |bus| MANAGER.texts(&bus, "UnitPath").await)?;
        let found = paths.iter().find_map(|path| match path.rsplit_once("/systemd/")?.1 {
            "system" => Some(Self { path: machine.path(path), target: "multi-user.target" }),
            "user" => Some(Self { path: machine.path(path), target: "default.target" }),
            _ => None,
        });
        found.ok_or_else(|| BusError::Unintelligible(MANAGER.service.to_owned()))
    }

    /// Creates a unit file.
    ///
    /// # Errors
    /// Errors of the operating system; [`io::ErrorKind::AlreadyExists`] if the file exists.
    pub fn create(&self, unit: &str, settings: &Settings) -> io::Result<()> {
        let mut text = format!("{MARK}\n");
        settings.write(&mut text, Kind::Whole);
        // Writing to a `String` cannot fail.
        let _ = write!(text, "\n[Install]\nWantedBy={}\n", self.target);
        self.written(&self.path, &text)?
            .persist_noclobber(self.path.join(unit))
            .map_err(|error| error.error)?;
        Ok(())
    }

    /// Changes settings of a unit with a drop-in file; settings changed earlier are kept.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn change(&self, unit: &str, settings: Settings) -> io::Result<()> {
        let folder = self.path.join(format!("{unit}.d"));
        fs::create_dir_all(&folder)?;
        let file = folder.join(DROP_IN);
        let before = fs::read_to_string(&file).map(|text| Settings::parse(&text)).unwrap_or_default();
        let settings = Settings {
            description: settings.description.or(before.description),
            command: settings.command.or(before.command),
            user: settings.user.or(before.user),
            needs: if settings.needs.is_empty() { before.needs } else { settings.needs },
        };
        let mut text = format!("{MARK}\n");
        settings.write(&mut text, Kind::Change);
        self.written(&folder, &text)?.persist(file).map_err(|error| error.error)?;
        Ok(())
    }

    /// Returns whether the unit was created by this service.
    pub fn is_ours(&self, unit: &str) -> bool {
        let file = self.path.join(unit);
        let is_file = fs::symlink_metadata(&file).is_ok_and(|found| found.is_file());
        is_file && fs::read_to_string(file).is_ok_and(|text| text.starts_with(MARK))
    }

    /// Removes a unit file and its drop-in file.
    ///
    /// # Errors
    /// Errors of the operating system.
    pub fn remove(&self, unit: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(unit))?;
        let folder = self.path.join(format!("{unit}.d"));
        match fs::remove_file(folder.join(DROP_IN)) {
            // The folder stays if it contains other files.
            Ok(()) => fs::remove_dir(folder).or(Ok(())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes a temporary file that everyone may read, to be moved into place.
    fn written(&self, folder: &Path, text: &str) -> io::Result<tempfile::NamedTempFile> {
        let mut file = tempfile::Builder::new()
            .prefix(".telarch-")
            .permissions(fs::Permissions::from_mode(0o644))
            .tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        Ok(file)
    }
}

/// Kind of a file: a whole unit, or a drop-in file that changes one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole unit.
    Whole,
    /// A drop-in file.
    Change,
}

impl Settings {
    /// Appends the settings as a unit file.
    pub fn write(&self, text: &mut String, kind: Kind) {
        text.push_str("[Unit]\n");
        if let Some(description) = &self.description {
            let _ = writeln!(text, "Description={}", description.replace('%', "%%"));
        }
        for unit in &self.needs {
            let _ = writeln!(text, "Requires={unit}\nAfter={unit}");
        }
        text.push_str("\n[Service]\n");
        if let Some(command) = &self.command {
            // A repeated setting adds a command; an empty one removes the commands set before.
            if kind == Kind::Change {
                text.push_str("ExecStart=\n");
            }
            let words: Vec<String> = command.iter().map(|word| escaped(word)).collect();
            let _ = writeln!(text, "ExecStart={}", words.join(" "));
        }
        if let Some(user) = &self.user {
            let _ = writeln!(text, "User={user}");
        }
    }

    /// Parses a file that [`write`](Self::write) wrote.
    pub fn parse(text: &str) -> Self {
        let mut settings = Self::default();
        // Continued lines (systemd.syntax(7)) were not written by this service; neither were lines that end
        // in a backslash and blanks.
        let lines = text.lines().map(trimmed).filter(|line| !line.ends_with('\\'));
        for (name, value) in lines.filter_map(|line| line.split_once('=')) {
            let value = trimmed(value);
            match name {
                "Description" => settings.description = Some(value.replace("%%", "%")),
                // A line without words removes the command set before.
                "ExecStart" => settings.command = words(value).filter(|words| !words.is_empty()),
                "User" => settings.user = Some(value.to_owned()),
                "Requires" => settings.needs.push(value.to_owned()),
                _ => {}
            }
        }
        settings
    }
}

/// Removes the blanks around a text that systemd ignores, including carriage returns.
fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r'])
}

/// Encodes a word of a command line (systemd.service(5), Command lines).
fn escaped(word: &str) -> String {
    let mut text = String::with_capacity(word.len() + 2);
    text.push('"');
    for letter in word.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            '%' => text.push_str("%%"),
            '$' => text.push_str("$$"),
            letter => text.push(letter),
        }
    }
    text.push('"');
    text
}

fn words(line: &str) -> Option<Vec<String>> {
    let words = crate::command_line::words(line)?;
    Some(words.into_iter().map(|word| word.replace("%%", "%").replace("$$", "$")).collect())
}

const MARK: &str = "# Made by telarch for Win32_Service; Win32_Service.Delete removes it.";

const DROP_IN: &str = "50-winrm.conf";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_command_is_not_a_command() {
        for line in
            ["ExecStart=", "ExecStart= ", "ExecStart=\t\r", "ExecStart=\u{c}", "ExecStart=x\nExecStart="]
        {
            assert_eq!(Settings::parse(&format!("[Service]\n{line}\n")), Settings::default(), "{line:?}");
        }
        let user = Settings { user: Some("alice".to_owned()), ..Settings::default() };
        assert_eq!(Settings::parse("User= alice \r\r\r\n"), user);
    }

    #[test]
    fn continued_line_is_rejected() {
        for line in ["Requires=a.servic\\", "Requires=a.servic\\ ", "Description=x\\\t", "User=alice\\\r"] {
            assert_eq!(
                Settings::parse(&format!("[Unit]\n{line}\nAfter=x\n")),
                Settings::default(),
                "{line:?}"
            );
        }
    }

    #[test]
    fn written_text_parses_to_the_same_value() {
        let settings = Settings {
            description: Some("100 % \"fine\"".to_owned()),
            command: Some(["/bin/sh", "-c", "echo \"$HOME\" 50% \\ 'x'", ""].map(str::to_owned).to_vec()),
            user: Some("alice".to_owned()),
            needs: vec!["a.service".to_owned(), "b.service".to_owned()],
        };
        let mut text = String::new();
        settings.write(&mut text, Kind::Change);
        assert_eq!(Settings::parse(&text), settings, "{text}");
        assert!(text.contains("ExecStart=\nExecStart=\"/bin/sh\" \"-c\" \"echo \\\"$$HOME"), "{text}");
    }
}
