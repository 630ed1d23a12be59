//! When to look at adapters and their configurations.

use std::sync::Arc;

use cim::Status;
use readiness::FileChanges;
use wmi::{BoxFuture, EventSource, Happening, ProviderError};

use super::multicast::Multicast;
use crate::Machine;

/// Links, addresses, routes, and who is asked for names.
struct NetworkChanges {
    kernel: Multicast,
    resolver: Option<FileChanges>,
}

/// Says when adapters or their configurations may have changed; `None` where the kernel does not tell, and they are
/// looked at.
pub(crate) fn of_network(machine: &Arc<Machine>) -> Option<Box<dyn EventSource>> {
    let kernel = Multicast::of_network().ok()?;
    let resolver = FileChanges::of([machine.path("etc/resolv.conf")]).ok();
    Some(Box::new(NetworkChanges { kernel, resolver }))
}

impl EventSource for NetworkChanges {
    fn next(&mut self) -> BoxFuture<'_, Result<Happening, ProviderError>> {
        Box::pin(async {
            let resolver = async {
                match &mut self.resolver {
                    Some(resolver) => resolver.next().await,
                    None => std::future::pending().await,
                }
            };
            let told = tokio::select! {
                told = self.kernel.next() => told.map(drop),
                told = resolver => told,
            };
            told.map_err(|error| ProviderError::failed(Status::Failed, error.to_string()))?;
            Ok(Happening::Changed)
        })
    }
}
