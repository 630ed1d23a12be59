//! Changing a security descriptor by question and answer.

use std::io::{BufRead as _, Write};

use sddl::{AccessKind, AccessMask, Ace, AceFlags, Acl, AclFlags, Dacl, Guard, Sacl, SecurityDescriptor};

use super::edited;
use super::names::Names;
use super::place::Place;
use crate::failure::{Failure, Kind};
use crate::program::Stop;
use crate::winrm::run::{Run, Streams};

/// A descriptor while it is being changed.
pub(super) struct Dialogue<'p> {
    place: &'p Place,
    names: Names,
    before: SecurityDescriptor,
    dacl: Dacl,
    sacl: Option<Sacl>,
}

/// What the one at the terminal wants next.
enum Wish {
    Add,
    Remove(usize),
    Change(usize),
    Text,
    Save,
    Leave,
    Unclear,
}

impl<'p> Dialogue<'p> {
    pub(super) fn new(place: &'p Place, names: Names) -> Result<Self, Failure> {
        let before = SecurityDescriptor::parse(place.current()).map_err(|error| {
            Failure::here(Kind::Usage, format!("{place} cannot be shown: {error}"))
                .advise("change it as text: -sddl:SDDL")
        })?;
        let mut dialogue = Self { place, names, dacl: nobody(), sacl: None, before };
        dialogue.begin_with(dialogue.before.clone());
        Ok(dialogue)
    }

    /// Asks until it is to be written or left; none if it is left as it was.
    pub(super) async fn run(mut self, run: &Run, streams: &mut Streams<'_>) -> Result<Option<String>, Stop> {
        loop {
            self.show(streams.out)?;
            let Some(wish) = asked(streams, QUESTION)? else { return Ok(None) };
            match self.wish(&wish) {
                Wish::Add => self.add(run, streams).await?,
                Wish::Remove(place) => drop(self.dacl.aces.remove(place)),
                Wish::Change(place) => self.change(place, streams)?,
                Wish::Text => self.edit(streams)?,
                Wish::Leave => return Ok(None),
                Wish::Save => {
                    if let Some(decision) = self.save(streams)? {
                        return Ok(decision);
                    }
                }
                Wish::Unclear => writeln!(streams.out, "That is none of the choices.")?,
            }
        }
    }

    fn begin_with(&mut self, descriptor: SecurityDescriptor) {
        self.dacl = descriptor.dacl().cloned().unwrap_or_else(nobody);
        self.sacl = descriptor.sacl().cloned();
    }

