//! Terminal dialogue for editing a security descriptor.
//!
//! The dialogue is shared by `winrm configSDDL` and `telarch wmi security --edit`. It does not resolve names itself:
//! [`Dialogue::run`] returns [`Step::LookUp`], and the caller continues with [`Dialogue::add`].

use std::io::{BufRead as _, Read, Write};
use std::process::{Command, ExitStatus};

use sddl::{AccessKind, AccessMask, Ace, AceFlags, Acl, AclFlags, Dacl, Principal, Sacl, SecurityDescriptor};

use super::streams::Streams;
use crate::failure::{Failure, Kind};
use crate::program::Stop;

/// Rules for the entries of one kind of descriptor.
pub trait EntryRules {
    /// Returns the name of the descriptor, which follows "Access granted by".
    fn title(&self) -> String;

    /// Returns the name of a user or group for display.
    fn describe(&self, principal: Principal) -> String;

    /// Returns the words for rights in the prompt, such as `read, write`.
    fn rights_hint(&self) -> &'static str;

    /// Returns rights as words.
    fn rights_in_words(&self, rights: AccessMask) -> String;

    /// Parses the words for rights.
    ///
    /// # Errors
    /// The line to print if the words are invalid.
    fn parse_rights(&self, typed: &str) -> Result<AccessMask, String>;

    /// Returns the remarks on an entry, without parentheses.
    fn remarks(&self, ace: &Ace<AccessKind>, dacl: &Dacl) -> Vec<&'static str>;

    /// Returns the choice between flags of new entries; `None` if entries have no flags.
    fn flags_choice(&self) -> Option<FlagsChoice>;

    /// Returns the reason why an entry cannot be changed, if it cannot.
    fn refusal(&self, ace: &Ace<AccessKind>, dacl: &Dacl) -> Option<String>;

    /// Adds an entry. Deny entries must precede the allow entries that they restrict.
    fn insert(&self, dacl: &mut Dacl, ace: Ace<AccessKind>);

    /// Returns the text of a descriptor for display and for the editor.
    fn text(&self, descriptor: &SecurityDescriptor) -> String;

    /// Parses a text that was edited.
    ///
    /// # Errors
    /// The reason why the text is invalid.
    fn parse_text(&self, text: &str, before: &SecurityDescriptor) -> Result<SecurityDescriptor, String>;
}

