//! Values of child elements.

use wsman::{Fault, Subcode, code};
use xml::Element;

use crate::content::ContentDigest;
use crate::path::decode_path;

pub(crate) fn digest(body: Element<'_>) -> Result<Option<ContentDigest>, Fault> {
    let Some(text) = text(body, "SHA256") else { return Ok(None) };
    ContentDigest::parse(&text).map(Some).ok_or_else(|| invalid("SHA256 must have 64 hexadecimal digits"))
}

pub(crate) fn mode(body: Element<'_>) -> Result<Option<u32>, Fault> {
    let Some(text) = text(body, "Mode") else { return Ok(None) };
    let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o777);
    mode.map(Some).ok_or_else(|| invalid("Mode must be an octal number up to 777"))
}

pub(crate) fn number(body: Element<'_>, name: &str) -> Result<Option<u64>, Fault> {
    let Some(text) = text(body, name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| invalid(format!("{name} must be a number")))
}

pub(crate) fn path(body: Element<'_>, name: &str) -> Result<Option<Vec<u8>>, Fault> {
    let Some(text) = text(body, name) else { return Ok(None) };
    decode_path(&text)
        .map(Some)
        .ok_or_else(|| invalid(format!("{name} must be an escaped path without a NUL character")))
}

pub(crate) fn text(body: Element<'_>, name: &str) -> Option<String> {
    let child = body.children().find(|child| child.name() == name)?;
    Some(child.text().trim().to_owned())
}

pub(crate) fn missing(name: &str) -> Fault {
    invalid(format!("the element {name} is missing; add it"))
}

pub(crate) fn invalid(reason: impl Into<String>) -> Fault {
    Fault::new(Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR, reason)
}
