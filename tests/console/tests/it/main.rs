//! Journeys through the console, in Debian's Chromium, with an nginx of the test behind it.
#![allow(clippy::indexing_slicing)] // In a test a wrong index is a failure like any other.

mod accessibility;
mod delegation;
mod deployment_rules;
mod deployments;
mod elevation;
mod features;
mod forwarded;
mod hardware;
mod history;
mod iis;
mod instrumentation;
mod logs;
mod machine;
mod machines;
mod service;
mod sign_in;
mod sites;
mod terminal;
mod windows;
mod wsman;
mod wsman_changes;
