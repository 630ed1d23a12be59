//! `Win32_Printer`: print queues of CUPS.

use std::sync::Arc;

use cim::{ColumnSet, Instance, Status, Value};
use wmi::{Context, Lookup, MethodCall, ProviderError, Scan, Target};

use super::ipp::{Attributes, Operation};
use super::scheduler::Scheduler;
use crate::Machine;
use crate::table::{Fill, Push, Table, returned, text_key};

/// Queues of the scheduler, including classes of printers.
pub(super) struct Printers;

/// A queue with its attributes.
pub(super) struct Row {
    pub(super) told: Attributes,
    is_default: bool,
}

/// Bits of `printer-type` (cups/cups.h, `cups_ptype_e`).
const REMOTE: i32 = 0x2;
const COLOUR: i32 = 0x8;
const BLACK: i32 = 0x4;
const DUPLEX: i32 = 0x10;
const STAPLE: i32 = 0x20;
const COPIES: i32 = 0x40;
const COLLATE: i32 = 0x80;
const PUNCH: i32 = 0x100;
const COVER: i32 = 0x200;
const BIND: i32 = 0x400;

/// Bits of `printer-type` with the numbers and names of `Capabilities`.
const CAPABILITIES: [(i32, u16, &str); 9] = [
    (COLOUR, 2, "Color Printing"),
    (DUPLEX, 3, "Duplex Printing"),
    (COPIES, 4, "Copies"),
    (COLLATE, 5, "Collation"),
    (STAPLE, 6, "Stapling"),
    (PUNCH, 8, "Punch"),
    (COVER, 9, "Cover"),
    (BIND, 10, "Bind"),
    (BLACK, 11, "Black and White Printing"),
];

/// Prefixes of `printer-state-reasons` keywords with the numbers of `DetectedErrorState` and
/// `ExtendedDetectedErrorState`, the most severe first.
const REASONS: [(&str, u16, u16); 11] = [
    ("media-jam", 8, 8),
    ("media-empty", 4, 4),
    ("media-needed", 4, 4),
    ("toner-empty", 6, 6),
    ("marker-supply-empty", 6, 6),
    ("cover-open", 7, 7),
    ("door-open", 7, 7),
    ("offline", 9, 1),
    ("output-area-full", 11, 10),
    ("media-low", 3, 3),
    ("toner-low", 5, 5),
];

/// State of a queue (RFC 8011 5.4.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Printing,
    Stopped,
    Unknown,
}

impl Row {
    pub(super) fn name(&self) -> &str {
        self.told.text("printer-name").unwrap_or_default()
    }

    pub(super) fn text(&self, name: &str) -> Value {
        self.told.text(name).map(str::to_owned).into()
    }

    fn texts(&self, name: &str) -> Value {
        let texts = self.told.texts(name);
        (!texts.is_empty()).then_some(texts).into()
    }

    pub(super) fn count(&self, number: Option<i32>) -> Value {
        number.and_then(|number| u32::try_from(number).ok()).into()
    }

    fn kind(&self) -> i32 {
        self.told.number("printer-type").unwrap_or_default()
    }

    fn capabilities(&self) -> impl Iterator<Item = (u16, &'static str)> {
        let kind = self.kind();
        CAPABILITIES
            .into_iter()
            .filter(move |(bit, ..)| kind & bit != 0)
            .map(|(_, number, name)| (number, name))
    }

    fn is_remote(&self) -> bool {
        self.kind() & REMOTE != 0
    }

    fn is_shared(&self) -> bool {
        self.told.boolean("printer-is-shared").unwrap_or_default()
    }

    /// Returns whether documents are passed to the printer unchanged.
    pub(super) fn is_raw(&self) -> bool {
        self.told.text("printer-make-and-model") == Some("Local Raw Printer")
    }

    fn state(&self) -> State {
        match self.told.number("printer-state") {
            Some(3) => State::Idle,
            Some(4) => State::Printing,
            Some(5) => State::Stopped,
            _ => State::Unknown,
        }
    }

    /// Returns the keywords of `printer-state-reasons`, without "none".
    fn reasons(&self) -> Vec<String> {
        let mut reasons = self.told.texts("printer-state-reasons");
        reasons.retain(|reason| reason != "none");
        reasons
    }

