//! Shares of Samba, from the output of `testparm` and the files of `net usershare`.

use std::time::Duration;

use super::{Kind, Origin, Share, access};
use crate::listing::{Listing, if_present};
use crate::{Error, Machine, program};

/// Path of Samba's configuration.
pub const CONFIGURATION: &str = "etc/samba/smb.conf";

/// Time limit for `testparm` and `net`.
pub const LIMIT: Duration = Duration::from_secs(10);

/// Maximum number of user share files examined.
const MAX_USER_SHARES: usize = 10_000;

/// Maximum length read of each file in bytes, as in Samba. Links to one large file may look like many shares.
const MAX_USER_SHARE: u64 = 10 << 10;

/// Returns all shares; none if Samba is not installed.
///
/// # Errors
/// If the configuration cannot be read. A folder of user shares that cannot be read is a failure of the list.
pub fn shares(machine: &Machine) -> Result<Listing<Share>, Error> {
    let configuration = machine.path(CONFIGURATION);
    if !configuration.exists() {
        return Ok(Listing::default());
    }
    let arguments = ["-s".as_ref(), "-v".as_ref(), configuration.as_os_str()];
    let printed = match program::of_system("testparm", arguments, LIMIT) {
        // A configuration left by a removed Samba shares nothing.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Listing::default()),
        printed => printed.map_err(|error| failed(&error.to_string()))?,
    };
    if printed.code != 0 {
        return Err(failed(printed.stderr.lines().last().unwrap_or_default()));
    }
    let sections = sections(&printed.stdout);
    let global = sections.iter().find(|section| section.name == "global");
    let mut shares = vec![Share {
        name: "IPC$".to_owned(),
        path: String::new(),
        remark: global.and_then(|global| global.value("server string")).unwrap_or_default().to_owned(),
        kind: Kind::Pipes,
        limit: 0,
        origin: Origin::Configuration { is_read_only: false },
    }];
    let shared = sections.iter().filter(|section| section.is_share());
    shares.extend(shared.map(|section| Settings { section, global }.share()));
    let allowed =
        global.and_then(|global| global.value("usershare max shares")).is_some_and(|most| most != "0");
    if let Some(folder) = global.and_then(|global| global.value("usershare path")).filter(|_| allowed) {
        let Listing { found, failure } = users(machine, folder);
        // A share in the configuration takes precedence over a user share of the same name.
        let free: Vec<Share> = found
            .into_iter()
            .filter(|share| !shares.iter().any(|taken| taken.has_name(&share.name)))
            .collect();
        shares.extend(free);
        return Ok(Listing { found: shares, failure });
    }
    Ok(Listing { found: shares, failure: None })
}

/// Settings of a share.
struct Settings<'s> {
    section: &'s Section,
    /// Section with the values of settings that are missing from the other, which `-v` prints in full.
    global: Option<&'s Section>,
}

impl Settings<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.section.value(name).or_else(|| self.global?.value(name))
    }

    fn is_yes(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value.eq_ignore_ascii_case("yes"))
    }

    fn share(&self) -> Share {
        let limit = self.value("max connections").and_then(|number| number.parse().ok());
        Share {
            name: self.section.name.clone(),
            path: self.value("path").unwrap_or_default().to_owned(),
            remark: self.value("comment").unwrap_or_default().to_owned(),
            kind: if self.is_yes("printable") { Kind::Printer } else { Kind::Folder },
            limit: limit.unwrap_or_default(),
            origin: Origin::Configuration { is_read_only: self.is_yes("read only") },
        }
    }
}

/// Returns the user shares, sorted by name.
fn users(machine: &Machine, folder: &str) -> Listing<Share> {
    let mut shares = Listing::default();
    let names = if_present(folder, machine.names_up_to(folder, MAX_USER_SHARES)).unwrap_or_else(|error| {
        shares.fail(error);
        Vec::new()
    });
    let mut names: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
    names.sort_unstable();
    // Samba writes temporary files whose names begin with a colon.
    let names = names.into_iter().filter(|name| !name.starts_with([':', '.']));
    // Any user may place a file here that cannot be read, so that one is not a failure of the others.
    shares.found.extend(names.filter_map(|name| {
        let text = machine.text_of_others_up_to(format!("{folder}/{name}"), MAX_USER_SHARE).ok()?;
        user_share(&name, &text)
    }));
    shares
}

/// Parses a file of `net usershare`; `None` if it is malformed.
pub fn user_share(file: &str, text: &str) -> Option<Share> {
    let mut lines = text.lines();
    lines.next().filter(|line| matches!(line.trim(), "#VERSION 1" | "#VERSION 2"))?;
    let fields = lines.filter_map(|line| line.split_once('='));
    let values = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let section = Section { name: file.to_owned(), values };
    Some(Share {
        name: section.value("sharename").unwrap_or(file).to_owned(),
        path: section.value("path").filter(|path| path.starts_with('/'))?.to_owned(),
        remark: section.value("comment").unwrap_or_default().to_owned(),
        kind: Kind::Folder,
        limit: 0,
        origin: Origin::Users(access::parse(section.value("usershare_acl").unwrap_or_default())),
    })
}

/// A section of the configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct Section {
    /// Name in brackets.
    pub name: String,
    /// Names and values of the parameters.
    pub values: Vec<(String, String)>,
}

impl Section {
    fn value(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Returns whether the section defines an available share, not defaults or templates.
    fn is_share(&self) -> bool {
        !matches!(self.name.as_str(), "global" | "homes" | "printers")
            && self.value("available").is_none_or(|value| value.eq_ignore_ascii_case("yes"))
    }
}

/// Parses the output of `testparm`: a parameter on each line, under its canonical name.
pub fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sections.push(Section { name: name.to_owned(), values: Vec::new() });
        } else if let (Some(section), Some((name, value))) = (sections.last_mut(), line.split_once('=')) {
            section.values.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    sections
}

fn failed(problem: &str) -> Error {
    Error::program("testparm", format!("cannot read the Samba configuration: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_share_files_are_parsed_or_rejected() {
        let text =
            "#VERSION 2\npath=/srv/x=y\ncomment=a = b\nusershare_acl=S-1-1-0:F\nguest_ok=n\nsharename=Test\n";
        let share = user_share("test", text).expect("it is one");
        assert_eq!((&*share.name, &*share.path, &*share.remark), ("Test", "/srv/x=y", "a = b"));
        for none in ["", "#VERSION 3\npath=/srv\n", "#VERSION 2\npath=srv\n", "#VERSION 2\n", "path=/srv\n"] {
            assert_eq!(user_share("test", none), None, "{none:?}");
        }
    }

    #[test]
    fn sections_are_read_line_by_line() {
        let text = "# Global parameters\n[global]\n\tworkgroup = X\n\n[a b]\n\tpath = /srv\n\tcomment = \n";
        let read = sections(text);
        let [global, share] = read.as_slice() else { panic!("{read:?}") };
        assert_eq!((&*global.name, &*share.name), ("global", "a b"));
        assert_eq!((share.value("path"), share.value("comment")), (Some("/srv"), Some("")));
    }
}
