//! Requests to the shell of a terminal.
//!
//! A request has a kind (one byte), the length of its content (two bytes, big-endian), and the content.

/// Request to the shell of a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShellRequest {
    /// Bytes that the user has typed or pasted, at most [`MAX_INPUT`].
    Input(Vec<u8>),
    /// New size of the window.
    Resize {
        /// Number of columns.
        columns: u16,
        /// Number of rows.
        rows: u16,
    },
}

/// Maximum number of bytes in one [`ShellRequest::Input`].
pub const MAX_INPUT: usize = u16::MAX as usize;

const INPUT: u8 = 0;
const RESIZE: u8 = 1;
/// Length of kind and length.
const HEAD: usize = 3;

/// The bytes are not a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed request to a terminal")]
pub struct Malformed;

impl ShellRequest {
    /// Encodes the request. Input beyond [`MAX_INPUT`] is divided into several requests.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Input(bytes) => bytes.chunks(MAX_INPUT).flat_map(|part| framed(INPUT, part)).collect(),
            Self::Resize { columns, rows } => {
                framed(RESIZE, &[columns.to_be_bytes(), rows.to_be_bytes()].concat())
            }
        }
    }
}

fn framed(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[kind], length.as_slice(), content].concat()
}

/// Decodes a stream of requests.
#[derive(Debug, Default)]
pub(crate) struct Decoder(Vec<u8>);

impl Decoder {
    /// Adds received bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Returns the next complete request.
    pub(crate) fn next(&mut self) -> Result<Option<ShellRequest>, Malformed> {
        let Some((&[kind, high, low], rest)) = self.0.split_first_chunk::<HEAD>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some(content) = rest.get(..length) else { return Ok(None) };
        let request = match (kind, content) {
            (INPUT, bytes) => ShellRequest::Input(bytes.to_vec()),
            (RESIZE, &[a, b, c, d]) => {
                ShellRequest::Resize { columns: u16::from_be_bytes([a, b]), rows: u16::from_be_bytes([c, d]) }
            }
            _ => return Err(Malformed),
        };
        self.0.drain(..HEAD + length);
        Ok(Some(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_decoded_in_pieces() {
        let long = ShellRequest::Input(vec![7; MAX_INPUT + 2]);
        let resize = ShellRequest::Resize { columns: 300, rows: 2 };
        let bytes = [long.encode(), resize.encode()].concat();
        let mut decoder = Decoder::default();
        let mut found = Vec::new();
        for piece in bytes.chunks(1_000) {
            decoder.push(piece);
            while let Some(request) = decoder.next().unwrap() {
                found.push(request);
            }
        }
        let parts = [vec![7; MAX_INPUT], vec![7; 2]].map(ShellRequest::Input);
        assert_eq!(found, [parts.as_slice(), &[resize]].concat());
        for malformed in [[RESIZE, 0, 0].as_slice(), &[2, 0, 0]] {
            decoder.push(malformed);
            assert_eq!(decoder.next(), Err(Malformed));
            decoder = Decoder::default();
        }
    }
}
