use telarch_oracles::nats;

use crate::corpus::{cases, mutate};

#[test]
fn the_oracle_holds_for_messages_of_servers_and_mutations() {
    mutate(&cases("nats_server_message", 5), 80, b"\r\n \t{}\"'09x\xc3", nats::server_message);
}

#[test]
fn the_oracle_holds_for_subjects_credentials_and_mutations() {
    mutate(&cases("nats_publication", 5), 100, b".*> {}-\r\n\xc3A2", nats::publication);
}
