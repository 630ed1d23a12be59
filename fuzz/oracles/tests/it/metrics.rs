use telarch_oracles::metrics;

use crate::corpus::{cases, mutate};

#[test]
fn responses_of_receivers_of_metrics() {
    mutate(
        &cases("metrics_otlp_response", 4),
        200,
        b"\x08\x0a\x12\x00\xff\x80\n\x1b",
        metrics::otlp_response,
    );
}
