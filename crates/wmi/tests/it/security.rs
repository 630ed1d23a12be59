//! Tests of access rights in a namespace.

use std::sync::{Arc, Mutex};

use cim::{Instance, Namespace, ObjectPath, Schema, Status, Value};
use sddl::{DomainSid, Guard, SecurityDescriptor, Sid, Token, well_known};
use telarch_wmi::{
    BoxFuture, Context, Descriptors, Engine, Error, EventSource, Happening, InMemory, Outcome, Provider,
    ProviderError, Rights, Scan, Sink, Watch,
};
use tokio::sync::mpsc;

use crate::machine::{builder, of};
use crate::{all, cimv2};

const MACHINE: DomainSid = DomainSid::new([1, 2, 3]);

fn token(groups: &[Sid]) -> Token {
    let groups = groups.iter().copied().chain([well_known::AUTHENTICATED_USERS, well_known::EVERYONE]);
    Token::new(MACHINE.account(3000), groups, MACHINE)
}

fn administrator() -> Context {
    Context::remote("root", token(&[well_known::ADMINISTRATORS]))
}

fn user(is_remote: bool) -> Context {
    let token = token(&[]);
    if is_remote { Context::remote("alice", token) } else { Context::local("alice", token) }
}

fn engine(descriptors: impl Descriptors + 'static) -> Engine {
    builder(&Arc::default()).descriptors(Arc::new(descriptors)).build().unwrap()
}

fn with(namespace: &str, sddl: &str) -> InMemory {
    let descriptors = InMemory::default();
    let namespace = Namespace::parse(namespace).unwrap();
    descriptors.replace(&namespace, Guard::parse(sddl).unwrap()).unwrap();
    descriptors
}

/// Runs each kind of operation; returns its status, `None` for success.
async fn operations(engine: &Engine, context: &Context) -> Vec<(&'static str, Option<Status>)> {
    let namespace = cimv2();
    let path = |text: &str| ObjectPath::parse(text).unwrap();
    let status = |result: Result<(), Error>| result.err().map(|error| error.status());
    let class = engine.schema(&namespace).unwrap().require("Site_Note").unwrap();
    let note = Instance::new(class.clone()).with("Id", "1").unwrap().with("Text", "a").unwrap();
    let mut found = Vec::new();
    let query = "SELECT * FROM Win32_Service";
    found.push(("query", status(engine.query(context, &namespace, query).map(drop))));
    let classes = "SELECT * FROM meta_class";
    found.push(("classes", status(engine.run(context, &namespace, classes).map(drop))));
    let around = "ASSOCIATORS OF {Win32_Service.Name='a'}";
    found.push(("associators", status(engine.run(context, &namespace, around).map(drop))));
    let around = "REFERENCES OF {Win32_Service.Name='a'}";
    found.push(("references", status(engine.run(context, &namespace, around).map(drop))));
    let service = path("Win32_Service.Name='a'");
    found.push(("get", status(engine.get(context, &namespace, &service).await.map(drop))));
    let events = "SELECT * FROM __InstanceCreationEvent WHERE TargetInstance ISA 'Win32_Service'";
    found.push(("subscribe", status(engine.subscribe(context, &namespace, events).await.map(drop))));
    let input = |operation: &cim::Operation| Ok(Instance::new(operation.input.clone()));
    let call = engine.invoke(context, &namespace, &service, "StartService", input).await;
    found.push(("invoke", status(call.map(drop))));
    found.push(("create", status(engine.create(context, &namespace, note.clone()).await.map(drop))));
    let changed = note.with("Text", "b").unwrap();
    let put = engine.put(context, &namespace, changed, &class.columns()).await;
    found.push(("put", status(put.map(drop))));
    found.push(("delete", status(engine.delete(context, &namespace, &path("Site_Note.Id='1'")).await)));
    found
}

/// Returns the names of the operations that are refused.
async fn refused(engine: &Engine, context: &Context) -> Vec<&'static str> {
    let denied = Some(Status::AccessDenied);
    let found = operations(engine, context).await;
    found.into_iter().filter(|(_, status)| *status == denied).map(|(name, _)| name).collect()
}

const READING: [&str; 5] = ["query", "classes", "associators", "references", "get"];
const WRITING: [&str; 3] = ["create", "put", "delete"];

