//! Finds the plug-in for a resource.

use std::sync::Arc;

use wsman::{Code, Detail, Fault, ResourceUri, Subcode, code};

use crate::plugin::{Answer, BoxFuture, Call, Plugin, Resource};

/// Every plug-in of the service, and so a plug-in itself: what one process has, another can have as one.
#[derive(Clone, Default)]
pub struct Catalog {
    plugins: Vec<Arc<dyn Plugin>>,
    resources: Vec<Resource>,
}

impl Catalog {
    /// A catalog of these plug-ins, which hear what the others answer for.
    #[must_use]
    pub fn new(plugins: Vec<Arc<dyn Plugin>>) -> Self {
        let resources: Vec<Resource> =
            plugins.iter().flat_map(|plugin| plugin.resources()).copied().collect();
        for plugin in &plugins {
            plugin.served(&resources);
        }
        Self { plugins, resources }
    }

    /// The plug-in of the longest matching URI.
    ///
    /// # Errors
    /// `a:DestinationUnreachable` if none matches.
    pub fn find(&self, uri: &ResourceUri) -> Result<(&Arc<dyn Plugin>, Resource), Fault> {
        let all = self
            .plugins
            .iter()
            .flat_map(|plugin| plugin.resources().iter().map(move |resource| (plugin, *resource)));
        let matching = all.filter(|(_, resource)| match uri.below(resource.uri) {
            Some("") => true,
            Some(_) => resource.with_children,
            None => false,
        });
        matching.max_by_key(|(_, resource)| resource.uri.len()).ok_or_else(|| {
            const UNKNOWN: Code = code::INVALID_RESOURCE_URI;
            let reason = format!("no resource of this service has the URI {uri}");
            Fault::new(Subcode::DestinationUnreachable, UNKNOWN, reason)
                .with_detail(Detail::INVALID_RESOURCE_URI)
        })
    }
}

impl Plugin for Catalog {
    fn resources(&self) -> &[Resource] {
        &self.resources
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(async move {
            let (plugin, _) = self.find(call.request.require_resource()?)?;
            plugin.call(call).await
        })
    }

    fn in_use(&self) -> usize {
        self.plugins.iter().map(|plugin| plugin.in_use()).sum()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            for plugin in &self.plugins {
                plugin.close().await;
            }
        })
    }
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.resources.iter().map(|resource| resource.uri)).finish()
    }
}
