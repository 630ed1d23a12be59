//! What went wrong, told twice: as scripts know it, and so that someone can act on it.

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
    told: Told,
    /// What is known about it, beside what the service says.
    hint: Option<&'static Hint>,
    place: Place,
    resource: Option<String>,
    user: Option<String>,
    cause: Option<String>,
    advice: Vec<String>,
    subcode: Option<String>,
}

/// Where it happened.
#[derive(Clone, Debug)]
enum Place {
    Unknown,
    /// A service of this machine, asked over its Unix socket.
    Here,
    /// A host, as it was addressed.
    Host(String),
}

#[derive(Clone, Debug)]
enum Told {
    /// Found here, without an error number.
    Here(String),
    /// A fault with its number; the markup is one `f:WSManFault`.
    Fault { code: Code, message: String, markup: String },
}

/// What sort of failure it is, for the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The command line was not understood.
    Usage,
    /// Nobody answered.
    Connect,
    /// Who asks could not be proven.
    Authentication,
    /// Who asks is known and may not.
    Denied,
    /// Any other fault.
    Fault,
    /// It took too long.
    Timeout,
    /// A quota is used up.
    Quota,
    /// Some steps of quickconfig did not succeed.
    QuickConfig,
}

/// Which exit statuses a program uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExitCodes {
    /// 0 or 1, as scripts know it.
    #[default]
    Plain,
    /// One for each [`Kind`] (`-exitcode:detailed`).
    Detailed,
}

/// The program that reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `winrm`
    Winrm,
    /// `winrs`
    Winrs,
}

impl Kind {
    /// Every kind with its detailed exit status and what it means, for help and man page.
    pub const ALL: &'static [(Self, u8, &'static str)] = &[
        (Self::Usage, 2, "the command line was not understood"),
        (Self::Connect, 3, "nobody answered"),
        (Self::Authentication, 4, "the credentials were refused"),
        (Self::Denied, 5, "access denied"),
        (Self::Fault, 6, "any other fault"),
        (Self::Timeout, 7, "it took too long"),
        (Self::Quota, 8, "a quota is used up"),
        (Self::QuickConfig, 9, "some steps of quickconfig did not succeed"),
    ];

    /// The exit status of a program that fails like this.
    #[must_use]
    pub fn exit_status(self, codes: ExitCodes) -> u8 {
        match (codes, self) {
            // Steps that failed without a fault have always been success to scripts.
            (ExitCodes::Plain, Self::QuickConfig) => 0,
            (ExitCodes::Plain, _) => 1,
            (ExitCodes::Detailed, kind) => {
                Self::ALL.iter().find(|(known, ..)| *known == kind).map_or(1, |(_, status, _)| *status)
            }
        }
    }

    /// The kind of a fault by its number alone.
    ///
    /// A service that forwards may itself report that it cannot connect; that is [`Kind::Fault`], so a
    /// client that could not connect says [`Kind::Connect`] itself ([`Failure::of_kind`]).
    #[must_use]
    pub fn of_code(code: Code) -> Self {
        Hint::find(code).map_or(Self::Fault, |hint| hint.kind)
    }
}

impl Failure {
    /// A failure found on this side, without an error number.
    #[must_use]
    pub fn here(kind: Kind, message: impl Into<String>) -> Self {
        Self::new(kind, Told::Here(message.into()))
    }

    /// A fault described by its number and text; `machine` is the host as it was addressed.
    #[must_use]
    pub fn fault(code: Code, machine: &str, message: &str) -> Self {
        let markup = markup(code, machine, |writer| {
            writer.text(message);
        });
        Self::new(Kind::of_code(code), Told::Fault { code, message: message.trim().to_owned(), markup })
            .at(machine)
    }

