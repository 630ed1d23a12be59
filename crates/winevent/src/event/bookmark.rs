//! Bookmarks: the read position of a source in each of its channels (MS-EVEN6 2.2.14).

use xml::{Bounds, Document, Writer};

use crate::error::{WinEventError, quote};

/// Maximum number of channels in a bookmark.
pub const MAX_BOOKMARKS: usize = 1_024;
/// Maximum length of a bookmark in bytes.
const MAX_TEXT: usize = 512 << 10;
/// Maximum length of the name of a channel in bytes.
const MAX_CHANNEL: usize = 1_024;

/// Read position in one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bookmark {
    /// Name of the channel.
    pub channel: String,
    /// Number of the last event read.
    pub record_id: u64,
    /// Whether this is the position of the newest event of all channels.
    pub is_current: bool,
}

/// Read positions in the channels of a subscription.
///
/// A collector stores [`BookmarkList::text`], and returns it to the source unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BookmarkList {
    text: String,
    /// INVARIANT: each channel once, at most [`MAX_BOOKMARKS`].
    bookmarks: Vec<Bookmark>,
}

impl BookmarkList {
    /// Returns the list of these positions. Later positions replace earlier ones of the same channel.
    ///
    /// # Errors
    /// [`WinEventError::Limit`] for more than [`MAX_BOOKMARKS`] channels.
    pub fn new(bookmarks: impl IntoIterator<Item = Bookmark>) -> Result<Self, WinEventError> {
        let mut list = Self::default();
        for bookmark in bookmarks {
            list.insert(bookmark)?;
        }
        let mut writer = Writer::new();
        writer.start("BookmarkList");
        for bookmark in &list.bookmarks {
            writer.start("Bookmark").attribute("Channel", &bookmark.channel);
            writer.attribute("RecordId", &bookmark.record_id.to_string());
            if bookmark.is_current {
                writer.attribute("IsCurrent", "true");
            }
            writer.end_empty();
        }
        list.text = writer.finish();
        Ok(list)
    }

    /// Parses the XML of a bookmark.
    ///
    /// # Errors
    /// [`WinEventError`] if the text is not well-formed, exceeds a bound, or has another root element, or if
    /// a position has no channel or no number.
    pub fn parse(text: &str) -> Result<Self, WinEventError> {
        let bounds = Bounds { octets: MAX_TEXT, depth: 4, nodes: 4 * MAX_BOOKMARKS, ..Bounds::default() };
        let document = Document::parse(text, &bounds)?;
        let root = document.root();
        if root.name() != "BookmarkList" {
            return Err(WinEventError::WrongRoot { expected: "BookmarkList", found: quote(root.name()) });
        }
        let mut list = Self { text: text.to_owned(), bookmarks: Vec::new() };
        for element in root.children().filter(|child| child.name() == "Bookmark") {
            let channel = element.attribute("", "Channel").filter(|channel| !channel.is_empty());
            let channel = channel.ok_or(WinEventError::Missing { field: "Channel" })?.into_owned();
            if channel.len() > MAX_CHANNEL {
                return Err(WinEventError::value("Channel", &channel, "at most 1024 bytes"));
            }
            let record = element.attribute("", "RecordId").unwrap_or_default();
            let wrong = |_| WinEventError::value("RecordId", &record, "the number of an event");
            let record_id = record.trim().parse().map_err(wrong)?;
            let is_current = element.attribute("", "IsCurrent").is_some_and(|value| value == "true");
            list.insert(Bookmark { channel, record_id, is_current })?;
        }
        Ok(list)
    }

    fn insert(&mut self, bookmark: Bookmark) -> Result<(), WinEventError> {
        if let Some(known) =
            self.bookmarks.iter_mut().find(|known| is_same(&known.channel, &bookmark.channel))
        {
            *known = bookmark;
            return Ok(());
        }
        if self.bookmarks.len() >= MAX_BOOKMARKS {
            return Err(WinEventError::Limit { bound: "channels of a bookmark", maximum: MAX_BOOKMARKS });
        }
        self.bookmarks.push(bookmark);
        Ok(())
    }

    /// Returns the XML: as received for a parsed list.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the positions in the order of the text.
    #[must_use]
    pub fn bookmarks(&self) -> &[Bookmark] {
        &self.bookmarks
    }

    /// Returns the position in a channel, without regard to the case of ASCII letters.
    #[must_use]
    pub fn record_id(&self, channel: &str) -> Option<u64> {
        self.bookmarks.iter().find(|known| is_same(&known.channel, channel)).map(|known| known.record_id)
    }

    /// Returns whether this list is older than another one: a channel of both has a lower position here, and
    /// none has a higher one. A source that repeats a batch at another node sends such a bookmark.
    #[must_use]
    pub fn is_older_than(&self, other: &Self) -> bool {
        let mut is_behind = false;
        for mine in &self.bookmarks {
            match other.record_id(&mine.channel) {
                Some(theirs) if theirs > mine.record_id => is_behind = true,
                Some(theirs) if theirs < mine.record_id => return false,
                _ => {}
            }
        }
        is_behind
    }
}

fn is_same(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> BookmarkList {
        BookmarkList::parse(text).unwrap()
    }

    #[test]
    fn a_bookmark_is_kept_as_received() {
        let text = "<BookmarkList Direction='backward'><Bookmark Channel='Security' RecordId='149161' \
                    IsCurrent='true'/><Bookmark Channel=\"A &amp; B\" RecordId=\"2\"/></BookmarkList>";
        let bookmark = list(text);
        assert_eq!(bookmark.text(), text);
        assert_eq!(bookmark.record_id("security"), Some(149_161));
        let again = BookmarkList::new(bookmark.bookmarks().to_vec()).unwrap();
        assert_eq!(list(again.text()).bookmarks(), bookmark.bookmarks());
        assert!(again.text().contains("<Bookmark Channel=\"A &amp; B\" RecordId=\"2\"/>"));
    }

    #[test]
    fn an_older_bookmark_is_recognised_by_its_channels() {
        let of = |a: u64, b: u64| {
            list(&format!(
                "<BookmarkList><Bookmark Channel='a' RecordId='{a}'/><Bookmark Channel='b' RecordId='{b}'/>\
                 </BookmarkList>"
            ))
        };
        assert!(of(1, 2).is_older_than(&of(1, 3)));
        assert!(!of(1, 3).is_older_than(&of(1, 3)));
        assert!(!of(2, 2).is_older_than(&of(1, 3)));
        assert!(!of(1, 3).is_older_than(&list("<BookmarkList/>")));
    }

    #[test]
    fn wrong_bookmarks_are_rejected() {
        for text in [
            "<Bookmark/>",
            "<BookmarkList><Bookmark RecordId='1'/></BookmarkList>",
            "<BookmarkList><Bookmark Channel='a' RecordId='-1'/></BookmarkList>",
            "<BookmarkList><Bookmark Channel='a'/></BookmarkList>",
        ] {
            assert!(BookmarkList::parse(text).is_err(), "{text}");
        }
        let many = (0..=MAX_BOOKMARKS).map(|n| format!("<Bookmark Channel='{n}' RecordId='1'/>"));
        let text = format!("<BookmarkList>{}</BookmarkList>", many.collect::<String>());
        assert!(matches!(BookmarkList::parse(&text), Err(WinEventError::Limit { .. })));
    }
}
