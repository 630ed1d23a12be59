//! Whose accounts the holders of client certificates are, from one file.

mod authorities;
mod entry;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use auth::account_file::Standing;
use auth::certificate_mapping::{
    CertificateMappings, Mapping, MappingChange, MappingChangeError, MappingError, MappingFields, MappingKeys,
};
use auth::{AuthError, ClientCertificates, Secret, UserName};

use self::authorities::Authorities;
use self::entry::Entry;
use crate::file::disk::{self, Stamp};
use crate::{AccountsError, HostKey, IfMissing};

/// The mappings of client certificates, each with the password of its account sealed by the [`HostKey`], and the
/// authorities whose certificates are believed: those of the system, and those in the PEM files of one directory.
///
/// File and directory are looked at again when someone signs in, at most once a second. While the file cannot be
/// used, nobody is let in by a certificate; while there is none, there are no mappings.
///
/// Clones share what they have read.
#[derive(Clone, Debug)]
pub struct ClientCertificateFile(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    authorities: PathBuf,
    key: HostKey,
    seen: Mutex<Seen>,
}

/// What there was when it was last looked at.
#[derive(Debug, Default)]
struct Seen {
    looked: Option<Instant>,
    stamp: Option<Stamp>,
    authorities: Authorities,
    /// None while the file cannot be used.
    snapshot: Option<Snapshot>,
}

#[derive(Clone, Debug)]
struct Snapshot {
    known: Arc<ClientCertificates>,
    entries: Arc<[Entry]>,
}

