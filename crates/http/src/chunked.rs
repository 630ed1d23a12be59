use crate::grammar::{is_control, is_token_byte};

/// Decoder for the `chunked` transfer coding; input may be split at any byte.
///
/// Chunk extensions and trailer lines are read, bounded and dropped; the trailer never becomes part of the
/// head.
///
/// ```
/// use telarch_http::ChunkedDecoder;
///
/// let mut decoder = ChunkedDecoder::new(1024);
/// let mut body = Vec::new();
/// decoder.decode(b"5\r\nhel", &mut body)?;
/// let progress = decoder.decode(b"lo\r\n0\r\n\r\nPOST /next", &mut body)?;
/// assert_eq!((body.as_slice(), progress.consumed, progress.done), (&b"hello"[..], 9, true));
/// # Ok::<(), telarch_http::ChunkError>(())
/// ```
///
/// RFC 9112 7.1.
#[derive(Clone, Debug)]
pub struct ChunkedDecoder {
    state: State,
    /// Number of further body bytes allowed.
    room: usize,
    limit: usize,
    /// Bytes of extensions seen so far, in all chunks together. A limit per chunk would let a peer send a
    /// thousand bytes of extensions for each byte of body.
    extensions: usize,
    trailer: usize,
}

/// Result of a call of [`ChunkedDecoder::decode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Number of input bytes consumed: all of them, unless the body ended earlier.
    pub consumed: usize,
    /// Whether the body is complete. Bytes that were not consumed belong to the next message.
    pub done: bool,
}

/// Why a chunked body was rejected. The connection must be closed, because the start of the next message is
/// unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// A chunk does not begin with hexadecimal digits.
    #[error("the size of a chunk is not a hexadecimal number")]
    InvalidSize,
    /// The size of a chunk has more than 16 digits.
    #[error("the size of a chunk has more than 16 digits")]
    SizeTooLong,
    /// The body would be longer than the decoder's limit.
    #[error("the chunked body is longer than the limit of {limit} bytes")]
    BodyTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The extensions of all chunks together are longer than 1 KiB.
    #[error("the extensions of the chunks are longer than 1024 bytes")]
    ExtensionsTooLong,
    /// An extension contains a control byte.
    #[error("the extension of a chunk contains a control byte")]
    InvalidExtension,
    /// A carriage return without a line feed after it, or a line feed alone.
    #[error("a line of the chunked body does not end in carriage return and line feed")]
    LineEnd,
    /// The data of a chunk is longer than its size says.
    #[error("the data of a chunk does not end where its size says")]
    DataEnd,
    /// The trailer is longer than 8 KiB.
    #[error("the trailer is longer than 8192 bytes")]
    TrailerTooLong,
    /// A trailer line is not a header line.
    #[error("a line of the trailer is not a header line")]
    InvalidTrailer,
}

impl ChunkError {
    /// Returns the HTTP status to send before closing the connection.
    pub fn status(&self) -> u16 {
        match self {
            Self::BodyTooLarge { .. } => 413,
            _ => 400,
        }
    }
}