    fn new(kind: Kind, told: Told) -> Self {
        let hint = match &told {
            Told::Here(_) => None,
            Told::Fault { code, .. } => Hint::find(*code),
        };
        let (place, advice) = (Place::Unknown, Vec::new());
        let (resource, user, cause, subcode) = (None, None, None, None);
        Self(Box::new(Parts { kind, told, hint, place, resource, user, cause, advice, subcode }))
    }

    /// Says what sort of failure it is where the number alone does not.
    #[must_use]
    pub fn of_kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Names the host.
    #[must_use]
    pub fn at(mut self, host: &str) -> Self {
        self.0.place = Place::Host(host.to_owned());
        self
    }

    /// Says that it is about the service of this machine, so that no host is named.
    #[must_use]
    pub fn here_on_this_machine(mut self) -> Self {
        self.0.place = Place::Here;
        self
    }

    /// Says what it means where the number alone does not.
    #[must_use]
    pub fn with_hint(mut self, hint: &'static Hint) -> Self {
        (self.0.hint, self.0.kind) = (Some(hint), hint.kind);
        self
    }

    /// Names the resource, as it was typed.
    #[must_use]
    pub fn about(mut self, resource: &str) -> Self {
        self.0.resource = Some(resource.to_owned());
        self
    }

    /// Names the user, as it was sent.
    #[must_use]
    pub fn as_user(mut self, user: &str) -> Self {
        self.0.user = Some(user.to_owned());
        self
    }

    /// Adds what lay behind it: `connection refused`.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Adds a line to the way out, before those that the number brings.
    #[must_use]
    pub fn advise(mut self, line: impl Into<String>) -> Self {
        self.0.advice.push(line.into());
        self
    }

    /// Adds the SOAP subcode: `w:AccessDenied`.
    #[must_use]
    pub fn with_subcode(mut self, subcode: &str) -> Self {
        self.0.subcode = Some(subcode.to_owned());
        self
    }

