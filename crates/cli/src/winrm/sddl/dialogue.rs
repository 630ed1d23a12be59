//! Terminal dialogue for editing a security descriptor.

use std::io::{BufRead as _, Write};

use sddl::{AccessKind, AccessMask, Ace, AceFlags, Acl, AclFlags, Dacl, Guard, Sacl, SecurityDescriptor};

use super::descriptor::StoredDescriptor;
use super::edited;
use super::names::Names;
use crate::failure::{Failure, Kind};
use crate::program::Stop;
use crate::winrm::service_command::Run;
use crate::winrm::streams::Streams;

/// A descriptor that is being edited.
pub(super) struct Dialogue<'p> {
    stored: &'p StoredDescriptor,
    names: Names,
    before: SecurityDescriptor,
    dacl: Dacl,
    sacl: Option<Sacl>,
}

/// Command typed by the user.
enum EditCommand {
    Add,
    /// Index of the entry.
    Remove(usize),
    /// Index of the entry.
    Change(usize),
    Text,
    Save,
    Quit,
    Invalid,
}

impl<'p> Dialogue<'p> {
    pub(super) fn new(stored: &'p StoredDescriptor, names: Names) -> Result<Self, Failure> {
        let before = SecurityDescriptor::parse(stored.current()).map_err(|error| {
            Failure::here(Kind::Usage, format!("cannot show {stored}: {error}"))
                .advise("replace the whole descriptor with -sddl:SDDL")
        })?;
        let mut dialogue = Self { stored, names, dacl: empty_dacl(), sacl: None, before };
        dialogue.load(dialogue.before.clone());
        Ok(dialogue)
    }

    /// Runs the dialogue; returns the new descriptor, or `None` if it was not changed.
    pub(super) async fn run(mut self, run: &Run, streams: &mut Streams<'_>) -> Result<Option<String>, Stop> {
        loop {
            self.show(streams.out)?;
            let Some(line) = prompt(streams, QUESTION)? else { return Ok(None) };
            match self.parse_command(&line) {
                EditCommand::Add => self.add(run, streams).await?,
                EditCommand::Remove(index) => drop(self.dacl.aces.remove(index)),
                EditCommand::Change(index) => self.change(index, streams)?,
                EditCommand::Text => self.edit(streams)?,
                EditCommand::Quit => return Ok(None),
                EditCommand::Save => {
                    if let Some(decision) = self.save(streams)? {
                        return Ok(decision);
                    }
                }
                EditCommand::Invalid => {
                    writeln!(streams.out, "Invalid command; N must be the number of an entry.")?;
                }
            }
        }
    }

    fn load(&mut self, descriptor: SecurityDescriptor) {
        self.dacl = descriptor.dacl().cloned().unwrap_or_else(empty_dacl);
        self.sacl = descriptor.sacl().cloned();
    }

    fn show(&self, out: &mut dyn Write) -> Result<(), Stop> {
        writeln!(out, "\nAccess granted by {}:", self.stored)?;
        if self.dacl.aces.is_empty() {
            writeln!(out, "  no entries: access is denied to everyone")?;
        }
        for (index, ace) in self.dacl.aces.iter().enumerate() {
            let kind = match ace.kind {
                AccessKind::Allowed => "allow",
                AccessKind::Denied => "deny",
            };
            let inherited =
                if ace.flags.contains(AceFlags::INHERIT_ONLY) { " (child objects only)" } else { "" };
            let who = self.names.describe(ace.principal);
            writeln!(out, "  {}. {kind} {who}: {}{inherited}", index + 1, words(ace.rights))?;
        }
        for ace in self.sacl.iter().flat_map(|sacl| &sacl.aces) {
            let outcome = match (
                ace.flags.contains(AceFlags::SUCCESSFUL_ACCESS),
                ace.flags.contains(AceFlags::FAILED_ACCESS),
            ) {
                (true, true) => "granted or denied",
                (true, false) => "granted",
                (false, true) => "denied",
                (false, false) => "never",
            };
            writeln!(
                out,
                "  audit when {outcome}: {} by {}",
                words(ace.rights),
                self.names.describe(ace.principal)
            )?;
        }
        Ok(())
    }

