//! Groups records into events.

use std::collections::VecDeque;

use super::event::AuditEvent;
use super::record::AuditRecord;

/// Records of events that may not be complete.
///
/// Events are returned in the order of their first records. An event is complete at its `EOE` record, at a record
/// type that stands alone, or two seconds later.
#[derive(Debug, Default)]
pub struct Grouping {
    waiting: VecDeque<Waiting>,
    /// Time of the newest record.
    newest: u64,
}

#[derive(Debug)]
struct Waiting {
    event: AuditEvent,
    is_complete: bool,
}

/// Time after which an event is complete, in milliseconds.
const PATIENCE: u64 = 2_000;
/// Maximum number of events that are not complete.
const MAX_WAITING: usize = 1_024;
/// Maximum number of records of an event.
const MAX_RECORDS: usize = 512;

impl Grouping {
    /// Adds a record.
    pub fn add(&mut self, mut record: AuditRecord) {
        self.newest = self.newest.max(record.milliseconds);
        let number = record.number();
        let ends =
            record.kind == "EOE" || number == 1327 || (1_001..1_300).contains(&number) || number >= 2_100;
        let known = self.waiting.iter_mut().rev().find(|waiting| {
            (waiting.event.milliseconds, waiting.event.serial) == (record.milliseconds, record.serial)
                && waiting.event.node == record.node
        });
        match known {
            Some(waiting) => {
                waiting.is_complete |= ends;
                if record.kind != "EOE" && waiting.event.records.len() < MAX_RECORDS {
                    waiting.event.records.push(record);
                }
            }
            None if record.kind == "EOE" => {}
            None => {
                let event = AuditEvent {
                    node: record.node.take(),
                    milliseconds: record.milliseconds,
                    serial: record.serial,
                    records: vec![record],
                };
                self.waiting.push_back(Waiting { event, is_complete: ends });
            }
        }
    }

    /// Returns the next complete event. `now` is the time in milliseconds since 1970, or 0 while more records can be
    /// read at once.
    pub fn next(&mut self, now: u64) -> Option<AuditEvent> {
        let first = self.waiting.front()?;
        let newest = self.newest.max(now);
        let is_over = first.is_complete
            || first.event.milliseconds.saturating_add(PATIENCE) <= newest
            || self.waiting.len() > MAX_WAITING;
        if is_over { self.waiting.pop_front().map(|waiting| waiting.event) } else { None }
    }

    /// Forgets all records.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(lines: &[&str], now: u64) -> Vec<AuditEvent> {
        let mut grouping = Grouping::default();
        lines.iter().for_each(|line| grouping.add(AuditRecord::parse(line).unwrap()));
        std::iter::from_fn(|| grouping.next(now)).collect()
    }

    #[test]
    fn interleaved_records_become_events_in_the_order_of_their_first_records() {
        let events = group(
            &[
                "type=SYSCALL msg=audit(1364481363.243:24287): arch=c000003e syscall=2 success=no exit=-13 \
                 auid=4294967295 uid=500 pid=3538 comm=\"cat\" exe=\"/bin/cat\" key=\"sshd_config\"",
                "type=SYSCALL msg=audit(1364481363.244:24288): syscall=1 success=yes pid=1",
                "type=CWD msg=audit(1364481363.243:24287):  cwd=2F746D702F612062",
                "type=EOE msg=audit(1364481363.244:24288): ",
                "type=PATH msg=audit(1364481363.243:24287): item=0 name=\"/etc/ssh/sshd_config\" inode=409248",
                "type=PROCTITLE msg=audit(1364481363.243:24287): proctitle=636174002F6574632F61",
                "type=USER_AUTH msg=audit(1364481363.300:24289): pid=9 uid=0 auid=1000 msg='op=PAM:authentication \
                 acct=\"root\" exe=\"/usr/bin/su\" hostname=? res=failed'\u{1D}UID=\"root\" AUID=\"user\"",
                "type=SYSCALL msg=audit(1364481363.400:24290): syscall=1 success=yes pid=1",
            ],
            0,
        );
        let serials: Vec<u64> = events.iter().map(|event| event.serial).collect();
        assert_eq!(serials, [24_287, 24_288, 24_289], "the last one is not complete");
        let first = events[0].clone();
        assert_eq!((first.kind(), first.user(), first.process()), (1_300, Some(500), Some(3_538)));
        assert!(first.has_failed() && !events[1].has_failed() && events[2].has_failed());
        let fields = first.into_fields();
        for (name, value) in [
            ("CWD.cwd", "/tmp/a b"),
            ("PATH.0.name", "/etc/ssh/sshd_config"),
            ("PATH.0.inode", "409248"),
            ("PROCTITLE.proctitle", "cat /etc/a"),
            ("SYSCALL.arch", "c000003e"),
        ] {
            let found = fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice());
            assert_eq!(found, Some(value.as_bytes()), "{name}");
        }
        let fields = events[2].clone().into_fields();
        for (name, value) in
            [("USER_AUTH.acct", "root"), ("USER_AUTH.op", "PAM:authentication"), ("USER_AUTH.AUID", "user")]
        {
            let found = fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice());
            assert_eq!(found, Some(value.as_bytes()), "{name}");
        }
    }

    #[test]
    fn an_event_without_an_end_is_complete_after_two_seconds() {
        let line = "type=SYSCALL msg=audit(1000.000:1): syscall=1";
        assert!(group(&[line], 1_001_999).is_empty());
        assert_eq!(group(&[line], 1_002_000).len(), 1);
        assert_eq!(group(&[line, "type=SYSCALL msg=audit(1002.000:2): syscall=1"], 0).len(), 1);
    }

    #[test]
    fn other_lines_are_not_records() {
        for line in [
            "",
            "hello",
            "type=X",
            "type=X msg=audit(1.2)",
            "type=X msg=audit(a.b:c): d=e",
            "type= msg=audit(1.002:3):",
        ] {
            assert_eq!(AuditRecord::parse(line), None, "{line}");
        }
        let record = AuditRecord::parse("node=web1 type=UNKNOWN[1334] msg=audit(1.002:3): a=b c").unwrap();
        assert_eq!(
            (record.node.as_deref(), record.number(), record.milliseconds),
            (Some("web1"), 1_334, 1_002)
        );
    }
}
