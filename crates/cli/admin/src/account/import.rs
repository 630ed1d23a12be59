//! Import of accounts of Samba, and of users of a Linux machine.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use accounts::IfMissing;
use auth::account_file::{
    AccountFile, AccountName, AtLine, Comment, EnabledState, MAX_OCTETS, NewAccount, PasswordHash, Role,
    UnixTime, shadow, smbpasswd,
};
use auth::ntlm::NtHash;
use zeroize::Zeroizing;

use super::nt_hash::NtHashSealer;
use super::{change, change_failure, now};
use cli_command::Failure;

/// An import of accounts into an accounts file.
pub(super) struct Import<'a> {
    /// The accounts file.
    pub(super) path: &'a Path,
    pub(super) source: ImportSource,
    pub(super) existing: Existing,
    /// The state directory with the host key, if it is not the default one.
    pub(super) state: Option<PathBuf>,
}

/// A list of accounts; the path `-` is standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ImportSource {
    /// The format of smbpasswd(5).
    SmbPasswd(PathBuf),
    /// The format of shadow(5).
    Shadow(PathBuf),
}

/// Rule for imported accounts whose names exist already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    /// Skip the imported account.
    Keep,
    /// Replace the password of the existing account.
    Replace,
}

impl Import<'_> {
    /// Imports all accounts in one change of the file, and returns what was done with each.
    pub(super) fn run(self) -> Result<String, Failure> {
        let Self { path, source, existing, state } = self;
        let (entries, sealer) = match source {
            ImportSource::SmbPasswd(file) => {
                let entries = parse_smbpasswd(&read(&file)?).map_err(|error| list_failure(&file, &error))?;
                (entries, Some(NtHashSealer::open(state)?))
            }
            ImportSource::Shadow(file) => {
                let entries =
                    parse_shadow(&read(&file)?, now()).map_err(|error| list_failure(&file, &error))?;
                (entries, None)
            }
        };
        let report = change(path, IfMissing::Create, |file| {
            let mut importer =
                Importer { path, existing, sealer: sealer.as_ref(), report: Report::default() };
            let mut seen = BTreeSet::new();
            for entry in entries {
                match entry {
                    Entry::Account(account) if !seen.insert(account.name.key()) => {
                        importer.report.skipped(account.name.as_str(), "it is listed twice");
                    }
                    Entry::Account(account) => importer.import(file, account)?,
                    Entry::Skipped { name, reason } => importer.report.skipped(&name, &reason),
                }
            }
            Ok(importer.report)
        })?;
        Ok(report.finish(path))
    }
}

/// A line of a list.
enum Entry {
    Account(Account),
    Skipped { name: String, reason: String },
}

struct Account {
    name: AccountName,
    password: PasswordHash,
    nt_hash: Option<NtHash>,
    standing: EnabledState,
    changed: Option<UnixTime>,
}

fn parse_smbpasswd(text: &str) -> Result<Vec<Entry>, AtLine<smbpasswd::LineError>> {
    let entries = smbpasswd::parse(text)?.into_iter().map(|line| match line {
        smbpasswd::Line::Account(entry) => Entry::Account(Account {
            name: entry.name,
            password: PasswordHash::never(),
            nt_hash: Some(NtHash::new(*entry.nt_hash)),
            standing: entry.state,
            changed: entry.changed,
        }),
        smbpasswd::Line::Skipped { name, reason } => skipped(name, &reason),
    });
    Ok(entries.collect())
}

fn parse_shadow(text: &str, now: UnixTime) -> Result<Vec<Entry>, AtLine<shadow::LineError>> {
    let entries = shadow::parse(text)?.into_iter().map(|line| match line {
        shadow::Line::Account(entry) => Entry::Account(Account {
            name: entry.name,
            password: entry.password,
            nt_hash: None,
            standing: match entry.expires {
                Some(end) if end <= now => EnabledState::Disabled,
                _ => entry.state,
            },
            changed: entry.changed,
        }),
        shadow::Line::Skipped { name, reason } => skipped(name, &reason),
    });
    Ok(entries.collect())
}

