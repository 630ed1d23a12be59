//! A TLS connection in memory.

use std::io::{self, Read as _, Write as _};

use rustls::{Connection, Error, SupportedCipherSuite};

/// One end of it.
pub(crate) struct Tls(Connection);

impl Tls {
    pub(crate) fn new(connection: impl Into<Connection>) -> Self {
        Self(connection.into())
    }

    /// Takes in all of these octets and returns what they say, which is nothing as long as they shake hands.
    pub(crate) fn receive(&mut self, mut octets: &[u8]) -> Result<Vec<u8>, Error> {
        let mut plain = Vec::new();
        // It buffers only so much, so what it has understood is taken out in between.
        while !octets.is_empty() {
            if self.0.read_tls(&mut octets).map_err(unexpected)? == 0 {
                return Err(Error::General("the connection was closed".to_owned()));
            }
            let state = self.0.process_new_packets()?;
            let from = plain.len();
            plain.resize(from + state.plaintext_bytes_to_read(), 0);
            self.0.reader().read_exact(plain.get_mut(from..).unwrap_or_default()).map_err(unexpected)?;
            if state.peer_has_closed() {
                return Err(Error::General("the connection was closed".to_owned()));
            }
        }
        Ok(plain)
    }

    /// What it has to say by itself: its part of the handshake, and whatever else keeps it going.
    pub(crate) fn pending(&mut self) -> Result<Vec<u8>, Error> {
        let mut records = Vec::new();
        while self.0.wants_write() {
            self.0.write_tls(&mut records).map_err(unexpected)?;
        }
        Ok(records)
    }

    /// Encrypts into whole records; what was still to be said goes before.
    pub(crate) fn send(&mut self, mut plain: &[u8]) -> Result<Vec<u8>, Error> {
        let mut records = self.pending()?;
        while !plain.is_empty() {
            let taken = self.0.writer().write(plain).map_err(unexpected)?;
            plain = plain.get(taken..).unwrap_or_default();
            records.append(&mut self.pending()?);
        }
        Ok(records)
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    /// The certificate that the other end has shown.
    pub(crate) fn peer_certificate(&self) -> Option<&[u8]> {
        self.0.peer_certificates()?.first().map(AsRef::as_ref)
    }

    /// How many octets of a record come after the encrypted text itself (MS-WSMV 2.2.9.1.1.2.2): the tag, and for
    /// TLS 1.3 the type of what is inside (RFC 8446, 5.2).
    pub(crate) fn trailer(&self) -> usize {
        match self.0.negotiated_cipher_suite() {
            Some(SupportedCipherSuite::Tls13(_)) => 17,
            _ => 16,
        }
    }
}

/// Memory does not fail, so it is the connection that does not want to.
fn unexpected(error: io::Error) -> Error {
    Error::General(error.to_string())
}
