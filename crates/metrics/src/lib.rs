//! Metrics over HTTP, in the formats that Prometheus reads, and as requests of OpenTelemetry.
//!
//! A program implements [`Pages`] and passes it to [`serve`] with a listening socket. The server reads one request per
//! connection, and bounds the number of connections, the size of a request and the time of an exchange.
//! [`OtlpEncoder`] converts a page into the body of an OTLP request, and [`ExportResponse`] is the receiver's response.

mod collector;
mod open_metrics;
mod otlp;
mod otlp_response;
mod protobuf;
mod server;
mod text_format;

pub use collector::{
    BOUNDS, CollectorStatistics, Distribution, LAGS, LONGER_LAG, OutputStatistics, place_of_lag,
};
pub use otlp::{OtlpEncoder, Snapshot};
pub use otlp_response::{ExportOutcome, ExportResponse};
pub use server::{Page, Pages, serve};
