//! The collector with servers of other projects.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)] // A test that panics has failed.

mod collector_process;
mod jetstream;
#[cfg(feature = "kafka")]
mod kafka;
mod nats_server;
mod shared_store;

#[cfg(not(feature = "kafka"))]
#[test]
fn events_are_sent_to_kafka() {
    skips::skip!(
        "the output to Kafka is not built; install libssl-dev and make, and build with the feature telarch-eventing/kafka"
    );
}
