//! Subscriptions that a collector offers, read from files.

use std::collections::HashSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use winevent::Subscription;
use winevent::subscription::SubscriptionType;
use xml::{Bounds, Document};

use crate::error::CollectorError;
use crate::source_passwords::OpenedPasswords;

/// Subscription with its identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectorSubscription {
    /// UUID in the URL for deliveries; it follows from the name.
    pub id: String,
    /// Version that sources see.
    pub version: String,
    /// The subscription.
    pub subscription: Subscription,
    /// Query list, as an element.
    pub query: String,
    /// File of the subscription.
    pub file: PathBuf,
}

/// Subscriptions of a collector.
#[derive(Clone, Debug, Default)]
pub struct Subscriptions {
    all: Vec<CollectorSubscription>,
    /// Passwords for the sources of other versions of the subscriptions, which other collectors may have.
    passwords: Arc<OpenedPasswords>,
}

impl Subscriptions {
    /// Reads subscription files in the format of `wecutil`.
    ///
    /// # Errors
    /// [`CollectorError::Subscription`] for a file that cannot be used, and for a name that occurs twice.
    pub fn read(files: &[PathBuf]) -> Result<Self, CollectorError> {
        let limit = u64::try_from(MAX_FILE).unwrap_or(u64::MAX);
        let read = |path: &PathBuf| {
            let mut content = Vec::new();
            let file = fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut content));
            match file {
                Ok(_) => Ok((path.clone(), content)),
                Err(error) => {
                    Err(CollectorError::Subscription { path: path.clone(), reason: error.to_string() })
                }
            }
        };
        Self::parse(files.iter().map(read).collect::<Result<Vec<_>, _>>()?)
    }

    /// Parses the contents of subscription files. The paths are for messages.
    ///
    /// # Errors
    /// [`CollectorError::Subscription`] for a file that cannot be used, and for a name that occurs twice.
    pub fn parse(files: impl IntoIterator<Item = (PathBuf, Vec<u8>)>) -> Result<Self, CollectorError> {
        let mut all: Vec<CollectorSubscription> = Vec::new();
        for (path, content) in files {
            let failed = |reason| CollectorError::Subscription { path: path.clone(), reason };
            let one = parse(&path, &content).map_err(failed)?;
            if all.iter().any(|other| other.id == one.id) {
                let name = &one.subscription.id;
                return Err(failed(format!("another file also has the SubscriptionId \"{name}\"")));
            }
            all.push(one);
        }
        Ok(Self { all, passwords: Arc::default() })
    }

    /// Parses the files of a service, and adds the passwords that are stored elsewhere.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), and [`CollectorError::Subscription`] for a file with a password, because other users
    /// may read the file.
    pub fn with_passwords(
        files: impl IntoIterator<Item = (PathBuf, Vec<u8>)>,
        passwords: OpenedPasswords,
    ) -> Result<Self, CollectorError> {
        let mut all = Self::parse(files)?;
        for one in &mut all.all {
            if one.subscription.has_passwords() {
                let reason = "it contains a password, which other users can read\n  remove the password from the file, \
                              and set it with wecutil ss";
                return Err(CollectorError::Subscription {
                    path: one.file.clone(),
                    reason: reason.to_owned(),
                });
            }
            passwords.fill(&mut one.subscription);
        }
        all.passwords = Arc::new(passwords);
        Ok(all)
    }

    /// Parses a subscription of another collector, and adds the passwords of this machine. The path is for messages.
    pub(crate) fn parse_with_passwords(
        &self,
        path: &Path,
        content: &[u8],
    ) -> Result<CollectorSubscription, CollectorError> {
        let mut one = parse(path, content)
            .map_err(|reason| CollectorError::Subscription { path: path.to_owned(), reason })?;
        self.passwords.fill(&mut one.subscription);
        Ok(one)
    }

    /// All subscriptions.
    pub fn iter(&self) -> impl Iterator<Item = &CollectorSubscription> {
        self.all.iter()
    }

    /// Returns the subscription with this identifier; the case does not matter.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&CollectorSubscription> {
        self.all.iter().find(|one| one.id.eq_ignore_ascii_case(id))
    }

    /// Returns the subscription with this name. Another case is accepted if no subscription has exactly this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&CollectorSubscription> {
        let exact = self.all.iter().find(|one| one.subscription.id.as_str() == name);
        exact.or_else(|| self.all.iter().find(|one| one.subscription.id.as_str().eq_ignore_ascii_case(name)))
    }
}

impl FromIterator<CollectorSubscription> for Subscriptions {
    fn from_iter<I: IntoIterator<Item = CollectorSubscription>>(all: I) -> Self {
        Self { all: all.into_iter().collect(), passwords: Arc::default() }
    }
}

fn parse(path: &Path, content: &[u8]) -> Result<CollectorSubscription, String> {
    let (text, _) = winevent::delivery::decode(content);
    let import = Subscription::parse(&text).map_err(|error| error.to_string())?;
    for ignored in &import.ignored {
        tracing::warn!(file = %path.display(), element = ignored, "Ignored an unknown element of a subscription");
    }
    let subscription = import.subscription;
    if subscription.kind == SubscriptionType::CollectorInitiated {
        check_sources(&subscription)?;
    }
    sddl::Guard::parse(&subscription.domain_sources)
        .map_err(|error| format!("AllowedSourceDomainComputers is invalid: {error}"))?;
    let query = subscription.query.trim().to_owned();
    let document = Document::parse(query.as_str(), &Bounds::default())
        .map_err(|error| format!("the Query is not well-formed XML: {error}"))?;
    if document.root().name() != "QueryList" {
        return Err("the Query is not a QueryList".to_owned());
    }
    Ok(CollectorSubscription {
        id: identifier(subscription.id.as_str()),
        version: subscription.version().to_string(),
        query,
        subscription,
        file: path.to_owned(),
    })
}

/// Checks the rules of a collector-initiated subscription.
fn check_sources(subscription: &Subscription) -> Result<(), String> {
    let mut addresses = HashSet::new();
    let mut all = subscription.sources.iter().map(|source| &source.address);
    match all.find(|address| !addresses.insert(address.to_ascii_lowercase())) {
        Some(twice) => Err(format!("the event source {twice} is listed twice; remove one of them")),
        None => Ok(()),
    }
}

/// Returns the identifier of a subscription: a UUID from its name.
fn identifier(name: &str) -> String {
    let mut bytes: [u8; 32] = Sha256::digest(format!("telarch subscription {name}")).into();
    // RFC 9562: version 8, for identifiers of an own kind, and the usual variant.
    bytes[6] = bytes[6] & 0x0F | 0x80;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let hex: String = bytes.iter().take(16).map(|byte| format!("{byte:02X}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// Maximum size of a subscription file in bytes.
pub(crate) const MAX_FILE: usize = 4 << 20;