    /// Returns the most severe error as numbers of `DetectedErrorState` and `ExtendedDetectedErrorState`.
    fn error(&self) -> (u16, u16) {
        let reasons = self.reasons();
        // A paused queue is not an error.
        let errors: Vec<&String> = reasons.iter().filter(|reason| !reason.starts_with("paused")).collect();
        let known = REASONS.iter().find(|(begin, ..)| errors.iter().any(|reason| reason.starts_with(begin)));
        match known {
            Some((_, detected, extended)) => (*detected, *extended),
            None if errors.iter().any(|reason| reason.ends_with("-error")) => (1, 1),
            None => (2, 2),
        }
    }

    /// Returns the known bits of `Attributes` (PRINTER_INFO_2).
    fn attributes(&self) -> u32 {
        let bits = [
            (self.is_default, 0x4),
            (self.is_shared(), 0x8),
            (self.is_remote(), 0x10),
            (!self.is_remote(), 0x40),
            (self.is_offline(), 0x400),
            (self.is_raw(), 0x1000),
        ];
        bits.iter().filter(|(is_set, _)| *is_set).fold(0, |all, (_, bit)| all | bit)
    }

    fn is_offline(&self) -> bool {
        self.reasons().iter().any(|reason| reason.starts_with("offline"))
    }
}

impl Table for Printers {
    type Row = Row;

    const CLASS: &'static str = "Win32_Printer";

