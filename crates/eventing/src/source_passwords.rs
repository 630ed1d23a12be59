//! File with passwords for the sources of collector-initiated subscriptions, sealed with the host key.

use std::collections::{HashMap, HashSet};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use account_store::{AccountsError, HostKey, PrivateFile};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use winevent::Subscription;
use winevent::subscription::{Password, SubscriptionId};
use zeroize::Zeroizing;

use crate::error::CollectorError;

/// File with sealed passwords, which only its owner can read.
///
/// Subscription, address of the source and user name are part of the authenticated data, so that no password can be
/// sent to another source by a change of the file.
#[derive(Clone, Debug)]
pub struct SourcePasswords {
    file: PrivateFile,
    state: PathBuf,
}

/// Passwords in clear text, for the process that connects to the sources.
#[derive(Default)]
pub struct OpenedPasswords(HashMap<Key, Password>);

/// Hides the passwords.
impl std::fmt::Debug for OpenedPasswords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenedPasswords").finish_non_exhaustive()
    }
}

/// Line of the file: subscription, address, user and password, separated by tabs.
struct Entry {
    key: Key,
    /// Sealed in the file, and in clear text in [`OpenedPasswords`].
    password: Zeroizing<Vec<u8>>,
}

/// Use of a password.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    subscription: String,
    /// Address of the source; empty for the common credentials.
    address: String,
    user: String,
}

impl SourcePasswords {
    /// File name in the state directory.
    pub const NAME: &str = "event-credentials";

    /// Returns the file in the state directory of the service. It need not exist yet.
    #[must_use]
    pub fn of_state(state: &Path) -> Self {
        Self { file: PrivateFile::new(state.join(Self::NAME)), state: state.to_owned() }
    }

    /// Stores the passwords of a subscription. Stored ones stay while source and user name are the same, and are removed
    /// otherwise.
    ///
    /// # Errors
    /// [`CollectorError`] if the file or the key cannot be used.
    pub fn store(&self, subscription: &Subscription) -> Result<(), CollectorError> {
        let keys = keys(subscription);
        if !subscription.has_passwords() && !self.file.path().exists() {
            return Ok(());
        }
        self.prepare()?;
        let key = HostKey::load_or_create(&self.state)?;
        self.file.update(|old| {
            let mut entries = self.parse(old)?;
            // Passwords that are neither removed nor replaced.
            let kept: HashSet<&Key> =
                keys.iter().filter(|(_, password)| password.is_none()).map(|(key, _)| key).collect();
            entries.retain(|entry| !entry.key.is_of(subscription) || kept.contains(&entry.key));
            for (of, password) in &keys {
                let Some(password) = password else { continue };
                let sealed = key.seal_secret(password.expose().as_bytes(), &of.about())?;
                entries.push(Entry { key: of.clone(), password: Zeroizing::new(sealed) });
            }
            Ok::<_, CollectorError>((show(&entries).to_string(), ()))
        })
    }

    /// Removes the passwords of a subscription.
    ///
    /// # Errors
    /// [`CollectorError`] if the file cannot be used.
    pub fn remove(&self, subscription: &Subscription) -> Result<(), CollectorError> {
        if !self.file.path().exists() {
            return Ok(());
        }
        self.file.update(|old| {
            let mut entries = self.parse(old)?;
            entries.retain(|entry| !entry.key.is_of(subscription));
            Ok::<_, CollectorError>((show(&entries).to_string(), ()))
        })
    }

    /// Returns all passwords in clear text, in the form that [`OpenedPasswords::parse`] reads. One that was sealed with
    /// another key is omitted.
    ///
    /// # Errors
    /// [`CollectorError`] if the file or the key cannot be used.
    pub fn export(&self) -> Result<Zeroizing<Vec<u8>>, CollectorError> {
        let (text, _) = self.file.read()?;
        let entries = self.parse(&text)?;
        if entries.is_empty() {
            return Ok(Zeroizing::default());
        }
        let Some(key) = HostKey::load(&self.state)? else { return Ok(Zeroizing::default()) };
        let mut opened = Vec::with_capacity(entries.len());
        for entry in entries {
            match key.open_secret(&entry.password, &entry.key.about()) {
                Some(password) => opened.push(Entry { key: entry.key, password }),
                None => tracing::warn!(
                    subscription = entry.key.subscription,
                    source = entry.key.address,
                    "Cannot open a stored password: it was sealed with another key; set it again with wecutil ss"
                ),
            }
        }
        Ok(Zeroizing::new(show(&opened).as_bytes().to_vec()))
    }

