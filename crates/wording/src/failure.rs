//! Failures of a program: printed once, in the layout that Windows scripts parse, followed by advice.

mod client;
mod hint;

use std::borrow::Cow;

use xml::{Bounds, Document, Writer};

use crate::codes::Code;
use crate::format::{Format, harmless};

pub use hint::Hint;

/// An operation that did not succeed, ready to be printed.
#[derive(Clone, Debug)]
pub struct Failure(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    kind: Kind,
    source: Source,
    /// Explanation of the error number, if there is one.
    hint: Option<&'static Hint>,
    location: Location,
    resource: Option<String>,
    user: Option<String>,
    cause: Option<String>,
    advice: Vec<String>,
    /// Advice in the text of a fault, which replaces that of the hint.
    service_advice: Vec<String>,
    subcode: Option<String>,
}

/// Machine on which the operation failed.
#[derive(Clone, Debug)]
enum Location {
    Unknown,
    /// The service of this machine, reached over its Unix socket.
    LocalService,
    /// A host as it was addressed.
    Host(String),
}

/// Origin of the failure.
#[derive(Clone, Debug)]
enum Source {
    /// Detected by this program; there is no error number.
    Local(String),
    /// A fault with its error number; `markup` is one `f:WSManFault`.
    Fault { code: Code, message: String, markup: String },
}

/// Kind of failure, which decides the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The command line is invalid.
    Usage,
    /// The service cannot be reached.
    Connect,
    /// The service rejected the credentials.
    Authentication,
    /// The authenticated user may not do this.
    Denied,
    /// Any other fault.
    Fault,
    /// The operation timed out.
    Timeout,
    /// A quota is exceeded.
    Quota,
    /// Some steps of quickconfig failed.
    QuickConfig,
}

/// Set of exit statuses that a program uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExitCodes {
    /// 0 or 1, as Windows scripts expect.
    #[default]
    Plain,
    /// A different status for each [`Kind`] (`-exitcode:detailed`).
    Detailed,
}

/// Program that reports the failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `winrm`
    Winrm,
    /// `winrs`
    Winrs,
}

impl Kind {
    /// All kinds with their detailed exit status and description, for help and man page.
    pub const ALL: &'static [(Self, u8, &'static str)] = &[
        (Self::Usage, 2, "invalid command line"),
        (Self::Connect, 3, "the service cannot be reached"),
        (Self::Authentication, 4, "the credentials were rejected"),
        (Self::Denied, 5, "access denied"),
        (Self::Fault, 6, "any other fault"),
        (Self::Timeout, 7, "the operation timed out"),
        (Self::Quota, 8, "a quota is exceeded"),
        (Self::QuickConfig, 9, "some steps of quickconfig failed"),
    ];

    /// Returns the exit status for this kind of failure.
    #[must_use]
    pub fn exit_status(self, codes: ExitCodes) -> u8 {
        match (codes, self) {
            // Windows scripts expect success if steps failed without a fault.
            (ExitCodes::Plain, Self::QuickConfig) => 0,
            (ExitCodes::Plain, _) => 1,
            (ExitCodes::Detailed, kind) => {
                Self::ALL.iter().find(|(known, ..)| *known == kind).map_or(1, |(_, status, _)| *status)
            }
        }
    }

    /// Returns the kind that an error number belongs to.
    ///
    /// A service may report that it cannot connect to another machine; that is [`Kind::Fault`]. Therefore a client
    /// that could not connect sets [`Kind::Connect`] itself ([`Failure::of_kind`]).
    #[must_use]
    pub fn of_code(code: Code) -> Self {
        Hint::find(code).map_or(Self::Fault, |hint| hint.kind)
    }
}

impl Failure {
    /// Creates a failure that this program detected, without an error number.
    #[must_use]
    pub fn here(kind: Kind, message: impl Into<String>) -> Self {
        Self::new(kind, Source::Local(message.into()))
    }

    /// Creates a failure from a fault's number and text; `machine` is the host as it was addressed.
    #[must_use]
    pub fn fault(code: Code, machine: &str, message: &str) -> Self {
        let markup = markup(code, machine, |writer| {
            writer.text(message);
        });
        Self::new(Kind::of_code(code), Source::Fault { code, message: message.trim().to_owned(), markup })
            .at(machine)
    }

    fn new(kind: Kind, source: Source) -> Self {
        let hint = match &source {
            Source::Local(_) => None,
            Source::Fault { code, .. } => Hint::find(*code),
        };
        let (location, advice) = (Location::Unknown, Vec::new());
        let (resource, user, cause, subcode) = (None, None, None, None);
        let service_advice = Vec::new();
        Self(Box::new(Parts {
            kind,
            source,
            hint,
            location,
            resource,
            user,
            cause,
            advice,
            service_advice,
            subcode,
        }))
    }

