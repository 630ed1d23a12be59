//! Errors of the plug-in and their faults.

use eventlog::LogError;
use winevent::WinEventError;
use wsman::{Detail, Fault, Subcode, code};

/// Failure of a subscription to event logs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EventLogError {
    /// The request has no filter.
    #[error("a subscription to event logs requires a filter; send a QueryList with the events")]
    NoFilter,
    /// The dialect of the filter is not that of event queries.
    #[error("unknown filter dialect \"{0}\"; use {dialect}", dialect = wsman::namespace::DIALECT_EVENT_QUERY)]
    Dialect(String),
    /// The filter is not a valid query.
    #[error("invalid event query: {0}; correct the filter")]
    Query(WinEventError),
    /// The bookmark is not one of this resource.
    #[error("invalid bookmark: {0}; send the last one that the service has sent, or none")]
    Bookmark(WinEventError),
    /// The query names channels that do not exist or cannot be read.
    #[error(
        "unknown or unreadable channels: {0}; list the channels with wevtutil el, or send the option IgnoreChannelError"
    )]
    Channels(String),
    /// An option has an unknown value.
    #[error("unknown ContentFormat \"{0}\"; use Raw or RenderedText")]
    ContentFormat(String),
    /// The user may read no file of the logs.
    #[error(
        "the account cannot read any event log of this machine; add it to the groups systemd-journal and adm"
    )]
    Unreadable,
    /// A log cannot be read.
    #[error("cannot read the event logs: {0}; see the log of the service")]
    Log(#[from] LogError),
    /// The user has too many subscriptions.
    #[error("the user has {0} subscriptions to event logs, or all users together have too many; cancel one")]
    TooManySubscriptions(usize),
    /// The task that reads the logs was aborted.
    #[error("reading the event logs was aborted; subscribe again")]
    Aborted,
}

impl From<EventLogError> for Fault {
    fn from(error: EventLogError) -> Self {
        let reason = error.to_string();
        match error {
            EventLogError::NoFilter | EventLogError::Query(_) | EventLogError::Channels(_) => {
                Self::new(Subcode::CannotProcessFilter, code::CANNOT_PROCESS_FILTER, reason)
            }
            EventLogError::Dialect(_) => Self::new(
                Subcode::EventingFilteringRequestedUnavailable,
                code::EVENTING_FILTER_UNAVAILABLE,
                reason,
            ),
            EventLogError::Bookmark(_) => Self::new(Subcode::InvalidBookmark, code::INVALID_BOOKMARK, reason)
                .with_detail(Detail::INVALID_FORMAT),
            EventLogError::ContentFormat(_) => {
                Self::new(Subcode::InvalidOptions, code::INVALID_OPTION_VALUE, reason)
            }
            EventLogError::Unreadable => Self::new(Subcode::AccessDenied, code::ACCESS_DENIED, reason),
            EventLogError::TooManySubscriptions(_) => {
                Self::new(Subcode::QuotaLimit, code::QUOTA_LIMIT, reason)
            }
            EventLogError::Log(_) | EventLogError::Aborted => {
                Self::new(Subcode::InternalError, code::INTERNAL_ERROR, reason)
            }
        }
    }
}
