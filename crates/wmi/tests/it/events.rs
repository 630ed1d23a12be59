//! Tests of subscriptions: each event is reported once, in order and in time, and nothing is polled without
//! need.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cim::{Instance, Name, Namespace, Schema, Status, Value};
use telarch_wmi::{
    BoxFuture, Engine, Error, EventSource, Events, Happening, Limits, Lookup, Occurrence, Provider,
    ProviderError, ReportMode, Scan, Sink, Watch,
};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::machine::of;
use crate::{cimv2, context};

/// Services that appear, change and disappear under the control of a test.
#[derive(Default)]
struct Living {
    /// State by name.
    services: Mutex<BTreeMap<&'static str, &'static str>>,
    /// Number of enumerations.
    looks: AtomicUsize,
    fails: AtomicBool,
    /// Event sources of listeners, if the provider has any.
    sources: Option<Sources>,
    /// Way in which the sources report changes.
    telling: Option<ReportMode>,
}

type Sources = Mutex<Vec<mpsc::UnboundedSender<Result<Happening, ProviderError>>>>;

struct Source(mpsc::UnboundedReceiver<Result<Happening, ProviderError>>, ReportMode);

impl EventSource for Source {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            match self.0.recv().await {
                Some(Err(error)) if error.to_string().contains(PANIC) => panic!("{error}"),
                Some(received) => received,
                None => std::future::pending().await,
            }
        })
    }

    fn report_mode(&self) -> ReportMode {
        self.1
    }
}

/// Message that makes a source panic.
const PANIC: &str = "it panics";

impl Living {
    fn with(services: &[(&'static str, &'static str)]) -> Self {
        Self { services: Mutex::new(services.iter().copied().collect()), ..Self::default() }
    }

    fn set(&self, name: &'static str, state: &'static str) {
        self.services.lock().unwrap().insert(name, state);
    }

    fn remove(&self, name: &'static str) {
        self.services.lock().unwrap().remove(name);
    }

    fn tell(&self, happening: &Result<Happening, ProviderError>) {
        let sources = self.sources.as_ref().unwrap();
        sources.lock().unwrap().retain(|source| source.send(happening.clone()).is_ok());
    }

    fn looks(&self) -> usize {
        self.looks.load(Ordering::SeqCst)
    }
}

impl Provider for Living {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        ["Win32_Service", "Win32_ProcessStartTrace"].map(of).into()
    }

    fn enumerate(&self, scan: &Scan, rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        if self.fails.load(Ordering::SeqCst) {
            return Err(ProviderError::failed(Status::Failed, "no service manager"));
        }
        let services = self.services.lock().unwrap().clone();
        services.into_iter().try_for_each(|(name, state)| {
            rows.push(Instance::new(scan.class().clone()).with("Name", name)?.with("State", state)?)
        })
    }

    fn get(&self, lookup: &Lookup<'_>) -> Result<Option<Instance>, ProviderError> {
        let [Value::String(wanted)] = lookup.keys else { panic!("{lookup:?}") };
        let state = self.services.lock().unwrap().get(wanted.as_ref()).copied();
        let row = |state| {
            Instance::new(lookup.class.clone()).with("Name", wanted.to_string())?.with("State", state)
        };
        Ok(state.map(row).transpose()?)
    }

    fn watch(&self, watch: &Watch<'_>) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        let Some(sources) = &self.sources else { return Ok(None) };
        assert_eq!(watch.changes.is_empty(), *watch.class.name() != *"Win32_Service");
        let (sender, source) = mpsc::unbounded_channel();
        sources.lock().unwrap().push(sender);
        Ok(Some(Box::new(Source(source, self.telling.unwrap_or(ReportMode::Changes)))))
    }
}

fn engine_of(living: &Arc<Living>, limits: Limits) -> Engine {
    Engine::builder("node7", 0)
        .limits(limits)
        .namespace(Schema::of(cimv2()))
        .provider(Arc::clone(living) as Arc<dyn Provider>)
        .build()
        .unwrap()
}

fn engine(living: &Arc<Living>) -> Engine {
    engine_of(living, Limits::default())
}

async fn subscribe(engine: &Engine, query: &str) -> Result<Events, Error> {
    engine.subscribe(&context(), &cimv2(), query).await
}

fn services(more: &str) -> String {
    format!("WITHIN 2 WHERE TargetInstance ISA 'Win32_Service'{more}")
}

