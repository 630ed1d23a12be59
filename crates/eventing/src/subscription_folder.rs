//! Folder with the subscription files of a collector.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use files::{Access, FolderRules, TrustedFile, read_folder, sibling};
use winevent::Subscription;

use crate::error::CollectorError;
use crate::source::file_name_of;
use crate::source_passwords::{OpenedPasswords, SourcePasswords};
use crate::subscriptions::{MAX_FILE, Subscriptions};

/// Folder with a file for each subscription of a collector.
///
/// A change is refused if the collector could not use the subscriptions afterwards, because it would then keep the
/// previous ones. Changes of several processes are serialized by a lock.
#[derive(Clone, Debug)]
pub struct SubscriptionFolder {
    folder: PathBuf,
    /// File for the passwords of sources, which are never part of a file in the folder.
    passwords: SourcePasswords,
}

impl SubscriptionFolder {
    /// Names a folder, which need not exist, and the file for passwords of sources.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, passwords: SourcePasswords) -> Self {
        Self { folder: folder.into(), passwords }
    }

    /// Reads the contents of all files, in the order of their names.
    ///
    /// # Errors
    /// [`CollectorError::TrustedFile`] if the folder or a file cannot be read, or other users can change it.
    pub fn read(&self) -> Result<Vec<(PathBuf, Vec<u8>)>, CollectorError> {
        let rules =
            FolderRules { extension: "xml", access: Access::Read, max_files: MAX_FILES, max_size: MAX_FILE };
        Ok(read_folder(&self.folder, rules)?)
    }

    /// Returns the subscriptions of all files, without passwords.
    ///
    /// # Errors
    /// [`CollectorError`] if a file cannot be read, or the collector could not use it.
    pub fn subscriptions(&self) -> Result<Subscriptions, CollectorError> {
        Subscriptions::with_passwords(self.read()?, OpenedPasswords::default())
    }

    /// Adds a subscription in a new file.
    ///
    /// # Errors
    /// [`CollectorError::SubscriptionExists`], and errors of reading and writing.
    pub fn add(&self, subscription: &Subscription) -> Result<(), CollectorError> {
        let _lock = self.lock()?;
        let name = subscription.id.as_str();
        if let Some(other) = self.subscriptions()?.named(name) {
            let (name, path) = (other.subscription.id.to_string(), other.file.clone());
            return Err(CollectorError::SubscriptionExists { name, path });
        }
        self.write(&self.folder.join(format!("{}.xml", file_name_of(name))), subscription)
    }

    /// Replaces the subscription of the same name after a change; returns the new one. The name stays the same.
    ///
    /// # Errors
    /// [`CollectorError::NoSubscription`], the errors of `change`, and errors of reading and writing.
    pub fn update<E: From<CollectorError>>(
        &self,
        name: &str,
        change: impl FnOnce(&mut Subscription) -> Result<(), E>,
    ) -> Result<Subscription, E> {
        let _lock = self.lock()?;
        let all = self.subscriptions()?;
        let found = all.named(name).ok_or_else(|| self.missing(name))?;
        let mut subscription = found.subscription.clone();
        change(&mut subscription)?;
        subscription.id = found.subscription.id.clone();
        self.write(&found.file, &subscription)?;
        Ok(subscription)
    }

    /// Removes a subscription.
    ///
    /// # Errors
    /// [`CollectorError::NoSubscription`], and errors of reading and writing.
    pub fn remove(&self, name: &str) -> Result<(), CollectorError> {
        let _lock = self.lock()?;
        let all = self.subscriptions()?;
        let found = all.named(name).ok_or_else(|| self.missing(name))?;
        fs::remove_file(&found.file).map_err(CollectorError::file("remove", &found.file))?;
        self.passwords.remove(&found.subscription)?;
        let _ = fs::remove_file(sibling(&found.file, "lock"));
        Ok(())
    }

    /// Creates the folder if it is missing.
    ///
    /// # Errors
    /// [`CollectorError::File`] if it cannot be created.
    pub fn prepare(&self) -> Result<(), CollectorError> {
        // Every user may list the settings of the machine.
        let mode = if rustix::process::geteuid().is_root() { 0o755 } else { 0o700 };
        let created = DirBuilder::new().recursive(true).mode(mode).create(&self.folder);
        created.map_err(CollectorError::file("create", &self.folder))
    }

    /// Returns the error of a subscription that does not exist.
    #[must_use]
    pub fn missing(&self, name: &str) -> CollectorError {
        CollectorError::NoSubscription { name: name.to_owned(), folder: self.folder.clone() }
    }

    /// Waits for the lock of the folder, which is created if it is missing.
    fn lock(&self) -> Result<File, CollectorError> {
        self.prepare()?;
        let path = self.folder.join(".lock");
        let lock = TrustedFile::private(&path).append()?;
        lock.lock().map_err(CollectorError::file("lock", &path))?;
        Ok(lock)
    }

    /// Writes a file after checking that the collector can use all files then.
    fn write(&self, path: &Path, subscription: &Subscription) -> Result<(), CollectorError> {
        let content = (subscription.to_xml() + "\n").into_bytes();
        let mut files = self.read()?;
        files.retain(|(other, _)| other != path);
        files.push((path.to_owned(), content.clone()));
        if files.len() > MAX_FILES {
            let path = self.folder.clone();
            return Err(files::FileError::TooManyFiles { path, most: MAX_FILES }.into());
        }
        Subscriptions::parse(files)?;
        // The collector notices the file of the subscription, so the passwords come first.
        self.passwords.store(subscription)?;
        TrustedFile::readable(path).update(MAX_FILE, |_| Ok(content))
    }
}

