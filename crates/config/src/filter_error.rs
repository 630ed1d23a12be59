//! Errors in address filters.

pub(crate) const MAX_RANGES: usize = 1_000;

/// Error in an address filter (WSMan code 2150858988).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// A part of the filter is not an address.
    #[error("\"{text}\" is not {expected}: use *, nothing, or ranges first-last separated by commas")]
    NotAnAddress {
        /// Part of the filter.
        text: String,
        /// Expected kind of address.
        expected: &'static str,
    },
    /// The last address of a range is lower than the first.
    #[error("range {first}-{last} ends before it begins; swap its ends")]
    Descending {
        /// First address.
        first: String,
        /// Last address.
        last: String,
    },
    /// A range begins before the previous one ends.
    #[error("the range from {first} begins before the previous one ends; sort and merge the ranges")]
    NotAscending {
        /// First address of the later range.
        first: String,
    },
    /// The filter has more than 1000 ranges.
    #[error("more than {MAX_RANGES} ranges; merge some")]
    TooMany,
}
