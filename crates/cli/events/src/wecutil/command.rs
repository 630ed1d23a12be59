//! Commands of `wecutil` as one table, from which the parser and help are made.

use std::path::PathBuf;

use crate::windows_options::{OptionName, UsageError, Words, is_help};

use super::error::ToolError;

/// Parsed command line.
#[derive(Debug)]
pub(super) enum Command {
    /// Text to print.
    Help(String),
    /// `es`: names of the subscriptions.
    List,
    /// `gs`: settings of a subscription.
    Show { name: String, output: Output, is_unicode: bool },
    /// `gr`: state of a subscription and of its sources, or of some of them.
    Status { name: String, sources: Vec<String> },
    /// `ss`: changes a subscription. The name is empty if a file has it.
    Set { name: String, change: SubscriptionChange },
    /// `cs`: adds a subscription, with options for the common credentials.
    Create(Replacement, Words),
    /// `ds`: removes a subscription.
    Delete { name: String },
    /// `rs`: reads a subscription again.
    Retry { name: String, sources: Vec<String> },
    /// `qc`: enables the collector.
    QuickConfig { is_quiet: bool },
}

/// Format of `gs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Terse,
    Xml,
}

/// Change of a subscription by `ss`.
#[derive(Debug)]
pub(super) enum SubscriptionChange {
    /// Options for single settings.
    Options(Words),
    /// All settings from a file, with options for the common credentials.
    File(Replacement, Words),
}

/// File with a subscription.
#[derive(Debug)]
pub(super) struct Replacement {
    pub(super) file: PathBuf,
}

/// Command in the table.
struct Entry {
    short: &'static str,
    long: &'static str,
    arguments: &'static str,
    about: &'static str,
    options: &'static [Described],
    parse: fn(Words) -> Result<Command, ToolError>,
}

/// Option in the table.
struct Described {
    name: OptionName,
    /// Value in help; empty for none, and with brackets for an optional one.
    value: &'static str,
    about: &'static str,
}

const fn option(
    short: &'static str,
    long: &'static str,
    value: &'static str,
    about: &'static str,
) -> Described {
    Described { name: OptionName::new(short, long), value, about }
}

static ENTRIES: [Entry; 8] = [
    Entry {
        short: "es",
        long: "enum-subscription",
        arguments: "",
        about: "list the names of the subscriptions",
        options: &[],
        parse: parse_list,
    },
    Entry {
        short: "gs",
        long: "get-subscription",
        arguments: "ID",
        about: "print the settings of a subscription",
        options: &[
            option("f", "format", "XML|Terse", "format (Terse)"),
            option("u", "unicode", "true|false", "print UTF-16 (false)"),
            option("uni", "unicodeoutput", "true|false", "same as /u"),
        ],
        parse: parse_show,
    },
    Entry {
        short: "gr",
        long: "get-subscriptionruntimestatus",
        arguments: "ID [SOURCE]...",
        about: "print the state of a subscription and of its sources",
        options: &[],
        parse: parse_status,
    },
    Entry {
        short: "ss",
        long: "set-subscription",
        arguments: "ID /OPTION[:VALUE]...",
        about: "change settings of a subscription",
        options: &SET,
        parse: parse_set,
    },
    Entry {
        short: "cs",
        long: "create-subscription",
        arguments: "FILE",
        about: "create a subscription from an XML file",
        options: &[COMMON_USER, COMMON_PASSWORD],
        parse: parse_create,
    },
    Entry {
        short: "ds",
        long: "delete-subscription",
        arguments: "ID",
        about: "delete a subscription",
        options: &[],
        parse: parse_delete,
    },
    Entry {
        short: "rs",
        long: "retry-subscription",
        arguments: "ID [SOURCE]...",
        about: "let the collector read a subscription and connect to its sources again",
        options: &[],
        parse: parse_retry,
    },
    Entry {
        short: "qc",
        long: "quick-config",
        arguments: "",
        about: "enable the collector",
        options: &[option("q", "quiet", "[true|false]", "do not ask (false)")],
        parse: parse_quick_config,
    },
];

const COMMON_USER: Described = option(
    "cun",
    "CommonUserName",
    "NAME",
    "user for event sources without one of their own; collector-initiated only",
);
const COMMON_PASSWORD: Described = option(
    "cup",
    "CommonUserPassword",
    "PASSWORD",
    "password of that user; * prompts, or reads TELARCH_PASSWORD",
);

