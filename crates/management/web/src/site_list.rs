//! The list of sites as JSON.

use std::sync::Arc;

use bytes::Bytes;
use locks::Mutex;
use serde::Serialize;
use webserver::{Revision, Site, Snapshot};

use crate::problem::Problem;

/// The last list of all sites, encoded.
#[derive(Default)]
pub(crate) struct SiteList(Mutex<Option<Encoded>>);

struct Encoded {
    /// Snapshot with these sites. As long as it exists, no other one has its address.
    snapshot: Arc<Snapshot>,
    json: Bytes,
}

impl SiteList {
    /// Returns the list of all sites of a snapshot.
    ///
    /// # Errors
    /// If a site cannot be encoded.
    pub(crate) fn of_all(&self, snapshot: &Arc<Snapshot>) -> Result<Bytes, Problem> {
        let mut last = self.0.lock();
        if let Some(Encoded { snapshot: known, json }) = last.as_ref()
            && Arc::ptr_eq(known, snapshot)
        {
            return Ok(json.clone());
        }
        let json = encode(snapshot, |_| true)?;
        *last = Some(Encoded { snapshot: Arc::clone(snapshot), json: json.clone() });
        Ok(json)
    }
}

/// Encodes the sites that are selected.
///
/// # Errors
/// If a site cannot be encoded.
pub(crate) fn encode(snapshot: &Snapshot, is_selected: impl Fn(&Site) -> bool) -> Result<Bytes, Problem> {
    let sites = snapshot.sites.iter().filter(|site| is_selected(site)).collect();
    let list = List { sites, revision: &snapshot.revision };
    let json = serde_json::to_vec(&list).map(Bytes::from);
    json.map_err(|error| Problem::internal("the list of sites", &error.to_string()))
}

#[derive(Serialize)]
struct List<'a> {
    sites: Vec<&'a Site>,
    revision: &'a Revision,
}
