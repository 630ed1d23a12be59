//! Session key and encrypted text (MS-PSRP 2.2.2.3 to 2.2.2.5, 2.2.5.1.24 and 3.1.5.4.3).
//!
//! Encrypted text is neither authenticated nor different each time, because the specification uses no
//! initialization vector. It protects text in logs and dumps; the connection must be protected by TLS or sealing.
//! Version 2.4 has no session key and relies on the connection alone.

use std::fmt;

use aws_lc_rs::cipher::{
    AES_256, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey,
    UnboundCipherKey,
};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{
    Pkcs1PrivateDecryptingKey, Pkcs1PublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey,
    PublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::{Zeroize, Zeroizing};

use crate::clixml::SecureString;
use crate::error::PsrpError;

/// Length of the modulus of an exchange key in bytes.
const MODULUS: usize = 256;
/// Beginning of a public key blob: PUBLICKEYBLOB for CALG_RSA_KEYX, `RSA1`, 2048 bits.
const PUBLIC_KEY_PREFIX: [u8; 16] = [0x06, 0x02, 0, 0, 0, 0xA4, 0, 0, 0x52, 0x53, 0x41, 0x31, 0, 0x08, 0, 0];
/// Beginning of a session key blob: SIMPLEBLOB for CALG_AES_256, encrypted with CALG_RSA_KEYX.
const SESSION_KEY_PREFIX: [u8; 12] = [0x01, 0x02, 0, 0, 0x10, 0x66, 0, 0, 0, 0xA4, 0, 0];
/// Beginning of the X.509 form of an RSA key with 2048 bits and an exponent of three bytes, before the modulus.
const X509_PREFIX: [u8; 33] = [
    0x30, 0x82, 0x01, 0x22, 0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01,
    0x05, 0x00, 0x03, 0x82, 0x01, 0x0F, 0x00, 0x30, 0x82, 0x01, 0x0A, 0x02, 0x82, 0x01, 0x01, 0x00,
];

/// RSA key of a client with 2048 bits, for one exchange.
pub struct ExchangeKey {
    private: PrivateDecryptingKey,
}

impl ExchangeKey {
    /// Reads a private key in PKCS #8 form, which the caller generates.
    ///
    /// # Errors
    /// [`PsrpError::Key`] if the bytes are no RSA key with 2048 bits.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, PsrpError> {
        let private = PrivateDecryptingKey::from_pkcs8(pkcs8);
        let private = private.map_err(|_| PsrpError::Key("the private key is no RSA key in PKCS #8 form"))?;
        if private.key_size_bytes() != MODULUS {
            return Err(PsrpError::Key("the private key has not 2048 bits"));
        }
        Ok(Self { private })
    }

    /// Returns the public key as the text of a PUBLIC_KEY message.
    ///
    /// # Errors
    /// [`PsrpError::Key`] if the public exponent has not three bytes; usual keys have 65537.
    pub fn public_key(&self) -> Result<String, PsrpError> {
        let error = PsrpError::Key("the public exponent is not supported");
        let der = self.private.public_key().as_der().map_err(|_| error.clone())?;
        let rest = der.as_ref().strip_prefix(&X509_PREFIX).ok_or(error.clone())?;
        let (modulus, exponent) = rest.split_first_chunk::<MODULUS>().ok_or(error.clone())?;
        let [0x02, 0x03, high, middle, low] = *exponent else { return Err(error) };
        let mut blob = PUBLIC_KEY_PREFIX.to_vec();
        blob.extend([low, middle, high, 0]);
        blob.extend(modulus.iter().rev());
        Ok(STANDARD.encode(blob))
    }

    /// Decrypts the text of an ENCRYPTED_SESSION_KEY message.
    ///
    /// # Errors
    /// [`PsrpError::Key`] if the text has another form or was encrypted with another key.
    pub fn open(&self, encrypted: &str) -> Result<SessionKey, PsrpError> {
        let error = PsrpError::Key("the encrypted session key is malformed");
        let blob = STANDARD.decode(encrypted).map_err(|_| error.clone())?;
        let mut sealed = blob.strip_prefix(&SESSION_KEY_PREFIX).ok_or(error.clone())?.to_vec();
        if sealed.len() != MODULUS {
            return Err(error);
        }
        sealed.reverse();
        let key = Pkcs1PrivateDecryptingKey::new(self.private.clone()).map_err(|_| error)?;
        let mut plain = Zeroizing::new([0; MODULUS]);
        let opened = key.decrypt(&sealed, plain.as_mut_slice());
        let opened = opened.map_err(|_| PsrpError::Key("the session key was encrypted with another key"))?;
        let bytes =
            <[u8; 32]>::try_from(&*opened).map_err(|_| PsrpError::Key("the session key has not 32 bytes"))?;
        Ok(SessionKey::from_bytes(bytes))
    }
}