#[tokio::test]
async fn by_default_only_administrators_have_remote_access() {
    let engine = engine(InMemory::default());
    assert!(refused(&engine, &administrator()).await.is_empty());
    assert_eq!(refused(&engine, &user(false)).await, ["subscribe"]);
    assert_eq!(refused(&engine, &user(true)).await.len(), READING.len() + WRITING.len() + 2);
    let nobody = Context::local("stranger", Token::new(MACHINE.account(4000), [], MACHINE));
    assert_eq!(refused(&engine, &nobody).await.len(), 10);
    let error = engine.query(&user(true), &cimv2(), "SELECT * FROM Win32_Service").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the security descriptor of namespace root/cimv2 does not grant alice the right REMOTE_ENABLE\n  \
         an administrator can grant it: telarch wmi security root/cimv2"
    );
}

#[tokio::test]
async fn no_rights_are_required_within_this_process() {
    let engine = engine(with("root", "D:P"));
    assert!(refused(&engine, &Context::of_this_process("alice")).await.is_empty());
    assert_eq!(refused(&engine, &administrator()).await.len(), 10);
}

#[tokio::test]
async fn each_operation_requires_its_right() {
    let reading = engine(with("root/cimv2", "D:P(A;;CCWP;;;AU)"));
    assert_eq!(refused(&reading, &user(true)).await, ["subscribe", "invoke", "create", "put", "delete"]);
    let calling = engine(with("root/cimv2", "D:P(A;;CCWPDCDT;;;AU)"));
    assert_eq!(refused(&calling, &user(true)).await, WRITING);
    let writing = engine(with("root/cimv2", "D:P(A;;CCRP;;;AU)"));
    assert_eq!(refused(&writing, &user(false)).await, ["subscribe", "invoke"]);
    // The right to write to the repository does not include writing through providers.
    let repository = engine(with("root/cimv2", "D:P(A;;CCLCSW;;;AU)"));
    assert_eq!(refused(&repository, &user(false)).await, ["subscribe", "invoke", "create", "put", "delete"]);
    // Write rights without the right to read grant nothing.
    let blind = engine(with("root/cimv2", "D:P(A;;DCRP;;;AU)"));
    assert_eq!(refused(&blind, &user(false)).await.len(), 10);
    let generic = engine(with("root/cimv2", "D:P(A;;GR;;;AU)"));
    assert_eq!(refused(&generic, &user(false)).await, ["subscribe", "invoke", "create", "put", "delete"]);
    for (rights, right) in [("CCDT", Rights::SUBSCRIBE), ("CCLO", Rights::PUBLISH)] {
        let given = engine(with("root/cimv2", &format!("D:P(A;;{rights};;;AU)")));
        given.admit(&user(false), &cimv2(), right).unwrap();
        given.admit(&user(false), &cimv2(), Rights::FULL_WRITE_REP).unwrap_err();
    }
}

#[tokio::test]
async fn entries_go_on_to_namespaces_below_as_their_flags_say() {
    for (root, below, is_let_in) in [
        ("D:(A;CI;CC;;;AU)", None, true),
        ("D:(A;;CC;;;AU)", None, false),
        ("D:(A;CIIO;CC;;;AU)", None, true),
        ("D:(A;CI;CC;;;AU)", Some("D:P"), false),
        ("D:(A;CI;CC;;;AU)", Some("D:(D;;CC;;;AU)"), false),
        // Entries of the namespace itself precede inherited ones.
        ("D:(D;CI;CC;;;AU)", Some("D:(A;;CC;;;AU)"), true),
        ("D:", Some("D:(A;;CC;;;AU)"), true),
    ] {
        let descriptors = with("root", root);
        if let Some(below) = below {
            descriptors.replace(&cimv2(), Guard::parse(below).unwrap()).unwrap();
        }
        let admitted = engine(descriptors).admit(&user(false), &cimv2(), Rights::ENABLE);
        assert_eq!(admitted.is_ok(), is_let_in, "{root} {below:?}");
    }
    let once = Engine::builder("node7", 0)
        .namespace(Schema::of(Namespace::parse("root/a/b").unwrap()))
        .descriptors(Arc::new(with("root", "D:(A;CINP;CC;;;AU)")))
        .build()
        .unwrap();
    let admitted = |text: &str| once.admit(&user(false), &Namespace::parse(text).unwrap(), Rights::ENABLE);
    admitted("root/a").unwrap();
    assert_eq!(admitted("root/a/b").unwrap_err().status(), Status::AccessDenied);
    assert_eq!(admitted("root/c").unwrap_err().status(), Status::InvalidNamespace);
}

