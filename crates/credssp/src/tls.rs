//! TLS connection in memory.

use std::io::{self, Read as _, Write as _};

use auth::AuthError;
use rustls::{Connection, Error, SupportedCipherSuite};

/// TLS endpoint whose records are exchanged as bytes in memory.
pub(crate) struct Tls(Connection);

impl Tls {
    pub(crate) fn new(connection: impl Into<Connection>) -> Self {
        Self(connection.into())
    }

    /// Processes received bytes and returns the decrypted data, which is empty during the handshake.
    pub(crate) fn receive(&mut self, mut octets: &[u8]) -> Result<Vec<u8>, Error> {
        let mut plain = Vec::new();
        // The internal buffer is limited, so it is emptied in between.
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

    /// Returns pending output: handshake messages and other records of TLS itself.
    pub(crate) fn pending(&mut self) -> Result<Vec<u8>, Error> {
        let mut records = Vec::new();
        while self.0.wants_write() {
            self.0.write_tls(&mut records).map_err(unexpected)?;
        }
        Ok(records)
    }

    /// Encrypts data into whole records, preceded by pending output.
    pub(crate) fn send(&mut self, mut plain: &[u8]) -> Result<Vec<u8>, Error> {
        let mut records = self.pending()?;
        while !plain.is_empty() {
            let written = self.0.writer().write(plain).map_err(unexpected)?;
            plain = plain.get(written..).unwrap_or_default();
            records.append(&mut self.pending()?);
        }
        Ok(records)
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    /// DER certificate of the peer.
    pub(crate) fn peer_certificate(&self) -> Option<&[u8]> {
        self.0.peer_certificates()?.first().map(AsRef::as_ref)
    }

    /// Number of bytes of a record after the ciphertext of the message (MS-WSMV 2.2.9.1.1.2.2): the tag, and in TLS 1.3
    /// the content type (RFC 8446 5.2).
    pub(crate) fn trailer(&self) -> usize {
        match self.0.negotiated_cipher_suite() {
            Some(SupportedCipherSuite::Tls13(_)) => 17,
            _ => 16,
        }
    }
}

/// Converts an error of the connection; the log has the details.
pub(crate) fn tls_error(error: Error) -> AuthError {
    tracing::debug!(%error, "TLS inside CredSSP failed");
    AuthError::Malformed("TLS inside CredSSP failed")
}

/// Converts I/O errors. Memory buffers do not fail, so the connection itself is the cause.
fn unexpected(error: io::Error) -> Error {
    Error::General(error.to_string())
}
