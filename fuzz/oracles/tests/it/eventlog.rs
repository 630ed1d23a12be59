use telarch_oracles::eventlog;

use crate::corpus::{cases, mutate};

#[test]
fn the_oracle_holds_for_journal_files_and_mutations() {
    mutate(&cases("eventlog_journal", 1), 300, b"\x00\xff\x01\x08\x10\x80", eventlog::journal);
}

#[test]
fn the_oracle_holds_for_exported_entries_and_mutations() {
    mutate(&cases("eventlog_export", 1), 300, b"=\n\x00\xff_A", eventlog::export);
}

#[test]
fn the_oracle_holds_for_audit_records_and_mutations() {
    mutate(&cases("eventlog_audit", 1), 300, b"='\" \n:.()\x1d4", eventlog::audit);
}

#[test]
fn the_oracle_holds_for_lines_of_syslog_and_mutations() {
    mutate(&cases("eventlog_syslog", 3), 300, b"<>1 -[]=\"\\:TZ\xff\r", eventlog::syslog);
}
