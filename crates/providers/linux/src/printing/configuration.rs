//! `Win32_PrinterConfiguration`: default settings of print queues.

use std::sync::Arc;

use cim::Value;
use wmi::{Lookup, ProviderError};

use linux::printing::printer::Printer;

use super::printer::{all, count, find, text};
use crate::Machine;
use crate::table::{Fill, Table, text_key};

/// Default settings of the queues (RFC 8011 5.2, the attributes whose names end with `-default`).
pub(super) struct Configurations;

fn dots(printer: &Printer) -> Option<(u32, u32)> {
    printer.attributes.resolution("printer-resolution-default")
}

fn across(printer: &Printer) -> Value {
    dots(printer).map(|(across, _)| across).into()
}

fn along(printer: &Printer) -> Value {
    dots(printer).map(|(_, along)| along).into()
}

fn paper(printer: &Printer) -> Option<(u32, u32)> {
    printer.attributes.text("media-default").and_then(size_of)
}

/// Returns the resolution in dots per inch; without one -1, -3 or -4, as an unsigned number, for draft,
/// normal or high quality.
fn quality(printer: &Printer) -> Option<u32> {
    if let Some((across, _)) = dots(printer) {
        return Some(across);
    }
    let word = match printer.attributes.number("print-quality-default")? {
        3 => 1_u32,
        4 => 3,
        5 => 4,
        _ => return None,
    };
    Some(word.wrapping_neg())
}

/// Returns width and length of a paper in tenths of a millimetre, from its name (PWG 5101.1) such as
/// `iso_a4_210x297mm`.
fn size_of(name: &str) -> Option<(u32, u32)> {
    let size = name.rsplit('_').next()?;
    let (size, unit) = match size.strip_suffix("mm") {
        Some(size) => (size, 10.0),
        None => (size.strip_suffix("in")?, 254.0),
    };
    let (width, length) = size.split_once('x')?;
    Some((tenths(width, unit)?, tenths(length, unit)?))
}

/// Returns a length in tenths of a millimetre, given those of its unit.
fn tenths(text: &str, unit: f64) -> Option<u32> {
    let length = text.parse::<f64>().ok()? * unit;
    // Rejects sizes of ten metres and more.
    (0.0..100_000.0).contains(&length).then(|| format!("{length:.0}").parse().ok())?
}

impl Table for Configurations {
    type Row = Printer;

    const CLASS: &'static str = "Win32_PrinterConfiguration";

    const COLUMNS: &'static [(&'static str, Fill<Printer>)] = &[
        ("Caption", |_, row| row.name().to_owned().into()),
        ("Collate", |_, row| {
            let way = row.attributes.text("multiple-document-handling-default");
            way.map(|way| way != "separate-documents-uncollated-copies").into()
        }),
        // 1 is monochrome, 2 colour.
        ("Color", |_, row| match row.attributes.text("print-color-mode-default") {
            Some("monochrome" | "process-monochrome" | "bi-level" | "process-bi-level") => 1_u32.into(),
            Some("color") => 2_u32.into(),
            _ => Value::Null,
        }),
        ("Copies", |_, row| count(row.attributes.number("copies-default"))),
        ("Description", |_, row| row.name().to_owned().into()),
        ("DeviceName", |_, row| row.name().to_owned().into()),
        ("Duplex", |_, row| row.attributes.text("sides-default").map(|sides| sides != "one-sided").into()),
        ("HorizontalResolution", |_, row| across(row)),
        ("Name", |_, row| row.name().to_owned().into()),
        // 1 is portrait, 2 landscape; each stands for two of the four orientations of IPP.
        ("Orientation", |_, row| match row.attributes.number("orientation-requested-default") {
            Some(3 | 6) => 1_u32.into(),
            Some(4 | 5) => 2_u32.into(),
            _ => Value::Null,
        }),
        ("PaperLength", |_, row| paper(row).map(|(_, length)| length).into()),
        ("PaperSize", |_, row| text(row, "media-default")),
        ("PaperWidth", |_, row| paper(row).map(|(width, _)| width).into()),
        ("PrintQuality", |_, row| quality(row).into()),
        ("SettingID", |_, row| row.name().to_owned().into()),
        ("VerticalResolution", |_, row| along(row)),
        ("XResolution", |_, row| across(row)),
        ("YResolution", |_, row| along(row)),
    ];

    fn all(machine: &Machine) -> Result<impl Iterator<Item = Printer>, ProviderError> {
        all(machine)
    }

    fn row(&self, machine: &Arc<Machine>, lookup: &Lookup<'_>) -> Result<Option<Printer>, ProviderError> {
        find(machine, text_key(lookup.keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paper_names_contain_their_size() {
        assert_eq!(size_of("iso_a4_210x297mm"), Some((2_100, 2_970)));
        assert_eq!(size_of("na_letter_8.5x11in"), Some((2_159, 2_794)));
        assert_eq!(size_of("custom_10.5x20mm_10.5x20mm"), Some((105, 200)));
        for none in
            ["A4", "iso_a4_210x297", "iso_a4_x297mm", "x_-1x5mm", "x_1e9x5mm", "x_NaNx5mm", "x_infx5in"]
        {
            assert_eq!(size_of(none), None, "{none}");
        }
    }
}
