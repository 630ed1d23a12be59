use telarch_oracles::psrp;

use crate::corpus::{cases, mutate};

#[test]
fn fragments_keep_the_promises() {
    mutate(&cases("psrp_fragment", 4), 60, b"\x00\x01\x02\x03\xff", psrp::fragment);
}

#[test]
fn messages_keep_the_promises() {
    mutate(&cases("psrp_message", 15), 60, b"<>/\"\x00_", psrp::message);
}

#[test]
fn values_keep_the_promises() {
    mutate(&cases("psrp_clixml", 10), 60, b"<>&\"/_x0\x01", psrp::clixml);
}

#[test]
fn lines_keep_the_promises() {
    mutate(&cases("psrp_out_of_proc", 3), 60, b"<>'=\n\r ", psrp::out_of_proc);
}

#[test]
fn compressed_data_keeps_the_promises() {
    mutate(&cases("psrp_xpress", 3), 60, b"\x00\x01\x10\x11\xff", psrp::xpress);
}
