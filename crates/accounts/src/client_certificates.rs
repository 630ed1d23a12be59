//! Mappings of client certificates to accounts, stored in one file.

mod authorities;
mod entry;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use account_store::Stamp;
use auth::account_file::EnabledState;
use auth::certificate_mapping::{
    CertificateMappings, Mapping, MappingChange, MappingChangeError, MappingError, MappingFields, MappingKeys,
};
use auth::{AuthError, ClientCertificates, Secret, UserName};
use locks::Mutex;

use self::authorities::Authorities;
use self::entry::Entry;
use crate::{AccountsError, HostKey, IfMissing};

/// Mappings of client certificates, each with the password of its account sealed by the [`HostKey`], and the trusted
/// authorities: those of the system and those in the PEM files of one directory.
///
/// At each sign-in, but at most once per second, file and directory are checked for changes. While the file cannot be
/// used, all sign-ins by certificate are rejected. A missing file contains no mappings.
///
/// Clones share the parsed content.
#[derive(Clone, Debug)]
pub struct ClientCertificateFile(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    authorities: PathBuf,
    key: HostKey,
    loaded: Mutex<LoadedFile>,
}

/// Content of the file and directory when they were last checked.
#[derive(Debug, Default)]
struct LoadedFile {
    checked_at: Option<Instant>,
    stamp: Option<Stamp>,
    authorities: Authorities,
    /// `None` while the file cannot be used.
    snapshot: Option<Snapshot>,
}

#[derive(Clone, Debug)]
struct Snapshot {
    certificates: Arc<ClientCertificates>,
    entries: Arc<[Entry]>,
}

