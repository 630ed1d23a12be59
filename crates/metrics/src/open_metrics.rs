//! Reader of the text format of OpenMetrics, as this service writes it.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// Metric with its samples.
#[derive(Debug)]
pub(crate) struct Family<'p> {
    pub(crate) name: &'p str,
    /// Type, such as `counter`.
    pub(crate) kind: &'p str,
    pub(crate) unit: &'p str,
    pub(crate) help: &'p str,
    pub(crate) samples: Vec<Sample<'p>>,
}

/// Value of a metric.
#[derive(Debug)]
pub(crate) struct Sample<'p> {
    /// Name with the suffix of the type, such as `_total`.
    pub(crate) name: &'p str,
    pub(crate) labels: BTreeMap<&'p str, Cow<'p, str>>,
    pub(crate) value: &'p str,
}

/// Returns the metrics of a page. Samples without a type, and lines with errors, are omitted.
pub(crate) fn families(page: &str) -> Vec<Family<'_>> {
    let mut families: Vec<Family<'_>> = Vec::new();
    for line in page.lines() {
        let Some(comment) = line.strip_prefix("# ") else {
            if let (Some(sample), Some(family)) = (sample(line), families.last_mut())
                && sample.name.starts_with(family.name)
            {
                family.samples.push(sample);
            }
            continue;
        };
        let mut words = comment.splitn(3, ' ');
        let (Some(keyword), Some(name), rest) = (words.next(), words.next(), words.next()) else { continue };
        if families.last().is_none_or(|family| family.name != name) {
            families.push(Family { name, kind: "", unit: "", help: "", samples: Vec::new() });
        }
        let Some(family) = families.last_mut() else { continue };
        match keyword {
            "TYPE" => family.kind = rest.unwrap_or_default(),
            "UNIT" => family.unit = rest.unwrap_or_default(),
            "HELP" => family.help = rest.unwrap_or_default(),
            _ => {}
        }
    }
    families
}

/// Parses `name{label="value",…} value`.
fn sample(line: &str) -> Option<Sample<'_>> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at_checked(end)?;
    let mut labels = BTreeMap::new();
    if let Some(mut inner) = rest.strip_prefix('{') {
        while !inner.starts_with('}') {
            let (label, after) = inner.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.insert(label, value);
            inner = after.strip_prefix(',').unwrap_or(after);
        }
        rest = inner.strip_prefix('}')?;
    }
    let value = rest.split_whitespace().next()?;
    Some(Sample { name, labels, value })
}

/// Returns the text before the next quotation mark, and the rest after it.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => {
                let (_, rest) = text.split_at_checked(at.saturating_add(1))?;
                return Some((Cow::Owned(value), rest));
            }
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_unescaped_and_broken_lines_are_omitted() {
        let page = "# HELP a_seconds Time.\n# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n\
                    a_seconds{x=\"1,\\\"}\\\\\\n\",y=\"ü\"} 2.5\na_seconds{x=\"\na_seconds\nb 1\n# EOF\n";
        let families = families(page);
        let [family] = &families[..] else { panic!("{families:?}") };
        assert_eq!((family.kind, family.unit, family.help), ("gauge", "seconds", "Time."));
        let [sample] = &family.samples[..] else { panic!("{family:?}") };
        let labels: Vec<_> = sample.labels.iter().map(|(name, value)| (*name, &**value)).collect();
        assert_eq!((labels, sample.value), (vec![("x", "1,\"}\\\n"), ("y", "ü")], "2.5"));
    }
}