    const COLUMNS: &'static [(&'static str, Fill<Row>)] = &[
        ("Attributes", |_, row| row.attributes().into()),
        // 3 is running at full power, 8 offline, 18 paused.
        ("Availability", |_, row| match (row.state(), row.is_offline()) {
            (_, true) => 8_u16.into(),
            (State::Stopped, _) => 18_u16.into(),
            (State::Unknown, _) => 2_u16.into(),
            _ => 3_u16.into(),
        }),
        ("AvailableJobSheets", |_, row| row.texts("job-sheets-supported")),
        ("AveragePagesPerMinute", |_, row| row.count(row.told.number("pages-per-minute"))),
        ("Capabilities", |_, row| row.capabilities().map(|(number, _)| number).collect::<Vec<_>>().into()),
        ("CapabilityDescriptions", |_, row| {
            row.capabilities().map(|(_, name)| name.to_owned()).collect::<Vec<_>>().into()
        }),
        ("Caption", |_, row| row.name().to_owned().into()),
        ("CharSetsSupported", |_, row| row.texts("charset-supported")),
        ("Comment", |_, row| row.text("printer-info")),
        ("CurrentCharSet", |_, row| row.text("charset-configured")),
        ("CurrentNaturalLanguage", |_, row| row.text("natural-language-configured")),
        ("CurrentPaperType", |_, row| row.text("media-ready")),
        ("Default", |_, row| row.is_default.into()),
        ("DefaultCopies", |_, row| row.count(row.told.number("copies-default"))),
        ("DefaultMimeType", |_, row| row.text("document-format-default")),
        ("DefaultNumberUp", |_, row| row.count(row.told.number("number-up-default"))),
        ("DefaultPaperType", |_, row| row.text("media-default")),
        ("DefaultPriority", |_, row| row.count(row.told.number("job-priority-default"))),
        ("Description", |_, row| row.text("printer-info")),
        ("DetectedErrorState", |_, row| row.error().0.into()),
        ("DeviceID", |_, row| row.name().to_owned().into()),
        // Documents are always spooled.
        ("Direct", |_, _| false.into()),
        ("DriverName", |_, row| row.text("printer-make-and-model")),
        ("ErrorDescription", |_, row| match row.error() {
            (2, _) => Value::Null,
            _ => row.text("printer-state-message"),
        }),
        ("ErrorInformation", |_, row| {
            let reasons = row.reasons();
            (!reasons.is_empty()).then_some(reasons).into()
        }),
        ("ExtendedDetectedErrorState", |_, row| row.error().1.into()),
        // 3 is idle, 4 printing, 8 paused.
        ("ExtendedPrinterStatus", |_, row| {
            match row.state() {
                State::Idle => 3_u16,
                State::Printing => 4,
                State::Stopped => 8,
                State::Unknown => 2,
            }
            .into()
        }),
        ("HorizontalResolution", |_, row| {
            row.told.resolution("printer-resolution-default").map(|(across, _)| across).into()
        }),
        ("Local", |_, row| (!row.is_remote()).into()),
        ("Location", |_, row| row.text("printer-location")),
        ("MaxCopies", |_, row| row.count(row.told.most("copies-supported"))),
        ("MaxNumberUp", |_, row| row.count(row.told.numbers("number-up-supported").max())),
        ("MimeTypesSupported", |_, row| row.texts("document-format-supported")),
        ("Name", |_, row| row.name().to_owned().into()),
        ("NaturalLanguagesSupported", |_, row| row.texts("generated-natural-language-supported")),
        ("Network", |_, row| row.is_remote().into()),
        ("PaperTypesAvailable", |_, row| row.texts("media-supported")),
        ("PortName", |_, row| row.text("device-uri")),
        ("PrinterPaperNames", |_, row| row.texts("media-supported")),
        // Bits of PRINTER_INFO_2: paused and printing.
        ("PrinterState", |_, row| {
            match row.state() {
                State::Stopped => 0x1_u32,
                State::Printing => 0x400,
                State::Idle | State::Unknown => 0,
            }
            .into()
        }),
        // 3 is idle, 4 printing, 6 stopped.
        ("PrinterStatus", |_, row| {
            match row.state() {
                State::Idle => 3_u16,
                State::Printing => 4,
                State::Stopped => 6,
                State::Unknown => 2,
            }
            .into()
        }),
        ("RawOnly", |_, row| row.is_raw().into()),
        ("Shared", |_, row| row.is_shared().into()),
        ("ShareName", |_, row| row.is_shared().then(|| row.name().to_owned()).into()),
        ("SpoolEnabled", |_, _| true.into()),
        ("Status", |_, row| match row.error() {
            (2, _) => "OK".into(),
            (3 | 5, _) => "Degraded".into(),
            _ => "Error".into(),
        }),
        // 3 is enabled, 4 disabled: whether the queue accepts jobs.
        ("StatusInfo", |_, row| {
            let accepts = row.told.boolean("printer-is-accepting-jobs");
            accepts.map(|accepts| if accepts { 3_u16 } else { 4 }).into()
        }),
        ("VerticalResolution", |_, row| {
            row.told.resolution("printer-resolution-default").map(|(_, along)| along).into()
        }),
        ("WorkOffline", |_, row| row.is_offline().into()),
    ];

    const UNKNOWN: &'static [&'static str] = &[
        "ConfigManagerErrorCode",
        "ConfigManagerUserConfig",
        "CurrentCapabilities",
        "CurrentLanguage",
        "CurrentMimeType",
        "DefaultCapabilities",
        "DefaultLanguage",
        "DoCompleteFirst",
        "EnableBIDI",
        "EnableDevQueryPrint",
        "Hidden",
        "JobCountSinceLastReset",
        "KeepPrintedJobs",
        "LanguagesSupported",
        "MarkingTechnology",
        "MaxSizeSupported",
        "PaperSizesSupported",
        "Parameters",
        "PNPDeviceID",
        "PowerManagementSupported",
        "PrintJobDataType",
        "PrintProcessor",
        "Priority",
        "Published",
        "Queued",
        "SeparatorFile",
        "ServerName",
        "StartTime",
        "TimeOfLastReset",
        "UntilTime",
    ];

    fn rows(&self, machine: &Arc<Machine>, _: &Scan, push: &mut Push<'_, Row>) -> Result<(), ProviderError> {
        all(machine)?.into_iter().try_for_each(push)
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Row>, ProviderError> {
        find(machine, text_key(lookup.keys))
    }

    fn invoke(&self, machine: &Arc<Machine>, call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        let scheduler = Scheduler::of(machine);
        let method = call.operation.method.name.as_str();
        let Target::Instance(keys) = call.target else {
            let name = call.input.value("Name").and_then(Value::as_str).unwrap_or_default();
            return returned(call, connect(&scheduler, name));
        };
        let Some(row) = find(machine, text_key(keys))? else {
            return Err(ProviderError::failed(Status::NotFound, "there is no such printer"));
        };
        let about = |operation| scheduler.request(operation).about("printer-uri", &uri(row.name()));
        let request = match method {
            "Pause" => about(Operation::PausePrinter).end(&[]),
            "Resume" => about(Operation::ResumePrinter).end(&[]),
            "CancelAllJobs" => about(Operation::CancelJobs).end(&[]),
            "SetDefaultPrinter" => about(Operation::SetDefault).end(&[]),
            "PrintTestPage" => {
                let page = about(Operation::PrintJob).name("job-name", "Test page").format("text/plain");
                page.end(test_page(machine, row.name()).as_bytes())
            }
            _ => return Err(ProviderError::NotCapable),
        };
        returned(call, scheduler.order(request))
    }

    fn put(
        &self,
        machine: &Arc<Machine>,
        _: &Context,
        instance: &Instance,
        changed: &ColumnSet,
    ) -> Result<(), ProviderError> {
        let text = |name: &str| instance.value(name).and_then(Value::as_str).unwrap_or_default();
        let scheduler = Scheduler::of(machine);
        let request = scheduler.request(Operation::AddModifyPrinter);
        let mut request = request.about("printer-uri", &uri(text("DeviceID"))).of_printer();
        for column in changed.iter() {
            let Some(property) = instance.class().property(column) else { continue };
            request = match property.name.as_str() {
                "Comment" => request.described("printer-info", text("Comment")),
                "Location" => request.described("printer-location", text("Location")),
                "Shared" => {
                    request.boolean("printer-is-shared", instance.at(column) == &Value::Boolean(true))
                }
                _ => return Err(ProviderError::NotCapable),
            };
        }
        match scheduler.order(request.end(&[])) {
            0 => Ok(()),
            5 => Err(ProviderError::failed(
                Status::AccessDenied,
                "CUPS does not let this user change the printer",
            )),
            code => Err(ProviderError::failed(
                Status::Failed,
                format!("CUPS did not change the printer (code {code})"),
            )),
        }
    }
}

