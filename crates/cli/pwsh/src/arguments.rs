//! Options and arguments of `telarch pwsh`.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};

use cli::remote::{machine_switch, selects_machines};
use cli::{Keyword, keywords};
use cli_command::fleet::HostLimits;
use cli_command::{Arguments, Failure, Opt, Value};
use client::{Compression, FleetLimits};
use psrp::Guid;

pub(super) static SCRIPT: Opt = Opt::new("command", Value::Text("SCRIPT"), "script to run").short('c');
pub(super) static FILE: Opt =
    Opt::new("file", Value::Path("FILE"), "file with the script to run; - is standard input").short('f');
pub(super) static OUTPUT: Opt = Opt::new(
    "output",
    Value::OneOf("FORMAT", keywords::<Output>),
    "table: text as PowerShell formats it; json: one array; jsonl: one object per line; clixml: file for \
     Import-Clixml (default: table)",
);
pub(super) static INPUT: Opt = Opt::new(
    "input",
    Value::OneOf("FORMAT", keywords::<Input>),
    "send standard input as objects: lines, a string for each line; json, a value for each line (default: none)",
);
pub(super) static CONFIGURATION: Opt = Opt::new(
    "configuration",
    Value::Text("NAME"),
    "PowerShell endpoint, such as PowerShell.7 (default: Microsoft.PowerShell)",
);
pub(super) static COMPRESS: Opt =
    Opt::new("compress", Value::None, "compress messages, if the machine supports it (for slow networks)");
pub(super) static NO_HISTORY: Opt =
    Opt::new("no-history", Value::None, "console: neither read nor keep the history");
pub(super) static CONNECT: Opt = Opt::new(
    "connect",
    Value::Text("ID"),
    "console: connect to the session that Disconnect-PSSession has left, instead of a new one",
);
/// Format of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Output {
    #[default]
    Table,
    Json,
    Jsonl,
    Clixml,
}

impl Keyword for Output {
    const WORDS: &'static [(&'static str, Self)] =
        &[("table", Self::Table), ("json", Self::Json), ("jsonl", Self::Jsonl), ("clixml", Self::Clixml)];
}

/// Format of the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Input {
    #[default]
    None,
    Lines,
    Json,
}

impl Keyword for Input {
    const WORDS: &'static [(&'static str, Self)] =
        &[("none", Self::None), ("lines", Self::Lines), ("json", Self::Json)];
}

/// Use of the history file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HistoryUse {
    Kept,
    None,
}

/// Request of a command line.
#[derive(Debug)]
pub(super) struct Invocation {
    /// Script to run; `None` starts a console.
    pub(super) script: Option<String>,
    /// Arguments of the script.
    pub(super) arguments: Vec<String>,
    /// Switches of `winrm` that select machines and the user.
    pub(super) switches: Vec<String>,
    pub(super) output: Output,
    pub(super) input: Input,
    /// Name of the PowerShell endpoint, if it is not the default one.
    pub(super) configuration: Option<String>,
    pub(super) compression: Compression,
    pub(super) history: HistoryUse,
    /// Session that the console connects to; `None` for a new one.
    pub(super) connect: Option<Guid>,
    /// Limits of many machines; the number of concurrent machines is that of the switches.
    pub(super) limits: FleetLimits,
}

impl Invocation {
    /// Interprets a command line that obeys the command table, and reads the script.
    pub(super) fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let mut switches = arguments.switches().to_vec();
        let mut words = arguments.words().into_iter();
        if !selects_machines(&switches) {
            let host = words.next().ok_or_else(|| {
                arguments
                    .usage_error("no machine given; write telarch pwsh HOST, or localhost for this machine")
            })?;
            switches.extend(machine_switch(host));
        }
        let input = arguments.keyword(&INPUT).unwrap_or_default();
        let script = script(arguments, input)?;
        let connect = arguments.text(&CONNECT)?.map(|text| {
            Guid::parse(text).map_err(|_| {
                arguments.usage_error(format!("--connect {text}: expected the identifier of a session, such as 1b5d0c3e-0a7b-4b52-8c2e-7a7e3c1d9f10"))
            })
        });
        let connect = connect.transpose()?;
        if connect.is_some() && script.is_some() {
            return Err(
                arguments.usage_error("--connect starts a console, which needs a terminal and no script")
            );
        }
        let HostLimits { host_time, total_time, max_failures } = HostLimits::of(arguments)?;
        let limits = FleetLimits { host_time, total_time, max_failures, ..FleetLimits::default() };
        Ok(Self {
            script,
            arguments: words.map(str::to_owned).collect(),
            switches,
            output: arguments.keyword(&OUTPUT).unwrap_or_default(),
            input,
            configuration: arguments.text(&CONFIGURATION)?.map(str::to_owned),
            compression: match arguments.is_given(&COMPRESS) {
                true => Compression::Xpress,
                false => Compression::None,
            },
            history: if arguments.is_given(&NO_HISTORY) { HistoryUse::None } else { HistoryUse::Kept },
            connect,
            limits,
        })
    }
}

/// Returns the script: text, the content of a file, or standard input; `None` on a terminal.
fn script(arguments: &Arguments, input: Input) -> Result<Option<String>, Failure> {
    if let Some(text) = arguments.text(&SCRIPT)? {
        return Ok(Some(text.to_owned()));
    }
    let path = arguments.path(&FILE).filter(|path| path.as_os_str() != "-");
    let name = path.as_ref().map_or_else(|| "standard input".to_owned(), |path| path.display().to_string());
    let mut text = Vec::new();
    let read = match &path {
        Some(path) => File::open(path).and_then(|file| file.take(LARGEST_SCRIPT + 1).read_to_end(&mut text)),
        None if input != Input::None => {
            return Err(arguments
                .usage_error("--input requires -c or -f FILE, because the script is not standard input"));
        }
        None if !arguments.is_given(&FILE) && io::stdin().is_terminal() => return Ok(None),
        None => io::stdin().lock().take(LARGEST_SCRIPT + 1).read_to_end(&mut text),
    };
    read.map_err(|error| Failure::Failed(format!("cannot read {name}: {error}")))?;
    if u64::try_from(text.len()).is_ok_and(|size| size > LARGEST_SCRIPT) {
        return Err(Failure::failed(
            format!("cannot read {name}: the script has more than 8 MiB"),
            "pass data with --input instead",
        ));
    }
    let text = text.strip_prefix(b"\xEF\xBB\xBF").map(<[u8]>::to_vec).unwrap_or(text);
    String::from_utf8(text).map(Some).map_err(|_| {
        Failure::failed(
            format!("cannot read {name}: the script is not UTF-8"),
            "convert it, for example with iconv",
        )
    })
}

/// Maximum size of a script in bytes; services refuse messages of more than 10 MiB.
const LARGEST_SCRIPT: u64 = 8 << 20;