/// Options of `ss`.
static SET: [Described; 34] = [
    option(
        "c",
        "config",
        "FILE",
        "take all settings from an XML file; excludes all other options but /cun and /cup",
    ),
    option("e", "enabled", "[true|false]", "enable or disable the subscription"),
    option("d", "description", "TEXT", "description"),
    option(
        "ex",
        "expires",
        "TIME",
        "time at which the subscription ends, such as 2030-01-31T12:00:00Z (UTC)",
    ),
    option("uri", "uri", "URI", "resource of the events"),
    option("cm", "ConfigurationMode", "MODE", "Normal, Custom, MinLatency or MinBandwidth"),
    option("q", "query", "XML", "QueryList that selects events"),
    option("dia", "dialect", "URI", "query language"),
    option("cf", "ContentFormat", "FORMAT", "Events or RenderedText"),
    option("l", "locale", "LOCALE", "language of rendered texts, such as en-US"),
    option("ree", "ReadExistingEvents", "[true|false]", "also send events from before the subscription"),
    option("lf", "LogFile", "NAME", "log of the collector"),
    option("pn", "PublisherName", "NAME", "publisher that owns the log"),
    option("dm", "DeliveryMode", "MODE", "Push, or Pull if collector-initiated; with /cm:Custom only"),
    option("dmi", "DeliveryMaxItems", "NUMBER", "maximum number of events in a batch; with /cm:Custom only"),
    option("dmlt", "DeliveryMaxLatencyTime", "MS", "maximum delay of a batch; with /cm:Custom only"),
    option("hi", "HeartbeatInterval", "MS", "interval of heartbeats; with /cm:Custom only"),
    option("tn", "TransportName", "NAME", "http or https"),
    option("tp", "TransportPort", "PORT", "port of the transport"),
    option("hn", "HostName", "NAME", "name of this computer for sources"),
    option("ica", "AllowedIssuerCAs", "LIST", "SHA-1 thumbprints of authorities of sources"),
    option("as", "AllowedSubjects", "LIST", "names of sources that may subscribe, such as *.example.com"),
    option("ds", "DeniedSubjects", "LIST", "names of sources that may not subscribe"),
    option("adc", "AllowedDomainComputers", "SDDL", "accounts of domain computers that may subscribe"),
    option("esa", "EventSourceAddress", "ADDRESS", "event source to change; collector-initiated only"),
    option("ese", "EventSourceEnabled", "[true|false]", "enable or disable the event source of /esa"),
    option("aes", "AddEventSource", "", "add the event source of /esa"),
    option("res", "RemoveEventSource", "", "remove the event source of /esa"),
    option("un", "UserName", "NAME", "user for the event source of /esa"),
    option("up", "UserPassword", "PASSWORD", "password of that user; * prompts, or reads TELARCH_PASSWORD"),
    option("ct", "CredentialsType", "TYPE", "Default, Negotiate, Digest or Basic; collector-initiated only"),
    option("essp", "EnableSpnPort", "true|false", "not supported"),
    COMMON_USER,
    COMMON_PASSWORD,
];

impl Command {
    /// Parses the words behind the program name.
    pub(super) fn parse(words: &[String]) -> Result<Self, ToolError> {
        let Some((command, rest)) = words.split_first() else { return Ok(Self::Help(help())) };
        if is_help(command) || command.eq_ignore_ascii_case("help") {
            return Ok(Self::Help(help()));
        }
        let is_named = |name: &str| command.eq_ignore_ascii_case(name);
        let Some(entry) = ENTRIES.iter().find(|entry| is_named(entry.short) || is_named(entry.long)) else {
            return Err(UsageError(format!("Command {command} is not supported.")).into());
        };
        let names: Vec<OptionName> = entry.options.iter().map(|option| option.name).collect();
        let words = Words::parse(rest, &names)?;
        if words.requests_help() {
            return Ok(Self::Help(entry.help()));
        }
        (entry.parse)(words)
    }
}

fn parse_list(words: Words) -> Result<Command, ToolError> {
    words.require_end()?;
    Ok(Command::List)
}

fn parse_show(mut words: Words) -> Result<Command, ToolError> {
    let name = words.take("subscription ID")?;
    words.require_end()?;
    let output = match words.text("f") {
        None => Output::Terse,
        Some(format) if format.eq_ignore_ascii_case("terse") => Output::Terse,
        Some(format) if format.eq_ignore_ascii_case("xml") => Output::Xml,
        Some(format) => return Err(UsageError::value("f", format).into()),
    };
    let is_unicode = words.switch("u")?.or(words.switch("uni")?) == Some(true);
    Ok(Command::Show { name, output, is_unicode })
}

