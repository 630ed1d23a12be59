//! Runs the oracles over the stored corpora of the fuzz targets and over mutations of them.

use std::time::Instant;

use telarch_corpus::{cases, mutate};
use telarch_ipmi_proto::oracle;

#[test]
fn datagrams_of_the_corpus_do_not_break_a_login() {
    let now = Instant::now();
    everywhere("ipmi_datagrams", 3, |octets| oracle::datagrams(octets, now));
}

#[test]
fn responses_of_the_corpus_are_delivered_unchanged() {
    let now = Instant::now();
    everywhere("ipmi_answers", 4, |octets| oracle::answers(octets, now));
}

#[test]
fn unauthenticated_requests_of_the_corpus_never_reach_a_device() {
    let now = Instant::now();
    everywhere("ipmi_responder", 6, |octets| oracle::responder(octets, now));
}

#[test]
fn replies_of_the_corpus_are_decoded_or_rejected() {
    everywhere("ipmi_replies", 1, oracle::replies);
}

#[test]
fn records_of_the_corpus_are_decoded_or_rejected() {
    everywhere("ipmi_record", 6, oracle::record);
}

/// Mutates each case at every position.
fn everywhere(target: &str, at_least: usize, oracle: impl Fn(&[u8])) {
    mutate(&cases(target, at_least), usize::MAX, &[0x00, 0x01, 0x10, 0x7f, 0x80, 0xfe, 0xff], oracle);
}