    /// Sets the kind, where the error number does not determine it.
    #[must_use]
    pub fn of_kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Sets the host.
    #[must_use]
    pub fn at(mut self, host: &str) -> Self {
        self.0.location = Location::Host(host.to_owned());
        self
    }

    /// Marks the failure as one of this machine's service, so that no host is printed.
    #[must_use]
    pub fn at_local_service(mut self) -> Self {
        self.0.location = Location::LocalService;
        self
    }

    /// Sets the explanation and its kind, where the error number does not determine them.
    #[must_use]
    pub fn with_hint(mut self, hint: &'static Hint) -> Self {
        (self.0.hint, self.0.kind) = (Some(hint), hint.kind);
        self
    }

    /// Sets the resource, as it was typed.
    #[must_use]
    pub fn about(mut self, resource: &str) -> Self {
        self.0.resource = Some(resource.to_owned());
        self
    }

    /// Sets the user, as it was sent.
    #[must_use]
    pub fn as_user(mut self, user: &str) -> Self {
        self.0.user = Some(user.to_owned());
        self
    }

    /// Sets the underlying cause: `connection refused`.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Adds a line of advice, before the lines that belong to the error number.
    #[must_use]
    pub fn advise(mut self, line: impl Into<String>) -> Self {
        self.0.advice.push(line.into());
        self
    }

    /// Sets the SOAP subcode: `w:AccessDenied`.
    #[must_use]
    pub fn with_subcode(mut self, subcode: &str) -> Self {
        self.0.subcode = Some(subcode.to_owned());
        self
    }

    /// Kind of failure.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Error number, if there is one.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self.0.source {
            Source::Local(_) => None,
            Source::Fault { code, .. } => Some(code),
        }
    }

    /// One-line description: the explanation of the error number, and the first line of the service's message.
    #[must_use]
    pub fn headline(&self) -> String {
        let message = self.message().lines().next().unwrap_or_default().trim();
        match self.0.hint {
            Some(hint) if message.is_empty() => hint.summary.to_owned(),
            // A service's message may be vaguer than the explanation; those of Telarch and of the client are precise.
            Some(hint) if self.0.subcode.is_some() && self.0.service_advice.is_empty() => {
                format!("{}: {message}", hint.summary)
            }
            _ => message.to_owned(),
        }
    }

    /// Message of the service, or of this program.
    #[must_use]
    pub fn message(&self) -> &str {
        match &self.0.source {
            Source::Local(message) | Source::Fault { message, .. } => message,
        }
    }

    /// Explanation of the error number in a few words: `access denied`.
    #[must_use]
    pub fn explanation(&self) -> Option<&'static str> {
        self.0.hint.map(|hint| hint.summary)
    }

    /// Underlying cause: `connection refused`.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// SOAP subcode: `w:AccessDenied`.
    #[must_use]
    pub fn subcode(&self) -> Option<&str> {
        self.0.subcode.as_deref()
    }

    /// The fault as one `f:WSManFault`, if it has a number.
    #[must_use]
    pub fn xml(&self) -> Option<&str> {
        match &self.0.source {
            Source::Local(_) => None,
            Source::Fault { markup, .. } => Some(markup),
        }
    }

    /// Advice, one line each, in terms of the command-line programs.
    #[must_use]
    pub fn way_out(&self) -> Vec<String> {
        let hint = self.0.hint.filter(|_| self.0.service_advice.is_empty());
        let known = hint.into_iter().flat_map(|hint| hint.way_out).map(|line| self.with_host(line));
        let of_service = self.0.service_advice.iter().map(|line| self.attributed(line));
        self.0.advice.iter().cloned().chain(of_service).chain(known).collect()
    }

    /// Returns the complete text for standard error: the failure once, in the layout that Windows scripts parse, then
    /// host, resource and user, and the advice.
    #[must_use]
    pub fn report(&self, program: Program, format: Format) -> String {
        let mut out = match (&self.0.source, program) {
            (Source::Local(message), Program::Winrm) => format!("Error: {message}\n"),
            (Source::Local(message), Program::Winrs) => format!("Winrs error: {message}\n"),
            (Source::Fault { code, message, markup }, Program::Winrm) => {
                block(*code, message, markup, format)
            }
            (Source::Fault { code, message, .. }, Program::Winrs) => {
                format!("Winrs error: {}\n", description(*code, message))
            }
        };
        if matches!(self.0.source, Source::Fault { .. }) {
            out.push('\n');
            if let Some(context) = self.context() {
                out.push_str(&format!("{}: {context}\n", program.name()));
            }
        }
        self.write_advice(&mut out);
        out
    }

    /// Returns explanation, host and advice, without the block that Windows scripts parse.
    #[must_use]
    pub fn summary(&self, program: Program) -> String {
        let host = match &self.0.location {
            Location::Host(host) => format!("{host}: "),
            Location::Unknown | Location::LocalService => String::new(),
        };
        let what = match &self.0.source {
            Source::Local(message) => message.clone(),
            Source::Fault { .. } => self.explained(),
        };
        let mut out = format!("{}: {host}{what}\n", program.name());
        self.write_advice(&mut out);
        out
    }

    /// Returns host, resource and user, as far as they matter for the failure.
    fn context(&self) -> Option<String> {
        let host = match &self.0.location {
            Location::Host(host) => Some(host),
            Location::Unknown | Location::LocalService => None,
        };
        // User and resource are relevant only if the service was reached.
        let (resource, user) = match self.0.kind {
            Kind::Denied => (self.0.resource.as_ref(), self.0.user.as_ref()),
            Kind::Authentication => (None, self.0.user.as_ref()),
            Kind::Connect => (None, None),
            _ => (self.0.resource.as_ref(), None),
        };
        let parts = [("host", host), ("resource", resource), ("user", user)];
        let parts: Vec<String> = parts
            .into_iter()
            .filter_map(|(name, part)| part.map(|part| format!("{name} {}", harmless(part))))
            .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// Returns the explanation of the error number with resource, user and cause.
    fn explained(&self) -> String {
        let what = self.0.hint.map_or("the service returned a fault", |hint| hint.summary);
        let (resource, user) = match self.0.kind {
            Kind::Denied if what == "access denied" => (Some(" to "), Some(" as ")),
            Kind::Denied => (Some(", resource "), Some(", user ")),
            Kind::Authentication if what == "login refused" => (None, Some(" as ")),
            Kind::Authentication => (None, Some(", user ")),
            Kind::Connect => (None, None),
            _ => (Some(", resource "), None),
        };
        let parts = [(resource, &self.0.resource), (user, &self.0.user), (Some(": "), &self.0.cause)];
        parts.into_iter().fold(what.to_owned(), |text, (before, part)| match (before, part) {
            (Some(before), Some(part)) => format!("{text}{before}{}", harmless(part)),
            _ => text,
        })
    }

    /// Appends the advice, and the number of a fault.
    fn write_advice(&self, out: &mut String) {
        for line in self.way_out() {
            out.push_str("  ");
            out.push_str(&line);
            out.push('\n');
        }
        if let Source::Fault { code, .. } = &self.0.source {
            let subcode = self.0.subcode.as_deref().map(|s| format!("fault {s}, ")).unwrap_or_default();
            out.push_str(&format!("  ({subcode}code {code})\n"));
        }
    }

    /// Names the source of advice, because another machine could advise anything.
    fn attributed(&self, line: &str) -> String {
        match &self.0.location {
            Location::LocalService => line.to_owned(),
            Location::Host(_) | Location::Unknown => format!("the service advises: {line}"),
        }
    }

    /// Replaces `{host}` in a line of advice.
    fn with_host(&self, line: &str) -> String {
        match &self.0.location {
            Location::Unknown => line.replace("-r:{host}", "-r:HOST").replace("{host}", "the other machine"),
            Location::LocalService => line.replace(" -r:{host}", "").replace("{host}", "this machine"),
            Location::Host(host) => line.replace("{host}", &bracketed(host)),
        }
    }
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Winrm => "winrm",
            Self::Winrs => "winrs",
        }
    }
}

