//! Standard output and standard error, with control characters of remote text escaped on terminals.

use std::io::{self, IsTerminal as _, Stderr, Write};

use cli::HarmlessWriter;

/// Standard output: escaped on a terminal, unchanged in a pipe or file.
///
/// Commands that draw on the screen or forward a serial console write to standard output directly.
#[must_use]
pub fn out() -> Box<dyn Write> {
    let out = io::stdout();
    if out.is_terminal() { Box::new(HarmlessWriter::new(out)) } else { Box::new(out) }
}

/// Standard error, always escaped.
#[must_use]
pub fn errors() -> HarmlessWriter<Stderr> {
    HarmlessWriter::new(io::stderr())
}
