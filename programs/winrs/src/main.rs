//! `winrs`: runs a command on a local or remote machine.

use std::io::{self, Write};
use std::process::ExitCode;

use cli::connection::Login;
use cli::failure::{ExitCodes, Failure, Kind, Program};
use cli::help;
use cli::program::{Stop, arguments};
use cli::winrm::exit_codes;
use cli::winrs::{ExitCodeShown, Invocation, RemoteCommand, exit_status, parse_with, run_on, usage_failure};
use cli::{ClientSettings, Format, HarmlessWriter, SavedHosts, Screen};

fn main() -> ExitCode {
    let mut codes = ExitCodes::Plain;
    let status = match start(&mut codes) {
        Ok(status) => status,
        Err(stop) => {
            stop.report_on(&Screen::of_this_process(), Program::Winrs, Format::Text, codes, &mut io::stderr())
        }
    };
    ExitCode::from(status)
}

/// Executes the command line. Sets `codes` for the report of a failure.
fn start(codes: &mut ExitCodes) -> Result<u8, Stop> {
    let arguments = arguments(std::env::args_os())?;
    let page = match parse_with(&arguments, &SavedHosts::of_this_process()) {
        Ok(Invocation::Run(command)) => {
            *codes = command.exit_codes;
            return execute(*command);
        }
        Ok(Invocation::Help) => help::winrs(),
        Ok(_) => help::version("winrs"),
        Err(error) => {
            io::stderr().write_all(usage_failure(&error).as_bytes())?;
            return Ok(Kind::Usage.exit_status(exit_codes(&arguments)));
        }
    };
    io::stdout().write_all(page.as_bytes())?;
    Ok(0)
}

fn execute(command: RemoteCommand) -> Result<u8, Stop> {
    let (mut out, mut errors) = (io::stdout().lock(), io::stderr());
    // Output of the remote command is written unchanged; messages are filtered.
    warn(&command, &mut HarmlessWriter::new(io::stderr()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::here(Kind::Connect, format!("cannot start: {error}")))?;
    let shown = command.exit_code;
    let exit_code = runtime.block_on(run_on(
        &Screen::of_this_process(),
        command,
        &ClientSettings::of_this_process(),
        &mut out,
        &mut errors,
    ))?;
    if shown == ExitCodeShown::Yes {
        writeln!(errors, "winrs: exit code {exit_code}")?;
    }
    Ok(exit_status(exit_code))
}

/// Prints notices, and on a terminal a warning if other users can see the password.
fn warn(command: &RemoteCommand, errors: &mut impl Write) {
    for notice in &command.notices {
        let _ = writeln!(errors, "winrs: {notice}");
    }
    let Login::Password { password, .. } = &command.connection.login else { return };
    if let Some(warning) = password.warning().filter(|_| io::IsTerminal::is_terminal(&io::stderr())) {
        // An error while writing the warning does not stop the command.
        let _ = writeln!(errors, "winrs: {warning}");
    }
}