    fn parse_command(&self, line: &str) -> EditCommand {
        let mut words = line.split_whitespace();
        let (Some(verb), number) = (words.next(), words.next()) else { return EditCommand::Invalid };
        let index = number.and_then(|number| number.parse::<usize>().ok()).and_then(|one| one.checked_sub(1));
        let index = index.filter(|index| *index < self.dacl.aces.len());
        match (verb.to_ascii_lowercase().as_str(), index) {
            ("a" | "add", _) => EditCommand::Add,
            ("r" | "remove", Some(index)) => EditCommand::Remove(index),
            ("c" | "change", Some(index)) => EditCommand::Change(index),
            ("t" | "text", _) => EditCommand::Text,
            ("s" | "save", _) => EditCommand::Save,
            ("q" | "quit", _) => EditCommand::Quit,
            _ => EditCommand::Invalid,
        }
    }

    async fn add(&mut self, run: &Run, streams: &mut Streams<'_>) -> Result<(), Stop> {
        let Some(name) = prompt(streams, "User or group (name, SID, or alias such as BA): ")? else {
            return Ok(());
        };
        let Some(principal) = self.names.find(run, &name).await else {
            return Ok(writeln!(streams.out, "Unknown user or group: {}", crate::format::harmless(&name))?);
        };
        let Some((kind, rights)) = prompt_rights(streams)? else { return Ok(()) };
        let ace = Ace { kind, flags: AceFlags::NONE, rights, principal };
        match kind {
            // Deny entries must precede the allow entries that they restrict.
            AccessKind::Denied => self.dacl.aces.insert(0, ace),
            AccessKind::Allowed => self.dacl.aces.push(ace),
        }
        Ok(())
    }

    fn change(&mut self, index: usize, streams: &mut Streams<'_>) -> Result<(), Stop> {
        if let Some((kind, rights)) = prompt_rights(streams)?
            && let Some(ace) = self.dacl.aces.get_mut(index)
        {
            (ace.kind, ace.rights) = (kind, rights);
        }
        Ok(())
    }

    fn edit(&mut self, streams: &mut Streams<'_>) -> Result<(), Stop> {
        let current = self.descriptor()?.to_string();
        if let Some(text) = edited(&current, &self.stored.to_string())? {
            match Guard::parse(&text) {
                Ok(guard) => {
                    self.before = with_owner_of(&guard, &self.before);
                    self.load(guard.into_descriptor());
                }
                Err(error) => writeln!(streams.out, "Invalid security descriptor: {error}")?,
            }
        }
        Ok(())
    }

    /// Asks for confirmation. The outer `None` continues the dialogue; `Some(None)` ends it without a change.
    fn save(&self, streams: &mut Streams<'_>) -> Result<Option<Option<String>>, Stop> {
        let new = self.descriptor()?.to_string();
        if new == SecurityDescriptor::parse(self.stored.current()).map(|d| d.to_string()).unwrap_or_default()
        {
            writeln!(streams.out, "No changes.")?;
            return Ok(Some(None));
        }
        writeln!(streams.out, "New value of {}:\n  {new}", self.stored)?;
        match prompt(streams, "Save it [y/n]? ")? {
            Some(answer) if matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes") => {
                Ok(Some(Some(new)))
            }
            Some(_) => Ok(None),
            None => Ok(Some(None)),
        }
    }

    fn descriptor(&self) -> Result<SecurityDescriptor, Failure> {
        let (owner, group) = (self.before.owner(), self.before.group());
        SecurityDescriptor::new(owner, group, Some(self.dacl.clone()), self.sacl.clone())
            .map_err(|error| Failure::here(Kind::Usage, error.to_string()))
    }
}

const QUESTION: &str = "(a)dd, (r)emove N, (c)hange N, (t)ext in an editor, (s)ave, (q)uit? ";

/// Returns a protected DACL without entries, which denies all access.
fn empty_dacl() -> Dacl {
    Acl { flags: AclFlags::PROTECTED, aces: Vec::new() }
}