fn parse_status(mut words: Words) -> Result<Command, ToolError> {
    Ok(Command::Status { name: words.take("subscription ID")?, sources: words.take_all() })
}

fn parse_set(mut words: Words) -> Result<Command, ToolError> {
    if let Some(file) = words.text("c").map(PathBuf::from) {
        require_complete(&words)?;
        if words.given().any(|name| !matches!(name, "c" | "cun" | "cup")) {
            return Err(UsageError("Option c excludes all other options but cun and cup.".to_owned()).into());
        }
        // Windows accepts a name as well.
        let name = words.take("subscription ID").unwrap_or_default();
        words.require_end()?;
        return Ok(Command::Set { name, change: SubscriptionChange::File(Replacement { file }, words) });
    }
    let name = words.take("subscription ID")?;
    words.require_end()?;
    if words.given().next().is_none() {
        return Err(UsageError("Required option is missing: nothing to change.".to_owned()).into());
    }
    require_complete(&words)?;
    Ok(Command::Set { name, change: SubscriptionChange::Options(words) })
}

fn parse_create(mut words: Words) -> Result<Command, ToolError> {
    let file = PathBuf::from(words.take("configuration file")?);
    words.require_end()?;
    require_complete(&words)?;
    Ok(Command::Create(Replacement { file }, words))
}

fn parse_delete(mut words: Words) -> Result<Command, ToolError> {
    let name = words.take("subscription ID")?;
    words.require_end()?;
    Ok(Command::Delete { name })
}

fn parse_retry(mut words: Words) -> Result<Command, ToolError> {
    Ok(Command::Retry { name: words.take("subscription ID")?, sources: words.take_all() })
}

fn parse_quick_config(words: Words) -> Result<Command, ToolError> {
    words.require_end()?;
    Ok(Command::QuickConfig { is_quiet: words.switch("q")? == Some(true) })
}

/// Options that require another one.
const REQUIREMENTS: [(&str, &str); 6] =
    [("ese", "esa"), ("aes", "esa"), ("res", "esa"), ("un", "esa"), ("up", "un"), ("cup", "cun")];

/// Rejects options that lack another one, as Windows does, and the one that is not supported.
fn require_complete(words: &Words) -> Result<(), ToolError> {
    for (option, required) in REQUIREMENTS {
        if words.text(option).is_some() && words.text(required).is_none() {
            return Err(UsageError(format!("Option {option} is only valid with option {required}.")).into());
        }
    }
    if words.text("aes").is_some() && words.text("res").is_some() {
        return Err(UsageError("Options aes and res exclude each other.".to_owned()).into());
    }
    if words.text("essp").is_some() { Err(ToolError::SPN_PORT) } else { Ok(()) }
}

fn help() -> String {
    let mut text = "\
Usage: wecutil COMMAND [ARGUMENT]... [/OPTION:VALUE]...

Manages the subscriptions of the collector of events on this machine. Changes take effect at once.

Commands:
"
    .to_owned();
    for entry in &ENTRIES {
        let Entry { short, long, arguments, about, .. } = entry;
        let command = format!("{short} | {long} {arguments}");
        text.push_str(&format!("  {}\n      {about}\n", command.trim_end()));
    }
    text + "
Run wecutil COMMAND -? for the options of a command. Options may begin with - instead of /, and have long names, as on
Windows. Root manages the subscriptions of the machine in /etc/telarch/event-subscriptions, and other users those of
their own service.

Exit status: 0, 2 (not found), 5 (access denied), 13 (invalid subscription), 50 (not supported), 87 (wrong command
line), 183 (subscription exists), otherwise 1.

Examples:
  wecutil cs logons.xml
  wecutil cs servers.xml /cun:CORP\\collector /cup:*
  wecutil ss logons /cm:MinLatency /e:true
  wecutil gr logons
"
}

impl Entry {
    fn help(&self) -> String {
        let Self { short, long, arguments, about, options, .. } = self;
        let usage = format!("Usage: wecutil {{ {short} | {long} }} {arguments}");
        let mut text = format!("{}\n\n{}.\n", usage.trim_end(), capitalized(about));
        if !options.is_empty() {
            text.push_str("\nOptions:\n");
        }
        for Described { name: OptionName { short, long }, value, about } in *options {
            let value = match value.strip_prefix('[').and_then(|value| value.strip_suffix(']')) {
                Some(value) => format!("[:{value}]"),
                None if value.is_empty() => String::new(),
                None => format!(":{value}"),
            };
            text.push_str(&format!("  /{short}{value} ({long})\n      {about}\n"));
        }
        text
    }
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}
