//! Deployment of content to web sites.
//!
//! A deployment builds the complete new folder of a site beside the old one, and then exchanges both in one step. So clients
//! receive either the old or the new content, and a full disk, a malformed archive or a crash leaves the old content in
//! place. The old folder is kept, and a rollback exchanges the folders again.
//!
//! [`SiteContent::prepare`] builds the folder and returns a [`Prepared`] with all differences, so that a preview and a
//! deployment do the same work. Dropping it removes the folder.
//!
//! Archives come from users with rights on one site. They may contain files and folders only; links, devices and paths that
//! lead out of the folder are rejected. The folder of the site may belong to another user than the process: links in it are
//! never followed, and everything that the process writes is in a folder that only the process can enter until the
//! exchange.

mod archive;
mod build;
mod difference;
mod error;
mod history;
mod limits;
mod mode;
mod path;
mod site;
#[cfg(test)]
mod tests;
mod tree;

pub use difference::{ChangeKind, ContentChange};
pub use error::DeployError;
pub use history::{Deployment, DeploymentKind};
pub use mode::Mode;
pub use path::ContentPath;
pub use site::{ContentRevision, DeployRequest, Prepared, SiteContent};
