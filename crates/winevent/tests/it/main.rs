//! Tests of the public interface.

mod events;
mod fixtures;
mod lxml;
mod query;
mod random;
mod recorded;
mod sldc;
mod subscription;