    fn show(&self, out: &mut dyn Write) -> Result<(), Stop> {
        writeln!(out, "\nWho may do what by {}:", self.place)?;
        if self.dacl.aces.is_empty() {
            writeln!(out, "  nobody may do anything")?;
        }
        for (at, ace) in self.dacl.aces.iter().enumerate() {
            let kind = match ace.kind {
                AccessKind::Allowed => "may",
                AccessKind::Denied => "may NOT",
            };
            let inherited =
                if ace.flags.contains(AceFlags::INHERIT_ONLY) { ", for what is below only" } else { "" };
            let who = self.names.describe(ace.principal);
            writeln!(out, "  {}. {who} {kind} {}{inherited}", at + 1, words(ace.rights))?;
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
                "  on record when {outcome}: {} by {}",
                words(ace.rights),
                self.names.describe(ace.principal)
            )?;
        }
        Ok(())
    }

    fn wish(&self, typed: &str) -> Wish {
        let mut words = typed.split_whitespace();
        let (Some(verb), number) = (words.next(), words.next()) else { return Wish::Unclear };
        let place = number.and_then(|number| number.parse::<usize>().ok()).and_then(|one| one.checked_sub(1));
        let place = place.filter(|place| *place < self.dacl.aces.len());
        match (verb.to_ascii_lowercase().as_str(), place) {
            ("a" | "add", _) => Wish::Add,
            ("r" | "remove", Some(place)) => Wish::Remove(place),
            ("c" | "change", Some(place)) => Wish::Change(place),
            ("t" | "text", _) => Wish::Text,
            ("s" | "save", _) => Wish::Save,
            ("q" | "quit", _) => Wish::Leave,
            _ => Wish::Unclear,
        }
    }

    async fn add(&mut self, run: &Run, streams: &mut Streams<'_>) -> Result<(), Stop> {
        let Some(name) = asked(streams, "Who (a name, a SID or an alias such as BA)? ")? else {
            return Ok(());
        };
        let Some(principal) = self.names.find(run, &name).await else {
            return Ok(writeln!(streams.out, "Nobody is called {} there.", crate::format::harmless(&name))?);
        };
        let Some((kind, rights)) = asked_for_rights(streams)? else { return Ok(()) };
        let ace = Ace { kind, flags: AceFlags::NONE, rights, principal };
        match kind {
            // What is refused counts only before what would give it.
            AccessKind::Denied => self.dacl.aces.insert(0, ace),
            AccessKind::Allowed => self.dacl.aces.push(ace),
        }
        Ok(())
    }

    fn change(&mut self, place: usize, streams: &mut Streams<'_>) -> Result<(), Stop> {
        if let Some((kind, rights)) = asked_for_rights(streams)?
            && let Some(ace) = self.dacl.aces.get_mut(place)
        {
            (ace.kind, ace.rights) = (kind, rights);
        }
        Ok(())
    }

    fn edit(&mut self, streams: &mut Streams<'_>) -> Result<(), Stop> {
        let now = self.descriptor()?.to_string();
        if let Some(text) = edited(&now, &self.place.to_string())? {
            match Guard::parse(&text) {
                Ok(guard) => {
                    self.before = with_owner_of(&guard, &self.before);
                    self.begin_with(guard.into_descriptor());
                }
                Err(error) => writeln!(streams.out, "That is no descriptor: {error}")?,
            }
        }
        Ok(())
    }

    /// Asks whether to write; the outer `None` goes on asking for changes.
    fn save(&self, streams: &mut Streams<'_>) -> Result<Option<Option<String>>, Stop> {
        let new = self.descriptor()?.to_string();
        if new == SecurityDescriptor::parse(self.place.current()).map(|d| d.to_string()).unwrap_or_default() {
            writeln!(streams.out, "Nothing was changed.")?;
            return Ok(Some(None));
        }
        writeln!(streams.out, "{} becomes\n  {new}", self.place)?;
        match asked(streams, "Write it [y/n]? ")? {
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

/// A list without entries: nobody may.
fn nobody() -> Dacl {
    Acl { flags: AclFlags::PROTECTED, aces: Vec::new() }
}

/// The edited descriptor decides about owner and group, too, where it names them.
fn with_owner_of(edited: &SecurityDescriptor, before: &SecurityDescriptor) -> SecurityDescriptor {
    let (owner, group) = (edited.owner().or(before.owner()), edited.group().or(before.group()));
    SecurityDescriptor::new(owner, group, None, None).unwrap_or_else(|_| before.clone())
}

fn asked_for_rights(streams: &mut Streams<'_>) -> Result<Option<(AccessKind, AccessMask)>, Stop> {
    let rights = loop {
        let Some(typed) = asked(streams, "Which rights (read, write, execute, all)? ")? else {
            return Ok(None);
        };
        match rights(&typed) {
            Some(rights) => break rights,
            None => writeln!(streams.out, "Write one or more of them, such as: read execute")?,
        }
    };
    loop {
        let Some(typed) = asked(streams, "(a)llow or (d)eny? ")? else { return Ok(None) };
        match typed.to_ascii_lowercase().as_str() {
            "a" | "allow" => return Ok(Some((AccessKind::Allowed, rights))),
            "d" | "deny" => return Ok(Some((AccessKind::Denied, rights))),
            _ => {}
        }
    }
}

/// A line that is typed, without spaces around it; none at the end of the input.
fn asked(streams: &mut Streams<'_>, question: &str) -> Result<Option<String>, Stop> {
    /// Longer than any SID.
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

/// Rights as words: what MS-WSMV asks for, and whatever else stands there as SDDL has it.
fn words(rights: AccessMask) -> String {
    let rights = rights.collapsed();
    if rights.contains(AccessMask::GENERIC_ALL) {
        return "do all".to_owned();
    }
    let named = NAMED.iter().filter(|(_, right)| rights.contains(*right));
    let mut words: Vec<String> = named.map(|(word, _)| (*word).to_owned()).collect();
    let rest = NAMED.iter().fold(rights, |rest, (_, right)| rest.without(*right));
    if !rest.is_empty() {
        words.push(rest.to_string());
    }
    if words.is_empty() { "do nothing".to_owned() } else { words.join(", ") }
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

/// Rights by the words that people use.
const NAMED: [(&str, AccessMask); 3] = [
    ("read", AccessMask::GENERIC_READ),
    ("write", AccessMask::GENERIC_WRITE),
    ("execute", AccessMask::GENERIC_EXECUTE),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_words_and_words_are_rights() {
        for (sddl, shown) in [
            ("GA", "do all"),
            ("GR", "read"),
            ("GXGWGR", "read, write, execute"),
            ("GRCC", "read, CC"),
            ("", "do nothing"),
            ("SDRCWDWOGXGWGR", "do all"),
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
