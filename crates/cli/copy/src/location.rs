//! Sources and destinations: local paths, and paths on a machine.

use std::path::PathBuf;

use copy::RemotePath;

/// Source or destination of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// Path on this machine.
    Local(PathBuf),
    /// Path on another machine.
    Remote {
        /// Name or URL of the machine; `None` if switches select it.
        machine: Option<String>,
        path: RemotePath,
    },
}

impl Location {
    /// Parses a word. As in `scp`, a word with a slash before its first colon is a local path.
    pub(super) fn parse(word: &str) -> Self {
        match machine_length(word).and_then(|length| Some((word.get(..length)?, word.get(length + 1..)?))) {
            Some((machine, path)) => {
                let machine = (!machine.is_empty()).then(|| machine.to_owned());
                Self::Remote { machine, path: RemotePath::from(path) }
            }
            None => Self::Local(PathBuf::from(word)),
        }
    }
}

/// Returns the length of the machine at the beginning of a word, in front of a colon; `None` for a local path.
fn machine_length(word: &str) -> Option<usize> {
    let Some(scheme) = ["http://", "https://"].into_iter().find(|scheme| word.starts_with(scheme)) else {
        let length = host_length(word)?;
        return word.get(length..)?.starts_with(':').then_some(length);
    };
    let authority = word.get(scheme.len()..)?;
    let mut length = scheme.len() + host_length(authority).or_else(|| authority.find('/'))?;
    let after_host = word.get(length..)?;
    // A number between two colons, or between a colon and a slash, is a port.
    if let Some(rest) = after_host.strip_prefix(':') {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let is_port = digits > 0 && rest.get(digits..).is_some_and(|rest| rest.starts_with([':', '/']));
        // The slash of a URL prefix ends at the next colon; a path cannot follow the port directly.
        if is_port && word.get(length + 1 + digits..)?.contains(':') {
            length += 1 + digits;
        }
    }
    let rest = word.get(length..)?;
    if rest.starts_with('/') {
        length += rest.find(':')?;
    }
    word.get(length..)?.starts_with(':').then_some(length)
}

/// Returns the length of a host name, or of an IPv6 address in brackets; `None` if a slash comes before a colon.
fn host_length(text: &str) -> Option<usize> {
    if text.starts_with('[') {
        let end = text.find(']')?;
        return text.get(..end)?.find('/').is_none().then_some(end + 1);
    }
    let end = text.find([':', '/'])?;
    text.get(end..)?.starts_with(':').then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_and_local_paths_are_distinguished_as_by_scp() {
        for (word, machine, path) in [
            ("server7:/etc/motd", Some("server7"), "/etc/motd"),
            ("server7:", Some("server7"), "."),
            ("server7:a:b", Some("server7"), "a:b"),
            ("win3:C:\\Temp", Some("win3"), "C:\\Temp"),
            (".:/tmp/x", Some("."), "/tmp/x"),
            ("[::1]:/tmp/x", Some("[::1]"), "/tmp/x"),
            (":/etc/motd", None, "/etc/motd"),
            ("https://server7:/etc/motd", Some("https://server7"), "/etc/motd"),
            ("https://server7:5986:/etc/motd", Some("https://server7:5986"), "/etc/motd"),
            ("http://127.0.0.1:5985/wsman:a b", Some("http://127.0.0.1:5985/wsman"), "a b"),
            ("http://[::1]:5985:x", Some("http://[::1]:5985"), "x"),
            ("http://h:80:/x:y", Some("http://h:80"), "/x:y"),
            ("http://h:123", Some("http://h"), "123"),
        ] {
            let machine = machine.map(str::to_owned);
            let expected = Location::Remote { machine, path: RemotePath::from(path) };
            assert_eq!(Location::parse(word), expected, "{word}");
        }
        for word in ["a", "./a:b", "/a:b", "dir/a:b", "", "~/x", "[abc", "[a/b]:c", "-"] {
            assert_eq!(Location::parse(word), Location::Local(PathBuf::from(word)), "{word}");
        }
    }
}
