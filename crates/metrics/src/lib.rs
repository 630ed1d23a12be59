//! Metrics over HTTP, in the formats that Prometheus reads, and as requests of OpenTelemetry.
//!
//! A program implements [`Pages`] and passes it to [`serve`] with a listening socket. The server reads one request per
//! connection, and bounds the number of connections, the size of a request and the time of an exchange.
//! [`OtlpEncoder`] converts a page into the body of an OTLP request.

mod collector;
mod open_metrics;
mod otlp;
mod protobuf;
mod server;

pub use collector::{
    BOUNDS, CollectorStatistics, Distribution, LAGS, LONGER_LAG, OutputStatistics, place_of_lag,
};
pub use otlp::{OtlpEncoder, Snapshot};
pub use server::{Page, Pages, serve};