/// Returns the host as written in an endpoint: an IPv6 address in brackets.
#[must_use]
pub fn bracketed(host: &str) -> Cow<'_, str> {
    if host.contains(':') { format!("[{host}]").into() } else { host.into() }
}

/// Returns a `f:WSManFault`; `message` writes the content of its `f:Message`.
fn markup(code: Code, machine: &str, message: impl FnOnce(&mut Writer)) -> String {
    let mut writer = Writer::new();
    writer.start("f:WSManFault").namespace("f", FAULT);
    writer.attribute("Code", &code.0.to_string()).attribute("Machine", machine);
    writer.start("f:Message");
    message(&mut writer);
    writer.finish()
}

/// Returns the block that Windows scripts parse: the fault in the output format, its number and its text.
fn block(code: Code, message: &str, markup: &str, format: Format) -> String {
    let mut out = match Document::parse(markup, &Bounds::default()) {
        Ok(document) => format.print(document.root()),
        Err(_) => String::new(),
    };
    if format != Format::Text {
        out.push('\n');
    }
    out.push_str(&format!("Error number:  {} 0x{:X}\n", code.signed(), code.0));
    out.push_str(&description(code, message));
    out.push('\n');
    out
}

fn description(code: Code, message: &str) -> String {
    match (message.trim(), Hint::find(code), code.symbol()) {
        ("", Some(hint), _) => hint.summary.to_owned(),
        ("", None, Some(symbol)) => symbol.to_owned(),
        ("", None, None) => "unknown error".to_owned(),
        (message, ..) => harmless(message),
    }
}

/// Namespace of `WSManFault` (MS-WSMV 2.2.1).
const FAULT: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault";
