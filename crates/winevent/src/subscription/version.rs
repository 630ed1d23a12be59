//! Version of a subscription: a hash of everything that a source can see.

use std::fmt;

use sha2::{Digest, Sha256};

use super::{Subscription, TransportName};

/// Version of a subscription, the value of `m:Version`.
///
/// A source that sees another version ends its subscription and subscribes again. The version is therefore
/// a hash of the settings that a source sees, equal on all nodes of a collector without coordination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version([u8; 16]);

impl Version {
    /// Returns the bytes of the UUID.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The version as an upper-case UUID without the prefix `uuid:`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02X}")?;
        }
        Ok(())
    }
}

impl Subscription {
    /// Returns the version: name, resource, query, dialect, delivery settings in effect, existing events,
    /// transport, content format and locale. Description, log, access rules and sources do not count.
    #[must_use]
    pub fn version(&self) -> Version {
        let timing = self.timing();
        let numbers = [timing.max_latency, timing.heartbeat, timing.max_items.unwrap_or(0)];
        let port = self.transport_port.unwrap_or(match self.transport {
            TransportName::Http => 5_985,
            TransportName::Https => 5_986,
        });
        let mut hash = Sha256::new();
        for text in [
            self.id.as_str(),
            &self.uri,
            &self.query,
            &self.dialect,
            self.delivery.mode.as_str(),
            self.delivery.host_name.as_deref().unwrap_or_default(),
            self.transport.as_str(),
            self.content_format.as_str(),
            self.locale.as_deref().unwrap_or_default(),
        ] {
            // The length keeps apart texts that are the same when joined.
            hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(text);
        }
        for number in numbers {
            hash.update(number.to_le_bytes());
        }
        hash.update(port.to_le_bytes());
        hash.update([u8::from(self.read_existing_events)]);
        let digest: [u8; 32] = hash.finalize().into();
        let mut bytes = [0; 16];
        for (byte, hashed) in bytes.iter_mut().zip(digest) {
            *byte = hashed;
        }
        // RFC 9562 5.8: version 8, values of the application, and the variant.
        let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
        *version = *version & 0x0F | 0x80;
        *variant = *variant & 0x3F | 0x80;
        Version(bytes)
    }
}