async fn call(
    engine: &Engine,
    context: &Context,
    method: &str,
    input: impl FnOnce(Instance) -> Instance,
) -> Result<Instance, Error> {
    let path = ObjectPath::parse("__SystemSecurity=@").unwrap();
    let make = |operation: &cim::Operation| Ok(input(Instance::new(operation.input.clone())));
    engine.invoke(context, &cimv2(), &path, method, make).await
}

#[tokio::test]
async fn a_script_reads_and_sets_the_descriptor_in_both_forms() {
    let engine = engine(InMemory::default());
    let got = call(&engine, &administrator(), "GetSD", |input| input).await.unwrap();
    let Some(Value::Array(octets)) = got.value("SD") else { panic!("{got:?}") };
    let octets: Vec<u8> =
        octets.iter().map(|octet| octet.as_integer().unwrap().try_into().unwrap()).collect();
    let descriptor = SecurityDescriptor::decode(&octets).unwrap().to_string();
    assert!(descriptor.contains("(A;CIID;CCDCRP;;;AU)"), "{descriptor}");

    let changed =
        SecurityDescriptor::parse("O:BAG:BAD:(D;;DC;;;AU)(A;CI;WP;;;AU)").unwrap().encode(None).unwrap();
    let value = Value::Array(changed.into_iter().map(Value::from).collect());
    call(&engine, &administrator(), "SetSD", |input| input.with("SD", value).unwrap()).await.unwrap();
    assert_eq!(refused(&engine, &user(true)).await, ["subscribe", "invoke"]);

    let got = call(&engine, &administrator(), "GetSecurityDescriptor", |input| input).await.unwrap();
    let Some(Value::Object(object)) = got.value("Descriptor") else { panic!("{got:?}") };
    let Some(Value::Array(aces)) = object.value("DACL") else { panic!("{object:?}") };
    let Some(Value::Object(ace)) = aces.first() else { panic!("{aces:?}") };
    let Some(Value::Object(trustee)) = ace.value("Trustee") else { panic!("{ace:?}") };
    assert_eq!(trustee.value("SIDString"), Some(&Value::text("S-1-5-11")));
    assert_eq!(trustee.value("Name"), Some(&Value::text("Authenticated Users")));
    // With inherited entries only, users from other machines are refused.
    let empty = object.as_ref().clone().with("DACL", Value::Array(Box::default())).unwrap();
    let set = |input: Instance| input.with("Descriptor", Value::Object(empty.into())).unwrap();
    call(&engine, &administrator(), "SetSecurityDescriptor", set).await.unwrap();
    assert_eq!(refused(&engine, &user(true)).await.len(), 10);
    assert!(refused(&engine, &user(false)).await == ["subscribe"]);
}

#[tokio::test]
async fn changing_the_descriptor_requires_its_right() {
    let engine = engine(InMemory::default());
    for method in ["GetSD", "GetSecurityDescriptor", "SetSD", "SetSecurityDescriptor"] {
        let error = call(&engine, &user(false), method, |input| input).await.unwrap_err();
        assert_eq!(error.status(), Status::AccessDenied, "{method}");
    }
    let rights = call(&engine, &user(false), "GetCallerAccessRights", |input| input).await.unwrap();
    assert_eq!(rights.value("rights"), Some(&Value::from(0x13_i32)));
    let open = SecurityDescriptor::parse("O:BA").unwrap().encode(None).unwrap();
    for wrong in [open, vec![1, 0], Vec::new()] {
        let value = Value::Array(wrong.into_iter().map(Value::from).collect());
        let set = |input: Instance| input.with("SD", value).unwrap();
        let error = call(&engine, &administrator(), "SetSD", set).await.unwrap_err();
        assert_eq!(error.status(), Status::InvalidParameter);
    }
    assert!(refused(&engine, &user(false)).await == ["subscribe"], "a refused descriptor was set");
}

#[tokio::test]
async fn a_descriptor_that_cannot_be_stored_changes_nothing() {
    struct ReadOnly(Mutex<usize>);
    impl Descriptors for ReadOnly {
        fn descriptor(&self, _namespace: &Namespace) -> Option<Guard> {
            None
        }

        fn replace(&self, _namespace: &Namespace, _descriptor: Guard) -> Result<(), ProviderError> {
            *self.0.lock().unwrap() += 1;
            Err(ProviderError::failed(Status::AccessDenied, "the file cannot be written"))
        }
    }
    let engine = engine(ReadOnly(Mutex::default()));
    let octets = SecurityDescriptor::parse("D:").unwrap().encode(None).unwrap();
    let value = Value::Array(octets.into_iter().map(Value::from).collect());
    let set = |input: Instance| input.with("SD", value).unwrap();
    let error = call(&engine, &administrator(), "SetSD", set).await.unwrap_err();
    assert_eq!(error.to_string(), "__SystemSecurity: the file cannot be written");
    assert_eq!(refused(&engine, &user(false)).await, ["subscribe"]);
}

