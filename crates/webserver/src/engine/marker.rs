//! Comments that Telarch writes at the beginning of a block: `# telarch-unit: shop.service`.

use std::ops::Range;

/// Beginning of the comment with the unit that runs the servers of a pool.
pub(crate) const UNIT: &str = "telarch-unit: ";

/// A comment with a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Marker<'a> {
    pub(crate) value: &'a str,
    /// The comment with its line break.
    pub(crate) line: Range<usize>,
}

impl Marker<'_> {
    /// Returns the line with another value; empty without one. `text` is the text in which the comment was found.
    pub(crate) fn rewritten(&self, text: &[u8], beginning: &str, value: Option<&str>) -> Vec<u8> {
        let Some(value) = value else { return Vec::new() };
        let line = text.get(self.line.clone()).unwrap_or_default();
        let indent = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let mut new = line.get(..indent).unwrap_or_default().to_vec();
        new.extend_from_slice(format!("# {beginning}{value}\n").as_bytes());
        new
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
        let found = find(text, 1..text.len(), UNIT).unwrap();
        assert_eq!(found.rewritten(text, UNIT, Some("b.service")), b"    # telarch-unit: b.service\n");
        assert_eq!(found.rewritten(text, UNIT, None), b"");
        assert_eq!(find(text, 1..12, UNIT), None);
        assert_eq!(find(b"# \xff\n# telarch-unit: a.service\n", 0..30, UNIT), None);
    }
}
