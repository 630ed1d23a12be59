//! `wecutil`: manages the subscriptions of the collector of events on this machine.

use std::io;
use std::process::ExitCode;

use cli_command::output;
use cli_events::wecutil::{Places, Streams, ToolError, run};

fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let (mut out, mut errors) = (output::out(), output::errors());
    let mut input = io::stdin().lock();
    let mut streams = Streams { input: &mut input, out: &mut out, errors: &mut errors };
    let result = Places::of_this_process().and_then(|places| run(&words, &places, &mut streams));
    match result.and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the output has enough.
        Err(ToolError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error cannot be written either, the exit status is the only report.
            let _ = io::Write::write_fmt(&mut errors, format_args!("{error}\n"));
            ExitCode::from(error.status())
        }
    }
}
