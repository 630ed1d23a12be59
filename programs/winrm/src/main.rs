//! `winrm`: manages local and remote machines over WS-Management.

use std::io::{self, Write};
use std::process::ExitCode;

use cli::connection::{Connection, Login};
use cli::doctor::{self, DoctorCommand};
use cli::failure::{ExitCodes, Failure, Kind, Program};
use cli::help;
use cli::program::{Stop, arguments};
use cli::winrm::{Command, Completion, Invocation, Streams, exit_codes, parse_with, run_on};
use cli::{ClientSettings, Format, HarmlessWriter, SavedHosts, Screen};

fn main() -> ExitCode {
    let (mut format, mut codes) = (Format::Text, ExitCodes::Plain);
    let status = match start(&mut format, &mut codes) {
        Ok(Completion::Success) => 0,
        Ok(Completion::ChecksFailed(kind)) => kind.exit_status(codes),
        Ok(Completion::StepsFailed) => Kind::QuickConfig.exit_status(codes),
        Ok(Completion::NoSignIn) => Kind::Authentication.exit_status(codes),
        Ok(Completion::HostsFailed(kind)) => kind.exit_status(codes),
        Err(stop) => {
            stop.report_on(&Screen::of_this_process(), Program::Winrm, format, codes, &mut io::stderr())
        }
    };
    ExitCode::from(status)
}

/// Executes the command line. Sets `format` and `codes` for the report of a failure.
fn start(format: &mut Format, codes: &mut ExitCodes) -> Result<Completion, Stop> {
    let arguments = arguments(std::env::args_os())?;
    *codes = exit_codes(&arguments);
    let page = match parse_with(&arguments, &SavedHosts::of_this_process())? {
        Invocation::Run(command) => {
            *format = command.format;
            return execute(*command);
        }
        Invocation::Doctor(command) => {
            (*format, *codes) = (command.format, command.exit_codes);
            return examine(*command);
        }
        Invocation::Help(page) => page.text(),
        Invocation::HelpMessage(code) => help::message(&code),
        _ => help::version("winrm"),
    };
    io::stdout().write_all(page.as_bytes())?;
    Ok(Completion::Success)
}

fn execute(command: Command) -> Result<Completion, Stop> {
    let mut out = HarmlessWriter::new(io::stdout().lock());
    let mut errors = HarmlessWriter::new(io::stderr());
    warn(&command.notices, &command.connection, &mut errors);
    let runtime = runtime()?;
    // Not locked, because the password may be read from its first line.
    let mut input = io::BufReader::new(io::stdin());
    let mut streams = Streams { out: &mut out, errors: &mut errors, input: &mut input };
    let done = runtime.block_on(run_on(
        &Screen::of_this_process(),
        command,
        &ClientSettings::of_this_process(),
        &mut streams,
    ));
    out.flush()?;
    done
}

/// Runs the doctor, which prints its findings to standard output.
fn examine(command: DoctorCommand) -> Result<Completion, Stop> {
    let mut out = HarmlessWriter::new(io::stdout().lock());
    let mut errors = HarmlessWriter::new(io::stderr());
    warn(&command.notices, &command.connection, &mut errors);
    let runtime = runtime()?;
    let settings = ClientSettings::of_this_process();
    let screen = Screen::of_this_process();
    let found = runtime.block_on(doctor::run(command, &settings, &mut out, &screen));
    // Do not wait for blocking calls, such as a DNS lookup.
    runtime.shutdown_background();
    Ok(found?.map_or(Completion::Success, Completion::ChecksFailed))
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::here(Kind::Connect, format!("cannot start: {error}")))
}

/// Prints notices, and on a terminal a warning if other users can see the password.
fn warn(notices: &[String], connection: &Connection, errors: &mut impl Write) {
    for notice in notices {
        let _ = writeln!(errors, "winrm: {notice}");
    }
    let Login::Password { password, .. } = &connection.login else { return };
    if let Some(warning) = password.warning().filter(|_| io::IsTerminal::is_terminal(&io::stderr())) {
        // An error while writing the warning does not stop the command.
        let _ = writeln!(errors, "winrm: {warning}");
    }
}