    /// Creates the state directory if it is missing.
    fn prepare(&self) -> Result<(), CollectorError> {
        let created = DirBuilder::new().recursive(true).mode(0o700).create(&self.state);
        created.map_err(CollectorError::file("create", &self.state))
    }

    fn parse(&self, text: &str) -> Result<Vec<Entry>, CollectorError> {
        parse(text).map_err(|line| invalid(self.file.path(), line))
    }
}

impl OpenedPasswords {
    /// Parses exported passwords.
    ///
    /// # Errors
    /// [`CollectorError::Passwords`] with the first invalid line.
    pub fn parse(exported: &[u8]) -> Result<Self, CollectorError> {
        let text = str::from_utf8(exported).map_err(|_| invalid(SourcePasswords::NAME, 0))?;
        let entries = parse(text).map_err(|line| invalid(SourcePasswords::NAME, line))?;
        let opened = entries.into_iter().filter_map(|entry| {
            let password = str::from_utf8(&entry.password).ok()?;
            Some((entry.key, Password::new(password.to_owned())))
        });
        Ok(Self(opened.collect()))
    }

    /// Adds the passwords to a subscription that was read from a file.
    pub(crate) fn fill(&self, subscription: &mut Subscription) {
        if self.0.is_empty() {
            return;
        }
        let common = subscription.common_user_name.as_deref();
        let common = common.and_then(|user| self.0.get(&Key::new(&subscription.id, "", user)));
        subscription.common_password = common.cloned();
        for source in &mut subscription.sources {
            let user = source.user_name.as_deref();
            let key = user.map(|user| Key::new(&subscription.id, &source.address, user));
            source.password = key.and_then(|key| self.0.get(&key)).cloned();
        }
    }
}

impl Key {
    fn new(subscription: &SubscriptionId, address: &str, user: &str) -> Self {
        Self {
            subscription: subscription.as_str().to_owned(),
            address: address.to_ascii_lowercase(),
            user: user.to_owned(),
        }
    }

    fn is_of(&self, subscription: &Subscription) -> bool {
        self.subscription == subscription.id.as_str()
    }

    /// Returns the authenticated data. No part contains a tab, so different keys have different data.
    fn about(&self) -> Vec<u8> {
        let Self { subscription, address, user } = self;
        format!("event-source\t{subscription}\t{address}\t{user}").into_bytes()
    }
}

/// Returns the uses of passwords in a subscription, with the passwords that it contains.
fn keys(subscription: &Subscription) -> Vec<(Key, Option<&Password>)> {
    let common = subscription.common_user_name.as_ref();
    let common =
        common.map(|user| (Key::new(&subscription.id, "", user), subscription.common_password.as_ref()));
    let sources = subscription.sources.iter().filter_map(|source| {
        let user = source.user_name.as_ref()?;
        Some((Key::new(&subscription.id, &source.address, user), source.password.as_ref()))
    });
    common.into_iter().chain(sources).collect()
}

fn invalid(path: impl Into<PathBuf>, line: usize) -> CollectorError {
    CollectorError::Passwords { path: path.into(), line }
}

/// Parses lines; returns the number of the first invalid one.
fn parse(text: &str) -> Result<Vec<Entry>, usize> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
    lines.map(|(at, line)| parse_line(line).ok_or(at + 1)).collect()
}

fn parse_line(line: &str) -> Option<Entry> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [subscription, address, user, password] = fields.as_slice() else { return None };
    let key = Key {
        subscription: (*subscription).to_owned(),
        address: (*address).to_owned(),
        user: (*user).to_owned(),
    };
    Some(Entry { key, password: Zeroizing::new(STANDARD.decode(password).ok()?) })
}

