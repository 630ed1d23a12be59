//! Permanent subscriptions of a machine, which a process of root carries out.

use std::fs;
use std::path::PathBuf;

use cim::Namespace;
use readiness::FileChanges;
use repository::{Compiler, Repository};
use sddl::{DomainSid, Sid};
use serde_json::Value;

use crate::PATIENCE;
use crate::running::{Telarchd, children, is_root, shown};

/// Has a line written each second, as somebody asks for it, and gives the file.
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

/// What is in a file once there is a line more than there was.
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
    runtime.block_on(async { tokio::time::timeout(PATIENCE, waiting).await }).expect("a line");
    read()
}

const RECORDS: &str = "audit.jsonl";

/// Waits for the record that a permanent subscription has begun or ended.
fn recorded(telarchd: &Telarchd, outcome: &str, name: &str) {
    let name = format!("=\"{name}\"");
    let is_it = |record: &Value| {
        record["event"] == "permanent-subscription"
            && record["outcome"] == outcome
            && record["subscription"].as_str().is_some_and(|subscription| subscription.contains(&name))
    };
    telarchd.recorded(|all| all.iter().any(is_it));
}

fn process_of(telarchd: &Telarchd) -> Option<i32> {
    let all = children(telarchd.pid().as_raw_nonzero().get());
    all.into_iter().find(|child| shown(*child).contains(": permanent subscriptions"))
}

#[test]
fn what_root_has_registered_is_carried_out_while_the_settings_want_it_and_what_others_have_is_not() {
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
    telarchd.logged(&["Permanent subscription started", "own"]);
    telarchd.logged(&["Permanent subscription rejected", "other"]);
    let written = grown(&own);
    assert!(written.lines().all(|line| line.starts_with("second ")), "{written}");
    // What comes while it runs is found.
    assert!(grown(&register(&telarchd, "later", None)).starts_with("second "));
    assert!(!other.exists());
    // What acts on its own is found where the administrator looks, also once that file was put aside.
    recorded(&telarchd, "begun", "own");
    fs::rename(telarchd.state().join(RECORDS), telarchd.file("old.jsonl")).unwrap();
    telarchd.reload();
    grown(&register(&telarchd, "last", None));
    recorded(&telarchd, "begun", "last");
    let process = process_of(&telarchd).expect("a process of its own");
    telarchd.reconfigure("");
    assert!(telarch_peers::ends_within(process, PATIENCE), "it does not end");
    recorded(&telarchd, "ended", "own");
}
