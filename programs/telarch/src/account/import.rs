//! Taking over the accounts of Samba, and the users of a Linux machine.

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

use super::arguments::{Existing, ImportFrom};
use super::nt_hash::Sealing;
use super::{change, now, refused};
use crate::failure::Failure;

/// Takes over what can be, in one change of the file, and says what became of each.
pub(super) fn import(
    path: &Path,
    from: &ImportFrom,
    existing: Existing,
    state: Option<PathBuf>,
) -> Result<String, Failure> {
    let found = match from {
        ImportFrom::SmbPasswd(file) => of_samba(&read(file)?).map_err(|error| unreadable(file, &error))?,
        ImportFrom::Shadow(file) => {
            of_shadow(&read(file)?, now()).map_err(|error| unreadable(file, &error))?
        }
    };
    let sealing = match from {
        ImportFrom::SmbPasswd(_) => Some(Sealing::open(state)?),
        ImportFrom::Shadow(_) => None,
    };
    let told = change(path, IfMissing::Create, |file| {
        let mut import = Import { path, existing, sealing: sealing.as_ref(), told: Told::default() };
        let mut seen = BTreeSet::new();
        for found in found {
            match found {
                Found::Account(account) if !seen.insert(account.name.key()) => {
                    import.told.skipped(account.name.as_str(), "it is listed twice");
                }
                Found::Account(account) => import.take_over(file, account)?,
                Found::Skipped { name, reason } => import.told.skipped(&name, &reason),
            }
        }
        Ok(import.told)
    })?;
    Ok(told.finish(path))
}

/// A line of either kind of list.
enum Found {
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

fn of_samba(text: &str) -> Result<Vec<Found>, AtLine<smbpasswd::LineError>> {
    let found = smbpasswd::parse(text)?.into_iter().map(|line| match line {
        smbpasswd::Line::Account(entry) => Found::Account(Account {
            name: entry.name,
            password: PasswordHash::never(),
            nt_hash: Some(NtHash::new(*entry.nt_hash)),
            standing: entry.state,
            changed: entry.changed,
        }),
        smbpasswd::Line::Skipped { name, reason } => skipped(name, &reason),
    });
    Ok(found.collect())
}

fn of_shadow(text: &str, now: UnixTime) -> Result<Vec<Found>, AtLine<shadow::LineError>> {
    let found = shadow::parse(text)?.into_iter().map(|line| match line {
        shadow::Line::Account(entry) => Found::Account(Account {
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
    Ok(found.collect())
}

/// Reasons have their way out on a second line, which does not fit into a list.
fn skipped(name: String, reason: &dyn std::fmt::Display) -> Found {
    let reason = reason.to_string();
    Found::Skipped { name, reason: reason.lines().next().unwrap_or_default().to_owned() }
}

/// One change of the file.
struct Import<'a> {
    path: &'a Path,
    existing: Existing,
    sealing: Option<&'a Sealing>,
    told: Told,
}

impl Import<'_> {
    fn take_over(&mut self, file: &mut AccountFile, account: Account) -> Result<(), Failure> {
        let Account { name, password, nt_hash, standing, changed } = account;
        let (shown, changed) = (name.to_string(), changed.unwrap_or_else(now));
        let failed = |error| refused(error, self.path);
        let taken = if file.find(&shown).is_none() {
            let comment = Comment::default();
            let added = NewAccount { name, password, role: Role::User, changed, comment };
            file.add(added).map_err(failed)?;
            Taken::Added
        } else if self.existing == Existing::Replaced {
            file.set_password(&shown, password, changed).map_err(failed)?;
            Taken::Replaced
        } else {
            self.told.skipped(&shown, "it exists already, and --replace was not given");
            return Ok(());
        };
        if let (Some(hash), Some(sealing)) = (&nt_hash, self.sealing) {
            sealing.seal(file, &shown, hash)?;
        }
        // What the list says is no reason to let one in again that was shut out here.
        if standing == EnabledState::Disabled {
            file.set_state(&shown, EnabledState::Disabled).map_err(failed)?;
        }
        self.told.taken(&shown, taken, standing);
        Ok(())
    }
}

/// What became of an account that was not left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Added,
    Replaced,
}

/// What became of each account.
#[derive(Default)]
struct Told {
    text: String,
    added: usize,
    replaced: usize,
    skipped: usize,
}

impl Told {
    fn taken(&mut self, name: &str, taken: Taken, standing: EnabledState) {
        let (word, count) = match taken {
            Taken::Added => ("added", &mut self.added),
            Taken::Replaced => ("replaced", &mut self.replaced),
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

/// Reads a list, which has secrets in it.
fn read(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let failed = |error: io::Error| Failure::Failed(format!("cannot read {}: {error}", shown(path)));
    let source: Box<dyn Read> = if path == Path::new(STANDARD_INPUT) {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(failed)?)
    };
    let most = u64::try_from(MAX_OCTETS).unwrap_or(u64::MAX);
    let mut text = Zeroizing::new(String::new());
    source.take(most + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() > MAX_OCTETS {
        return Err(Failure::Failed(format!("{} is larger than {MAX_OCTETS} octets", shown(path))));
    }
    Ok(text)
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::failed(format!("{}, {error}", shown(path)), "nothing was taken over")
}

fn shown(path: &Path) -> String {
    if path == Path::new(STANDARD_INPUT) { "standard input".to_owned() } else { path.display().to_string() }
}

const STANDARD_INPUT: &str = "-";
