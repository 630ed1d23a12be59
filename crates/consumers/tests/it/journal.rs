//! Tests of the records of `NTEventLogEventConsumer`, read by journalctl from a separate journal.

use std::process::Command;
use std::time::Duration;

use telarch_consumers::{CommandPolicy, Creators};
use telarch_peers::{JOURNALD, Journald, in_bare_world};

use crate::{bound, compile, engine, room, run_subscriptions};

/// Returns the first record with this identifier, if it exists.
fn record(identifier: &str) -> Option<serde_json::Value> {
    let mut command = Command::new("journalctl");
    let output = command.args(["--quiet", "--output=json", "--lines=1", "--identifier", identifier]).output();
    serde_json::from_slice(&output.unwrap().stdout).ok()
}

#[test]
fn event_text_cannot_change_the_fields_of_a_journal_entry() {
    let name = "journal::event_text_cannot_change_the_fields_of_a_journal_entry";
    in_bare_world(name, &["journalctl", JOURNALD], || {
        let _journald = Journald::start();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let engine = engine();
            let _work = run_subscriptions(&engine, Creators::All, CommandPolicy::Deny);
            let consumer = "NTEventLogEventConsumer as $C { Name = \"journal\"; SourceName = \"site\"; \
                EventID = 4711; Category = 3; EventType = 2; NumberOfInsertionStrings = 2; \
                InsertionStringTemplates = { \"made %TargetInstance.Name%\", \"100%%\" }; }";
            compile(engine.repository(), &bound(consumer, ""));
            // The start of a subscription is not reported, so events are repeated.
            for number in 0..crate::ATTEMPTS {
                compile(engine.repository(), &room(&format!("a\\nPRIORITY=0 {number}")));
                let Some(record) = record("site") else {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                };
                let text = |name: &str| record[name].as_str().unwrap_or_else(|| panic!("{name}: {record}"));
                let message = text("MESSAGE");
                assert!(
                    message.starts_with("made a\nPRIORITY=0 ") && message.ends_with("\n100%"),
                    "{message}"
                );
                let fields = ["PRIORITY", "TELARCH_EVENT_ID", "TELARCH_CATEGORY", "_UID"].map(text);
                assert_eq!(fields, ["4", "4711", "3", "0"]);
                return;
            }
            panic!("nothing was written");
        });
    });
}