    /// What sort of failure it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The error number, if there is one.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self.0.told {
            Told::Here(_) => None,
            Told::Fault { code, .. } => Some(code),
        }
    }

    /// What happened, in one line: as it is known here, and as the service has said it.
    #[must_use]
    pub fn seen(&self) -> String {
        let told = self.message().lines().next().unwrap_or_default().trim();
        match self.0.hint {
            Some(hint) if told.is_empty() => hint.what.to_owned(),
            // Only the words of a service may say less than what is known of the number.
            Some(hint) if self.0.subcode.is_some() => format!("{}: {told}", hint.what),
            _ => told.to_owned(),
        }
    }

    /// What the one who failed says of it.
    #[must_use]
    pub fn message(&self) -> &str {
        match &self.0.told {
            Told::Here(message) | Told::Fault { message, .. } => message,
        }
    }

    /// What it is in practice, in a few words: `access denied`.
    #[must_use]
    pub fn what(&self) -> Option<&'static str> {
        self.0.hint.map(|hint| hint.what)
    }

    /// What lay behind it: `connection refused`.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The SOAP subcode: `w:AccessDenied`.
    #[must_use]
    pub fn subcode(&self) -> Option<&str> {
        self.0.subcode.as_deref()
    }

    /// The fault as one `f:WSManFault`, if it has a number.
    #[must_use]
    pub fn xml(&self) -> Option<&str> {
        match &self.0.told {
            Told::Here(_) => None,
            Told::Fault { markup, .. } => Some(markup),
        }
    }

    /// What to do about it, in the words of the command lines, a line each.
    #[must_use]
    pub fn way_out(&self) -> Vec<String> {
        let known = self.0.hint.into_iter().flat_map(|hint| hint.way_out).map(|line| self.addressed(line));
        self.0.advice.iter().cloned().chain(known).collect()
    }

    /// The whole text for standard error.
    #[must_use]
    pub fn report(&self, program: Program, format: Format) -> String {
        let mut out = match (&self.0.told, program) {
            (Told::Here(message), Program::Winrm) => format!("Error: {message}\n"),
            (Told::Here(message), Program::Winrs) => format!("Winrs error: {message}\n"),
            (Told::Fault { code, message, markup }, Program::Winrm) => block(*code, message, markup, format),
            (Told::Fault { code, message, .. }, Program::Winrs) => {
                format!("Winrs error: {}\n", description(*code, message))
            }
        };
        self.explain(program, &mut out);
        out
    }

    /// What it is, where, and the way out, without the block that scripts know.
    #[must_use]
    pub fn summary(&self, program: Program) -> String {
        let mut out = String::new();
        if let Told::Here(message) = &self.0.told {
            let host = match &self.0.place {
                Place::Host(host) => format!("{host}: "),
                Place::Unknown | Place::Here => String::new(),
            };
            out.push_str(&format!("{}: {host}{message}\n", program.name()));
        }
        self.explain(program, &mut out);
        out.trim_start().to_owned()
    }

    /// Appends what it is, where, and the way out.
    fn explain(&self, program: Program, out: &mut String) {
        let hint = self.0.hint;
        if let Told::Fault { code, .. } = &self.0.told {
            let program = program.name();
            let host = match &self.0.place {
                Place::Host(host) => format!("{host}: "),
                Place::Unknown | Place::Here => String::new(),
            };
            let what = hint.map_or("the service answered with a fault", |hint| hint.what);
            out.push_str(&format!("\n{program}: {host}{what}"));
            // Who asked and for what matters once somebody had answered.
            let (resource, user) = match self.0.kind {
                Kind::Denied => (Some(" to "), Some(" as ")),
                Kind::Authentication => (None, Some(" as ")),
                Kind::Connect => (None, None),
                _ => (Some(", resource "), None),
            };
            let parts = [(resource, &self.0.resource), (user, &self.0.user), (Some(": "), &self.0.cause)];
            for (before, part) in parts {
                if let (Some(before), Some(part)) = (before, part) {
                    out.push_str(before);
                    out.push_str(&harmless(part));
                }
            }
            out.push('\n');
            self.write_way_out(out);
            let subcode = self.0.subcode.as_deref().map(|s| format!("fault {s}, ")).unwrap_or_default();
            out.push_str(&format!("  ({subcode}code {code})\n"));
        } else {
            self.write_way_out(out);
        }
    }

    fn write_way_out(&self, out: &mut String) {
        for line in self.way_out() {
            out.push_str("  ");
            out.push_str(&line);
            out.push('\n');
        }
    }

    /// A line of a hint with the host in it.
    fn addressed(&self, line: &str) -> String {
        match &self.0.place {
            Place::Unknown => line.replace("-r:{host}", "-r:HOST").replace("{host}", "the other machine"),
            Place::Here => line.replace(" -r:{host}", "").replace("{host}", "this machine"),
            Place::Host(host) => line.replace("{host}", &bracketed(host)),
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

/// A host as it stands in an endpoint.
#[must_use]
pub fn bracketed(host: &str) -> Cow<'_, str> {
    if host.contains(':') { format!("[{host}]").into() } else { host.into() }
}

/// A `f:WSManFault`; `message` writes what stands in its `f:Message`.
fn markup(code: Code, machine: &str, message: impl FnOnce(&mut Writer)) -> String {
    let mut writer = Writer::new();
    writer.start("f:WSManFault").namespace("f", FAULT);
    writer.attribute("Code", &code.0.to_string()).attribute("Machine", machine);
    writer.start("f:Message");
    message(&mut writer);
    writer.finish()
}

/// The block that scripts know: the fault in the format of the results, its number, its text.
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
        ("", Some(hint), _) => hint.what.to_owned(),
        ("", None, Some(symbol)) => symbol.to_owned(),
        ("", None, None) => "unknown error".to_owned(),
        (message, ..) => harmless(message),
    }
}

/// The namespace of `WSManFault` (MS-WSMV 2.2.1).
const FAULT: &str = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault";
