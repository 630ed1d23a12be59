//! Limits of values, so that every row fits into a message.
//!
//! Ordinary users control the length of command lines and log records. A row that does not fit into a message
//! ends its enumeration, so a single such process would hide all others from the administrator.

use std::borrow::Cow;

use cim::Value;

/// Maximum length of a property in bytes of XML: three such properties, or an event with two such instances,
/// still fit into the 150 KiB that most clients accept.
pub(crate) const LONGEST: usize = 48 << 10;

/// Maximum length of an escaped character.
const DEAREST: usize = "&quot;".len();

/// Length of the tags of an array element.
const TAGS: usize = 64;

/// Returns the value, truncated if it is too long.
pub(crate) fn sendable(value: Value) -> Value {
    match value {
        Value::String(text) if text.len() > LONGEST / DEAREST => Value::String(cut(text, &mut { LONGEST })),
        Value::Array(values) if is_long(&values) => {
            let mut room = LONGEST;
            let fitting = values.into_iter().map_while(|value| {
                room = room.checked_sub(TAGS)?;
                Some(match value {
                    Value::String(text) => Value::String(cut(text, &mut room)),
                    other => other,
                })
            });
            Value::Array(fitting.collect())
        }
        other => other,
    }
}

/// Returns the length of a text in XML as an array element.
pub(crate) fn room_for(text: &str) -> usize {
    text.chars().map(cost).fold(TAGS, usize::saturating_add)
}

fn is_long(values: &[Value]) -> bool {
    values.iter().map(|value| TAGS + value.as_str().map_or(0, |text| text.len() * DEAREST)).sum::<usize>()
        > LONGEST
}

/// Returns the longest prefix of a text that fits into `room`, and reduces `room` by its length.
pub(crate) fn cut(text: Cow<'static, str>, room: &mut usize) -> Cow<'static, str> {
    let end = text.char_indices().find_map(|(at, character)| {
        let left = room.checked_sub(cost(character));
        *room = left.unwrap_or(*room);
        left.is_none().then_some(at)
    });
    match (end, text) {
        (None, text) => text,
        (Some(end), Cow::Borrowed(text)) => Cow::Borrowed(text.get(..end).unwrap_or_default()),
        (Some(end), Cow::Owned(mut text)) => {
            text.truncate(end);
            // Rows may be stored by subscriptions, so the memory of the removed part is released.
            text.shrink_to_fit();
            Cow::Owned(text)
        }
    }
}

/// Returns the length of a character in XML.
fn cost(character: char) -> usize {
    match character {
        '<' | '>' | '&' | '"' | '\'' | '\r' => DEAREST,
        other => other.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the minimum size of a text value when written as a property.
    fn written(value: &Value) -> usize {
        let text = value.as_str().expect("it is a text");
        text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").len()
    }

    #[test]
    fn text_is_shortened_to_the_message_limit() {
        for letters in ["a", "&", "\"", "ü", "\u{1f980}", "\u{1}", "<\u{fffd}"] {
            let octets = written(&sendable(letters.repeat(1 << 20).into()));
            assert!((LONGEST / 2..=LONGEST).contains(&octets), "{letters}: {octets}");
        }
    }

    #[test]
    fn short_values_are_unchanged() {
        let text = Value::from("a".repeat(LONGEST));
        assert_eq!(sendable(text.clone()), text);
        let words = Value::from(vec!["a".repeat(20_000), "b".to_owned()]);
        assert_eq!(sendable(words.clone()), words);
        assert_eq!(sendable(Value::Null), Value::Null);
    }

    #[test]
    fn long_text_arrays_are_truncated() {
        let cut = sendable(vec!["x".to_owned(); 100_000].into());
        assert_eq!(cut.elements().len(), LONGEST / (TAGS + 1));
        let cut = sendable(vec!["x".repeat(LONGEST), "y".to_owned()].into());
        let lengths: Vec<_> = cut.elements().iter().map(|text| text.as_str().map_or(0, str::len)).collect();
        assert_eq!(lengths, [LONGEST - TAGS]);
    }

    #[test]
    fn truncated_texts_free_their_memory() {
        let room = |value: &Value| match value {
            Value::String(Cow::Owned(text)) => text.capacity(),
            other => panic!("{other:?}"),
        };
        assert!(room(&sendable("x".repeat(1 << 20).into())) <= LONGEST);
        let words = sendable(vec!["x".repeat(1 << 20), "y".to_owned()].into());
        assert!(words.elements().iter().map(room).sum::<usize>() <= LONGEST);
    }
}