impl ClientCertificateFile {
    /// Takes a file that need not be there yet, and a directory of authorities that need not be there either.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, authorities: impl Into<PathBuf>, key: HostKey) -> Self {
        let (path, authorities) = (path.into(), authorities.into());
        Self(Arc::new(Shared { path, authorities, key, seen: Mutex::default() }))
    }

    /// Whether a file could be used, if it is there.
    ///
    /// # Errors
    /// Why it could not.
    pub fn examine(path: &Path) -> Result<(), AccountsError> {
        Seen::default().load(path, Instant::now())
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Mappings and authorities; the same value until something changes.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`] while the file cannot be used.
    pub fn known(&self) -> Result<Arc<ClientCertificates>, AuthError> {
        self.snapshot(Instant::now()).map(|snapshot| snapshot.known)
    }

    /// Reads the file now.
    ///
    /// # Errors
    /// Why it cannot be used; then nobody is let in by a certificate until it can.
    pub fn reload(&self) -> Result<(), AccountsError> {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.authorities.look(&self.0.authorities);
        seen.load(&self.0.path, Instant::now())
    }

    /// Every mapping as the file has it now.
    ///
    /// # Errors
    /// [`MappingChangeError::Failed`] while the file cannot be used.
    pub fn all(&self) -> Result<Vec<Mapping>, MappingChangeError> {
        self.reload()?;
        let known = self.known().map_err(|error| MappingChangeError::Failed(error.to_string()))?;
        Ok(known.mappings.entries().to_vec())
    }

    /// Makes a change that somebody wants. A password must be right: `is_right` asks whoever judges it.
    ///
    /// # Errors
    /// [`MappingChangeError`]; then everything is as it was.
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
        let MappingFields { user: Some(user), password: Some(password), standing } = fields else {
            return Err(MappingChangeError::Incomplete);
        };
        // Else a second attempt would look like a wrong password.
        if self.find(&keys)?.is_some() {
            return Err(MappingChangeError::Exists(keys));
        }
        if !is_right(&user, &password) {
            return Err(MappingChangeError::Credentials(user));
        }
        let standing = standing.unwrap_or(Standing::Enabled);
        let MappingKeys { issuer, subject, uri } = keys;
        self.create(Mapping { issuer, subject, uri, user, standing }, &password)
    }

    fn put(
        &self,
        keys: MappingKeys,
        fields: MappingFields,
        is_right: impl FnOnce(&UserName, &Secret) -> bool,
    ) -> Result<(), MappingChangeError> {
        let before = self.find(&keys)?.ok_or(MappingChangeError::Missing(keys))?;
        let user = fields.user.unwrap_or_else(|| before.user.clone());
        let standing = fields.standing.unwrap_or(before.standing);
        if let Some(password) = &fields.password
            && !is_right(&user, password)
        {
            return Err(MappingChangeError::Credentials(user));
        }
        self.replace(Mapping { user, standing, ..before }, fields.password.as_ref())
    }

    fn find(&self, keys: &MappingKeys) -> Result<Option<Mapping>, MappingChangeError> {
        Ok(self.all()?.into_iter().find(|mapping| mapping.keys() == *keys))
    }

    /// Adds a mapping with the password of its account.
    ///
    /// # Errors
    /// [`MappingChangeError`].
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

    /// Gives the mapping of the same keys another user or standing; without a password the old one stays.
    ///
    /// # Errors
    /// [`MappingChangeError`].
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
                None => entry.mapping.standing = mapping.standing,
            }
            Ok(())
        })
    }

    /// Deletes a mapping with its password.
    ///
    /// # Errors
    /// [`MappingChangeError`].
    pub fn delete(&self, keys: &MappingKeys) -> Result<(), MappingChangeError> {
        self.change(|entries| {
            let before = entries.len();
            entries.retain(|entry| entry.mapping.keys() != *keys);
            if entries.len() == before { Err(MappingChangeError::Missing(keys.clone())) } else { Ok(()) }
        })
    }

    /// The password that was stored with a mapping, for whoever judges its account.
    pub(crate) fn password(&self, mapping: &Mapping) -> Result<Secret, AuthError> {
        let snapshot = self.snapshot(Instant::now())?;
        // It may have been deleted or changed since it was chosen.
        let entry = snapshot.entries.iter().find(|entry| entry.mapping == *mapping);
        let entry = entry.ok_or(AuthError::NotAllowed)?;
        entry.password(&self.0.key).ok_or_else(|| {
            tracing::error!(
                path = %self.0.path.display(), mapping = %mapping.keys(),
                "The password of a certificate mapping does not open with the host key: enter it again"
            );
            AuthError::Unavailable
        })
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Vec<Entry>) -> Result<(), MappingChangeError>,
    ) -> Result<(), MappingChangeError> {
        disk::update_text(&self.0.path, IfMissing::Create, |path, old| {
            let mut entries = entry::parse(old, path)?;
            change(&mut entries)?;
            mappings(&entries)?;
            Ok::<_, MappingChangeError>((entry::show(&entries), ()))
        })?;
        // Whoever made the change finds it in force.
        Ok(self.reload()?)
    }

    fn snapshot(&self, now: Instant) -> Result<Snapshot, AuthError> {
        let Shared { path, authorities, seen, .. } = self.0.as_ref();
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = seen.looked.is_none_or(|looked| now.duration_since(looked) >= LOOK_AGAIN_AFTER);
        if is_due {
            let is_first = seen.looked.is_none();
            seen.looked = Some(now);
            let has_changed = seen.authorities.look(authorities);
            if (is_first || has_changed || Stamp::of(path) != seen.stamp)
                && let Err(error) = seen.load(path, now)
            {
                tracing::error!(%error, "Certificate mappings cannot be used: nobody can sign in by certificate");
            }
        }
        seen.snapshot.clone().ok_or(AuthError::Unavailable)
    }
}

impl Seen {
    fn load(&mut self, path: &Path, now: Instant) -> Result<(), AccountsError> {
        self.looked = Some(now);
        self.snapshot = None;
        let (text, stamp) = match disk::text_with_stamp(path) {
            Ok((text, stamp)) => (text, Some(stamp)),
            Err(AccountsError::Missing { .. }) => (String::new(), None),
            Err(error) => {
                // Not read again, and not complained about again, before it changes.
                self.stamp = Stamp::of(path);
                return Err(error);
            }
        };
        self.stamp = stamp;
        let entries = entry::parse(&text, path)?;
        let wrong = |source| AccountsError::Mappings { path: path.to_owned(), source };
        let mappings = mappings(&entries).map_err(wrong)?;
        let known = ClientCertificates { mappings, authorities: self.authorities.all() };
        self.snapshot = Some(Snapshot { known: Arc::new(known), entries: entries.into() });
        Ok(())
    }
}

/// An error with its way out, as one line.
impl From<AccountsError> for MappingChangeError {
    fn from(error: AccountsError) -> Self {
        Self::Failed(error.to_string().replace("\n  ", "; "))
    }
}

fn mappings(entries: &[Entry]) -> Result<CertificateMappings, MappingError> {
    CertificateMappings::new(entries.iter().map(|entry| entry.mapping.clone()).collect())
}

const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use auth::UserName;
    use auth::account_file::Standing;
    use auth::certificate_mapping::{CertificateThumbprint, SubjectPattern, UriPattern};

    use super::*;

    fn mapping(subject: &str, user: &str) -> Mapping {
        Mapping {
            issuer: CertificateThumbprint([7; 20]),
            subject: SubjectPattern::parse(subject).unwrap(),
            uri: UriPattern::parse("*").unwrap(),
            user: UserName::parse(user).unwrap(),
            standing: Standing::Enabled,
        }
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn open(folder: &tempfile::TempDir) -> ClientCertificateFile {
        let key = HostKey::load_or_make(folder.path()).unwrap();
        ClientCertificateFile::new(folder.path().join("certmappings"), folder.path().join("authorities"), key)
    }

    #[test]
    fn mappings_are_made_changed_and_deleted_and_found_by_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let file = open(&folder);
        assert!(file.known().unwrap().mappings.entries().is_empty());
        file.create(mapping("*@corp.example", "ada"), &secret("hunter 2")).unwrap();
        file.create(mapping("ben", "ben"), &secret("ß:\t")).unwrap();
        let again = open(&folder);
        assert_eq!(again.known().unwrap().mappings.entries().len(), 2);
        assert_eq!(again.password(&mapping("*@corp.example", "ada")).unwrap().expose(), "hunter 2");
        assert_eq!(again.password(&mapping("ben", "ben")).unwrap().expose(), "ß:\t");

        let error = file.create(mapping("BEN", "eve"), &secret("x")).unwrap_err();
        assert!(matches!(error, MappingChangeError::Exists(_)), "{error}");
        let error = file.replace(mapping("ben", "eve"), None).unwrap_err();
        assert!(matches!(error, MappingChangeError::PasswordMissing(_)), "{error}");
        file.replace(mapping("ben", "eve"), Some(&secret("of eve"))).unwrap();
        file.replace(Mapping { standing: Standing::Disabled, ..mapping("ben", "eve") }, None).unwrap();
        let disabled = Mapping { standing: Standing::Disabled, ..mapping("ben", "eve") };
        assert_eq!(file.password(&disabled).unwrap().expose(), "of eve");
        assert_eq!(file.password(&mapping("ben", "ben")).unwrap_err(), AuthError::NotAllowed);

        file.delete(&mapping("ben", "ben").keys()).unwrap();
        let error = file.delete(&mapping("ben", "ben").keys()).unwrap_err();
        assert!(matches!(error, MappingChangeError::Missing(_)), "{error}");
        assert_eq!(file.known().unwrap().mappings.entries(), [mapping("*@corp.example", "ada")]);
    }

    #[test]
    fn no_password_can_be_read_in_the_file_or_moved_to_another_mapping() {
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
            let moved = file.known().unwrap().mappings.entries().first().unwrap().clone();
            assert_eq!(file.password(&moved).unwrap_err(), AuthError::Unavailable);
        }
    }

    #[test]
    fn a_file_that_others_can_read_or_that_is_damaged_lets_nobody_in() {
        let folder = tempfile::tempdir().unwrap();
        let file = open(&folder);
        file.create(mapping("ada", "ada"), &secret("hunter2")).unwrap();
        let text = fs::read_to_string(file.path()).unwrap();
        for damaged in [text.replace("enabled", "on"), text.replace("0707", "07"), text.repeat(2)] {
            fs::write(file.path(), damaged).unwrap();
            assert!(file.reload().is_err());
            assert_eq!(file.known().unwrap_err(), AuthError::Unavailable);
        }
        fs::write(file.path(), &text).unwrap();
        file.reload().unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(file.reload(), Err(AccountsError::Exposed { .. })));
        assert_eq!(file.known().unwrap_err(), AuthError::Unavailable);
    }
}
