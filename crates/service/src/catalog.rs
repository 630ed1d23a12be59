//! Maps resource URIs to plug-ins.

use std::sync::Arc;

use wsman::{Code, Detail, Fault, ResourceUri, Subcode, code};

use crate::plugin::{Answer, BoxFuture, Call, OpenObjects, Plugin};
use crate::resource::Resource;

/// The plug-ins of a service. A catalog is itself a plug-in, so that a process can offer all its plug-ins as one.
#[derive(Clone, Default)]
pub struct Catalog {
    plugins: Vec<Arc<dyn Plugin>>,
    resources: Vec<Resource>,
}

impl Catalog {
    /// Creates a catalog and passes each plug-in the resources of all of them.
    #[must_use]
    pub fn new(plugins: Vec<Arc<dyn Plugin>>) -> Self {
        let resources: Vec<Resource> =
            plugins.iter().flat_map(|plugin| plugin.resources()).copied().collect();
        for plugin in &plugins {
            plugin.set_all_resources(&resources);
        }
        Self { plugins, resources }
    }

    /// Returns the plug-in and resource with the longest matching URI.
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
            let reason = format!("the service has no resource with the URI {uri}; list the resources with winrm enumerate winrm/config/resource");
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

    fn in_use(&self) -> OpenObjects {
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
