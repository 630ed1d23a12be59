//! Debian's Chromium without a window, driven over the DevTools protocol.
//!
//! The protocol goes through two pipes (`--remote-debugging-pipe`), so there is no port, and the browser ends with the
//! test. Keys and text are sent as events of the keyboard. Waits are for conditions of the document, which a script
//! in the page observes.

#![allow(clippy::indexing_slicing)] // A missing member of a JSON value is null.

mod browser;
mod connection;
mod page;

pub use browser::{Browser, Theme};
pub use page::{Key, Page};