/// Returns the class of the next event, its service, and the service's present state.
async fn next(events: &mut Events) -> (String, String, String) {
    let event = next_event(events).await;
    let Some(Value::Object(service)) = event.value("TargetInstance") else { panic!("{event:?}") };
    let text = |name| service.value(name).and_then(Value::as_str).unwrap_or("NULL").to_owned();
    (event.class().name().to_string(), text("Name"), text("State"))
}

async fn next_event(events: &mut Events) -> Instance {
    match events.next().await.expect("not the end").expect("no error") {
        Occurrence::Event(event) => {
            crate::assert_well_formed(std::slice::from_ref(&event), events.names());
            event
        }
        other => panic!("{other:?}"),
    }
}

fn is(found: &(String, String, String), class: &str, name: &str, state: &str) {
    assert_eq!((found.0.as_str(), found.1.as_str(), found.2.as_str()), (class, name, state));
}

/// Returns whether no event arrives for a minute.
async fn is_silent(events: &mut Events) -> bool {
    tokio::time::timeout(Duration::from_secs(60), events.next()).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn each_creation_change_and_deletion_after_the_start_is_one_event() {
    let living = Arc::new(Living::with(&[("a", "Running"), ("b", "Running")]));
    let engine = engine(&living);
    let query = format!("SELECT * FROM __InstanceOperationEvent {}", services(""));
    let mut events = subscribe(&engine, &query).await.unwrap();
    assert!(is_silent(&mut events).await);
    living.set("c", "Stopped");
    is(&next(&mut events).await, "__InstanceCreationEvent", "c", "Stopped");
    living.set("a", "Stopped");
    let event = next_event(&mut events).await;
    let Some(Value::Object(previous)) = event.value("PreviousInstance") else { panic!("{event:?}") };
    assert_eq!(previous.value("State"), Some(&Value::from("Running")));
    assert!(
        matches!(event.value("TIME_CREATED"), Some(Value::Uint64(time)) if *time > 133_000_000_000_000_000)
    );
    living.remove("b");
    is(&next(&mut events).await, "__InstanceDeletionEvent", "b", "Running");
    assert!(is_silent(&mut events).await);
}

#[tokio::test(start_paused = true)]
async fn the_condition_decides_by_the_instance_before_and_after() {
    let living = Arc::new(Living::with(&[("a", "Running"), ("b", "Running")]));
    let engine = engine(&living);
    let more = " AND TargetInstance.State = 'Stopped' AND PreviousInstance.State = 'Running'";
    let query = format!("SELECT * FROM __InstanceModificationEvent {}", services(more));
    let mut events = subscribe(&engine, &query).await.unwrap();
    living.set("a", "Paused");
    assert!(is_silent(&mut events).await);
    living.set("a", "Stopped");
    assert!(is_silent(&mut events).await);
    living.set("b", "Stopped");
    is(&next(&mut events).await, "__InstanceModificationEvent", "b", "Stopped");
}

#[tokio::test(start_paused = true)]
async fn changes_are_polled_once_within_the_interval_of_the_query() {
    let living = Arc::new(Living::with(&[]));
    let engine = engine(&living);
    for (within, seconds) in [("WITHIN 10", 10), ("", 5), ("WITHIN 0.5", 1)] {
        let query = format!(
            "SELECT * FROM __InstanceCreationEvent {within} WHERE TargetInstance ISA 'Win32_Service'"
        );
        let mut events = subscribe(&engine, &query).await.unwrap();
        let (before, began) = (living.looks(), Instant::now());
        living.set("new", "Running");
        next(&mut events).await;
        assert!(began.elapsed() <= Duration::from_secs(seconds), "{within}: {:?}", began.elapsed());
        assert_eq!(living.looks() - before, 1, "{within}");
        living.remove("new");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_in_the_condition_avoids_enumerating_all_instances() {
    let living = Arc::new(Living::with(&[("a", "Running"), ("b", "Running")]));
    let engine = engine(&living);
    let more = " AND TargetInstance.Name = 'a'";
    let query = format!("SELECT * FROM __InstanceModificationEvent {}", services(more));
    let mut events = subscribe(&engine, &query).await.unwrap();
    living.set("b", "Stopped");
    living.set("a", "Stopped");
    is(&next(&mut events).await, "__InstanceModificationEvent", "a", "Stopped");
    assert_eq!(living.looks(), 0);
}

#[tokio::test(start_paused = true)]
async fn changes_are_found_without_storing_previous_instances() {
    let living = Arc::new(Living::with(&[("a", "Running")]));
    let engine = engine(&living);
    let query = format!("SELECT TargetInstance FROM __InstanceModificationEvent {}", services(""));
    let mut events = subscribe(&engine, &query).await.unwrap();
    assert_eq!(events.names().unwrap(), [Name::parse("TargetInstance").unwrap()]);
    living.set("a", "Stopped");
    let event = next_event(&mut events).await;
    assert_eq!(event.value("PreviousInstance"), Some(&Value::Null));
    assert!(is_silent(&mut events).await);
}

#[tokio::test(start_paused = true)]
async fn polling_stops_when_the_events_are_dropped() {
    let living = Arc::new(Living::with(&[]));
    let engine = engine(&living);
    let query = format!("SELECT * FROM __InstanceCreationEvent {}", services(""));
    let mut events = subscribe(&engine, &query).await.unwrap();
    assert!(is_silent(&mut events).await);
    assert!(living.looks() >= 30);
    drop(events);
    tokio::task::yield_now().await;
    let looks = living.looks();
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(living.looks(), looks);
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn with_a_source_instances_are_read_only_after_its_notification() {
    let living = Arc::new(Living { sources: Some(Sources::default()), ..Living::with(&[("a", "Running")]) });
    let engine = engine(&living);
    let query = format!("SELECT * FROM __InstanceModificationEvent {}", services(""));
    let mut events = subscribe(&engine, &query).await.unwrap();
    living.set("a", "Stopped");
    assert!(is_silent(&mut events).await);
    assert_eq!(living.looks(), 1);
    let began = Instant::now();
    living.tell(&Ok(Happening::Changed));
    living.tell(&Ok(Happening::Changed));
    is(&next(&mut events).await, "__InstanceModificationEvent", "a", "Stopped");
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    assert_eq!(living.looks(), 2, "what is told together is looked at once");
    // Without its source, the engine polls.
    living.tell(&Err(ProviderError::NotCapable));
    living.set("a", "Running");
    is(&next(&mut events).await, "__InstanceModificationEvent", "a", "Running");
    living.set("a", "Paused");
    is(&next(&mut events).await, "__InstanceModificationEvent", "a", "Paused");
}

#[tokio::test(start_paused = true)]
async fn reported_creations_are_delivered_without_polling() {
    let sources = Some(Sources::default());
    let living = Arc::new(Living {
        sources,
        telling: Some(ReportMode::Instances),
        ..Living::with(&[("a", "Running")])
    });
    let engine = engine(&living);
    let more = " AND TargetInstance.State = 'Running'";
    let query = format!("SELECT * FROM __InstanceCreationEvent {}", services(more));
    let mut events = subscribe(&engine, &query).await.unwrap();
    let class = Schema::of(cimv2()).class("Win32_Service").unwrap();
    for (name, state) in [("b", "Stopped"), ("c", "Running"), ("c", "Running")] {
        let service = Instance::new(class.clone()).with("Name", name).unwrap().with("State", state).unwrap();
        living.tell(&Ok(Happening::Came(service)));
    }
    for _ in 0..2 {
        is(&next(&mut events).await, "__InstanceCreationEvent", "c", "Running");
    }
    assert!(is_silent(&mut events).await);
    assert_eq!(living.looks(), 0);
    // The engine cannot find by itself the instances that such a source stops reporting.
    living.tell(&Err(ProviderError::failed(Status::Failed, "it does not tell")));
    assert_eq!(events.next().await.unwrap().unwrap_err().status(), Status::Failed);
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_subscription_ends_if_its_source_panics() {
    let panic = Err(ProviderError::failed(Status::Failed, PANIC));
    let of_services = format!("SELECT * FROM __InstanceCreationEvent {}", services(""));
    for (telling, query) in [
        (ReportMode::Changes, of_services.as_str()),
        (ReportMode::Instances, &of_services),
        (ReportMode::Changes, "SELECT * FROM Win32_ProcessStartTrace"),
    ] {
        let sources = Some(Sources::default());
        let living = Arc::new(Living { sources, telling: Some(telling), ..Living::with(&[]) });
        let engine = engine(&living);
        let mut events = subscribe(&engine, query).await.unwrap();
        living.tell(&panic);
        living.set("a", "Running");
        if telling == ReportMode::Changes && query == of_services {
            // The engine still polls.
            is(&next(&mut events).await, "__InstanceCreationEvent", "a", "Running");
            living.set("b", "Running");
            is(&next(&mut events).await, "__InstanceCreationEvent", "b", "Running");
        } else {
            assert_eq!(
                events.next().await.unwrap().unwrap_err().status(),
                Status::ProviderFailure,
                "{query}"
            );
            assert!(events.next().await.is_none());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn events_of_a_source_are_delivered_unchanged() {
    let living = Arc::new(Living { sources: Some(Sources::default()), ..Living::default() });
    let engine = engine(&living);
    let query = "SELECT * FROM Win32_ProcessStartTrace WHERE ProcessName = 'sleep'";
    let mut events = subscribe(&engine, query).await.unwrap();
    let class = Schema::of(cimv2()).class("Win32_ProcessStartTrace").unwrap();
    for (name, id) in [("sh", 1_u32), ("sleep", 2), ("SLEEP", 3)] {
        let event = Instance::new(class.clone()).with("ProcessName", name).unwrap();
        living.tell(&Ok(Happening::Event(event.with("ProcessID", id).unwrap())));
    }
    for id in [2_u32, 3] {
        assert_eq!(next_event(&mut events).await.value("ProcessID"), Some(&Value::from(id)));
    }
    living.tell(&Err(ProviderError::failed(Status::AccessDenied, "the kernel does not tell")));
    let error = events.next().await.unwrap().unwrap_err();
    assert_eq!((error.status(), error.is_of_provider()), (Status::AccessDenied, true));
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_slow_consumer_receives_the_number_of_dropped_events() {
    let living = Arc::new(Living { sources: Some(Sources::default()), ..Living::default() });
    let engine = engine_of(&living, Limits { events_ahead: 10, ..Limits::default() });
    let mut events = subscribe(&engine, "SELECT * FROM Win32_ProcessStartTrace").await.unwrap();
    let class = Schema::of(cimv2()).class("Win32_ProcessStartTrace").unwrap();
    for id in 0..1_000_u32 {
        let event = Instance::new(class.clone()).with("ProcessID", id).unwrap();
        living.tell(&Ok(Happening::Event(event)));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    for id in 0..10_u32 {
        assert_eq!(next_event(&mut events).await.value("ProcessID"), Some(&Value::from(id)));
    }
    assert_eq!(events.next().await.unwrap().unwrap(), Occurrence::Dropped(990));
}

#[tokio::test(start_paused = true)]
async fn an_aggregate_event_contains_the_number_of_events() {
    let living = Arc::new(Living::with(&[]));
    let engine = engine(&living);
    let query = "SELECT * FROM __InstanceCreationEvent WITHIN 1 \
                 WHERE TargetInstance ISA 'Win32_Service' \
                 GROUP WITHIN 10 BY TargetInstance.State HAVING NumberOfEvents >= 2";
    let mut events = subscribe(&engine, query).await.unwrap();
    for (name, state) in [("a", "Running"), ("b", "Stopped"), ("c", "Running")] {
        living.set(name, state);
    }
    let event = next_event(&mut events).await;
    assert_eq!(event.class().name().as_str(), "__AggregateEvent");
    assert_eq!(event.value("NumberOfEvents"), Some(&Value::from(2_u32)));
    let Some(Value::Object(one)) = event.value("Representative") else { panic!("{event:?}") };
    assert_eq!(one.class().name().as_str(), "__InstanceCreationEvent");
    assert!(is_silent(&mut events).await);
}

#[tokio::test(start_paused = true)]
async fn instances_of_several_classes_are_watched_by_one_query_each_once() {
    let living = Arc::new(Living::with(&[("a", "Running")]));
    let engine = engine(&living);
    for (condition, is_told) in [
        ("TargetInstance ISA 'Win32_Service' OR TargetInstance ISA 'CIM_Service'", true),
        ("TargetInstance ISA 'Win32_Fan' OR TargetInstance.__CLASS = 'win32_service'", true),
        (
            "(TargetInstance ISA 'CIM_Service' OR TargetInstance ISA 'Win32_Fan') AND TargetInstance.State = 'Running'",
            true,
        ),
        ("TargetInstance.__CLASS = 'Win32_Service'", true),
        ("TargetInstance ISA 'CIM_ManagedSystemElement' AND NOT TargetInstance ISA 'Win32_Service'", false),
        ("TargetInstance ISA 'CIM_Service' AND TargetInstance.__CLASS = 'CIM_Service'", false),
        ("TargetInstance ISA 'CIM_Service' AND TargetInstance.Nothing = 1", false),
    ] {
        let query = format!("SELECT * FROM __InstanceCreationEvent WITHIN 1 WHERE {condition}");
        let mut events = subscribe(&engine, &query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
        living.set("b", "Running");
        if is_told {
            is(&next(&mut events).await, "__InstanceCreationEvent", "b", "Running");
        }
        assert!(is_silent(&mut events).await, "{condition}");
        living.remove("b");
    }
}

#[tokio::test(start_paused = true)]
async fn embedded_instances_are_complete_and_usable_in_conditions() {
    let living = Arc::new(Living::with(&[("a", "Running")]));
    let engine = engine(&living);
    let query = format!(
        "SELECT TargetInstance.State, PreviousInstance.Name FROM __InstanceModificationEvent {}",
        services(" AND PreviousInstance.State <> 'Paused'")
    );
    let mut events = subscribe(&engine, &query).await.unwrap();
    let names: Vec<_> = events.names().unwrap().iter().map(Name::as_str).collect();
    assert_eq!(names, ["TargetInstance", "PreviousInstance"]);
    living.set("a", "Stopped");
    let event = next_event(&mut events).await;
    for (object, state) in [("TargetInstance", "Stopped"), ("PreviousInstance", "Running")] {
        let Some(Value::Object(service)) = event.value(object) else { panic!("{event:?}") };
        let values = ["Name", "State"].map(|name| service.value(name).and_then(Value::as_str));
        assert_eq!(values, [Some("a"), Some(state)]);
    }
}

#[tokio::test(start_paused = true)]
async fn timers_fire_at_their_interval_until_they_are_deleted() {
    let engine = engine(&Arc::new(Living::default()));
    let class = Schema::of(cimv2()).class("__IntervalTimerInstruction").unwrap();
    let timer = |id: &'static str, milliseconds: u32| {
        let timer = Instance::new(class.clone()).with("TimerId", id).unwrap();
        timer.with("IntervalBetweenEvents", milliseconds).unwrap()
    };
    let query = "SELECT * FROM __TimerEvent WHERE TimerId = 'tick'";
    let mut events = subscribe(&engine, query).await.unwrap();
    for (id, milliseconds) in [("tick", 60_000), ("other", 1_000)] {
        engine.create(&context(), &cimv2(), timer(id, milliseconds)).await.unwrap();
    }
    let began = Instant::now();
    for minute in 1..4 {
        let event = next_event(&mut events).await;
        assert_eq!(event.value("NumFirings"), Some(&Value::from(1_u32)));
        assert_eq!(began.elapsed().as_secs(), minute * 60);
    }
    let again = engine.create(&context(), &cimv2(), timer("TICK", 500)).await.unwrap_err();
    assert_eq!(again.status(), Status::AlreadyExists);
    let none = engine.create(&context(), &cimv2(), timer("none", 0)).await.unwrap_err();
    assert_eq!(none.status(), Status::InvalidParameter);
    let path = timer("tick", 1).path().unwrap();
    engine.delete(&context(), &cimv2(), &path).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(600), events.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_short_failure_of_a_provider_is_retried_without_deletion_events() {
    let living = Arc::new(Living::with(&[("a", "Running")]));
    let engine = engine(&living);
    let query = format!("SELECT * FROM __InstanceOperationEvent {}", services(""));
    let mut events = subscribe(&engine, &query).await.unwrap();
    living.fails.store(true, Ordering::SeqCst);
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(3)).await;
    living.fails.store(false, Ordering::SeqCst);
    living.set("b", "Running");
    is(&next(&mut events).await, "__InstanceCreationEvent", "b", "Running");
    assert!(began.elapsed() < Duration::from_secs(6));
    living.fails.store(true, Ordering::SeqCst);
    let error = events.next().await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "Win32_Service: no service manager");
    assert!(events.next().await.is_none());
    let error = subscribe(&engine, &query).await.unwrap_err();
    assert_eq!(error.to_string(), "Win32_Service: no service manager");
}

#[tokio::test(start_paused = true)]
async fn the_numbers_of_subscriptions_and_watched_instances_are_limited() {
    let living = Arc::new(Living::with(&[("a", "Running"), ("b", "Running")]));
    let engine = engine_of(&living, Limits { subscriptions: 2, watched_rows: 2, ..Limits::default() });
    let query = format!("SELECT * FROM __InstanceDeletionEvent {}", services(""));
    let mut first = subscribe(&engine, &query).await.unwrap();
    let second = subscribe(&engine, &query).await.unwrap();
    for _ in 0..10_000 {
        let refused = subscribe(&engine, &query).await.unwrap_err();
        assert!(matches!(refused, Error::TooManySubscriptions(2)), "{refused}");
    }
    drop(second);
    let _third = subscribe(&engine, &query).await.unwrap();
    living.set("c", "Running");
    assert_eq!(first.next().await.unwrap().unwrap_err().status(), Status::QuotaViolation);
}

#[tokio::test]
async fn queries_that_are_not_event_queries_are_refused_with_a_remedy() {
    let engine = engine(&Arc::new(Living::default()));
    for (query, status, words) in [
        ("SELECT * FROM Win32_Service", Status::NotEventClass, "__InstanceModificationEvent"),
        ("SELECT * FROM __InstanceCreationEvent WITHIN 1", Status::InvalidQuery, "TargetInstance ISA"),
        ("SELECT * FROM __InstanceCreationEvent WHERE Nothing = 1", Status::InvalidQuery, "Nothing"),
        ("SELECT * FROM Nothing", Status::InvalidClass, "Nothing"),
        ("ASSOCIATORS OF {Win32_Service.Name='a'}", Status::InvalidQuery, "association query"),
        (
            "SELECT * FROM __InstanceCreationEvent WHERE TargetInstance ISA 'Win32_Fan'",
            Status::ProviderNotCapable,
            "Win32_Fan",
        ),
        ("SELECT * FROM Win32_VolumeChangeEvent", Status::ProviderNotCapable, "Win32_VolumeChangeEvent"),
        ("SELECT * FROM Win32_ProcessStartTrace", Status::ProviderNotCapable, "Win32_ProcessStartTrace"),
        ("SELECT * FROM __TimerEvent GROUP WITHIN 1 BY Nothing", Status::InvalidQuery, "Nothing"),
        ("SELECT * FROM __TimerEvent GROUP BY TimerId", Status::MissingGroupWithin, "GROUP WITHIN"),
        ("SELECT * FROM __TimerEvent HAVING NumberOfEvents > 1", Status::MissingGroupWithin, "GROUP WITHIN"),
        (
            "SELECT * FROM __TimerEvent GROUP WITHIN 5 BY",
            Status::MissingAggregationList,
            "names of properties",
        ),
        (
            "SELECT * FROM __TimerEvent GROUP WITHIN 5 BY HAVING NumberOfEvents > 1",
            Status::MissingAggregationList,
            "names of properties",
        ),
        ("SELECT * FROM __TimerEvent GROUP WITHIN 5 BY TimerId.Name", Status::InvalidQuery, "TimerId"),
        ("SELECT * FROM __TimerEvent GROUP WITHIN 5 BY SECURITY_DESCRIPTOR", Status::InvalidQuery, "[0]"),
        (
            "SELECT * FROM __TimerEvent GROUP WITHIN 5 HAVING TimerId > 1",
            Status::InvalidQuery,
            "NumberOfEvents",
        ),
        (
            "SELECT * FROM __TimerEvent GROUP WITHIN 5 HAVING NumberOfEvents > 'a'",
            Status::InvalidQuery,
            "events",
        ),
        ("SELECT * FROM __TimerEvent WHERE TimerId = 'a' WITHIN 5", Status::InvalidQuery, "the end"),
        (
            "SELECT * FROM __InstanceCreationEvent WHERE TargetInstance ISA 'Win32_Service' GROUP WITHIN 5 BY TargetInstance",
            Status::AggregatingByObject,
            "TargetInstance",
        ),
        (
            "SELECT * FROM __InstanceCreationEvent WHERE TargetInstance ISA 'Win32_Service' OR TargetInstance.Name = 'a'",
            Status::InvalidQuery,
            "TargetInstance ISA",
        ),
    ] {
        let error = subscribe(&engine, query).await.unwrap_err();
        assert_eq!(error.status(), status, "{query}: {error}");
        assert!(error.to_string().contains(words), "{query}: {error}");
    }
}
