//! `winrm`: reads, changes and runs what is on this and other machines.

use std::io::{self, Write};
use std::process::ExitCode;

use cli::connection::{Connection, Login};
use cli::doctor::{self, Examination};
use cli::failure::{ExitCodes, Failure, Kind, Program};
use cli::help;
use cli::program::{Stop, arguments};
use cli::winrm::{Command, Done, Invocation, Streams, exit_codes, parse_with, run_on};
use cli::{ClientSettings, Format, HarmlessWriter, SavedHosts, Screen};

fn main() -> ExitCode {
    let (mut format, mut codes) = (Format::Text, ExitCodes::Plain);
    let status = match start(&mut format, &mut codes) {
        Ok(Done::Whole) => 0,
        Ok(Done::Unwell(kind)) => kind.exit_status(codes),
        Ok(Done::StepsFailed) => Kind::QuickConfig.exit_status(codes),
        Ok(Done::HostsFailed(kind)) => kind.exit_status(codes),
        Err(stop) => {
            stop.report_on(&Screen::of_this_process(), Program::Winrm, format, codes, &mut io::stderr())
        }
    };
    ExitCode::from(status)
}

/// Does what the command line says; `format` and `codes` tell how to report a failure.
fn start(format: &mut Format, codes: &mut ExitCodes) -> Result<Done, Stop> {
    let arguments = arguments(std::env::args_os())?;
    *codes = exit_codes(&arguments);
    let page = match parse_with(&arguments, &SavedHosts::of_this_process())? {
        Invocation::Run(command) => {
            *format = command.format;
            return carry_out(*command);
        }
        Invocation::Examine(examination) => {
            (*format, *codes) = (examination.format, examination.exit_codes);
            return examine(*examination);
        }
        Invocation::Help(page) => page.text(),
        Invocation::HelpMessage(code) => help::message(&code),
        _ => help::version("winrm"),
    };
    io::stdout().write_all(page.as_bytes())?;
    Ok(Done::Whole)
}

fn carry_out(command: Command) -> Result<Done, Stop> {
    let mut out = HarmlessWriter::new(io::stdout().lock());
    let mut errors = HarmlessWriter::new(io::stderr());
    warn(&command.notices, &command.connection, &mut errors);
    let runtime = runtime()?;
    // Not locked: the password may come from its first line.
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

/// Looks for what is wrong; what was found stands on standard output.
fn examine(examination: Examination) -> Result<Done, Stop> {
    let mut out = HarmlessWriter::new(io::stdout().lock());
    let mut errors = HarmlessWriter::new(io::stderr());
    warn(&examination.notices, &examination.connection, &mut errors);
    let runtime = runtime()?;
    let settings = ClientSettings::of_this_process();
    let screen = Screen::of_this_process();
    let found = runtime.block_on(doctor::run(examination, &settings, &mut out, &screen));
    // What the system is still asked, such as an address, is not waited for.
    runtime.shutdown_background();
    Ok(found?.map_or(Done::Whole, Done::Unwell))
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::here(Kind::Connect, format!("cannot start: {error}")))
}

/// Tells what was said and changes nothing, and someone at a terminal that others can see the password.
fn warn(notices: &[String], connection: &Connection, errors: &mut impl Write) {
    for notice in notices {
        let _ = writeln!(errors, "winrm: {notice}");
    }
    let Login::Password { password, .. } = &connection.login else { return };
    if let Some(warning) = password.warning().filter(|_| io::IsTerminal::is_terminal(&io::stderr())) {
        // Where nothing can be told, the work goes on.
        let _ = writeln!(errors, "winrm: {warning}");
    }
}