impl ChunkedDecoder {
    /// Returns a decoder for one body of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { state: State::Size { digits: 0, size: 0 }, room: limit, limit, extensions: 0, trailer: 0 }
    }

    /// Decodes what has been received and appends it to `output`.
    ///
    /// A chunk that would exceed the limit is rejected as soon as its size is known.
    ///
    /// # Errors
    ///
    /// See [`ChunkError`]. Every later call returns the same error; the content of `output` must be
    /// discarded.
    pub fn decode(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<Progress, ChunkError> {
        let mut rest = input;
        loop {
            rest = match (self.state, rest) {
                (State::Failed(error), _) => return Err(error),
                (State::Done, _) | (_, []) => break,
                (State::Data { left }, _) => {
                    let (data, after) = rest.split_at_checked(left).unwrap_or((rest, &[]));
                    output.extend_from_slice(data);
                    self.state = match left - data.len() {
                        0 => State::DataReturn,
                        left => State::Data { left },
                    };
                    after
                }
                (_, [byte, after @ ..]) => {
                    self.state = self.step(*byte).unwrap_or_else(State::Failed);
                    after
                }
            };
        }
        Ok(Progress { consumed: input.len() - rest.len(), done: self.state == State::Done })
    }

    /// Returns the state after a byte that is not body data.
    fn step(&mut self, byte: u8) -> Result<State, ChunkError> {
        match (self.state, byte) {
            (State::Size { digits, size }, b'0'..=b'9' | b'A'..=b'F' | b'a'..=b'f') => {
                if digits == SIZE_DIGITS {
                    return Err(ChunkError::SizeTooLong);
                }
                Ok(State::Size { digits: digits + 1, size: size << 4 | u64::from(hex(byte)) })
            }
            (State::Size { digits: 0, .. }, _) => Err(ChunkError::InvalidSize),
            (State::Size { size, .. }, b'\r') => Ok(State::SizeFeed { size: self.admit(size)? }),
            (State::Size { size, .. }, b';') => {
                let size = self.admit(size)?;
                self.extension(State::Extension { size })
            }
            (State::Size { .. }, b'\n') => Err(ChunkError::LineEnd),
            (State::Size { .. }, _) => Err(ChunkError::InvalidSize),

            (State::Extension { size }, b'\r') => Ok(State::SizeFeed { size }),
            (State::Extension { .. }, b'\n') => Err(ChunkError::LineEnd),
            (State::Extension { .. }, _) if is_control(byte) => Err(ChunkError::InvalidExtension),
            (State::Extension { .. }, _) => self.extension(self.state),
            (State::SizeFeed { size: 0 }, b'\n') => Ok(State::TrailerLine),
            (State::SizeFeed { size }, b'\n') => Ok(State::Data { left: size }),

            (State::DataReturn, b'\r') => Ok(State::DataFeed),
            (State::DataFeed, b'\n') => Ok(State::Size { digits: 0, size: 0 }),
            (State::DataReturn | State::DataFeed, _) => Err(ChunkError::DataEnd),

            (State::TrailerLine, b'\r') => Ok(State::LastFeed),
            (State::TrailerLine, _) if is_token_byte(byte) => self.trailer(State::TrailerName),
            (State::TrailerName, b':') => self.trailer(State::TrailerValue),
            (State::TrailerName, _) if is_token_byte(byte) => self.trailer(State::TrailerName),
            (State::TrailerLine | State::TrailerName, _) => Err(ChunkError::InvalidTrailer),
            (State::TrailerValue, b'\r') => self.trailer(State::TrailerFeed),
            (State::TrailerValue, b'\n') => Err(ChunkError::LineEnd),
            (State::TrailerValue, _) if is_control(byte) => Err(ChunkError::InvalidTrailer),
            (State::TrailerValue, _) => self.trailer(State::TrailerValue),
            (State::TrailerFeed, b'\n') => self.trailer(State::TrailerLine),
            (State::LastFeed, b'\n') => Ok(State::Done),
            (State::SizeFeed { .. } | State::TrailerFeed | State::LastFeed, _) => Err(ChunkError::LineEnd),

            // `decode` handles these states itself.
            (State::Data { .. } | State::Done | State::Failed(_), _) => Ok(self.state),
        }
    }

    /// Subtracts the size of a chunk from the number of body bytes still allowed.
    fn admit(&mut self, size: u64) -> Result<usize, ChunkError> {
        let too_large = ChunkError::BodyTooLarge { limit: self.limit };
        let size = usize::try_from(size).map_err(|_| too_large)?;
        self.room = self.room.checked_sub(size).ok_or(too_large)?;
        Ok(size)
    }

    fn extension(&mut self, next: State) -> Result<State, ChunkError> {
        self.extensions += 1;
        if self.extensions > EXTENSIONS { Err(ChunkError::ExtensionsTooLong) } else { Ok(next) }
    }

    fn trailer(&mut self, next: State) -> Result<State, ChunkError> {
        self.trailer += 1;
        if self.trailer > TRAILER { Err(ChunkError::TrailerTooLong) } else { Ok(next) }
    }
}

/// Position in the chunked syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size { digits: u8, size: u64 },
    Extension { size: usize },
    SizeFeed { size: usize },
    Data { left: usize },
    DataReturn,
    DataFeed,
    TrailerLine,
    TrailerName,
    TrailerValue,
    TrailerFeed,
    LastFeed,
    Done,
    Failed(ChunkError),
}

/// Returns the value of a hexadecimal digit.
fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// Maximum number of digits of a chunk size; 16 digits fit into 64 bits.
const SIZE_DIGITS: u8 = 16;
const EXTENSIONS: usize = 1024;
const TRAILER: usize = 8 * 1024;
