use telarch_oracles::proxyprotocol;

use crate::corpus::{cases, mutate};

#[test]
fn the_oracle_holds_for_headers_of_balancers_and_mutations() {
    mutate(&cases("proxyprotocol_header", 6), 200, b"\r\n \0\x21\x11:.0", proxyprotocol::header);
}