impl fmt::Debug for ExchangeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExchangeKey(***)")
    }
}

/// Key of a runspace pool that encrypts text.
#[derive(Clone)]
pub struct SessionKey(Zeroizing<[u8; 32]>);

impl SessionKey {
    /// Returns the key with these bytes, which a server draws at random.
    #[must_use]
    pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
        let key = Self(Zeroizing::new(bytes));
        bytes.zeroize();
        key
    }

    /// Encrypts the key for a client with the text of its PUBLIC_KEY message, and returns the text of an
    /// ENCRYPTED_SESSION_KEY message. The cryptography library draws the random bytes of the padding.
    ///
    /// # Errors
    /// [`PsrpError::Key`] if the text is no RSA key with 2048 bits.
    pub fn seal_for(&self, public_key: &str) -> Result<String, PsrpError> {
        let error = PsrpError::Key("the public key is malformed");
        let blob = STANDARD.decode(public_key).map_err(|_| error.clone())?;
        let rest = blob.strip_prefix(&PUBLIC_KEY_PREFIX).ok_or(error.clone())?;
        let (exponent, modulus) = rest.split_first_chunk::<4>().ok_or(error.clone())?;
        if modulus.len() != MODULUS {
            return Err(error);
        }
        let n: Vec<u8> = modulus.iter().rev().copied().collect();
        let e: Vec<u8> = exponent.iter().rev().copied().skip_while(|byte| *byte == 0).collect();
        let public: PublicEncryptingKey =
            PublicKeyComponents { n, e }.try_into().map_err(|_| error.clone())?;
        let public = Pkcs1PublicEncryptingKey::new(public).map_err(|_| error.clone())?;
        let mut sealed = vec![0; public.ciphertext_size()];
        let sealed = public.encrypt(self.0.as_slice(), &mut sealed).map_err(|_| error)?;
        let mut encrypted = SESSION_KEY_PREFIX.to_vec();
        encrypted.extend(sealed.iter().rev());
        Ok(STANDARD.encode(encrypted))
    }

    /// Encrypts text.
    ///
    /// # Errors
    /// [`PsrpError::Key`] if the cryptography library fails.
    pub fn encrypt(&self, text: &str) -> Result<SecureString, PsrpError> {
        let error = PsrpError::Key("the text cannot be encrypted");
        let mut bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let key = UnboundCipherKey::new(&AES_256, self.0.as_slice()).map_err(|_| error.clone())?;
        let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).map_err(|_| error.clone())?;
        let context = EncryptionContext::Iv128(FixedLength::from([0; 16]));
        key.less_safe_encrypt(&mut bytes, context).map_err(|_| error)?;
        Ok(SecureString::from_wire(bytes))
    }

    /// Decrypts text. Half of a surrogate pair becomes U+FFFD.
    ///
    /// # Errors
    /// [`PsrpError::Key`] if the text was encrypted with another key.
    pub fn decrypt(&self, text: &SecureString) -> Result<Zeroizing<String>, PsrpError> {
        let error = PsrpError::Key("the text was encrypted with another key");
        let mut bytes = Zeroizing::new(text.wire_bytes().to_vec());
        let key = UnboundCipherKey::new(&AES_256, self.0.as_slice()).map_err(|_| error.clone())?;
        let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(|_| error.clone())?;
        let context = DecryptionContext::Iv128(FixedLength::from([0; 16]));
        let plain = key.decrypt(&mut bytes, context).map_err(|_| error.clone())?;
        utf16(plain).ok_or(error)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(***)")
    }
}

