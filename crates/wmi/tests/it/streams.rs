//! Tests that rows arrive as they are found and no more than needed are produced, and that a failing or
//! hanging provider affects only its own query.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use cim::{Instance, Name, Namespace, Schema, Status};
use telarch_wmi::{Context, Engine, Limits, Provider, ProviderError, Scan, Sink};

use crate::machine::of;
use crate::{all, cimv2, context};

/// Provider of endless rows, which it counts.
#[derive(Default)]
struct Endless {
    made: AtomicUsize,
    /// Set when the enumeration has ended.
    ended: (Mutex<bool>, Condvar),
}

impl Endless {
    fn wait_for_end(&self) {
        let (ended, changed) = &self.ended;
        let guard = ended.lock().unwrap();
        let (guard, result) =
            changed.wait_timeout_while(guard, Duration::from_secs(60), |ended| !*ended).unwrap();
        assert!(*guard && !result.timed_out(), "the search goes on though nobody listens");
    }
}

impl Provider for Endless {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        vec![of("Win32_Process")]
    }

    fn enumerate(&self, scan: &Scan, rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        let result = loop {
            let number = self.made.fetch_add(1, Ordering::SeqCst);
            let row = Instance::new(scan.class().clone()).with("Handle", number.to_string())?;
            if let Err(stopped) = rows.push(row) {
                break Err(stopped);
            }
        };
        *self.ended.0.lock().unwrap() = true;
        self.ended.1.notify_all();
        result
    }
}

/// Provider that fails, hangs or panics, depending on the class.
#[derive(Default)]
struct Broken {
    /// Whether the provider may continue, and the condition it waits on.
    gate: (Mutex<bool>, Condvar),
}

impl Broken {
    fn open(&self) {
        *self.gate.0.lock().unwrap() = true;
        self.gate.1.notify_all();
    }
}

impl Provider for Broken {
    fn classes(&self) -> Vec<(Namespace, Name)> {
        ["Win32_Fan", "Win32_Battery", "Win32_Printer"].map(of).into()
    }

    fn enumerate(&self, scan: &Scan, rows: &mut Sink<'_>) -> Result<(), ProviderError> {
        rows.push(Instance::new(scan.class().clone()).with("DeviceID", "1")?)?;
        match scan.class().name().as_str() {
            "Win32_Fan" => Err(ProviderError::failed(Status::AccessDenied, "the sensors are root's")),
            "Win32_Battery" => {
                let guard = self.gate.0.lock().unwrap();
                drop(self.gate.1.wait_while(guard, |open| !*open).unwrap());
                Ok(())
            }
            _ => panic!("a bug of a provider"),
        }
    }
}

fn engine(provider: Arc<dyn Provider>, limits: Limits) -> Engine {
    Engine::builder("node7", 0)
        .namespace(Schema::of(cimv2()))
        .limits(limits)
        .provider(provider)
        .build()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_blocks_until_its_rows_are_read_and_ends_with_its_reader() {
    let endless = Arc::new(Endless::default());
    let engine = engine(endless.clone(), Limits { rows_ahead: 4, ..Limits::default() });
    let mut rows = engine.query(&context(), &cimv2(), "SELECT * FROM Win32_Process").unwrap();
    for number in 0..10 {
        let row = rows.next().await.unwrap().unwrap();
        assert_eq!(row.value("Handle"), Some(&number.to_string().into()));
    }
    // Ten rows were returned, four wait to be returned, and the provider holds one.
    assert!(
        endless.made.load(Ordering::SeqCst) <= 15,
        "{} rows were made",
        endless.made.load(Ordering::SeqCst)
    );
    drop(rows);
    endless.wait_for_end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_ends_at_its_deadline_with_an_error() {
    let endless = Arc::new(Endless::default());
    let engine = engine(endless.clone(), Limits::default());
    let soon = Context::of_this_process("alice").within(Duration::from_millis(20));
    let query = "SELECT * FROM Win32_Process WHERE Name = 'nothing'";
    let error = all(engine.query(&soon, &cimv2(), query).unwrap()).await.unwrap_err();
    assert_eq!(error.status(), Status::ProviderTimedOut, "missing rows look like all of them");
    endless.wait_for_end();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_follows_the_rows_before_it() {
    let engine = engine(Arc::new(Broken::default()), Limits::default());
    let mut rows = engine.query(&context(), &cimv2(), "SELECT * FROM Win32_Fan").unwrap();
    assert!(rows.next().await.unwrap().is_ok());
    let error = rows.next().await.unwrap().unwrap_err();
    assert_eq!(
        (error.status(), error.to_string().as_str()),
        (Status::AccessDenied, "Win32_Fan: the sensors are root's")
    );
    assert!(error.is_of_provider());
    assert!(rows.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_panics_ends_its_query_with_an_error() {
    let engine = engine(Arc::new(Broken::default()), Limits::default());
    let mut rows = engine.query(&context(), &cimv2(), "SELECT * FROM Win32_Printer").unwrap();
    assert!(rows.next().await.unwrap().is_ok());
    assert_eq!(rows.next().await.unwrap().unwrap_err().status(), Status::ProviderFailure);
    assert!(rows.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_hangs_times_out_and_keeps_its_slot() {
    let query = "SELECT * FROM Win32_Battery";
    // On a busy machine, the thread of the provider may start late.
    for patience in [500, 5_000, 60_000].map(Duration::from_millis) {
        let broken = Arc::new(Broken::default());
        let engine = engine(broken.clone(), Limits { patience, calls: 1, ..Limits::default() });
        let mut rows = engine.query(&context(), &cimv2(), query).unwrap();
        if rows.next().await.unwrap().is_err() {
            broken.open();
            continue;
        }
        assert_eq!(rows.next().await.unwrap().unwrap_err().status(), Status::ProviderTimedOut);
        assert!(rows.next().await.is_none());
        let error = engine.query(&context(), &cimv2(), query).map(|_| ()).unwrap_err();
        assert_eq!(error.status(), Status::ServerTooBusy, "more threads than allowed");
        broken.open();
        return;
    }
    panic!("the provider did not start in time");
}