/// Returns all queues.
///
/// # Errors
/// If CUPS cannot be asked or refuses.
pub(super) fn all(machine: &Machine) -> Result<Vec<Row>, ProviderError> {
    let scheduler = Scheduler::of(machine);
    let request = scheduler.request(Operation::GetPrinters).keyword("requested-attributes", "all");
    let printers = scheduler.list(request.end(&[]))?;
    let request = scheduler.request(Operation::GetDefault).keyword("requested-attributes", "printer-name");
    // If there is no default queue, CUPS answers with an error.
    let default =
        if printers.is_empty() { Vec::new() } else { scheduler.list(request.end(&[])).unwrap_or_default() };
    let default = default.first().and_then(|printer| printer.text("printer-name")).map(str::to_owned);
    let row = |told: Attributes| {
        let name = told.text("printer-name")?;
        Some(Row { is_default: default.as_deref() == Some(name), told })
    };
    Ok(printers.into_iter().filter_map(row).collect())
}

/// Finds a queue by name, ignoring case.
///
/// # Errors
/// As for [`all`].
pub(super) fn find(machine: &Machine, name: &str) -> Result<Option<Row>, ProviderError> {
    Ok(all(machine)?.into_iter().find(|row| cim::wql::equal(row.name(), name)))
}

/// Returns the URI of a queue, with percent-encoded characters where necessary.
fn uri(name: &str) -> String {
    let mut uri = "ipp://localhost/printers/".to_owned();
    for octet in name.bytes() {
        if octet.is_ascii_alphanumeric() || b"-_.~".contains(&octet) {
            uri.push(octet.into());
        } else {
            uri.push_str(&format!("%{octet:02X}"));
        }
    }
    uri
}

/// Adds a queue that forwards to a printer on another server, named `\\server\printer`; returns the code of
/// the method.
fn connect(scheduler: &Scheduler<'_>, name: &str) -> u32 {
    let is_name = |text: &str| {
        let is_fit = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
        (1..=127).contains(&text.len()) && text.bytes().all(is_fit)
    };
    let parts = name.strip_prefix("\\\\").and_then(|rest| rest.split_once('\\'));
    let Some((server, printer)) = parts.filter(|(server, printer)| is_name(server) && is_name(printer))
    else {
        return INVALID_PRINTER_NAME;
    };
    let request =
        scheduler.request(Operation::AddModifyPrinter).about("printer-uri", &uri(printer)).of_printer();
    let request = request.uri("device-uri", &format!("ipp://{server}/printers/{printer}"));
    let request = request.boolean("printer-is-accepting-jobs", true).choice("printer-state", 3);
    scheduler.order(request.end(&[]))
}

fn test_page(machine: &Machine, printer: &str) -> String {
    format!(
        "Test page of {printer} on {}\r\n\r\nIf you can read this, the printer works.\r\n\u{c}",
        machine.host_name()
    )
}

/// `ERROR_INVALID_PRINTER_NAME`
const INVALID_PRINTER_NAME: u32 = 1801;
