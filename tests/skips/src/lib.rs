//! Records tests that cannot run on this machine, with their reasons, and reports them after the test run.
//!
//! A test that needs something this machine lacks calls [`skip!`] and returns. The test runner counts it as passed and
//! hides its output, so the skip is also appended to the file that `TELARCH_SKIPS` names. `./test` sets that variable
//! and reports the file at the end; without the variable, as with plain `cargo test`, the skip is only printed.

mod ledger;
pub mod outcome;
mod recordings;
pub mod report;

pub use ledger::{Extent, Skip, record};
pub use recordings::recordings;

/// Records that the calling test cannot run here, with a reason formatted as by `println!`. The caller returns
/// afterwards.
///
/// # Panics
/// When `TELARCH_SKIPS` names a file that cannot be written: the skip would go unreported.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)+) => {
        $crate::record($crate::Extent::Whole, &::std::format!($($reason)+))
    };
}

/// Records that a part of the calling test cannot run here. The rest of the test continues, and the test counts as
/// passed.
///
/// # Panics
/// When `TELARCH_SKIPS` names a file that cannot be written.
#[macro_export]
macro_rules! skip_part {
    ($($reason:tt)+) => {
        $crate::record($crate::Extent::Part, &::std::format!($($reason)+))
    };
}
