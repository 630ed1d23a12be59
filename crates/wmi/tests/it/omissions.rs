//! Tests of sources that are not available: a query and a subscription continue without their rows, and say so.

use std::sync::Arc;
use std::time::Duration;

use cim::{Instance, Name, Namespace, Schema, Status};
use telarch_wmi::{
    BoxFuture, Engine, Error, EventSource, Happening, Occurrence, Provider, ProviderError, Scan, Sink, Watch,
};

use crate::machine::of;
use crate::{all, cimv2, context};

/// Services that need a bus, and drivers that do not.
struct Machine;

const NO_BUS: &str = "no system bus";

fn failure() -> ProviderError {
    ProviderError::failed(Status::ProviderFailure, NO_BUS)
}

/// A source that fails at once, or one that reports an event and waits.
struct Source(Option<Instance>, bool);

impl EventSource for Source {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            if self.1 {
                return Err(failure());
            }
            match self.0.take() {
                Some(event) => Ok(Happening::Event(event)),
                None => std::future::pending().await,
            }
        })
    }
}

impl Provider for Machine {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        let classes = [
            "Win32_Service",
            "Win32_SystemDriver",
            "Win32_DependentService",
            "Win32_ProcessStartTrace",
            "Win32_ProcessStopTrace",
        ];
        classes.map(of).into()
    }

    fn enumerate(&self, scan: &Scan, rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        match scan.class().name().as_str() {
            "Win32_Service" | "Win32_DependentService" => Err(failure()),
            "Win32_SystemDriver" => {
                rows.push(Instance::new(scan.class().clone()).with("Name", "ext4")?.with("State", "Running")?)
            }
            _ => Err(ProviderError::NotCapable),
        }
    }

    fn watch(&self, watch: &Watch<'_>) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        if !watch.changes.is_empty() {
            return Ok(None);
        }
        let event = Instance::new(watch.class.clone());
        let is_broken = watch.class.name().as_str() == "Win32_ProcessStopTrace";
        Ok(Some(Box::new(Source(Some(event), is_broken))))
    }
}

fn engine() -> Engine {
    let schema = Schema::of(cimv2());
    Engine::builder("node7", 0).namespace(schema).provider(Arc::new(Machine)).build().unwrap()
}

#[tokio::test]
async fn a_query_continues_without_a_failed_class_and_names_it() {
    let engine = engine();
    for class in ["CIM_Service", "Win32_BaseService", "CIM_LogicalElement"] {
        let mut rows = engine.query(&context(), &cimv2(), &format!("SELECT * FROM {class}")).unwrap();
        let mut names = Vec::new();
        while let Some(row) = rows.next().await {
            names.push(row.unwrap().class().name().to_string());
        }
        assert_eq!(names, ["Win32_SystemDriver"], "{class}");
        let omitted: Vec<String> = rows.take_omissions().iter().map(ToString::to_string).collect();
        assert_eq!(omitted, [format!("Win32_Service: {NO_BUS}")], "{class}");
        assert_eq!(rows.take_omissions(), []);
    }
}

#[tokio::test]
async fn the_class_that_a_query_names_must_answer() {
    let engine = engine();
    for query in [
        "SELECT * FROM Win32_Service",
        "SELECT * FROM CIM_Dependency",
        "SELECT * FROM Win32_ProcessStartTrace",
    ] {
        let rows = engine.query(&context(), &cimv2(), query).unwrap();
        assert!(matches!(all(rows).await, Err(Error::Provider { .. })), "{query}");
    }
    let path = cim::ObjectPath::parse("CIM_Service.Name=\"ssh\"").unwrap();
    let missing = engine.get(&context(), &cimv2(), &path).await.unwrap_err();
    assert!(missing.to_string().contains(NO_BUS), "{missing}");
}

#[tokio::test]
async fn event_classes_have_no_instances_and_are_no_failure() {
    let engine = engine();
    for class in ["__Event", "__ExtrinsicEvent", "__SystemClass"] {
        let mut rows = engine.query(&context(), &cimv2(), &format!("SELECT * FROM {class}")).unwrap();
        while let Some(row) = rows.next().await {
            let row = row.unwrap();
            assert!(!row.class().is_a("__Event"), "{class}: {}", row.class().name());
        }
        assert_eq!(rows.take_omissions(), [], "{class}");
    }
}

#[tokio::test]
async fn a_subscription_continues_without_a_failed_source_and_names_it() {
    for class in ["__Event", "__ExtrinsicEvent", "Win32_ProcessTrace"] {
        let text = format!("SELECT * FROM {class}");
        let mut events = engine().subscribe(&context(), &cimv2(), &text).await.unwrap();
        let mut received = Vec::new();
        for _ in 0..2 {
            received.push(match events.next().await.unwrap().unwrap() {
                Occurrence::Event(event) => event.class().name().to_string(),
                Occurrence::Omitted(omission) => omission.to_string(),
                Occurrence::Dropped(count) => panic!("{count} events were dropped"),
            });
        }
        received.sort();
        let omitted = format!("Win32_ProcessStopTrace: {NO_BUS}");
        assert_eq!(received, ["Win32_ProcessStartTrace".to_owned(), omitted], "{class}");
    }
    let mut only =
        engine().subscribe(&context(), &cimv2(), "SELECT * FROM Win32_ProcessStopTrace").await.unwrap();
    assert!(matches!(only.next().await, Some(Err(Error::Provider { .. }))));
}

#[tokio::test(start_paused = true)]
async fn watched_instances_of_a_failed_class_are_omitted() {
    let text = "SELECT * FROM __InstanceDeletionEvent WITHIN 1 WHERE TargetInstance ISA 'CIM_Service'";
    let mut events = engine().subscribe(&context(), &cimv2(), text).await.unwrap();
    let first = events.next().await.unwrap().unwrap();
    let Occurrence::Omitted(omission) = first else { panic!("{first:?}") };
    assert_eq!((omission.class().as_str(), omission.reason()), ("Win32_Service", NO_BUS));
    // The others are still watched.
    assert!(tokio::time::timeout(Duration::from_secs(60), events.next()).await.is_err());
    let named = text.replace("CIM_Service", "Win32_Service");
    assert!(engine().subscribe(&context(), &cimv2(), &named).await.is_err());
}
