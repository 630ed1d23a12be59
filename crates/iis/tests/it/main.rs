//! The engine against an IIS that serves instances made from the documentation.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod changes;
mod failures;
mod reading;
#[path = "../../../cli/tests/it/service.rs"]
#[allow(dead_code)]
mod service;
mod web_administration;

use std::path::Path;

use client::{Authentication, Endpoint, Session, Unencrypted};
use telarch_iis::WindowsIis;
use tempfile::TempDir;
use webserver::{Author, Change, Commit, CommitMessage, CommitRequest, Iis, WebServer, WebServerError};

use self::service::Service;
use self::web_administration::Windows;

/// A machine with IIS, and the engine for it.
struct Machine {
    windows: Windows,
    service: Service,
    iis: Iis,
    _state: TempDir,
}

impl Machine {
    fn start() -> Self {
        let windows = Windows::new(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/instances"));
        let service = windows.serve();
        let state = tempfile::tempdir().unwrap();
        let iis = open(&service, state.path());
        Self { windows, service, iis, _state: state }
    }

    fn commit(&self, changes: &[Change]) -> Result<Commit, WebServerError> {
        let base = self.iis.snapshot()?.revision;
        let plan = self.iis.plan(&base, changes)?;
        self.iis.commit(&plan, &request())
    }
}

/// Returns the engine for the service on a port.
fn open(service: &Service, state: &Path) -> Iis {
    let endpoint = Endpoint::parse(&format!("http://127.0.0.1:{}/wsman", service.port)).unwrap();
    let session = Session::builder(endpoint)
        .authentication(Authentication::None)
        .unencrypted(Unencrypted::Allowed)
        .build()
        .unwrap();
    let connection = WindowsIis::new(session, "web1", |error| error.to_string()).unwrap();
    Iis::open(Box::new(connection), state).unwrap()
}

fn request() -> CommitRequest {
    CommitRequest { author: Author::parse("ada").unwrap(), message: CommitMessage::default() }
}
