//! Resources of the service and how their actions map to access rights.

use wsman::ResourceUri;

/// A resource URI that a plug-in serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The URI.
    pub uri: &'static str,
    /// Whether the plug-in also serves URIs that continue with `/` after this one.
    pub with_children: bool,
    /// Mapping from actions to access rights.
    pub kind: ResourceKind,
}

/// Mapping from the actions of a resource to access rights (MS-WSMV 3.1.4.1.28).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceKind {
    /// Reading requires the right to read, changing the right to write, and methods the right to execute.
    Instances,
    /// Every action on a shell requires the right to execute.
    Shells,
}

/// The resource that a request, an enumeration or a subscription is about, for the access check.
#[derive(Clone, Debug)]
pub(crate) struct TargetResource {
    pub(crate) uri: ResourceUri,
    pub(crate) kind: ResourceKind,
}
