//! Subscribe request for event logs: query, options and bookmark.

use eventlog::{Selection, channel};
use winevent::QueryList;
use winevent::delivery::{EventForm, Start};
use winevent::event::BookmarkList;
use wsman::OptionSet;
use wsman::eventing::{self, Subscribe};
use wsman::namespace::{DIALECT_EVENT_QUERY, DIALECT_XPATH};

use crate::error::EventLogError;

/// Events that a subscriber requests.
pub(crate) struct EventRequest {
    pub(crate) selection: Selection,
    pub(crate) start: Start,
    pub(crate) form: EventForm,
    /// Whether events are within `w:Event`, as in all lists of events and around text.
    pub(crate) is_wrapped: bool,
    /// Whether events have texts for people.
    pub(crate) has_rendering: bool,
    /// Whether the subscriber requests bookmarks.
    pub(crate) sends_bookmarks: bool,
    /// Whether channels that do not exist or cannot be read are ignored.
    pub(crate) ignores_channel_errors: bool,
}

impl EventRequest {
    /// Reads the request. Options have the meaning that Windows gives them.
    pub(crate) fn of(subscribe: &Subscribe, options: &OptionSet) -> Result<Self, EventLogError> {
        let filter = subscribe.filter.as_ref().ok_or(EventLogError::NoFilter)?;
        // A filter without a dialect is an event query too, because clients omit it.
        if ![DIALECT_EVENT_QUERY, DIALECT_XPATH]
            .iter()
            .any(|known| filter.dialect.eq_ignore_ascii_case(known))
        {
            return Err(EventLogError::Dialect(excerpt(&filter.dialect)));
        }
        let start = match &subscribe.start {
            None if options.contains("ReadExistingEvents") => Start::Earliest,
            None => Start::Now,
            Some(eventing::Start::Earliest) => Start::Earliest,
            Some(eventing::Start::Bookmark(markup)) => {
                Start::Bookmark(BookmarkList::parse(markup).map_err(EventLogError::Bookmark)?)
            }
        };
        let has_rendering = match options.value("ContentFormat").map(str::trim) {
            None | Some("" | "Raw") => false,
            Some("RenderedText") => true,
            Some(other) => return Err(EventLogError::ContentFormat(excerpt(other))),
        };
        let form = match options.contains("CDATA") {
            true => EventForm::CharacterData,
            false => EventForm::Inline,
        };
        Ok(Self {
            selection: selection(filter.markup.as_deref().unwrap_or(&filter.text))?,
            start,
            form,
            is_wrapped: true,
            has_rendering,
            sends_bookmarks: subscribe.sends_bookmarks,
            ignores_channel_errors: options.contains("IgnoreChannelError"),
        })
    }

    /// Checks the channels of the query.
    pub(crate) fn check_channels(&self, is_readable: impl Fn(&str) -> bool) -> Result<(), EventLogError> {
        let paths = self.selection.paths().iter();
        let unknown: Vec<&str> = paths
            .filter(|path| channel::find(path).is_none() || !is_readable(path))
            .map(String::as_str)
            .collect();
        if unknown.is_empty() || self.ignores_channel_errors {
            return Ok(());
        }
        Err(EventLogError::Channels(excerpt(&unknown.join(", "))))
    }
}

/// Parses a query list, or an expression for the events of all channels.
fn selection(query: &str) -> Result<Selection, EventLogError> {
    let query = query.trim();
    match query.starts_with('<') {
        true => QueryList::parse(query).map(Selection::of_list),
        false => Selection::of_any_channel(query),
    }
    .map_err(EventLogError::Query)
}

fn excerpt(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use wsman::enumeration::Filter;
    use wsman::{Fault, Subcode};

    use super::*;

    const LIST: &str = "<QueryList><Query Id='0'><Select Path='System'>*</Select></Query></QueryList>";

    fn request(filter: Filter, options: &OptionSet) -> Result<EventRequest, Fault> {
        EventRequest::of(&Subscribe::pull(filter), options).map_err(Fault::from)
    }

    fn query(text: &str) -> Filter {
        Filter { dialect: DIALECT_EVENT_QUERY.to_owned(), text: text.to_owned(), ..Filter::default() }
    }

    #[test]
    fn a_query_is_a_list_as_markup_or_text_or_an_expression() {
        let markup = Filter { markup: Some(LIST.to_owned()), ..query("*") };
        for filter in [markup, query(LIST)] {
            assert_eq!(request(filter, &OptionSet::new()).unwrap().selection.paths(), ["system"]);
        }
        let all = request(query("*[System[Level=1]]"), &OptionSet::new()).unwrap();
        assert!(all.selection.paths().is_empty());
    }

    #[test]
    fn invalid_requests_have_a_fault_each() {
        let other = Filter { dialect: "urn:q".to_owned(), ..query("*") };
        let format = OptionSet::new().with("ContentFormat", "Picture");
        let none = OptionSet::new();
        for (filter, options, subcode) in [
            (other, &none, Subcode::EventingFilteringRequestedUnavailable),
            (query("//Event"), &none, Subcode::CannotProcessFilter),
            (query("<QueryList/>"), &none, Subcode::CannotProcessFilter),
            (query("*"), &format, Subcode::InvalidOptions),
        ] {
            let fault = request(filter, options).err().unwrap();
            assert_eq!(*fault.subcode(), subcode, "{fault}");
        }
    }

    #[test]
    fn unknown_channels_are_refused_unless_they_are_ignored() {
        let list = LIST.replace("System", "Nothing");
        let strict = request(query(&list), &OptionSet::new()).unwrap();
        assert!(strict.check_channels(|_| true).is_err());
        let lenient = request(query(&list), &OptionSet::new().with("IgnoreChannelError", "")).unwrap();
        assert!(lenient.check_channels(|_| true).is_ok());
        let unreadable = request(query(LIST), &OptionSet::new()).unwrap();
        assert!(unreadable.check_channels(|_| false).is_err());
    }
}