/// A question with two answers that selects the flags of an entry.
#[derive(Clone, Copy, Debug)]
pub struct FlagsChoice {
    /// Prompt, which ends in a space.
    pub question: &'static str,
    /// Words and their flags. The first letter of a word is enough.
    pub answers: [(&'static str, AceFlags); 2],
}

/// A descriptor that is being edited.
pub struct Dialogue {
    original: SecurityDescriptor,
    /// Source of owner and group.
    before: SecurityDescriptor,
    dacl: Dacl,
    sacl: Option<Sacl>,
}

/// Reason why the dialogue returns to its caller.
#[derive(Debug)]
pub enum Step {
    /// The user typed this name of a user or group.
    LookUp(String),
    /// The user confirmed this descriptor.
    Write(Box<SecurityDescriptor>),
    /// The user left the dialogue; nothing changes.
    Abandoned,
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

impl Dialogue {
    /// Starts a dialogue about a descriptor.
    #[must_use]
    pub fn new(descriptor: SecurityDescriptor) -> Self {
        let mut dialogue =
            Self { original: descriptor.clone(), before: descriptor.clone(), dacl: empty_dacl(), sacl: None };
        dialogue.load(&descriptor);
        dialogue
    }

    /// Runs the dialogue until a name must be looked up, or until its end.
    ///
    /// # Errors
    /// [`Stop`] if the terminal fails, or if the entries form no descriptor.
    pub fn run(&mut self, rules: &dyn EntryRules, streams: &mut Streams<'_>) -> Result<Step, Stop> {
        loop {
            self.show(rules, streams.out)?;
            let Some(line) = prompt(streams, QUESTION)? else { return Ok(Step::Abandoned) };
            match self.parse_command(&line) {
                EditCommand::Add => {
                    if let Some(name) = prompt(streams, NAME_QUESTION)? {
                        return Ok(Step::LookUp(name));
                    }
                }
                EditCommand::Remove(index) => {
                    if self.check_change(index, rules, streams.out)? {
                        self.dacl.aces.remove(index);
                    }
                }
                EditCommand::Change(index) => self.change(index, rules, streams)?,
                EditCommand::Text => self.edit(rules, streams)?,
                EditCommand::Quit => return Ok(Step::Abandoned),
                EditCommand::Save => {
                    if let Some(step) = self.save(rules, streams)? {
                        return Ok(step);
                    }
                }
                EditCommand::Invalid => {
                    writeln!(streams.out, "Invalid command; N must be the number of an entry.")?;
                }
            }
        }
    }

    /// Asks for the rights of a user or group and adds the entry.
    ///
    /// # Errors
    /// [`Stop`] if the terminal fails.
    pub fn add(
        &mut self,
        principal: Principal,
        rules: &dyn EntryRules,
        streams: &mut Streams<'_>,
    ) -> Result<(), Stop> {
        if let Some(ace) = prompt_entry(principal, rules, streams)? {
            rules.insert(&mut self.dacl, ace);
        }
        Ok(())
    }

    fn load(&mut self, descriptor: &SecurityDescriptor) {
        self.dacl = descriptor.dacl().cloned().unwrap_or_else(empty_dacl);
        self.sacl = descriptor.sacl().cloned();
    }

    fn show(&self, rules: &dyn EntryRules, out: &mut dyn Write) -> Result<(), Stop> {
        writeln!(out, "\nAccess granted by {}:", rules.title())?;
        if self.dacl.aces.is_empty() {
            writeln!(out, "  no entries: access is denied to everyone")?;
        }
        for (index, ace) in self.dacl.aces.iter().enumerate() {
            let kind = match ace.kind {
                AccessKind::Allowed => "allow",
                AccessKind::Denied => "deny",
            };
            let remarks = rules.remarks(ace, &self.dacl).join(", ");
            let remarks = if remarks.is_empty() { remarks } else { format!(" ({remarks})") };
            let (who, rights) = (rules.describe(ace.principal), rules.rights_in_words(ace.rights));
            writeln!(out, "  {}. {kind} {who}: {rights}{remarks}", index + 1)?;
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
            let (who, rights) = (rules.describe(ace.principal), rules.rights_in_words(ace.rights));
            writeln!(out, "  audit when {outcome}: {rights} by {who}")?;
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

    /// Returns `true` if an entry exists and can be changed; otherwise prints the reason.
    fn check_change(&self, index: usize, rules: &dyn EntryRules, out: &mut dyn Write) -> Result<bool, Stop> {
        let Some(ace) = self.dacl.aces.get(index) else { return Ok(false) };
        match rules.refusal(ace, &self.dacl) {
            Some(reason) => {
                writeln!(out, "{reason}")?;
                Ok(false)
            }
            None => Ok(true),
        }
    }

    fn change(
        &mut self,
        index: usize,
        rules: &dyn EntryRules,
        streams: &mut Streams<'_>,
    ) -> Result<(), Stop> {
        if !self.check_change(index, rules, streams.out)? {
            return Ok(());
        }
        let Some(principal) = self.dacl.aces.get(index).map(|ace| ace.principal) else { return Ok(()) };
        let Some(new) = prompt_entry(principal, rules, streams)? else { return Ok(()) };
        match self.dacl.aces.get_mut(index) {
            Some(ace) if ace.kind == new.kind => {
                ace.rights = new.rights;
                if rules.flags_choice().is_some() {
                    ace.flags = new.flags;
                }
            }
            // An entry of the other kind belongs to another place of the list.
            _ => {
                self.dacl.aces.remove(index);
                rules.insert(&mut self.dacl, new);
            }
        }
        Ok(())
    }

    fn edit(&mut self, rules: &dyn EntryRules, streams: &mut Streams<'_>) -> Result<(), Stop> {
        let current = rules.text(&self.descriptor()?);
        if let Some(text) = edited(&current, &rules.title())? {
            match rules.parse_text(&text, &self.before) {
                Ok(descriptor) => {
                    self.before = with_owner_of(&descriptor, &self.before);
                    self.load(&descriptor);
                }
                Err(error) => writeln!(streams.out, "Invalid security descriptor: {error}")?,
            }
        }
        Ok(())
    }

    /// Asks for confirmation; `None` continues the dialogue.
    fn save(&self, rules: &dyn EntryRules, streams: &mut Streams<'_>) -> Result<Option<Step>, Stop> {
        let new = self.descriptor()?;
        if new.to_string() == self.original.to_string() {
            writeln!(streams.out, "No changes.")?;
            return Ok(Some(Step::Abandoned));
        }
        writeln!(streams.out, "New value of {}:\n  {}", rules.title(), rules.text(&new))?;
        match prompt(streams, "Save it [y/n]? ")? {
            Some(answer) if matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes") => {
                Ok(Some(Step::Write(Box::new(new))))
            }
            Some(_) => Ok(None),
            None => Ok(Some(Step::Abandoned)),
        }
    }

    fn descriptor(&self) -> Result<SecurityDescriptor, Failure> {
        let (owner, group) = (self.before.owner(), self.before.group());
        SecurityDescriptor::new(owner, group, Some(self.dacl.clone()), self.sacl.clone())
            .map_err(|error| Failure::here(Kind::Usage, error.to_string()))
    }
}

const QUESTION: &str = "(a)dd, (r)emove N, (c)hange N, (t)ext in an editor, (s)ave, (q)uit? ";
const NAME_QUESTION: &str = "User or group (name, SID, or alias such as BA): ";

/// Returns a protected DACL without entries, which denies all access.
fn empty_dacl() -> Dacl {
    Acl { flags: AclFlags::PROTECTED, aces: Vec::new() }
}

/// Returns a descriptor with owner and group of the edited descriptor, or the previous ones if it has none.
fn with_owner_of(edited: &SecurityDescriptor, before: &SecurityDescriptor) -> SecurityDescriptor {
    let (owner, group) = (edited.owner().or(before.owner()), edited.group().or(before.group()));
    SecurityDescriptor::new(owner, group, None, None).unwrap_or_else(|_| before.clone())
}

/// Asks for rights, kind and flags of an entry; returns `None` at the end of input.
fn prompt_entry(
    principal: Principal,
    rules: &dyn EntryRules,
    streams: &mut Streams<'_>,
) -> Result<Option<Ace<AccessKind>>, Stop> {
    let question = format!("Rights ({}): ", rules.rights_hint());
    let rights = loop {
        let Some(typed) = prompt(streams, &question)? else { return Ok(None) };
        match rules.parse_rights(&typed) {
            Ok(rights) => break rights,
            Err(problem) => writeln!(streams.out, "{problem}")?,
        }
    };
    let kinds = [("allow", AccessKind::Allowed), ("deny", AccessKind::Denied)];
    let Some(kind) = prompt_choice(streams, "(a)llow or (d)eny? ", kinds)? else { return Ok(None) };
    let flags = match rules.flags_choice() {
        Some(choice) => {
            let Some(flags) = prompt_choice(streams, choice.question, choice.answers)? else {
                return Ok(None);
            };
            flags
        }
        None => AceFlags::NONE,
    };
    Ok(Some(Ace { kind, flags, rights, principal }))
}

/// Repeats a question until the answer is one of two words or its first letter; returns `None` at the end of input.
fn prompt_choice<T: Copy>(
    streams: &mut Streams<'_>,
    question: &str,
    answers: [(&str, T); 2],
) -> Result<Option<T>, Stop> {
    loop {
        let Some(typed) = prompt(streams, question)? else { return Ok(None) };
        let typed = typed.to_ascii_lowercase();
        let chosen =
            answers.iter().find(|(word, _)| typed == *word || typed.len() == 1 && word.starts_with(&typed));
        if let Some((_, value)) = chosen {
            return Ok(Some(*value));
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
    let mut limited = Read::take(&mut *streams.input, LONGEST);
    if limited.read_line(&mut line)? == 0 {
        writeln!(streams.out)?;
        return Ok(None);
    }
    Ok(Some(line.trim().to_owned()))
}

/// Returns the editor of the user: `VISUAL`, else `EDITOR`.
#[must_use]
pub fn editor() -> Option<std::ffi::OsString> {
    ["VISUAL", "EDITOR"].into_iter().find_map(std::env::var_os).filter(|editor| !editor.is_empty())
}

/// Opens a text in an editor; returns `None` if it was not changed.
///
/// # Errors
/// A [`Failure`] if the editor cannot be run or fails.
pub fn edited(current: &str, name: &str) -> Result<Option<String>, Failure> {
    let (status, text) = run_editor(current)
        .map_err(|error| Failure::here(Kind::Usage, format!("cannot edit {name}: {error}")))?;
    if !status.success() {
        let failure = Failure::here(Kind::Usage, format!("the editor failed: {status}"));
        return Err(failure.advise("set EDITOR, or give the new security descriptor on the command line"));
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
