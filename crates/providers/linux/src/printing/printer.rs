//! `Win32_Printer`: print queues of CUPS.

use std::sync::Arc;

use cim::{ColumnSet, Instance, Status, Value};
use linux::printing::ipp::Operation;
use linux::printing::printer::{Printer, State, uri};
use linux::printing::scheduler::Scheduler;
use wmi::{Context, Lookup, MethodCall, ProviderError, Target};

use crate::Machine;
use crate::table::{Fill, Table, failure, returned, text_key, text_of};

/// Queues of the scheduler, including classes of printers.
pub(super) struct Printers;

/// Bits of `printer-type` (cups/cups.h, `cups_ptype_e`).
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

/// Bits of a printer's status (PRINTER_INFO_2).
const PAUSED: u32 = 0x1;
const FAILED: u32 = 0x2;
const PRINTING: u32 = 0x400;

/// Prefixes of `printer-state-reasons` keywords with the numbers of `DetectedErrorState` and
/// `ExtendedDetectedErrorState` and the bit of the status, the most severe first.
const REASONS: [(&str, u16, u16, u32); 11] = [
    ("media-jam", 8, 8, 0x8),
    ("media-empty", 4, 4, 0x10),
    ("media-needed", 4, 4, 0x20),
    ("toner-empty", 6, 6, 0x4_0000),
    ("marker-supply-empty", 6, 6, 0x4_0000),
    ("cover-open", 7, 7, 0x40_0000),
    ("door-open", 7, 7, 0x40_0000),
    ("offline", 9, 1, 0x80),
    ("output-area-full", 11, 10, 0x800),
    ("media-low", 3, 3, 0),
    ("toner-low", 5, 5, 0x2_0000),
];

/// Returns a text attribute.
pub(super) fn text(printer: &Printer, name: &str) -> Value {
    printer.attributes.text(name).map(str::to_owned).into()
}

fn texts(printer: &Printer, name: &str) -> Value {
    let texts = printer.attributes.texts(name);
    (!texts.is_empty()).then_some(texts).into()
}

/// Returns a number that is not negative.
pub(super) fn count(number: Option<i32>) -> Value {
    number.and_then(|number| u32::try_from(number).ok()).into()
}

fn capabilities(printer: &Printer) -> impl Iterator<Item = (u16, &'static str)> {
    let kind = printer.kind();
    CAPABILITIES.into_iter().filter(move |(bit, ..)| kind & bit != 0).map(|(_, number, name)| (number, name))
}

/// Returns the most severe error as numbers of `DetectedErrorState` and `ExtendedDetectedErrorState`.
fn error(printer: &Printer) -> (u16, u16) {
    let reasons = printer.reasons();
    // A paused queue is not an error.
    let errors: Vec<&String> = reasons.iter().filter(|reason| !reason.starts_with("paused")).collect();
    let known = REASONS.iter().find(|(begin, ..)| errors.iter().any(|reason| reason.starts_with(begin)));
    match known {
        Some((_, detected, extended, _)) => (*detected, *extended),
        None if errors.iter().any(|reason| reason.ends_with("-error")) => (1, 1),
        None => (2, 2),
    }
}

/// Returns the status bits of the state.
fn state_bits(printer: &Printer) -> u32 {
    match printer.state() {
        State::Stopped => PAUSED,
        State::Printing => PRINTING,
        State::Idle | State::Unknown => 0,
    }
}

/// Returns the status bits of the state and of its reasons; 0 is normal.
pub(super) fn status_bits(printer: &Printer) -> u32 {
    printer.reasons().iter().fold(state_bits(printer), |bits, reason| {
        match REASONS.iter().find(|(begin, ..)| reason.starts_with(begin)) {
            Some((.., bit)) => bits | bit,
            None if reason.ends_with("-error") => bits | FAILED,
            None => bits,
        }
    })
}

/// Returns the known bits of `Attributes` (PRINTER_INFO_2).
fn attributes(printer: &Printer) -> u32 {
    let bits = [
        (printer.is_default, 0x4),
        (printer.is_shared(), 0x8),
        (printer.is_remote(), 0x10),
        (!printer.is_remote(), 0x40),
        (printer.is_offline(), 0x400),
        (printer.is_raw(), 0x1000),
    ];
    bits.iter().filter(|(is_set, _)| *is_set).fold(0, |all, (_, bit)| all | bit)
}

impl Table for Printers {
    type Row = Printer;

    const CLASS: &'static str = "Win32_Printer";

