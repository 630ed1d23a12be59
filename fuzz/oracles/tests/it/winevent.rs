use telarch_oracles::winevent;

use crate::corpus::{cases, mutate};

#[test]
fn the_oracle_holds_for_events_and_mutations() {
    mutate(&cases("winevent_event", 8), 60, b"<>&\"'/ \r\x00x:;", winevent::event);
}

#[test]
fn the_oracle_holds_for_compressed_data_and_mutations() {
    mutate(&cases("winevent_sldc", 5), 80, b"\x00\xff\x80\x7f\xaa", winevent::sldc);
}

#[test]
fn the_oracle_holds_for_queries_and_mutations() {
    mutate(&cases("winevent_query", 12), 80, b"[]()'@*/=<1x, \xc3", winevent::query);
}

#[test]
fn the_oracle_holds_for_subscriptions_and_mutations() {
    mutate(&cases("winevent_subscription", 4), 100, b"<>&\"'/ \r\x001", winevent::subscription);
}