/// Protection of text in a pool.
#[derive(Clone, Debug)]
pub enum TextProtection {
    /// Encryption with the session key; versions up to 2.3.
    SessionKey(SessionKey),
    /// The connection only; version 2.4.
    Connection,
}

impl TextProtection {
    /// Returns text in the form in which it travels.
    ///
    /// # Errors
    /// [`PsrpError::Key`] if the cryptography library fails.
    pub fn protect(&self, text: &str) -> Result<SecureString, PsrpError> {
        match self {
            Self::SessionKey(key) => key.encrypt(text),
            Self::Connection => {
                Ok(SecureString::from_wire(text.encode_utf16().flat_map(u16::to_le_bytes).collect()))
            }
        }
    }

    /// Returns the text of a value. Half of a surrogate pair becomes U+FFFD.
    ///
    /// # Errors
    /// [`PsrpError::Key`] if the text was encrypted with another key or has an odd number of bytes.
    pub fn reveal(&self, text: &SecureString) -> Result<Zeroizing<String>, PsrpError> {
        match self {
            Self::SessionKey(key) => key.decrypt(text),
            Self::Connection => {
                utf16(text.wire_bytes()).ok_or(PsrpError::Key("the text has an odd number of bytes"))
            }
        }
    }
}

fn utf16(bytes: &[u8]) -> Option<Zeroizing<String>> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let units = Zeroizing::new(pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect::<Vec<u16>>());
    Some(Zeroizing::new(String::from_utf16_lossy(&units)))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::Pkcs8V1Der;
    use aws_lc_rs::rsa::KeySize;

    use super::*;

    fn exchange_key(size: KeySize) -> Result<ExchangeKey, PsrpError> {
        let key = PrivateDecryptingKey::generate(size).unwrap();
        let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
        ExchangeKey::from_pkcs8(der.as_ref())
    }

    #[test]
    fn both_ends_have_the_same_key_after_an_exchange() {
        let client = exchange_key(KeySize::Rsa2048).unwrap();
        let server = SessionKey::from_bytes([7; 32]);
        let sealed = server.seal_for(&client.public_key().unwrap()).unwrap();
        let opened = client.open(&sealed).unwrap();
        assert_eq!(*opened.0, *server.0);
        for text in ["", "secret", "sixteen letters!", "pässwörd \u{1F600}"] {
            let encrypted = server.encrypt(text).unwrap();
            assert_eq!(opened.decrypt(&encrypted).unwrap().as_str(), text);
            assert!(encrypted.wire_bytes().len().is_multiple_of(16));
            assert_eq!(format!("{encrypted:?}"), "SecureString(***)");
        }
    }

    #[test]
    fn malformed_keys_and_texts_are_refused() {
        assert!(exchange_key(KeySize::Rsa3072).is_err());
        let client = exchange_key(KeySize::Rsa2048).unwrap();
        let key = SessionKey::from_bytes([1; 32]);
        for text in ["", "AAAA", "*", &STANDARD.encode([0; 276])] {
            assert!(key.seal_for(text).is_err(), "{text:?} was taken for a public key");
            assert!(client.open(text).is_err(), "{text:?} was taken for a session key");
        }
        let mut zero = PUBLIC_KEY_PREFIX.to_vec();
        zero.extend([0; 4 + MODULUS]);
        assert!(key.seal_for(&STANDARD.encode(zero)).is_err(), "a modulus of zero was accepted");
        for length in [0, 1, 15, 17] {
            assert!(key.decrypt(&SecureString::from_wire(vec![0; length])).is_err());
        }
    }

    #[test]
    fn version_2_4_leaves_text_to_the_connection() {
        let text = TextProtection::Connection.protect("aü").unwrap();
        assert_eq!(text.wire_bytes(), [0x61, 0, 0xFC, 0]);
        assert_eq!(TextProtection::Connection.reveal(&text).unwrap().as_str(), "aü");
        assert!(TextProtection::Connection.reveal(&SecureString::from_wire(vec![1])).is_err());
    }
}
