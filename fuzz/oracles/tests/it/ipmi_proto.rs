use std::time::Instant;

use telarch_oracles::ipmi_proto;

use crate::corpus::{cases, mutate};

#[test]
fn datagrams_of_the_corpus_do_not_break_a_login() {
    let now = Instant::now();
    everywhere("ipmi_datagrams", 3, |octets| ipmi_proto::datagrams(octets, now));
}

#[test]
fn responses_of_the_corpus_are_delivered_unchanged() {
    let now = Instant::now();
    everywhere("ipmi_answers", 4, |octets| ipmi_proto::answers(octets, now));
}

#[test]
fn unauthenticated_requests_of_the_corpus_never_reach_a_device() {
    let now = Instant::now();
    everywhere("ipmi_responder", 6, |octets| ipmi_proto::responder(octets, now));
}

#[test]
fn replies_of_the_corpus_are_decoded_or_rejected() {
    everywhere("ipmi_replies", 1, ipmi_proto::replies);
}

#[test]
fn records_of_the_corpus_are_decoded_or_rejected() {
    everywhere("ipmi_record", 6, ipmi_proto::record);
}

/// Mutates each case at every position.
fn everywhere(target: &str, at_least: usize, check: impl Fn(&[u8])) {
    mutate(&cases(target, at_least), usize::MAX, &[0x00, 0x01, 0x10, 0x7f, 0x80, 0xfe, 0xff], check);
}
