//! Tests of the replacement of an engine: subscriptions continue with the new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cim::{Instance, Name, Namespace, ObjectPath, Schema, Value};
use telarch_wmi::{
    BoxFuture, Engine, EngineBuilder, Error, EventSource, Events, Happening, Occurrence, Provider,
    ProviderError, Refresher, Scan, Sink, Watch,
};
use tokio::sync::watch;

use crate::machine::{declaration, of};
use crate::{cimv2, context};

fn begin(classes: &[&str]) -> EngineBuilder {
    let mut schema = Schema::of(cimv2());
    for class in classes {
        schema.add(&declaration(class)).unwrap();
    }
    Engine::builder("node7", 0).namespace(schema)
}

async fn subscribe(engine: &Engine, query: &str) -> Events {
    engine.subscribe(&context(), &cimv2(), query).await.unwrap()
}

async fn next(events: &mut Events) -> Instance {
    match events.next().await.unwrap().unwrap() {
        Occurrence::Event(event) => event,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn only_created_changed_and_deleted_classes_are_events() {
    let first = begin(&["class A { [Key] string Name; };", "class B { uint32 X; };"]).build().unwrap();
    let mut events = subscribe(&first, "SELECT * FROM __ClassOperationEvent").await;
    let classes = ["class A { [Key] string Name; };", "class B { uint64 X; };", "class C { uint8 Y = 7; };"];
    let second = begin(&classes).successor_of(&first).build().unwrap();
    let reported = next(&mut events).await;
    assert_eq!(reported.class().name().as_str(), "__ClassModificationEvent");
    assert!(matches!(reported.value("PreviousClass"), Some(Value::Object(_))));
    let reported = next(&mut events).await;
    let Some(Value::Object(class)) = reported.value("TargetClass") else { panic!("{reported:?}") };
    assert_eq!((class.class().name().as_str(), class.value("Y")), ("C", Some(&Value::Uint8(7))));
    let third = begin(&classes[..2]).successor_of(&second).build().unwrap();
    assert_eq!(next(&mut events).await.class().name().as_str(), "__ClassDeletionEvent");
    drop((first, second));
    assert!(tokio::time::timeout(Duration::from_secs(60), events.next()).await.is_err());
    drop(third);
}

#[tokio::test(start_paused = true)]
async fn timers_outlive_the_engine_that_made_them() {
    let first = begin(&[]).build().unwrap();
    let class = first.schema(&cimv2()).unwrap().require("__IntervalTimerInstruction").unwrap();
    let timer = Instance::new(class).with("TimerId", "t").unwrap();
    let timer = timer.with("IntervalBetweenEvents", 1_000_u32).unwrap();
    first.create(&context(), &cimv2(), timer).await.unwrap();
    let mut events = subscribe(&first, "SELECT * FROM __TimerEvent").await;
    let second = begin(&["class A { };"]).successor_of(&first).build().unwrap();
    assert_eq!(next(&mut events).await.value("TimerId"), Some(&Value::text("t")));
    let path = ObjectPath::parse("__IntervalTimerInstruction.TimerId='t'").unwrap();
    second.get(&context(), &cimv2(), &path).await.unwrap();
}

/// Reports an event when it is told to.
struct Bell(watch::Sender<()>);

struct Rings(watch::Receiver<()>, Arc<cim::Class>);

impl Provider for Bell {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        vec![of("Win32_VolumeChangeEvent")]
    }

    fn enumerate(&self, _scan: &Scan, _rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        Ok(())
    }

    fn watch(&self, watch: &Watch<'_>) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        Ok(Some(Box::new(Rings(self.0.subscribe(), watch.class.clone()))))
    }
}

impl EventSource for Rings {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            self.0.changed().await.unwrap();
            Ok(Happening::Event(Instance::new(self.1.clone())))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_common_to_both_engines_loses_no_events() {
    let bell = Arc::new(Bell(watch::Sender::new(())));
    let first = begin(&[]).provider(bell.clone()).build().unwrap();
    let mut events = subscribe(&first, "SELECT * FROM Win32_VolumeChangeEvent").await;
    bell.0.send_replace(());
    let _second = begin(&["class A { };"]).successor_of(&first).provider(bell.clone()).build().unwrap();
    next(&mut events).await;
    assert_eq!(bell.0.receiver_count(), 1);
    let third = begin(&[]).successor_of(&first).build().unwrap();
    let end = events.next().await.unwrap().unwrap_err();
    assert!(matches!(end, Error::NoProvider(_)), "{end}");
    drop(third);
}

#[tokio::test]
async fn the_refresher_runs_once_and_while_there_are_subscriptions() {
    let working = Arc::new(AtomicUsize::new(0));
    struct Shift(Arc<AtomicUsize>);
    impl Drop for Shift {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let watched = Arc::clone(&working);
    let refresher: Refresher = Arc::new(move || {
        watched.fetch_add(1, Ordering::SeqCst);
        let shift = Shift(Arc::clone(&watched));
        Box::pin(async move {
            let _shift = shift;
            std::future::pending::<()>().await;
        })
    });
    let engine = begin(&[]).refresher(refresher).build().unwrap();
    assert_eq!(working.load(Ordering::SeqCst), 0);
    let one = subscribe(&engine, "SELECT * FROM __TimerEvent").await;
    let two = subscribe(&engine, "SELECT * FROM __TimerEvent").await;
    assert_eq!(working.load(Ordering::SeqCst), 1);
    drop((one, two));
    while working.load(Ordering::SeqCst) > 0 {
        tokio::task::yield_now().await;
    }
}
