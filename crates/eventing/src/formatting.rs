//! Batches in the forms of the outputs.

use sha2::{Digest as _, Sha256};
use winevent::Timestamp;
use winevent::delivery::{DROPPED_EVENTS, Item};

use crate::batch::{Batch, Delivered};
use crate::destination::Route;
use crate::identity::IdentityCheck;
use crate::quarantine::Rejected;
use crate::record::{Accepted, Receipt};
use crate::source::Source;

/// Forms of events that the outputs need.
pub(crate) struct Formatting {
    /// Whether an output receives events as XML.
    pub(crate) writes_xml: bool,
    /// Whether an output or a destination receives events as JSON.
    pub(crate) writes_json: bool,
    /// Rules that select the events of each destination.
    pub(crate) routes: Vec<Route>,
    /// Action for events of other computers.
    pub(crate) identity: IdentityCheck,
}

/// Batch in the forms of the outputs.
pub(crate) struct Formatted {
    /// Lines of XML.
    pub(crate) xml: Vec<u8>,
    /// Lines of JSON.
    pub(crate) json: Vec<u8>,
    /// Lines for each destination, in JSON.
    pub(crate) routed: Vec<Vec<u8>>,
    /// Lines for the quarantine.
    pub(crate) quarantine: Vec<u8>,
    /// Hash of the bookmark and all items, by which a repeated batch is recognised.
    pub(crate) digest: [u8; 32],
    /// Description of events of another computer.
    pub(crate) fault: Option<String>,
    pub(crate) delivered: Delivered,
}

impl Formatting {
    /// Formats a batch. `now` is the time of the receipt.
    pub(crate) fn format(
        &self,
        source: &Source,
        subscription: &str,
        batch: Batch<'_>,
        now: Timestamp,
    ) -> Formatted {
        let time = now.to_string();
        let receipt = Receipt::new(&source.name, subscription, &time);
        let mut routed = vec![Vec::new(); self.routes.len()];
        let mut delivered = Delivered::default();
        let size = batch.items.iter().map(|item| item.xml.len() + 1).sum();
        let mut xml = Vec::with_capacity(if self.writes_xml { size } else { 0 });
        // Without the tags, an event in JSON is about as long; the receipt is added.
        let json_size = size.saturating_add(batch.items.len().saturating_mul(RECEIPT));
        let mut json = String::with_capacity(if self.writes_json { json_size } else { 0 });
        let mut quarantine = Vec::new();
        let mut digest = Sha256::new();
        digest.update(batch.head.bookmark.as_deref().unwrap_or_default());
        let mut foreign = None;
        let states_other = batch.head.machine_id.as_deref().filter(|id| !source.may_be(id));
        for item in batch.items {
            digest.update([0]);
            digest.update(item.xml.as_bytes());
            if item.action == DROPPED_EVENTS {
                tracing::warn!(source = %source.name, subscription, "Source has dropped events: {}", item.xml);
                continue;
            }
            let (event, is_foreign) = match self.accept(source, item) {
                Ok(accepted) => accepted,
                Err(reason) => {
                    delivered.quarantined += 1;
                    tracing::debug!(source = %source.name, reason, "Event was put into quarantine");
                    let rejected = Rejected { reason, event: item.xml.as_ref().to_owned() };
                    quarantine.extend(rejected.line(&source.name, subscription, &time));
                    continue;
                }
            };
            let is_foreign = is_foreign || states_other.is_some();
            if is_foreign {
                foreign.get_or_insert_with(|| event.computer().to_owned());
            }
            if self.writes_xml {
                event.write_xml(&mut xml);
            }
            delivered.stored += 1;
            if !self.writes_json {
                continue;
            }
            let start = json.len();
            event.write_json(&receipt, is_foreign, &mut json);
            for (route, lines) in self.routes.iter().zip(&mut routed) {
                if route.selects(subscription, &event, now) {
                    lines.extend_from_slice(json.as_bytes().get(start..).unwrap_or_default());
                }
            }
        }
        let fault = foreign.map(|computer| {
            let stated = states_other.unwrap_or_default();
            tracing::warn!(source = %source.name, computer, machine_id = stated, "Source sends events of another computer");
            format!("events of another computer: {computer} {stated}").trim_end().to_owned()
        });
        let digest = digest.finalize().into();
        Formatted { xml, json: json.into_bytes(), routed, quarantine, digest, fault, delivered }
    }

    /// Checks an event and its computer. Returns whether it is that of another computer.
    fn accept<'i>(&self, source: &Source, item: &'i Item<'_>) -> Result<(Accepted<'i>, bool), String> {
        if item.xml.trim().is_empty() {
            return Err("the event is empty".to_owned());
        }
        let event = Accepted::parse(&item.xml, self.writes_json).map_err(|error| error.to_string())?;
        let computer = event.computer();
        let is_foreign = !source.may_be(computer) && !self.identity.is_relay(&source.name);
        if is_foreign && self.identity.rejects(&source.name) {
            return Err(format!(
                "the event is of the computer \"{computer}\", and the source is {}",
                source.name
            ));
        }
        Ok((event, is_foreign))
    }
}

/// Usual length of the receipt in JSON, in bytes.
const RECEIPT: usize = 256;
