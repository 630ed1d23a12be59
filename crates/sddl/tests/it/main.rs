//! Tests of the public interface of the crate, and of its parser over the stored corpus.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod access;
mod audit;
mod errors;
mod explain;
mod generator;
mod round_trip;

use telarch_sddl::{Domain, DomainSid, Principal, Sid, Token};

const MACHINE: DomainSid = DomainSid::new([1, 2, 3]);
const DOMAIN: Domain = Domain { sid: DomainSid::new([4, 5, 6]), forest_root: DomainSid::new([7, 8, 9]) };

/// Creates a token for a user of the machine with these principals, written as in SDDL.
fn token(groups: &str) -> Token {
    let sid = |word| match Principal::parse(word).unwrap() {
        Principal::Sid(sid) => sid,
        Principal::Relative(relative) => relative.resolve(MACHINE, Some(DOMAIN)).unwrap(),
    };
    let groups: Vec<Sid> = groups.split_whitespace().map(sid).collect();
    Token::new(MACHINE.account(3000), groups, MACHINE)
}
