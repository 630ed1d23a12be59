//! Database of rpm, read through the program, because the file format is private to rpm.

use std::io;
use std::time::Duration;

use super::Package;
use crate::Machine;
use crate::program::of_system;

/// Separators of fields and packages; they do not occur in texts of packages.
const FIELD: char = '\u{1f}';
const PACKAGE: char = '\u{1e}';

/// Returns the packages that `rpm -qa` lists for a database directory.
///
/// # Errors
/// If rpm cannot be run, or fails.
pub fn packages(machine: &Machine, folder: &str) -> io::Result<Vec<Package>> {
    let fields = [
        "%{NAME}",
        "%{EVR}",
        "%{ARCH}",
        "%{VENDOR}",
        "%{GROUP}",
        "%{URL}",
        "%{SUMMARY}",
        "%{LONGSIZE}",
        "%{INSTALLTIME}",
        "%{BUGURL}",
    ];
    let format = format!("{}{PACKAGE}", fields.join(&FIELD.to_string()));
    let mut words = vec!["--root".into(), machine.path("").into_os_string()];
    words.extend(["--dbpath".into(), format!("/{folder}").into()]);
    words.extend(["-qa".into(), "--qf".into(), format.into()]);
    let ended = of_system("rpm", words, LIMIT)?;
    match ended.code {
        0 => Ok(parse(&ended.stdout)),
        _ => Err(io::Error::other(ended.stderr.trim().to_owned())),
    }
}

/// Time limit of rpm: thousands of packages take seconds, and the database may be locked.
const LIMIT: Duration = Duration::from_secs(30);

/// Parses output of `rpm -qa` with the separators of [`packages`].
pub fn parse(text: &str) -> Vec<Package> {
    // Signature keys are listed as packages without architecture.
    text.split(PACKAGE).filter_map(parse_package).filter(|package| package.architecture != "(none)").collect()
}

fn parse_package(line: &str) -> Option<Package> {
    let fields: Vec<&str> = line.split(FIELD).collect();
    let [name, version, architecture, vendor, group, url, summary, size, installed, bugs] = fields.as_slice()
    else {
        return None;
    };
    Some(Package {
        name: (*name).to_owned(),
        version: (*version).to_owned(),
        architecture: (*architecture).to_owned(),
        maintainer: known(vendor),
        section: known(group),
        homepage: known(url),
        bugs: known(bugs),
        summary: known(summary),
        size: size.parse::<u64>().ok().map(|octets| octets.div_ceil(1024)),
        installed: installed.parse().ok(),
    })
}

/// Returns a value; `None` if rpm has none.
fn known(text: &str) -> Option<String> {
    (!matches!(text, "" | "(none)")).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rpm_output_is_parsed() {
        let text = "bash\u{1f}5.2-1\u{1f}x86_64\u{1f}Somebody\u{1f}(none)\u{1f}https://bash.example\u{1f}A shell\u{1f}2049\u{1f}1700000000\u{1f}(none)\u{1e}\
                    gpg-pubkey\u{1f}1-1\u{1f}(none)\u{1f}\u{1f}\u{1f}\u{1f}\u{1f}0\u{1f}1\u{1f}(none)\u{1e}";
        let packages = parse(text);
        let [package] = packages.as_slice() else { panic!("keys are no packages: {packages:?}") };
        assert_eq!((package.name.as_str(), package.size), ("bash", Some(3)));
        assert_eq!(package.section, None);
    }
}