    const COLUMNS: &'static [(&'static str, Fill<Printer>)] = &[
        ("Attributes", |_, row| attributes(row).into()),
        // 3 is running at full power, 8 offline, 18 paused.
        ("Availability", |_, row| match (row.state(), row.is_offline()) {
            (_, true) => 8_u16.into(),
            (State::Stopped, _) => 18_u16.into(),
            (State::Unknown, _) => 2_u16.into(),
            _ => 3_u16.into(),
        }),
        ("AvailableJobSheets", |_, row| texts(row, "job-sheets-supported")),
        ("AveragePagesPerMinute", |_, row| count(row.attributes.number("pages-per-minute"))),
        ("Capabilities", |_, row| capabilities(row).map(|(number, _)| number).collect::<Vec<_>>().into()),
        ("CapabilityDescriptions", |_, row| {
            capabilities(row).map(|(_, name)| name.to_owned()).collect::<Vec<_>>().into()
        }),
        ("Caption", |_, row| row.name().to_owned().into()),
        ("CharSetsSupported", |_, row| texts(row, "charset-supported")),
        ("Comment", |_, row| text(row, "printer-info")),
        ("CurrentCharSet", |_, row| text(row, "charset-configured")),
        ("CurrentNaturalLanguage", |_, row| text(row, "natural-language-configured")),
        ("CurrentPaperType", |_, row| text(row, "media-ready")),
        ("Default", |_, row| row.is_default.into()),
        ("DefaultCopies", |_, row| count(row.attributes.number("copies-default"))),
        ("DefaultMimeType", |_, row| text(row, "document-format-default")),
        ("DefaultNumberUp", |_, row| count(row.attributes.number("number-up-default"))),
        ("DefaultPaperType", |_, row| text(row, "media-default")),
        ("DefaultPriority", |_, row| count(row.attributes.number("job-priority-default"))),
        ("Description", |_, row| text(row, "printer-info")),
        ("DetectedErrorState", |_, row| error(row).0.into()),
        ("DeviceID", |_, row| row.name().to_owned().into()),
        // Documents are always spooled.
        ("Direct", |_, _| false.into()),
        ("DriverName", |_, row| text(row, "printer-make-and-model")),
        ("ErrorDescription", |_, row| match error(row) {
            (2, _) => Value::Null,
            _ => text(row, "printer-state-message"),
        }),
        ("ErrorInformation", |_, row| {
            let reasons = row.reasons();
            (!reasons.is_empty()).then_some(reasons).into()
        }),
        ("ExtendedDetectedErrorState", |_, row| error(row).1.into()),
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
            row.attributes.resolution("printer-resolution-default").map(|(across, _)| across).into()
        }),
        ("Local", |_, row| (!row.is_remote()).into()),
        ("Location", |_, row| text(row, "printer-location")),
        ("MaxCopies", |_, row| count(row.attributes.most("copies-supported"))),
        ("MaxNumberUp", |_, row| count(row.attributes.numbers("number-up-supported").max())),
        ("MimeTypesSupported", |_, row| texts(row, "document-format-supported")),
        ("Name", |_, row| row.name().to_owned().into()),
        ("NaturalLanguagesSupported", |_, row| texts(row, "generated-natural-language-supported")),
        ("Network", |_, row| row.is_remote().into()),
        ("PaperTypesAvailable", |_, row| texts(row, "media-supported")),
        ("PortName", |_, row| text(row, "device-uri")),
        ("PrinterPaperNames", |_, row| texts(row, "media-supported")),
        ("PrinterState", |_, row| state_bits(row).into()),
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
        ("Status", |_, row| match error(row) {
            (2, _) => "OK".into(),
            (3 | 5, _) => "Degraded".into(),
            _ => "Error".into(),
        }),
        // 3 is enabled, 4 disabled: whether the queue accepts jobs.
        ("StatusInfo", |_, row| {
            let accepts = row.attributes.boolean("printer-is-accepting-jobs");
            accepts.map(|accepts| if accepts { 3_u16 } else { 4 }).into()
        }),
        ("VerticalResolution", |_, row| {
            row.attributes.resolution("printer-resolution-default").map(|(_, along)| along).into()
        }),
        ("WorkOffline", |_, row| row.is_offline().into()),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Printer>, ProviderError> {
        all(machine)
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Printer>, ProviderError> {
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
            return Err(ProviderError::failed(Status::NotFound, "printer not found"));
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
        let scheduler = Scheduler::of(machine);
        let request = scheduler.request(Operation::AddModifyPrinter);
        let mut request = request.about("printer-uri", &uri(text_of(instance, "DeviceID"))).of_printer();
        for column in changed.iter() {
            let Some(property) = instance.class().property(column) else { continue };
            request = match property.name.as_str() {
                "Comment" => request.described("printer-info", text_of(instance, "Comment")),
                "Location" => request.described("printer-location", text_of(instance, "Location")),
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
                "CUPS denied this user the change of the printer",
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
/// If CUPS cannot be queried.
pub(super) fn all(machine: &Machine) -> Result<impl Iterator<Item = Printer>, ProviderError> {
    Ok(Printer::all(machine).map_err(failure)?.into_iter())
}

/// Finds a queue by name, ignoring case.
///
/// # Errors
/// As for [`all`].
pub(super) fn find(machine: &Machine, name: &str) -> Result<Option<Printer>, ProviderError> {
    Ok(all(machine)?.find(|printer| cim::wql::equal(printer.name(), name)))
}

/// Adds a queue that forwards to a printer on another server, named `\\server\printer`; returns the code of
/// the method.
fn connect(scheduler: &Scheduler<'_>, name: &str) -> u32 {
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

fn is_name(text: &str) -> bool {
    (1..=127).contains(&text.len())
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet))
}

fn test_page(machine: &Machine, printer: &str) -> String {
    format!(
        "Test page of {printer} on {}\r\n\r\nIf you can read this, the printer works.\r\n\u{c}",
        machine.host_name()
    )
}

/// `ERROR_INVALID_PRINTER_NAME`
const INVALID_PRINTER_NAME: u32 = 1801;
