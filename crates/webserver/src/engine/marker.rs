//! Comments that Telarch writes at the beginning of a block: `# telarch-unit: shop.service`.

use std::ops::Range;

/// Beginning of the comment that names the site of a block.
pub(crate) const SITE: &str = "telarch-site: ";
/// Beginning of the comment with the unit that runs the servers of a pool.
pub(crate) const UNIT: &str = "telarch-unit: ";

/// A comment with a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Marker<'a> {
    pub(crate) value: &'a str,
    /// The comment with its line break.
    pub(crate) line: Range<usize>,
}

/// Edit of a comment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MarkerEdit {
    /// Replaces the line of the comment.
    Replace(Range<usize>, Vec<u8>),
    /// Adds a comment at the beginning of the block.
    Insert(String),
}

/// Returns the edit that gives the comment with this beginning another value, or removes it; `None` if there is nothing to
/// do.
pub(crate) fn edit(
    text: &[u8],
    range: Range<usize>,
    beginning: &str,
    value: Option<&str>,
) -> Option<MarkerEdit> {
    match (find(text, range, beginning), value) {
        (Some(known), None) => Some(MarkerEdit::Replace(known.line, Vec::new())),
        (Some(known), Some(value)) => {
            let line = text.get(known.line.clone()).unwrap_or_default();
            let indent = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            let mut new = line.get(..indent).unwrap_or_default().to_vec();
            new.extend_from_slice(format!("# {beginning}{value}\n").as_bytes());
            Some(MarkerEdit::Replace(known.line, new))
        }
        (None, value) => value.map(|value| MarkerEdit::Insert(format!("{beginning}{value}"))),
    }
}

/// Returns the first comment with this beginning in a range of a text.
pub(crate) fn find<'a>(text: &'a [u8], range: Range<usize>, beginning: &str) -> Option<Marker<'a>> {
    let head = str::from_utf8(text.get(range.clone())?).ok()?;
    let mut at = range.start;
    for line in head.split_inclusive('\n') {
        let end = at.saturating_add(line.len());
        let comment = line.trim().strip_prefix('#').map(str::trim_start);
        if let Some(value) = comment.and_then(|comment| comment.strip_prefix(beginning)) {
            return Some(Marker { value: value.trim(), line: at..end });
        }
        at = end;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_comment_with_the_beginning_is_found_with_its_line() {
        let text = b"{\n    # other\n    # telarch-unit: a.service\n    server x;\n}";
        let found = find(text, 1..text.len(), UNIT).unwrap();
        assert_eq!(
            (found.value, text.get(found.line)),
            ("a.service", Some(&b"    # telarch-unit: a.service\n"[..]))
        );
        let (line, all) = (14..44, 1..text.len());
        let changed = MarkerEdit::Replace(line.clone(), b"    # telarch-unit: b.service\n".to_vec());
        assert_eq!(edit(text, all.clone(), UNIT, Some("b.service")), Some(changed));
        assert_eq!(edit(text, all, UNIT, None), Some(MarkerEdit::Replace(line, Vec::new())));
        let added = MarkerEdit::Insert("telarch-unit: b.service".to_owned());
        assert_eq!(
            (edit(text, 1..12, UNIT, Some("b.service")), edit(text, 1..12, UNIT, None)),
            (Some(added), None)
        );
        assert_eq!(find(text, 1..12, UNIT), None);
        assert_eq!(find(b"# \xff\n# telarch-unit: a.service\n", 0..30, UNIT), None);
    }
}