#[tokio::test]
async fn there_is_one_system_security_in_every_namespace() {
    let engine = engine(InMemory::default());
    let Outcome::Rows(rows, _) =
        engine.run(&administrator(), &cimv2(), "SELECT * FROM __SystemSecurity").unwrap()
    else {
        panic!("not rows")
    };
    assert_eq!(all(rows).await.unwrap().len(), 1);
}

const EVENTS: &str = "SELECT * FROM Win32_ProcessStartTrace";

#[tokio::test(start_paused = true)]
async fn an_event_is_not_delivered_after_the_right_to_receive_was_lost() {
    let descriptors = Arc::new(with("root/cimv2", "D:P(A;;CCWPDT;;;AU)"));
    let teller = Arc::new(Teller::default());
    let engine = report_mode(&teller, &descriptors);
    let mut events = engine.subscribe(&user(true), &cimv2(), EVENTS).await.unwrap();
    teller.tell();
    assert!(events.next().await.unwrap().is_ok());
    teller.tell();
    descriptors.replace(&cimv2(), Guard::parse("D:P(A;;CCWP;;;AU)").unwrap()).unwrap();
    let error = events.next().await.unwrap().unwrap_err();
    assert_eq!(error.status(), Status::AccessDenied, "{error}");
    teller.tell();
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_subscription_ends_when_a_required_right_is_withdrawn() {
    for right in ["CCWP", "CCDT", "WPDT", ""] {
        let descriptors = Arc::new(with("root/cimv2", "D:P(A;;CCWPDT;;;AU)"));
        let engine = report_mode(&Arc::default(), &descriptors);
        let mut events = engine.subscribe(&user(true), &cimv2(), EVENTS).await.unwrap();
        // A change that keeps the needed rights does not end the subscription.
        descriptors.replace(&cimv2(), Guard::parse("D:P(A;;CCDCWPDT;;;AU)").unwrap()).unwrap();
        engine.recheck_access();
        let minute = std::time::Duration::from_secs(60);
        assert!(tokio::time::timeout(minute, events.next()).await.is_err());
        let left = format!("D:P(A;;{right};;;AU)(A;;CCWPDT;;;BA)");
        descriptors.replace(&cimv2(), Guard::parse(&left).unwrap()).unwrap();
        engine.recheck_access();
        let next = tokio::time::timeout(minute, events.next()).await.expect("it ends");
        assert_eq!(next.unwrap().unwrap_err().status(), Status::AccessDenied, "{right}");
        // A user who continues the subscription is checked with their own rights.
        events.admit(&administrator()).unwrap();
        events.admit(&user(true)).unwrap_err();
    }
}

/// Reports the start of processes under the control of a test.
#[derive(Default)]
struct Teller(Mutex<Option<mpsc::UnboundedSender<()>>>);

impl Teller {
    fn tell(&self) {
        let _ = self.0.lock().unwrap().as_ref().unwrap().send(());
    }
}

struct SignalledEvents(mpsc::UnboundedReceiver<()>, Arc<cim::Class>);

impl EventSource for SignalledEvents {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            match self.0.recv().await {
                Some(()) => Ok(Happening::Event(Instance::new(Arc::clone(&self.1)))),
                None => std::future::pending().await,
            }
        })
    }
}

impl Provider for Teller {
    fn classes(&self) -> Vec<(Namespace, cim::Name)> {
        vec![of("Win32_ProcessStartTrace")]
    }

    fn enumerate(&self, _: &Scan, _: &mut Sink<'_>) -> Result<(), ProviderError> {
        Ok(())
    }

    fn watch(&self, watch: &Watch<'_>) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        let (sender, reported) = mpsc::unbounded_channel();
        *self.0.lock().unwrap() = Some(sender);
        Ok(Some(Box::new(SignalledEvents(reported, Arc::clone(watch.class)))))
    }
}

fn report_mode(teller: &Arc<Teller>, descriptors: &Arc<InMemory>) -> Engine {
    Engine::builder("node7", 0)
        .namespace(Schema::of(cimv2()))
        .provider(Arc::clone(teller) as Arc<dyn Provider>)
        .descriptors(Arc::clone(descriptors) as Arc<dyn Descriptors>)
        .build()
        .unwrap()
}