impl ClientCertificateFile {
    /// Creates a store. Neither the file nor the directory of authorities need exist.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, authorities: impl Into<PathBuf>, key: HostKey) -> Self {
        let (path, authorities) = (path.into(), authorities.into());
        Self(Arc::new(Shared { path, authorities, key, loaded: Mutex::default() }))
    }

    /// Checks that a file can be used, if it exists.
    ///
    /// # Errors
    /// The reason why it cannot be used.
    pub fn validate(path: &Path) -> Result<(), AccountsError> {
        LoadedFile::default().load(path, Instant::now())
    }

    /// Path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Returns the current mappings and authorities. The value is shared until something changes, so that callers can
    /// compare it with [`Arc::ptr_eq`].
    ///
    /// # Errors
    /// [`AuthError::Unavailable`] while the file cannot be used.
    pub fn current(&self) -> Result<Arc<ClientCertificates>, AuthError> {
        self.snapshot(Instant::now()).map(|snapshot| snapshot.certificates)
    }

    /// Reads the file immediately.
    ///
    /// # Errors
    /// The reason why it cannot be used; sign-ins by certificate are rejected until it can.
    pub fn reload(&self) -> Result<(), AccountsError> {
        let mut loaded = self.0.loaded.lock();
        loaded.authorities.refresh(&self.0.authorities);
        loaded.load(&self.0.path, Instant::now())
    }

    /// Reads the file and returns every mapping.
    ///
    /// # Errors
    /// [`MappingChangeError::Failed`] if the file cannot be used.
    pub fn all(&self) -> Result<Vec<Mapping>, MappingChangeError> {
        self.reload()?;
        let current = self.current().map_err(|error| MappingChangeError::Failed(error.to_string()))?;
        Ok(current.mappings.entries().to_vec())
    }

    /// Applies a change. `is_right` verifies the password of the mapped account, if the change contains one.
    ///
    /// # Errors
    /// [`MappingChangeError`]; nothing is changed then.
    pub fn apply(
        &self,
        change: MappingChange,
        is_right: impl FnOnce(&UserName, &Secret) -> bool,
    ) -> Result<(), MappingChangeError> {
        match change {
            MappingChange::Create(keys, fields) => self.make(keys, fields, is_right),
            MappingChange::Put(keys, fields) => self.put(keys, fields, is_right),
            MappingChange::Delete(keys) => self.delete(&keys),
        }
    }

    fn make(
        &self,
        keys: MappingKeys,
        fields: MappingFields,
        is_right: impl FnOnce(&UserName, &Secret) -> bool,
    ) -> Result<(), MappingChangeError> {
        let MappingFields { user: Some(user), password: Some(password), state } = fields else {
            return Err(MappingChangeError::Incomplete);
        };
        // Checked before the password, so that a repeated request is not reported as a wrong password.
        if self.find(&keys)?.is_some() {
            return Err(MappingChangeError::Exists(keys));
        }
        if !is_right(&user, &password) {
            return Err(MappingChangeError::Credentials(user));
        }
        let state = state.unwrap_or(EnabledState::Enabled);
        let MappingKeys { issuer, subject, uri } = keys;
        self.create(Mapping { issuer, subject, uri, user, state }, &password)
    }

    fn put(
        &self,
        keys: MappingKeys,
        fields: MappingFields,
        is_right: impl FnOnce(&UserName, &Secret) -> bool,
    ) -> Result<(), MappingChangeError> {
        let before = self.find(&keys)?.ok_or(MappingChangeError::Missing(keys))?;
        let user = fields.user.unwrap_or_else(|| before.user.clone());
        let state = fields.state.unwrap_or(before.state);
        if let Some(password) = &fields.password
            && !is_right(&user, password)
        {
            return Err(MappingChangeError::Credentials(user));
        }
        self.replace(Mapping { user, state, ..before }, fields.password.as_ref())
    }

    fn find(&self, keys: &MappingKeys) -> Result<Option<Mapping>, MappingChangeError> {
        Ok(self.all()?.into_iter().find(|mapping| mapping.keys() == *keys))
    }

    /// Adds a mapping with the password of its account.
    ///
    /// # Errors
    /// [`MappingChangeError::Exists`] if there is one with the same keys, [`MappingChangeError::Failed`] if the file
    /// cannot be changed.
    pub fn create(&self, mapping: Mapping, password: &Secret) -> Result<(), MappingChangeError> {
        self.change(|entries| {
            let keys = mapping.keys();
            if entries.iter().any(|entry| entry.mapping.keys() == keys) {
                return Err(MappingChangeError::Exists(keys));
            }
            entries.push(Entry::seal(mapping, password, &self.0.key)?);
            Ok(())
        })
    }

    /// Changes the user and the state of the mapping with the same keys. Without a password, the stored one is kept.
    ///
    /// # Errors
    /// [`MappingChangeError::Missing`] if no mapping has these keys, [`MappingChangeError::PasswordMissing`] if the
    /// user changes without a password, [`MappingChangeError::Failed`] if the file cannot be changed.
    pub fn replace(&self, mapping: Mapping, password: Option<&Secret>) -> Result<(), MappingChangeError> {
        self.change(|entries| {
            let keys = mapping.keys();
            let Some(entry) = entries.iter_mut().find(|entry| entry.mapping.keys() == keys) else {
                return Err(MappingChangeError::Missing(keys));
            };
            match password {
                Some(password) => *entry = Entry::seal(mapping, password, &self.0.key)?,
                None if entry.mapping.user != mapping.user => {
                    return Err(MappingChangeError::PasswordMissing(keys));
                }
                None => entry.mapping.state = mapping.state,
            }
            Ok(())
        })
    }

    /// Deletes a mapping and its password.
    ///
    /// # Errors
    /// [`MappingChangeError::Missing`] if no mapping has these keys, [`MappingChangeError::Failed`] if the file
    /// cannot be changed.
    pub fn delete(&self, keys: &MappingKeys) -> Result<(), MappingChangeError> {
        self.change(|entries| {
            let before = entries.len();
            entries.retain(|entry| entry.mapping.keys() != *keys);
            if entries.len() == before { Err(MappingChangeError::Missing(keys.clone())) } else { Ok(()) }
        })
    }

    /// Returns the stored password of a mapping.
    pub(crate) fn password(&self, mapping: &Mapping) -> Result<Secret, AuthError> {
        let snapshot = self.snapshot(Instant::now())?;
        // The mapping may have been deleted or changed since it was chosen.
        let entry = snapshot.entries.iter().find(|entry| entry.mapping == *mapping);
        let entry = entry.ok_or(AuthError::NotAllowed)?;
        entry.password(&self.0.key).ok_or_else(|| {
            tracing::error!(
                path = %self.0.path.display(), mapping = %mapping.keys(),
                "Cannot decrypt the password of a certificate mapping with the host key; set the password again"
            );
            AuthError::Unavailable
        })
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Vec<Entry>) -> Result<(), MappingChangeError>,
    ) -> Result<(), MappingChangeError> {
        account_store::update_text(&self.0.path, IfMissing::Create, |path, old| {
            let mut entries = entry::parse(old, path)?;
            change(&mut entries)?;
            mappings(&entries)?;
            Ok::<_, MappingChangeError>((entry::show(&entries), ()))
        })?;
        // The change is in effect when this returns.
        Ok(self.reload()?)
    }

    fn snapshot(&self, now: Instant) -> Result<Snapshot, AuthError> {
        let Shared { path, authorities, loaded, .. } = self.0.as_ref();
        let mut loaded = loaded.lock();
        let is_due =
            loaded.checked_at.is_none_or(|checked_at| now.duration_since(checked_at) >= CHECK_INTERVAL);
        if is_due {
            let is_first = loaded.checked_at.is_none();
            loaded.checked_at = Some(now);
            let has_changed = loaded.authorities.refresh(authorities);
            if (is_first || has_changed || Stamp::of(path) != loaded.stamp)
                && let Err(error) = loaded.load(path, now)
            {
                tracing::error!(%error, "Cannot read certificate mappings; all sign-ins by certificate are rejected");
            }
        }
        loaded.snapshot.clone().ok_or(AuthError::Unavailable)
    }
}