/// Maximum number of files in the folder.
const MAX_FILES: usize = 1_000;

#[cfg(test)]
mod tests {
    use winevent::subscription::{SubscriptionId, SubscriptionType};

    use super::*;

    fn subscription(name: &str) -> Subscription {
        let query = "<QueryList><Query Id=\"0\"><Select Path=\"System\">*</Select></Query></QueryList>";
        let id = SubscriptionId::parse(name).unwrap();
        Subscription::new(id, SubscriptionType::SourceInitiated, query.to_owned())
    }

    #[test]
    fn subscriptions_are_added_changed_and_removed() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("event-subscriptions");
        let folder = SubscriptionFolder::new(&path, SourcePasswords::of_state(parent.path()));
        assert_eq!(folder.subscriptions().unwrap().iter().count(), 0);
        folder.add(&subscription("Logons / all")).unwrap();
        assert!(path.join("Logons%20%2F%20all.xml").exists());
        let twice = folder.add(&subscription("LOGONS / ALL"));
        assert!(matches!(twice, Err(CollectorError::SubscriptionExists { .. })), "{twice:?}");
        let changed = folder.update::<CollectorError>("logons / all", |one| {
            one.enabled = false;
            one.id = SubscriptionId::parse("other").unwrap();
            Ok(())
        });
        assert_eq!(changed.unwrap().id.as_str(), "Logons / all");
        let all = folder.subscriptions().unwrap();
        assert!(!all.named("Logons / all").unwrap().subscription.enabled);
        folder.remove("Logons / all").unwrap();
        let left = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(left.collect::<Vec<_>>(), [".lock"]);
        assert!(matches!(folder.remove("x"), Err(CollectorError::NoSubscription { .. })));
    }

    #[test]
    fn passwords_are_stored_beside_the_folder() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("event-subscriptions");
        let passwords = SourcePasswords::of_state(parent.path());
        let folder = SubscriptionFolder::new(&path, passwords.clone());
        let mut one = subscription("a");
        one.kind = SubscriptionType::CollectorInitiated;
        one.delivery.mode = winevent::subscription::DeliveryMode::Pull;
        one.common_user_name = Some("ada".to_owned());
        one.common_password = Some(winevent::subscription::Password::new("s3cret".to_owned()));
        folder.add(&one).unwrap();
        let text = fs::read_to_string(path.join("a.xml")).unwrap();
        assert!(text.contains("ada") && !text.contains("s3cret"), "{text}");
        let opened = OpenedPasswords::parse(&passwords.export().unwrap()).unwrap();
        let all = Subscriptions::with_passwords(folder.read().unwrap(), opened).unwrap();
        assert_eq!(all.named("a").unwrap().subscription, one);
        fs::write(path.join("a.xml"), text.replace("<Query>", "<CommonPassword>x</CommonPassword><Query>"))
            .unwrap();
        let exposed = folder.subscriptions().unwrap_err().to_string();
        assert!(exposed.contains("contains a password"), "{exposed}");
        fs::write(path.join("a.xml"), text).unwrap();
        folder.remove("a").unwrap();
        assert!(passwords.export().unwrap().is_empty());
    }

    #[test]
    fn a_change_that_the_collector_could_not_use_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let folder = SubscriptionFolder::new(&path, SourcePasswords::of_state(&path));
        folder.add(&subscription("a")).unwrap();
        let before = fs::read(path.join("a.xml")).unwrap();
        let invalid = folder.update::<CollectorError>("a", |one| {
            one.domain_sources = "nonsense".to_owned();
            Ok(())
        });
        assert!(matches!(invalid, Err(CollectorError::Subscription { .. })), "{invalid:?}");
        assert_eq!(fs::read(path.join("a.xml")).unwrap(), before);
        fs::write(path.join("broken.xml"), "x").unwrap();
        let error = folder.add(&subscription("b")).unwrap_err().to_string();
        assert!(error.contains("broken.xml"), "{error}");
        assert!(!path.join("b.xml").exists());
    }
}
