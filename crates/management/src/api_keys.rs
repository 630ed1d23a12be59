//! API keys, for programs.

use std::path::PathBuf;
use std::time::Duration;

use locks::Mutex;
use serde_json::{Value, json};

use crate::store::{read_json, write_json};
use crate::token::TokenHash;
use crate::{ManagementError, Timestamp, Token};

/// Purpose of a key: 1 to 200 characters without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPurpose(String);

impl KeyPurpose {
    /// Parses a purpose.
    ///
    /// # Errors
    /// [`ManagementError::Invalid`] if it is empty, too long or has control characters.
    pub fn parse(text: &str) -> Result<Self, ManagementError> {
        let is_valid = (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        is_valid.then(|| Self(text.to_owned())).ok_or_else(|| {
            ManagementError::Invalid("the purpose of an API key has 1 to 200 characters".to_owned())
        })
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Limits of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiKeyLimits {
    /// `true`: the key can only read.
    pub is_read_only: bool,
    /// Number of days until the key expires, from 1 to 366.
    pub days: u16,
}

impl Default for ApiKeyLimits {
    /// Read and write, for 90 days.
    fn default() -> Self {
        Self { is_read_only: false, days: 90 }
    }
}

/// An API key, without its secret. It has the permissions of its owner, or fewer.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Public identifier.
    pub id: String,
    /// Name of the key's owner.
    pub owner: String,
    /// Purpose of the key.
    pub purpose: String,
    /// `true`: the key can only read.
    pub is_read_only: bool,
    /// Time of creation.
    pub created: Timestamp,
    /// Time after which the key is refused.
    pub expires: Timestamp,
    /// Time of the last accepted request since the service was started.
    pub last_used: Option<Timestamp>,
    hash: TokenHash,
}

/// A new key with its secret, which is shown once.
#[derive(Debug)]
pub struct NewApiKey {
    /// The secret.
    pub token: Token,
    /// The key.
    pub key: ApiKey,
}

/// All API keys.
#[derive(Debug)]
pub struct ApiKeys {
    path: PathBuf,
    keys: Mutex<Vec<ApiKey>>,
}

impl ApiKeys {
    /// Opens the file of the keys, which need not exist.
    ///
    /// # Errors
    /// [`ManagementError`] if the file cannot be read or is malformed.
    pub fn open(path: PathBuf) -> Result<Self, ManagementError> {
        let mut keys = Vec::new();
        for value in read_json(&path)?.as_ref().and_then(Value::as_array).into_iter().flatten().take(MAX_KEYS)
        {
            keys.push(parse(value).ok_or_else(|| ManagementError::Content {
                path: path.clone(),
                problem: "a key has a missing or malformed value".to_owned(),
            })?);
        }
        Ok(Self { path, keys: Mutex::new(keys) })
    }

    /// Creates a key.
    ///
    /// # Errors
    /// [`ManagementError`] if there are 1000 keys, the lifetime is out of range, or the file cannot be written.
    pub fn create(
        &self,
        owner: &str,
        purpose: &KeyPurpose,
        limits: ApiKeyLimits,
        now: Timestamp,
    ) -> Result<NewApiKey, ManagementError> {
        if !(1..=366).contains(&limits.days) {
            return Err(ManagementError::Invalid("an API key is valid for 1 to 366 days".to_owned()));
        }
        let token = Token::random()?;
        let hash = token.hash();
        let key = ApiKey {
            id: hash.identifier(),
            owner: owner.to_owned(),
            purpose: purpose.0.clone(),
            is_read_only: limits.is_read_only,
            created: now,
            expires: now.plus(Duration::from_secs(u64::from(limits.days) * 86_400)),
            last_used: None,
            hash,
        };
        let mut keys = self.keys.lock();
        let mut changed: Vec<ApiKey> = keys.iter().filter(|key| now < key.expires).cloned().collect();
        if changed.len() >= MAX_KEYS {
            return Err(ManagementError::TooMany { kind: "API keys", limit: MAX_KEYS });
        }
        changed.push(key.clone());
        self.write(&changed)?;
        *keys = changed;
        Ok(NewApiKey { token, key })
    }

    /// Returns the key of a secret that a client has sent, unless it has expired, and records its use.
    pub fn find(&self, token: &str, now: Timestamp) -> Option<ApiKey> {
        let hash = TokenHash::of(token);
        let mut keys = self.keys.lock();
        let key = keys.iter_mut().find(|key| key.hash == hash && now < key.expires)?;
        key.last_used = Some(now);
        Some(key.clone())
    }

    /// Returns all keys in the order of their creation.
    #[must_use]
    pub fn list(&self) -> Vec<ApiKey> {
        self.keys.lock().clone()
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// [`ManagementError::NotFound`] for an unknown identifier; another error if the file cannot be written.
    pub fn remove(&self, id: &str) -> Result<(), ManagementError> {
        if self.retain(|key| key.id != id)? {
            return Ok(());
        }
        Err(ManagementError::NotFound { kind: "API key", name: id.escape_debug().to_string() })
    }

    /// Deletes the keys of a deleted user.
    ///
    /// # Errors
    /// [`ManagementError`] if the file cannot be written.
    pub fn forget(&self, owner: &str) -> Result<(), ManagementError> {
        self.retain(|key| !key.owner.eq_ignore_ascii_case(owner)).map(|_| ())
    }

    /// Deletes other keys than these; returns whether there were any.
    fn retain(&self, is_kept: impl Fn(&ApiKey) -> bool) -> Result<bool, ManagementError> {
        let mut keys = self.keys.lock();
        let changed: Vec<ApiKey> = keys.iter().filter(|key| is_kept(key)).cloned().collect();
        if changed.len() == keys.len() {
            return Ok(false);
        }
        self.write(&changed)?;
        *keys = changed;
        Ok(true)
    }

    fn write(&self, keys: &[ApiKey]) -> Result<(), ManagementError> {
        let values: Vec<Value> = keys
            .iter()
            .map(|key| {
                json!({
                    "hash": key.hash.to_text(),
                    "owner": key.owner,
                    "purpose": key.purpose,
                    "read_only": key.is_read_only,
                    "created": key.created.seconds(),
                    "expires": key.expires.seconds(),
                })
            })
            .collect();
        write_json(&self.path, &Value::Array(values))
    }
}

fn parse(value: &Value) -> Option<ApiKey> {
    let hash = TokenHash::parse(value.get("hash")?.as_str()?)?;
    Some(ApiKey {
        id: hash.identifier(),
        owner: value.get("owner")?.as_str()?.to_owned(),
        purpose: value.get("purpose")?.as_str()?.to_owned(),
        is_read_only: value.get("read_only")?.as_bool()?,
        created: Timestamp::from_seconds(value.get("created")?.as_u64()?),
        expires: Timestamp::from_seconds(value.get("expires")?.as_u64()?),
        last_used: None,
        hash,
    })
}

const MAX_KEYS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_stored_as_hashes_and_expire() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let keys = ApiKeys::open(path.clone()).unwrap();
        let now = Timestamp::from_seconds(1_000_000);
        let purpose = KeyPurpose::parse("backup").unwrap();
        let new = keys.create("ada", &purpose, ApiKeyLimits::default(), now).unwrap();
        let secret = new.token.expose();
        assert!(!std::fs::read_to_string(&path).unwrap().contains(secret));
        let read = ApiKeys::open(path).unwrap();
        assert_eq!(read.find(secret, now).map(|key| key.owner).as_deref(), Some("ada"));
        assert!(read.find(secret, now.plus(Duration::from_secs(90 * 86_400))).is_none());
        assert!(read.find("", now).is_none());
        read.remove(&new.key.id).unwrap();
        assert!(read.find(secret, now).is_none() && read.remove(&new.key.id).is_err());
        assert!(KeyPurpose::parse("").is_err() && KeyPurpose::parse("a\nb").is_err());
    }
}