impl LoadedFile {
    fn load(&mut self, path: &Path, now: Instant) -> Result<(), AccountsError> {
        self.checked_at = Some(now);
        self.snapshot = None;
        let (text, stamp) = match account_store::text_with_stamp(path) {
            Ok((text, stamp)) => (text, Some(stamp)),
            Err(AccountsError::Missing { .. }) => (String::new(), None),
            Err(error) => {
                // The file is neither read nor reported again before it changes.
                self.stamp = Stamp::of(path);
                return Err(error);
            }
        };
        self.stamp = stamp;
        let entries = entry::parse(&text, path)?;
        let mappings =
            mappings(&entries).map_err(|source| AccountsError::Mappings { path: path.to_owned(), source })?;
        let certificates = ClientCertificates { mappings, authorities: self.authorities.all() };
        self.snapshot = Some(Snapshot { certificates: Arc::new(certificates), entries: entries.into() });
        Ok(())
    }
}

fn mappings(entries: &[Entry]) -> Result<CertificateMappings, MappingError> {
    CertificateMappings::new(entries.iter().map(|entry| entry.mapping.clone()).collect())
}

const CHECK_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use auth::UserName;
    use auth::account_file::EnabledState;
    use auth::certificate_mapping::{CertificateThumbprint, SubjectPattern, UriPattern};

    use super::*;

    fn mapping(subject: &str, user: &str) -> Mapping {
        Mapping {
            issuer: CertificateThumbprint([7; 20]),
            subject: SubjectPattern::parse(subject).unwrap(),
            uri: UriPattern::parse("*").unwrap(),
            user: UserName::parse(user).unwrap(),
            state: EnabledState::Enabled,
        }
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn open(folder: &tempfile::TempDir) -> ClientCertificateFile {
        let key = HostKey::load_or_create(folder.path()).unwrap();
        ClientCertificateFile::new(folder.path().join("certmappings"), folder.path().join("authorities"), key)
    }

    #[test]
    fn mappings_are_created_changed_deleted_and_persistent() {
        let folder = tempfile::tempdir().unwrap();
        let file = open(&folder);
        assert!(file.current().unwrap().mappings.entries().is_empty());
        file.create(mapping("*@corp.example", "ada"), &secret("hunter 2")).unwrap();
        file.create(mapping("ben", "ben"), &secret("ß:\t")).unwrap();
        let again = open(&folder);
        assert_eq!(again.current().unwrap().mappings.entries().len(), 2);
        assert_eq!(again.password(&mapping("*@corp.example", "ada")).unwrap().expose(), "hunter 2");
        assert_eq!(again.password(&mapping("ben", "ben")).unwrap().expose(), "ß:\t");

        let error = file.create(mapping("BEN", "eve"), &secret("x")).unwrap_err();
        assert!(matches!(error, MappingChangeError::Exists(_)), "{error}");
        let error = file.replace(mapping("ben", "eve"), None).unwrap_err();
        assert!(matches!(error, MappingChangeError::PasswordMissing(_)), "{error}");
        file.replace(mapping("ben", "eve"), Some(&secret("of eve"))).unwrap();
        file.replace(Mapping { state: EnabledState::Disabled, ..mapping("ben", "eve") }, None).unwrap();
        let disabled = Mapping { state: EnabledState::Disabled, ..mapping("ben", "eve") };
        assert_eq!(file.password(&disabled).unwrap().expose(), "of eve");
        assert_eq!(file.password(&mapping("ben", "ben")).unwrap_err(), AuthError::NotAllowed);

        file.delete(&mapping("ben", "ben").keys()).unwrap();
        let error = file.delete(&mapping("ben", "ben").keys()).unwrap_err();
        assert!(matches!(error, MappingChangeError::Missing(_)), "{error}");
        assert_eq!(file.current().unwrap().mappings.entries(), [mapping("*@corp.example", "ada")]);
    }

    #[test]
    fn passwords_are_sealed_and_bound_to_their_mapping() {
        let folder = tempfile::tempdir().unwrap();
        let file = open(&folder);
        file.create(mapping("ada", "ada"), &secret("hunter2")).unwrap();
        let text = fs::read_to_string(file.path()).unwrap();
        assert!(!text.contains("hunter2"));
        assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!format!("{file:?}").contains("hunter2"));
        for (from, to) in
            [("\tada\tenabled", "\troot\tenabled"), ("\tada\t*", "\tben\t*"), ("\t*\t", "\thttp*\t")]
        {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text);
            fs::write(file.path(), changed).unwrap();
            file.reload().unwrap();
            let moved = file.current().unwrap().mappings.entries().first().unwrap().clone();
            assert_eq!(file.password(&moved).unwrap_err(), AuthError::Unavailable);
        }
    }

    #[test]
    fn an_exposed_or_damaged_file_rejects_sign_ins() {
        let folder = tempfile::tempdir().unwrap();
        let file = open(&folder);
        file.create(mapping("ada", "ada"), &secret("hunter2")).unwrap();
        let text = fs::read_to_string(file.path()).unwrap();
        for damaged in [text.replace("enabled", "on"), text.replace("0707", "07"), text.repeat(2)] {
            fs::write(file.path(), damaged).unwrap();
            assert!(file.reload().is_err());
            assert_eq!(file.current().unwrap_err(), AuthError::Unavailable);
        }
        fs::write(file.path(), &text).unwrap();
        file.reload().unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(file.reload(), Err(AccountsError::Exposed { .. })));
        assert_eq!(file.current().unwrap_err(), AuthError::Unavailable);
    }
}
