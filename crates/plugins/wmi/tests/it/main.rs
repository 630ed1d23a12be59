//! Tests of the promises to clients: messages in, messages out, with providers of the tests.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod access;
mod asking;
mod class_schema;
mod enumerate;
mod events;
mod faults;
mod fragment;
mod invoke;
mod machine;
mod operations_manager;
mod pages;
mod transfer;
