//! Position at which a subscription begins.

use std::collections::BTreeMap;

use eventlog::local::{LocalLogs, Positions};
use winevent::delivery::{OfferedSubscription, Start};

use crate::ForwarderError;

/// Positions and bookmarks at the start of a subscription.
pub(crate) struct StartPosition {
    pub(crate) positions: Positions,
    /// Numbers of the bookmark of the collector.
    pub(crate) sent: BTreeMap<String, u64>,
}

/// Moves the reader to the position of the collector's bookmark. Without one it continues behind the position that was
/// stored on this machine, or with new events.
///
/// A position behind the end of a log is that of a log that was lost; the reader then continues with new events.
pub(crate) fn seek(
    logs: &mut LocalLogs,
    offer: &OfferedSubscription,
    stored: Option<Positions>,
) -> Result<StartPosition, ForwarderError> {
    let end = logs.seek_end()?;
    let fallback = stored.unwrap_or(match offer.start {
        Start::Earliest => Positions::default(),
        _ => end,
    });
    let mut sent = BTreeMap::new();
    let mut positions = match &offer.start {
        Start::Now => fallback,
        Start::Earliest => Positions::default(),
        Start::Bookmark(list) => {
            let mut known = Positions::default();
            for bookmark in list.bookmarks() {
                if known.advance(&bookmark.channel, bookmark.record_id) {
                    sent.insert(bookmark.channel.clone(), bookmark.record_id);
                }
            }
            // A log of which the collector has no event yet.
            Positions {
                journal: if known.journal > 0 { known.journal } else { fallback.journal },
                audit: if known.audit > 0 { known.audit } else { fallback.audit },
            }
        }
    };
    for (position, end, log) in
        [(&mut positions.journal, end.journal, "journal"), (&mut positions.audit, end.audit, "audit log")]
    {
        if *position > end {
            tracing::warn!(
                subscription = offer.name,
                log,
                "The stored position is behind the end of the log"
            );
            *position = end;
        }
    }
    logs.seek(positions)?;
    Ok(StartPosition { positions, sent })
}