/// Returns a descriptor with owner and group of the edited descriptor, or the previous ones if it has none.
fn with_owner_of(edited: &SecurityDescriptor, before: &SecurityDescriptor) -> SecurityDescriptor {
    let (owner, group) = (edited.owner().or(before.owner()), edited.group().or(before.group()));
    SecurityDescriptor::new(owner, group, None, None).unwrap_or_else(|_| before.clone())
}

fn prompt_rights(streams: &mut Streams<'_>) -> Result<Option<(AccessKind, AccessMask)>, Stop> {
    let rights = loop {
        let Some(typed) = prompt(streams, "Rights (read, write, execute, all): ")? else {
            return Ok(None);
        };
        match rights(&typed) {
            Some(rights) => break rights,
            None => writeln!(streams.out, "Enter one or more rights, for example: read execute")?,
        }
    };
    loop {
        let Some(typed) = prompt(streams, "(a)llow or (d)eny? ")? else { return Ok(None) };
        match typed.to_ascii_lowercase().as_str() {
            "a" | "allow" => return Ok(Some((AccessKind::Allowed, rights))),
            "d" | "deny" => return Ok(Some((AccessKind::Denied, rights))),
            _ => {}
        }
    }
}

/// Prints a question and reads one line, trimmed; returns `None` at the end of input.
fn prompt(streams: &mut Streams<'_>, question: &str) -> Result<Option<String>, Stop> {
    /// Maximum length of a line in bytes; longer than any SID.
    const LONGEST: u64 = 1_024;
    write!(streams.out, "{question}")?;
    streams.out.flush()?;
    let mut line = String::new();
    let mut limited = std::io::Read::take(&mut *streams.input, LONGEST);
    if limited.read_line(&mut line)? == 0 {
        writeln!(streams.out)?;
        return Ok(None);
    }
    Ok(Some(line.trim().to_owned()))
}

/// Returns rights as text: the generic rights that MS-WSMV uses as words, other rights in SDDL notation.
fn words(rights: AccessMask) -> String {
    let rights = rights.collapsed();
    if rights.contains(AccessMask::GENERIC_ALL) {
        return "all".to_owned();
    }
    let named = NAMED.iter().filter(|(_, right)| rights.contains(*right));
    let mut words: Vec<String> = named.map(|(word, _)| (*word).to_owned()).collect();
    let rest = NAMED.iter().fold(rights, |rest, (_, right)| rest.without(*right));
    if !rest.is_empty() {
        words.push(rest.to_string());
    }
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

fn rights(typed: &str) -> Option<AccessMask> {
    let mut all = AccessMask::NONE;
    for word in typed.split([' ', ',']).filter(|word| !word.is_empty()) {
        let named = NAMED.iter().find(|(own, _)| own.eq_ignore_ascii_case(word)).map(|(_, right)| *right);
        let whole = word.eq_ignore_ascii_case("all").then_some(AccessMask::GENERIC_ALL);
        all |= named.or(whole).or_else(|| AccessMask::parse(word).ok())?;
    }
    (!all.is_empty()).then_some(all)
}

/// Words for the generic rights.
const NAMED: [(&str, AccessMask); 3] = [
    ("read", AccessMask::GENERIC_READ),
    ("write", AccessMask::GENERIC_WRITE),
    ("execute", AccessMask::GENERIC_EXECUTE),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_converted_to_words_and_back() {
        for (sddl, shown) in [
            ("GA", "all"),
            ("GR", "read"),
            ("GXGWGR", "read, write, execute"),
            ("GRCC", "read, CC"),
            ("", "none"),
            ("SDRCWDWOGXGWGR", "all"),
        ] {
            assert_eq!(words(AccessMask::parse(sddl).expect("rights")), shown, "{sddl}");
        }
        for (typed, sddl) in [
            ("read", Some("GR")),
            ("READ, execute", Some("GXGR")),
            ("all", Some("GA")),
            ("GW", Some("GW")),
            ("reed", None),
            ("read reed", None),
            ("", None),
        ] {
            assert_eq!(rights(typed).map(|rights| rights.to_string()).as_deref(), sddl, "{typed}");
        }
    }
}
