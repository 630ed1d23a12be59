//! Arguments of the module in the configuration of PAM.

use std::path::PathBuf;

/// Arguments of the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Account file of the service.
    pub(crate) accounts: PathBuf,
    /// Directory with the host key.
    pub(crate) state: PathBuf,
    /// Smallest UID of users whose hashes are stored; `None` for `UID_MIN` of `/etc/login.defs`.
    pub(crate) min_uid: Option<u32>,
    /// Whether hashes of users with UID 0 are stored.
    pub(crate) root: Root,
    /// Group whose members' hashes are stored; `None` for all users.
    pub(crate) group: Option<String>,
    /// Whether users that are left out are logged.
    pub(crate) log: LogLevel,
}

/// Whether hashes of users with UID 0 are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    Excluded,
    Allowed,
}

/// Messages that are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogLevel {
    /// Changes and errors.
    Normal,
    /// Also why a user is left out.
    Debug,
}

/// An argument that the module does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown or invalid argument \"{0}\"; no NT hash is stored")]
pub(crate) struct OptionError(String);

impl OptionError {
    fn new(argument: &str) -> Self {
        Self(argument.chars().take(MAX_SHOWN).collect())
    }
}

impl Options {
    /// Parses the arguments.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, OptionError> {
        let mut options = Self {
            accounts: PathBuf::from("/etc/telarch/accounts"),
            state: PathBuf::from("/var/lib/telarch"),
            min_uid: None,
            root: Root::Excluded,
            group: None,
            log: LogLevel::Normal,
        };
        for argument in arguments {
            match argument.split_once('=') {
                Some(("accounts", path)) => {
                    options.accounts = absolute(path).ok_or_else(|| OptionError::new(argument))?;
                }
                Some(("state", path)) => {
                    options.state = absolute(path).ok_or_else(|| OptionError::new(argument))?;
                }
                Some(("min_uid", uid)) => {
                    options.min_uid = Some(uid.parse().map_err(|_| OptionError::new(argument))?);
                }
                Some(("group", group)) if !group.is_empty() => options.group = Some(group.to_owned()),
                None if argument == "allow_root" => options.root = Root::Allowed,
                None if argument == "debug" => options.log = LogLevel::Debug,
                _ => return Err(OptionError::new(argument)),
            }
        }
        Ok(options)
    }
}

/// Returns an absolute path. A relative one would depend on the program that signs in.
fn absolute(path: &str) -> Option<PathBuf> {
    Some(PathBuf::from(path)).filter(|path| path.is_absolute())
}

/// Maximum number of characters of an argument in a message.
const MAX_SHOWN: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, OptionError> {
        Options::parse(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn defaults_exclude_root_and_use_the_files_of_the_service() {
        let options = parse(&[]).unwrap();
        assert_eq!(options.accounts, PathBuf::from("/etc/telarch/accounts"));
        assert_eq!(options.state, PathBuf::from("/var/lib/telarch"));
        assert_eq!((options.min_uid, options.root, options.group), (None, Root::Excluded, None));
    }

    #[test]
    fn arguments_are_parsed_and_mistakes_are_rejected() {
        let options =
            parse(&["accounts=/a", "state=/s", "min_uid=500", "group=staff", "allow_root", "debug"]).unwrap();
        assert_eq!((options.accounts, options.state), (PathBuf::from("/a"), PathBuf::from("/s")));
        assert_eq!((options.min_uid, options.root), (Some(500), Root::Allowed));
        assert_eq!((options.group.as_deref(), options.log), (Some("staff"), LogLevel::Debug));
        for wrong in ["accounts=a", "state=", "min_uid=x", "group=", "root", "allow_root=1", "=", ""] {
            assert_eq!(parse(&["debug", wrong]), Err(OptionError(wrong.to_owned())), "{wrong}");
        }
    }
}
