//! SLDC, the compression of event deliveries (ECMA-321, ISO/IEC 22091).
//!
//! Windows sends `Reset 1`, the data, `End Of Record`, zeros up to a boundary of 16 bits, and the length of
//! the data as a little-endian number of 32 bits. [`decode`] also reads both schemes, all control symbols, and
//! records without that length; [`encode`] writes what Windows writes.
//!
//! ```
//! use telarch_winevent::sldc;
//!
//! let compressed = sldc::encode(b"<Event><System/></Event><Event><System/></Event>")?;
//! assert!(compressed.len() < 40);
//! let data = sldc::decode(&compressed, sldc::MAX_OUTPUT)?;
//! assert_eq!(data, b"<Event><System/></Event><Event><System/></Event>");
//! # Ok::<(), telarch_winevent::WinEventError>(())
//! ```

mod decode;
mod encode;

pub(crate) use decode::{Pieces, decode_in_pieces};
pub use decode::{decode, decode_into};
pub use encode::encode;

/// Maximum length of the data in bytes that an encoder accepts, and the usual maximum of a decoder.
pub const MAX_OUTPUT: usize = 64 << 20;

/// Number of bytes of the history.
const HISTORY: usize = 1_024;
/// Longest copy: 271 bytes (ECMA-321, match counts).
const MAX_COPY: usize = 271;
/// Shortest copy.
const MIN_COPY: usize = 2;

/// Control symbols: nine ones, then these four bits.
mod control {
    /// Zeros up to a boundary of 32 bits follow.
    pub(super) const FLUSH: u64 = 0;
    pub(super) const SCHEME_1: u64 = 1;
    pub(super) const SCHEME_2: u64 = 2;
    pub(super) const FILE_MARK: u64 = 3;
    pub(super) const END_OF_RECORD: u64 = 4;
    /// Scheme 1 with an empty history.
    pub(super) const RESET_1: u64 = 5;
    /// Scheme 2 with an empty history.
    pub(super) const RESET_2: u64 = 6;
    pub(super) const END_MARKER: u64 = 15;
}
