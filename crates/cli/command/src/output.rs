//! Standard output and standard error, so that text of other machines cannot steer the terminal they lead to.

use std::io::{self, IsTerminal as _, Stderr, Write};

use cli::HarmlessWriter;

/// Standard output: harmless at a terminal, and as it is where another program reads it.
///
/// Programs that draw on the screen or pass on a serial console write to standard output themselves.
pub fn out() -> Box<dyn Write> {
    let out = io::stdout();
    if out.is_terminal() { Box::new(HarmlessWriter::new(out)) } else { Box::new(out) }
}

/// Standard error, always harmless.
pub fn errors() -> HarmlessWriter<Stderr> {
    HarmlessWriter::new(io::stderr())
}