/// Keeps only the first line of a reason; the remedy on the second line does not fit into a list.
fn skipped(name: String, reason: &dyn std::fmt::Display) -> Entry {
    let reason = reason.to_string();
    Entry::Skipped { name, reason: reason.lines().next().unwrap_or_default().to_owned() }
}

/// The change of the file in progress.
struct Importer<'a> {
    path: &'a Path,
    existing: Existing,
    sealer: Option<&'a NtHashSealer>,
    report: Report,
}

impl Importer<'_> {
    fn import(&mut self, file: &mut AccountFile, account: Account) -> Result<(), Failure> {
        let Account { name, password, nt_hash, standing, changed } = account;
        let (shown, changed) = (name.to_string(), changed.unwrap_or_else(now));
        let outcome = if file.find(&shown).is_none() {
            let comment = Comment::default();
            let added = NewAccount { name, password, role: Role::User, changed, comment };
            file.add(added).map_err(|error| change_failure(error, self.path))?;
            Outcome::Added
        } else if self.existing == Existing::Replace {
            file.set_password(&shown, password, changed).map_err(|error| change_failure(error, self.path))?;
            Outcome::Replaced
        } else {
            self.report.skipped(&shown, "it already exists, and --replace was not given");
            return Ok(());
        };
        if let (Some(hash), Some(sealer)) = (&nt_hash, self.sealer) {
            sealer.seal(file, &shown, hash)?;
        }
        // An import disables accounts but never enables one that was disabled here.
        if standing == EnabledState::Disabled {
            file.set_state(&shown, EnabledState::Disabled)
                .map_err(|error| change_failure(error, self.path))?;
        }
        self.report.imported(&shown, outcome, standing);
        Ok(())
    }
}

/// The result for an account that was not skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Added,
    Replaced,
}

/// The results for all accounts.
#[derive(Default)]
struct Report {
    text: String,
    added: usize,
    replaced: usize,
    skipped: usize,
}

impl Report {
    fn imported(&mut self, name: &str, outcome: Outcome, standing: EnabledState) {
        let (word, count) = match outcome {
            Outcome::Added => ("added", &mut self.added),
            Outcome::Replaced => ("replaced", &mut self.replaced),
        };
        *count += 1;
        let disabled = if standing == EnabledState::Disabled { ", disabled" } else { "" };
        self.text.push_str(&format!("{word} {name}{disabled}\n"));
    }

    fn skipped(&mut self, name: &str, reason: &str) {
        self.skipped += 1;
        self.text.push_str(&format!("skipped {name}: {reason}\n"));
    }

    fn finish(self, path: &Path) -> String {
        let Self { text, added, replaced, skipped } = self;
        format!("{text}{}: added {added}, replaced {replaced}, skipped {skipped}\n", path.display())
    }
}

/// Reads a list; its text is erased after use, because it contains secrets.
fn read(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let source: Box<dyn Read> = if path == Path::new(STANDARD_INPUT) {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| read_failure(path, &error))?)
    };
    let most = u64::try_from(MAX_OCTETS).unwrap_or(u64::MAX);
    let mut text = Zeroizing::new(String::new());
    source.take(most + 1).read_to_string(&mut text).map_err(|error| read_failure(path, &error))?;
    if text.len() > MAX_OCTETS {
        return Err(Failure::Failed(format!("{} is larger than {MAX_OCTETS} bytes", shown(path))));
    }
    Ok(text)
}

fn read_failure(path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("cannot read {}: {error}", shown(path)))
}

fn list_failure(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::failed(format!("{}, {error}", shown(path)), "nothing was imported")
}

fn shown(path: &Path) -> String {
    if path == Path::new(STANDARD_INPUT) { "standard input".to_owned() } else { path.display().to_string() }
}

const STANDARD_INPUT: &str = "-";
