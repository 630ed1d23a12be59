//! File transfer commands for a POSIX shell with `sha256sum`.

use super::{Dialect, End};

/// Machine with a POSIX shell.
pub(super) struct Posix;

impl Dialect for Posix {
    fn receive(&self, path: &str, digest: &str) -> String {
        let (path, part) =
            (quoted(path), quoted(&format!("{path}.{}.part", digest.get(..16).unwrap_or(digest))));
        // `set -C` creates the temporary file exclusively, so that no other user can prepare it.
        format!(
            "f={path}; t={part}; \
             if [ -d \"$f\" ]; then echo \"$f is a directory\" >&2; exit 1; fi; \
             rm -f -- \"$t\"; set -C; \
             cat >\"$t\" || exit 1; \
             if [ \"$(sha256sum <\"$t\" | cut -c 1-64)\" != {digest} ]; then \
             rm -f -- \"$t\"; echo 'the SHA-256 of the received data does not match' >&2; exit 1; fi; \
             if [ -e \"$f\" ]; then chmod --reference=\"$f\" -- \"$t\" 2>/dev/null; fi; \
             mv -f -- \"$t\" \"$f\" || {{ rm -f -- \"$t\"; exit 1; }}; \
             cd -- \"$(dirname -- \"$f\")\" && printf '%s/%s\\n' \"$(pwd -P)\" \"$(basename -- \"$f\")\""
        )
    }

    fn send(&self, path: &str) -> String {
        let path = quoted(path);
        format!(
            "f={path}; if [ -d \"$f\" ]; then echo \"$f is a directory\" >&2; exit 1; fi; \
             exec 3<\"$f\" || exit 1; sha256sum <\"$f\" | cut -c 1-64 >&2; cat <&3"
        )
    }

    fn encode(&self, octets: &[u8]) -> Vec<u8> {
        octets.to_vec()
    }

    fn decode(&self, text: &mut Vec<u8>, _end: End) -> Result<Vec<u8>, String> {
        Ok(std::mem::take(text))
    }
}

/// Quotes a word for POSIX shells (Shell Command Language 2.2.2); a leading dash cannot be mistaken for an option.
fn quoted(text: &str) -> String {
    let text = if text.starts_with('-') { format!("./{text}") } else { text.to_owned() };
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_is_quoted_as_one_word() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's $HOME;`x`"), "'it'\\''s $HOME;`x`'");
        assert_eq!(quoted("-rf"), "'./-rf'");
    }
}
