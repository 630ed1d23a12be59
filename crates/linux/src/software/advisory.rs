//! Installed advisories from the repositories of dnf (dnf(8), `updateinfo`).

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Kind, Update};
use crate::{Error, Machine, program};

/// Time limit for dnf.
const LIMIT: Duration = Duration::from_secs(30);

/// Returns an update for each advisory with a package that is installed in the fixed or a later version; none
/// if dnf is not installed.
///
/// # Errors
/// If dnf or the package database cannot be read.
pub(super) fn updates(machine: &Machine) -> Result<Vec<Update>, Error> {
    // Uses only dnf's cache, so that no query waits for the network.
    let mut words = vec!["-C".into(), "-q".into()];
    if !machine.is_this() {
        words.extend(["--installroot".into(), machine.path("").into_os_string()]);
    }
    words.extend(["updateinfo", "list", "--installed"].map(Into::into));
    let packages = machine.packages()?;
    // A map, because packages occur in many advisories, and there may be thousands of both.
    let named = packages
        .iter()
        .map(|one| (format!("{}-{}.{}", one.name, one.version, one.architecture), one.installed));
    let installed: HashMap<String, Option<i64>> = named.collect();
    let mut updates: BTreeMap<String, Update> = BTreeMap::new();
    let ended = program::lines_of_system("dnf", words, LIMIT, |text| {
        let Some(Line { id, kind, package }) = line(text) else { return };
        let update = updates.entry(id.to_owned()).or_insert_with(|| Update {
            id: id.to_owned(),
            kind,
            day: None,
            by: None,
        });
        // The latest installation date of the advisory's packages; unknown for packages replaced since.
        update.day = update.day.max(installed.get(package).copied().flatten().and_then(day));
    });
    let ended = match ended {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        ended => ended?,
    };
    if ended.code != 0 {
        return Err(Error::program("dnf", ended.stderr.trim()));
    }
    Ok(updates.into_values().collect())
}

fn day(seconds: i64) -> Option<Date> {
    Some(Timestamp::from_second(seconds).ok()?.to_zoned(TimeZone::system()).date())
}

/// A line of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line<'l> {
    id: &'l str,
    kind: Kind,
    package: &'l str,
}

/// Parses a line with an advisory, its type and a package. Version 5 of dnf adds headings, a severity column
/// and the date of issue.
fn line(line: &str) -> Option<Line<'_>> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (id, kind, package) = match fields.as_slice() {
        ["Name", "Type", ..] => return None,
        [id, kind, package] => (id, kind, package),
        [id, kind, _severity, package, _day, ..] => (id, kind, package),
        _ => return None,
    };
    // Version 4 appends the type to the severity: "Important/Sec.".
    let is_security = *kind == "security" || kind.ends_with("/Sec.");
    Some(Line { id, kind: if is_security { Kind::Security } else { Kind::Other }, package })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_both_versions_of_dnf_are_read() {
        let reported = |text: &'static str| line(text).map(|Line { id, kind, package }| (id, kind, package));
        let security = Some(("A-2026:1", Kind::Security, "app-2-1.noarch"));
        assert_eq!(reported("A-2026:1 Important/Sec. app-2-1.noarch"), security);
        assert_eq!(reported("A-2026:1  security  Important  app-2-1.noarch  2026-05-01 10:00:00"), security);
        assert_eq!(
            reported("A-2026:1 bugfix   app-2-1.noarch"),
            Some(("A-2026:1", Kind::Other, "app-2-1.noarch"))
        );
        for none in ["Name Type Severity Package Issued", "", "one", "one two"] {
            assert_eq!(reported(none), None, "{none}");
        }
    }
}
