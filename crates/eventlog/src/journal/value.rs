//! Payload of data objects, compressed or not.

use std::io::Read as _;

use crate::LogError;

/// Maximum size of a field with its name in bytes; the rest of longer ones, such as core dumps, is dropped.
pub const MAX_FIELD: usize = 64 << 10;

/// Compression of a payload, from the flags of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Lz4,
    Zstd,
}

impl Compression {
    /// Returns the compression of an object.
    pub(super) fn of_flags(flags: u8, at: u64) -> Result<Self, LogError> {
        match flags & 0b111 {
            0 => Ok(Self::None),
            1 => Err(LogError::Unsupported("compression with XZ")),
            2 => Ok(Self::Lz4),
            4 => Ok(Self::Zstd),
            _ => Err(LogError::Damaged { at, reason: "a field has several compressions" }),
        }
    }
}

/// Returns the data of a payload, at most [`MAX_FIELD`] bytes, and whether bytes were dropped.
pub(super) fn decompress(
    payload: Vec<u8>,
    compression: Compression,
    at: u64,
) -> Result<(Vec<u8>, bool), LogError> {
    let mut data = match compression {
        Compression::None => payload,
        Compression::Lz4 => {
            let (length, block) =
                payload.split_first_chunk::<8>().ok_or_else(|| damaged(at, "an LZ4 field has no length"))?;
            let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
            if length > MAX_LZ4 {
                return Err(damaged(at, "an LZ4 field is longer than 16 MiB"));
            }
            let mut data = vec![0; length];
            let written = lz4_flex::block::decompress_into(block, &mut data)
                .map_err(|_| damaged(at, "an LZ4 field cannot be decompressed"))?;
            data.truncate(written);
            data
        }
        Compression::Zstd => {
            let reader = ruzstd::decoding::StreamingDecoder::new(payload.as_slice())
                .map_err(|_| damaged(at, "a Zstandard field has no valid header"))?;
            let mut data = Vec::new();
            let limit = u64::try_from(MAX_FIELD).unwrap_or(u64::MAX).saturating_add(1);
            reader
                .take(limit)
                .read_to_end(&mut data)
                .map_err(|_| damaged(at, "a Zstandard field cannot be decompressed"))?;
            data
        }
    };
    let is_cut = data.len() > MAX_FIELD;
    data.truncate(MAX_FIELD);
    Ok((data, is_cut))
}

fn damaged(at: u64, reason: &'static str) -> LogError {
    LogError::Damaged { at, reason }
}

/// Maximum size of an LZ4 field in bytes, which can only be decompressed as a whole.
const MAX_LZ4: usize = 16 << 20;
