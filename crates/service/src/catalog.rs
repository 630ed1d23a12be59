//! Finds the plug-in for a resource.

use std::sync::Arc;

use wsman::{Code, Detail, Fault, ResourceUri, Subcode, code};

use crate::plugin::{Plugin, Resource};

/// Every plug-in of the service.
#[derive(Clone, Default)]
pub struct Catalog {
    plugins: Vec<Arc<dyn Plugin>>,
}

impl Catalog {
    /// A catalog of these plug-ins, which hear what the others answer for.
    #[must_use]
    pub fn new(plugins: Vec<Arc<dyn Plugin>>) -> Self {
        let all: Vec<Resource> = plugins.iter().flat_map(|plugin| plugin.resources()).copied().collect();
        for plugin in &plugins {
            plugin.served(&all);
        }
        Self { plugins }
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

    /// Lets every plug-in close.
    pub(crate) async fn close(&self) {
        for plugin in &self.plugins {
            plugin.close().await;
        }
    }
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let uris = self.plugins.iter().flat_map(|plugin| plugin.resources()).map(|resource| resource.uri);
        f.debug_list().entries(uris).finish()
    }
}