fn show(entries: &[Entry]) -> Zeroizing<String> {
    let size = entries.iter().map(|entry| {
        let Key { subscription, address, user } = &entry.key;
        subscription.len() + address.len() + user.len() + entry.password.len() * 2 + 16
    });
    // Full capacity from the start, so that growing leaves no copy of a password in memory.
    let mut text = Zeroizing::new(String::with_capacity(size.sum()));
    for Entry { key: Key { subscription, address, user }, password } in entries {
        for field in [subscription, address, user] {
            text.push_str(field);
            text.push('\t');
        }
        text.push_str(&Zeroizing::new(STANDARD.encode(password)));
        text.push('\n');
    }
    text
}

impl From<AccountsError> for CollectorError {
    fn from(error: AccountsError) -> Self {
        Self::Credentials(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const SUBSCRIPTION: &str = "<Subscription \
        xmlns='http://schemas.microsoft.com/2006/03/windows/events/subscription'><SubscriptionId>Logons</SubscriptionId>\
        <SubscriptionType>CollectorInitiated</SubscriptionType><Query>*</Query><CommonUserName>ada</CommonUserName>\
        <CommonPassword>c0mmon</CommonPassword><EventSources><EventSource><Address>WEB1</Address>\
        <UserName>ben</UserName><Password>s3cret</Password></EventSource>\
        <EventSource><Address>web2</Address></EventSource></EventSources></Subscription>";

    fn parsed(text: &str) -> Subscription {
        Subscription::parse(text).unwrap().subscription
    }

    /// Returns the subscription as from its file, with the stored passwords.
    fn filled(file: &SourcePasswords, subscription: &Subscription) -> Subscription {
        let mut subscription = subscription.clone().without_passwords();
        OpenedPasswords::parse(&file.export().unwrap()).unwrap().fill(&mut subscription);
        subscription
    }

    #[test]
    fn passwords_are_sealed_and_stay_until_their_user_or_source_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = SourcePasswords::of_state(&folder.path().join("state"));
        let subscription = parsed(SUBSCRIPTION);
        file.store(&subscription.clone().without_passwords()).unwrap();
        assert!(!folder.path().join("state").exists(), "a file without passwords");
        file.store(&subscription).unwrap();
        let text = fs::read_to_string(folder.path().join("state").join(SourcePasswords::NAME)).unwrap();
        assert_eq!(text.lines().count(), 2);
        for secret in ["s3cret", "c0mmon", &STANDARD.encode("s3cret"), &STANDARD.encode("c0mmon")] {
            assert!(!text.contains(secret), "{text}");
        }
        assert_eq!(filled(&file, &subscription), subscription);
        // A change without passwords keeps them.
        file.store(&subscription.clone().without_passwords()).unwrap();
        assert_eq!(filled(&file, &subscription), subscription);
        let mut other = subscription.clone().without_passwords();
        other.sources[0].user_name = Some("eve".to_owned());
        file.store(&other).unwrap();
        let left = filled(&file, &subscription);
        assert!(left.sources[0].password.is_none() && left.common_password.is_some());
        file.remove(&subscription).unwrap();
        assert!(!filled(&file, &subscription).has_passwords());
    }

    #[test]
    fn a_password_does_not_open_for_another_source_or_subscription() {
        let folder = tempfile::tempdir().unwrap();
        let file = SourcePasswords::of_state(folder.path());
        file.store(&parsed(SUBSCRIPTION)).unwrap();
        let path = folder.path().join(SourcePasswords::NAME);
        let original = fs::read_to_string(&path).unwrap();
        for (from, to) in
            [("web1", "evil"), ("\tben", "\teve"), ("Logons", "Other"), ("Logons\t\t", "Logons\tevil\t")]
        {
            let changed = original.replace(from, to);
            assert_ne!(changed, original);
            fs::write(&path, changed).unwrap();
            let exported = file.export().unwrap();
            let exported = OpenedPasswords::parse(&exported).unwrap();
            assert!(exported.0.len() < 2, "{from}");
        }
        fs::write(&path, "x\n").unwrap();
        assert!(matches!(file.export(), Err(CollectorError::Passwords { line: 1, .. })));
    }
}
