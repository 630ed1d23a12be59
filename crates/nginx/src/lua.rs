//! Blocks of Lua code (`content_by_lua_block`), whose braces, strings and comments are those of Lua.

/// Returns the number of bytes before the brace that closes a block, or `None` if the code has no end.
pub(crate) fn block_length(code: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0_usize;
    loop {
        let rest = code.get(at..)?;
        let skipped = match *rest.first()? {
            b'{' => {
                depth = depth.checked_add(1)?;
                1
            }
            b'}' if depth == 0 => return Some(at),
            b'}' => {
                depth = depth.checked_sub(1)?;
                1
            }
            quote @ (b'"' | b'\'') => string_length(rest, quote)?,
            b'[' => long_bracket_length(rest)?,
            b'-' if rest.starts_with(b"--") => comment_length(rest)?,
            _ => 1,
        };
        at = at.checked_add(skipped)?;
    }
}

/// Returns the length of a string with its quotes.
fn string_length(rest: &[u8], quote: u8) -> Option<usize> {
    let mut escaped = false;
    for (index, byte) in rest.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            byte if *byte == quote => return index.checked_add(1),
            _ => {}
        }
    }
    None
}

/// Returns the length of a long bracket (`[==[ … ]==]`), or 1 if the bracket does not begin one.
fn long_bracket_length(rest: &[u8]) -> Option<usize> {
    let after = rest.get(1..)?;
    let level = after.iter().take_while(|byte| **byte == b'=').count();
    if after.get(level) != Some(&b'[') {
        return Some(1);
    }
    let mut close = vec![b']'];
    close.extend(std::iter::repeat_n(b'=', level));
    close.push(b']');
    let begin = close.len();
    let found = rest.get(begin..)?.windows(close.len()).position(|window| window == close)?;
    begin.checked_add(found)?.checked_add(close.len())
}

/// Returns the length of a comment.
fn comment_length(rest: &[u8]) -> Option<usize> {
    let after = rest.get(2..)?;
    if after.first() == Some(&b'[') {
        let length = long_bracket_length(after)?;
        if length > 1 {
            return length.checked_add(2);
        }
    }
    Some(rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()))
}

#[cfg(test)]
mod tests {
    use super::block_length;

    #[test]
    fn braces_in_strings_and_comments_do_not_count() {
        for code in [
            "local a = {}",
            "local a = '}'",
            "local a = \"\\\"}\"",
            "-- }\n",
            "--[[ } ]]",
            "--[==[ ]] } ]==]",
            "local a = [[}]]",
            "a[1] = 2",
            "a[b[1]] = {{}}",
        ] {
            let text = format!("{code}}} rest");
            assert_eq!(block_length(text.as_bytes()), Some(code.len()), "{code}");
        }
        for code in ["", "{", "'}", "--[[ }", "[[ }", "-- }"] {
            assert_eq!(block_length(code.as_bytes()), None, "{code}");
        }
    }
}
