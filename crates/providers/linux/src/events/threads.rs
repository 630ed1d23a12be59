//! `Win32_ThreadStartTrace` and `Win32_ThreadStopTrace`.

use std::sync::Arc;

use cim::{Class, Instance, Status, Value};
use linux::process::connector::ThreadEvent;
use wmi::{BoxFuture, EventSource, Happening, ProviderError};

use super::instance;
use super::kernel::Connector;
use super::processes::Kind;

/// Event source for starts or ends of threads, also of the first thread of a process.
pub(super) struct ThreadTrace {
    connector: Connector,
    class: Arc<Class>,
    kind: Kind,
}

impl ThreadTrace {
    /// Starts to listen.
    ///
    /// # Errors
    /// If the process connector is not available: threads are too short-lived to be found by polling.
    pub(super) fn open(class: Arc<Class>, kind: Kind) -> Result<Self, ProviderError> {
        let connector = Connector::open().map_err(|error| {
            let status = match error.kind() {
                std::io::ErrorKind::PermissionDenied => Status::AccessDenied,
                _ => Status::Failed,
            };
            ProviderError::failed(
                status,
                format!("the process connector of the kernel is not available: {error}"),
            )
        })?;
        Ok(Self { connector, class, kind })
    }

    fn event(&self, process: u32, thread: u32) -> Result<Instance, ProviderError> {
        instance(&self.class, [("ProcessID", Value::Uint32(process)), ("ThreadID", Value::Uint32(thread))])
    }
}

impl EventSource for ThreadTrace {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            loop {
                let happened = self.connector.next_thread().await.map_err(|error| {
                    ProviderError::failed(Status::Failed, format!("cannot receive thread events: {error}"))
                })?;
                match happened {
                    ThreadEvent::Started { process, thread } if self.kind == Kind::Start => {
                        return Ok(Happening::Event(self.event(process, thread)?));
                    }
                    ThreadEvent::Ended { process, thread } if self.kind == Kind::Stop => {
                        return Ok(Happening::Event(self.event(process, thread)?));
                    }
                    ThreadEvent::Lost => tracing::debug!("Thread events were lost"),
                    _ => {}
                }
            }
        })
    }
}
