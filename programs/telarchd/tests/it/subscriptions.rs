//! Permanent subscriptions of a machine, which a root process carries out.

use std::fs;
use std::path::PathBuf;

use cim::Namespace;
use consumers::{Activity, CommandPolicy};
use readiness::FileChanges;
use repository::{Compiler, Repository};
use sddl::{DomainSid, Sid};
use serde_json::Value;

use crate::PATIENCE;
use crate::service_process::{Telarchd, children, command_line, is_root};

/// Registers a subscription of `creator` that writes a line each second; returns the file.
fn register(telarchd: &Telarchd, name: &str, creator: Option<Sid>) -> PathBuf {
    let file = telarchd.file(name);
    let creator = creator.map(|sid| {
        let octets: Vec<String> = sid.encode().iter().map(u8::to_string).collect();
        format!("CreatorSID = {{ {} }};", octets.join(", "))
    });
    let creator = creator.unwrap_or_default();
    let text = format!(
        "instance of __EventFilter as $F {{ Name = \"{name}\"; EventNamespace = \"root/cimv2\"; \
         QueryLanguage = \"WQL\"; Query = \"SELECT * FROM __InstanceModificationEvent \
         WHERE TargetInstance ISA 'Win32_LocalTime'\"; {creator} }};\n\
         instance of LogFileEventConsumer as $C {{ Name = \"{name}\"; Filename = \"{}\"; \
         Text = \"second %TargetInstance.Second%\"; {creator} }};\n\
         instance of __FilterToConsumerBinding {{ Filter = $F; Consumer = $C; {creator} }};\n",
        file.display()
    );
    let mut compiler = Compiler::new(Namespace::parse("root/subscription").unwrap());
    compiler.text("site.mof".as_ref(), &text).unwrap();
    let repository = Repository::open(&telarchd.state().join("repository.mof")).unwrap();
    repository.update(|contents| compiler.apply(contents)).unwrap();
    file
}

/// Waits until a file has another line; returns its content.
fn grown(file: &PathBuf) -> String {
    let read = || fs::read_to_string(file).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let waiting = async {
        let mut changes = FileChanges::of([file]).unwrap();
        let before = read().lines().count();
        while read().lines().count() <= before {
            changes.next().await.unwrap();
        }
    };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, waiting).await }).expect("no new line");
    read()
}

const RECORDS: &str = "audit.jsonl";

/// Waits for the record of the start or end of a permanent subscription.
fn wait_for_record(telarchd: &Telarchd, outcome: &str, name: &str) {
    let name = format!("=\"{name}\"");
    let is_it = |record: &Value| {
        record["event"] == "permanent-subscription"
            && record["outcome"] == outcome
            && record["subscription"].as_str().is_some_and(|subscription| subscription.contains(&name))
    };
    telarchd.wait_for_records(|all| all.iter().any(is_it));
}

fn process_of(telarchd: &Telarchd) -> Option<i32> {
    let all = children(telarchd.pid().as_raw_nonzero().get());
    all.into_iter().find(|child| command_line(*child).contains(": permanent subscriptions"))
}

#[test]
fn permanent_subscriptions_of_root_run_and_those_of_others_do_not() {
    if !is_root() {
        skips::skip!("only root starts the process of permanent subscriptions");
        return;
    }
    let mut telarchd = Telarchd::new("");
    telarchd.run();
    assert_eq!(process_of(&telarchd), None);
    let own = register(&telarchd, "own", None);
    let other = register(&telarchd, "other", Some(DomainSid::new([1, 2, 3]).account(3000)));
    telarchd.reconfigure("WMI.PermanentSubscriptions = true\n");
    telarchd.wait_for_log(&["Permanent subscription started", "own"]);
    telarchd.wait_for_log(&["Permanent subscription rejected", "other"]);
    let activity = Activity::of_state(&telarchd.state());
    assert_eq!(activity.current().unwrap(), Some(CommandPolicy::Deny));
    let written = grown(&own);
    assert!(written.lines().all(|line| line.starts_with("second ")), "{written}");
    // A subscription registered later starts as well.
    assert!(grown(&register(&telarchd, "later", None)).starts_with("second "));
    assert!(!other.exists());
    // The audit file contains these actions, also after it was moved away.
    wait_for_record(&telarchd, "begun", "own");
    fs::rename(telarchd.state().join(RECORDS), telarchd.file("old.jsonl")).unwrap();
    telarchd.reload();
    grown(&register(&telarchd, "last", None));
    wait_for_record(&telarchd, "begun", "last");
    let process = process_of(&telarchd).expect("no process");
    telarchd.reconfigure("");
    assert!(telarch_peers::ends_within(process, PATIENCE), "the process does not end");
    assert_eq!(activity.current().unwrap(), None);
    wait_for_record(&telarchd, "ended", "own");
}
