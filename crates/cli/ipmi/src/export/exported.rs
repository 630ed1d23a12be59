//! Pages of the exporter.

use std::sync::Arc;

use metrics::Pages;

use super::super::prometheus::Page;
use super::ExportedHost;
use super::page::Collector;

/// Controllers whose metrics are served.
pub(super) struct Exported(pub(super) Arc<[ExportedHost]>);

impl Pages for Exported {
    fn page(&self, path: &str, query: &str) -> metrics::Page {
        let mut page = Page::default();
        match path {
            "/" => return metrics::Page::text(200, "telarch ipmi export: /metrics, or /ipmi?target=HOST\n"),
            "/metrics" => self.0.iter().for_each(|one| page.append(&one.host.to_string(), one.page(None))),
            "/ipmi" => match self.of_target(query) {
                Ok(found) => page = found,
                Err(error) => return metrics::Page::text(400, error),
            },
            _ => return metrics::Page::text(404, "not found; use /metrics or /ipmi?target=HOST\n"),
        }
        metrics::Page::prometheus(page.to_text())
    }
}

impl Exported {
    /// Returns the metrics of one controller, or the text of the error.
    fn of_target(&self, query: &str) -> Result<Page, String> {
        let wanted = parameter(query, "target").ok_or("the parameter target is missing\n")?;
        // As in ipmi_exporter, an unknown module is an error.
        let collector = match parameter(query, "module").as_deref() {
            None | Some("" | "default") => None,
            Some(module) => {
                let known = Collector::ALL.into_iter().find(|collector| collector.name() == module);
                let names = Collector::ALL.map(Collector::name).join(", ");
                Some(known.ok_or_else(|| format!("unknown module; expected default or one of {names}\n"))?)
            }
        };
        // Only controllers of the command line are exported: a client that could choose any target would receive the
        // credentials.
        let found = self.0.iter().find(|one| one.host.is_named(&wanted)).ok_or(NOT_EXPORTED)?;
        // The target is a label that Prometheus adds, as with ipmi_exporter.
        Ok(found.page(collector))
    }
}

/// Returns the decoded value of a parameter of a query (RFC 3986, 2.1); `None` if it is missing or not valid.
fn parameter(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let encoded = { pairs }.find(|(known, _)| *known == name).map(|(_, value)| value)?;
    let mut octets = encoded.bytes();
    let mut decoded = Vec::with_capacity(encoded.len());
    while let Some(octet) = octets.next() {
        decoded.push(match octet {
            b'%' => {
                let digits = [octets.next()?, octets.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            octet => octet,
        });
    }
    String::from_utf8(decoded).ok()
}

const NOT_EXPORTED: &str = "this target is not exported; name it at the start of the exporter with -H, which takes \
    lists, ranges, networks and files: -H bmc[01-20].example.com,10.0.7.0/24 or -H @FILE\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_or_missing() {
        let query = "module=bmc-watchdog&target=%5B2001%3adb8::1%5d:6230&empty=";
        assert_eq!(parameter(query, "target").as_deref(), Some("[2001:db8::1]:6230"));
        assert_eq!(parameter(query, "module").as_deref(), Some("bmc-watchdog"));
        assert_eq!(parameter(query, "empty").as_deref(), Some(""));
        assert_eq!(parameter(query, "get"), None);
        for invalid in ["target=%", "target=%4", "target=%zz", "target=%ff"] {
            assert_eq!(parameter(invalid, "target"), None, "{invalid}");
        }
    }
}
