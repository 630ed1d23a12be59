//! Messages from the broker to the process that collects events.

use zeroize::Zeroizing;

use crate::wire::{Malformed, Reader, Writer};

/// Command from the broker to the collector's process.
#[derive(Clone, PartialEq, Eq)]
pub enum CollectorCommand {
    /// Settings and files, sent first and once.
    Begin {
        /// Settings that differ from their defaults, as names and values.
        settings: Vec<(String, String)>,
        /// Files of the administrator.
        files: CollectorFiles,
    },
    /// Serves the gateway on the attached connection, instead of the previous gateway.
    ServeGateway,
    /// Replaces the subscriptions.
    Subscriptions {
        /// Subscriptions in XML.
        files: Vec<CollectorFile>,
        /// Passwords for sources, as in [`CollectorFiles::passwords`].
        passwords: Zeroizing<Vec<u8>>,
    },
}

/// Files that the collector uses. The broker reads them, because the collector's user cannot.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CollectorFiles {
    /// Subscriptions in XML.
    pub subscriptions: Vec<CollectorFile>,
    /// Certificates in PEM of authorities that issue certificates of sources.
    pub authorities: Vec<CollectorFile>,
    /// Outputs besides files, in TOML.
    pub outputs: Vec<CollectorFile>,
    /// Settings of the database of the collector in TOML; at most one file.
    pub store: Vec<CollectorFile>,
    /// Keytab of this machine for sources; at most one file.
    pub keytab: Vec<CollectorFile>,
    /// Certificate and key of this machine for sources in PEM; at most one file.
    pub certificate: Vec<CollectorFile>,
    /// Passwords for sources in clear text, because the collector's user cannot read the key of this machine.
    pub passwords: Zeroizing<Vec<u8>>,
}

/// Hides the passwords.
impl std::fmt::Debug for CollectorFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { subscriptions, authorities, outputs, store, keytab, certificate, passwords: _ } = self;
        f.debug_tuple("CollectorFiles")
            .field(subscriptions)
            .field(authorities)
            .field(outputs)
            .field(store)
            .field(keytab)
            .field(certificate)
            .finish()
    }
}

/// Content of a file.
#[derive(Clone, PartialEq, Eq)]
pub struct CollectorFile {
    /// Path, for messages.
    pub path: String,
    /// The content, which may contain a secret.
    pub content: Zeroizing<Vec<u8>>,
}

/// Hides the content.
impl std::fmt::Debug for CollectorFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("CollectorFile").field(&self.path).finish()
    }
}

/// Hides the passwords.
impl std::fmt::Debug for CollectorCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Begin { settings, files } => {
                f.debug_struct("Begin").field("settings", settings).field("files", files).finish()
            }
            Self::ServeGateway => f.write_str("ServeGateway"),
            Self::Subscriptions { files, passwords: _ } => {
                f.debug_struct("Subscriptions").field("files", files).finish_non_exhaustive()
            }
        }
    }
}

impl CollectorCommand {
    /// Encodes the command.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut w = Writer::default();
        match self {
            Self::Begin { settings, files } => {
                w.u8(1).u32(count(settings));
                for (name, value) in settings {
                    w.text(name).text(value);
                }
                write_files(&mut w, &files.subscriptions);
                write_files(&mut w, &files.authorities);
                write_files(&mut w, &files.outputs);
                write_files(&mut w, &files.store);
                write_files(&mut w, &files.keytab);
                write_files(&mut w, &files.certificate);
                w.octets(&files.passwords);
            }
            Self::ServeGateway => _ = w.u8(2),
            Self::Subscriptions { files, passwords } => {
                write_files(w.u8(3), files);
                w.octets(passwords);
            }
        }
        w.finish()
    }

    /// Decodes a command.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes are not a command.
    pub fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(message);
        let command = match r.u8()? {
            1 => {
                let count = limited(r.u32()?)?;
                let settings = (0..count).map(|_| Ok((r.text()?.to_owned(), r.text()?.to_owned())));
                Self::Begin {
                    settings: settings.collect::<Result<_, Malformed>>()?,
                    files: CollectorFiles {
                        subscriptions: read_files(&mut r)?,
                        authorities: read_files(&mut r)?,
                        outputs: read_files(&mut r)?,
                        store: read_files(&mut r)?,
                        keytab: read_files(&mut r)?,
                        certificate: read_files(&mut r)?,
                        passwords: Zeroizing::new(r.octets()?.to_vec()),
                    },
                }
            }
            2 => Self::ServeGateway,
            3 => Self::Subscriptions {
                files: read_files(&mut r)?,
                passwords: Zeroizing::new(r.octets()?.to_vec()),
            },
            _ => return Err(Malformed("unknown command")),
        };
        r.finish()?;
        Ok(command)
    }
}

fn write_files(w: &mut Writer, files: &[CollectorFile]) {
    w.u32(count(files));
    for file in files {
        w.text(&file.path).octets(&file.content);
    }
}

fn read_files(r: &mut Reader<'_>) -> Result<Vec<CollectorFile>, Malformed> {
    let count = limited(r.u32()?)?;
    let file =
        |_| Ok(CollectorFile { path: r.text()?.to_owned(), content: Zeroizing::new(r.octets()?.to_vec()) });
    (0..count).map(file).collect()
}

fn count<T>(values: &[T]) -> u32 {
    u32::try_from(values.len()).unwrap_or(u32::MAX)
}

fn limited(count: u32) -> Result<u32, Malformed> {
    if count <= MAX_ENTRIES { Ok(count) } else { Err(Malformed("too many entries")) }
}

/// Maximum number of settings, or of files of a kind.
const MAX_ENTRIES: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_decoded_as_they_were_encoded() {
        let file = |path: &str| CollectorFile {
            path: path.to_owned(),
            content: Zeroizing::new(path.as_bytes().to_vec()),
        };
        let files = CollectorFiles {
            subscriptions: vec![file("a.xml"), file("b.xml")],
            authorities: vec![file("ca.pem")],
            outputs: Vec::new(),
            store: vec![file("event-store.toml")],
            keytab: vec![file("krb5.keytab")],
            certificate: Vec::new(),
            passwords: Zeroizing::new(b"secret".to_vec()),
        };
        assert!(!format!("{files:?}").contains("115"));
        let settings = vec![("EventCollector/Enabled".to_owned(), "true".to_owned())];
        for command in [
            CollectorCommand::Begin { settings, files },
            CollectorCommand::ServeGateway,
            CollectorCommand::Subscriptions {
                files: vec![file("c.xml")],
                passwords: Zeroizing::new(b"x".to_vec()),
            },
        ] {
            let encoded = command.encode();
            assert_eq!(CollectorCommand::decode(&encoded), Ok(command));
            for length in 0..encoded.len() {
                assert!(CollectorCommand::decode(&encoded[..length]).is_err());
            }
        }
    }
}
