//! `wevtutil`: lists, reads and exports the event logs of this machine.

mod arguments;
mod error;
mod logs;
mod reading;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use cli_events::windows_options::UsageError;
use winevent::listing::{root_tags, write_event};

use self::arguments::{Command, QueryOptions};
use self::error::ToolError;

fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let mut out = BufWriter::new(io::stdout().lock());
    let result = Command::parse(&words).and_then(|command| run(command, &mut out));
    let result = result.and_then(|()| Ok(out.flush()?));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the output has enough.
        Err(ToolError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(error.status())
        }
    }
}

const HELP: &str = "\
Usage: wevtutil COMMAND [ARGUMENT]... [/OPTION:VALUE]...

Reads the event logs of this machine: the journal, the audit log, and the syslog and text files of the settings
EventForwarding.SyslogFiles and TextFiles. The logs Application, Security and System of Windows contain all events;
the channels Linux-Journal/…, Linux-Syslog/…, Linux-Audit/… and Linux-File/… contain a part each. The log
ForwardedEvents contains the events that the collector of this machine has stored.

Commands:
  el | enum-logs              list the names of all logs
  gl | get-log LOG            print the properties of a log; /f:xml or /f:text
  gli | get-log-info LOG      print the status of a log; /lf:true for a journal file
  qe | query-events PATH      print events of a log
     /lf:true                 PATH is a journal file
     /sq:true                 PATH is a file with a query list (QueryList)
     /q:XPATH                 events to print, such as *[System[Level<=2]]
     /c:COUNT                 maximum number of events
     /rd:true                 newest events first
     /f:XML|RenderedXml|Text  format (XML)
     /e:ROOT                  element around all events
     /bm:FILE /sbm:FILE       begin behind the bookmark in a file; write a bookmark
  epl | export-log PATH FILE  write events to a file, as XML in the element Events; /lf /sq /q as for qe;
                              /ow:true overwrites the file
  sl, cl                      not available: journald has settings and limits of its own

Options may begin with - instead of /, and have long names, as on Windows.

Exit status: 0, 2 (file not found), 5 (access denied), 50 (not supported), 80 (file exists), 87 (wrong command
line), otherwise 1.

Example:
  wevtutil qe System /c:3 /rd:true /f:text
";

fn run(command: Command, out: &mut impl Write) -> Result<(), ToolError> {
    match command {
        Command::Help => out.write_all(HELP.as_bytes())?,
        Command::EnumLogs => out.write_all(logs::names().as_bytes())?,
        Command::GetLog { log, is_xml } => out.write_all(logs::properties(&log, is_xml)?.as_bytes())?,
        Command::GetLogInfo { log, is_file } => out.write_all(logs::status(&log, is_file)?.as_bytes())?,
        Command::Query(options) => print(&options, out)?,
        Command::Export { query, target, overwrites } => export(&query, &target, overwrites)?,
        Command::SetLog => {
            return Err(ToolError::NotSupported(
                "The properties of logs cannot be changed here.",
                "Set the limits of the journal in journald.conf, and those of the audit log in auditd.conf.",
            ));
        }
        Command::ClearLog => {
            return Err(ToolError::NotSupported(
                "A single log of the journal cannot be cleared.",
                "Use journalctl --rotate --vacuum-time=1s to remove all events.",
            ));
        }
    }
    Ok(())
}

fn print(options: &QueryOptions, out: &mut impl Write) -> Result<(), ToolError> {
    let tags = options.root.as_deref().map(root_tags).transpose();
    let tags = tags.map_err(|error| UsageError::value("e", error))?;
    if let Some((begin, _)) = &tags {
        out.write_all(begin.as_bytes())?;
    }
    let mut index = 0;
    reading::read(options, |record| {
        let mut text = String::new();
        write_event(&mut text, record, index, options.format)?;
        index += 1;
        Ok(out.write_all(text.as_bytes())?)
    })?;
    if let Some((_, end)) = &tags {
        out.write_all(end.as_bytes())?;
    }
    Ok(())
}

fn export(query: &QueryOptions, target: &Path, overwrites: bool) -> Result<(), ToolError> {
    let mut open = File::options();
    open.write(true);
    match overwrites {
        true => open.create(true).truncate(true),
        false => open.create_new(true),
    };
    let mut out = BufWriter::new(open.open(target).map_err(|source| ToolError::of_file(target, source))?);
    out.write_all(b"<Events>\n").map_err(|source| ToolError::of_file(target, source))?;
    reading::read(query, |record| {
        let mut text = String::new();
        write_event(&mut text, record, 0, query.format)?;
        out.write_all(text.as_bytes()).map_err(|source| ToolError::of_file(target, source))
    })?;
    out.write_all(b"</Events>\n")
        .and_then(|()| out.flush())
        .map_err(|source| ToolError::of_file(target, source))
}
