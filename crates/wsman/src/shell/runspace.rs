//! Client's bodies of PowerShell remoting: creation, Reconnect and Connect (MS-WSMV 3.1.4.1.31, 3.1.4.14, 3.1.4.15).

use base64::Engine as _;
use xml::{Element, Writer};

use super::stream::{BASE64, write_base64};
use super::{named, schema_error};
use crate::fault::Fault;
use crate::namespace::{POWERSHELL, SHELL};

/// Appends `creationXml`, the first fragments of a runspace pool, to the `rsp:Shell` of a Create request.
pub fn write_creation(writer: &mut Writer, fragments: &[u8]) {
    write_fragments(writer, "creationXml", fragments);
}

/// Writes the body of Reconnect, for the shell or for one of its commands.
pub fn write_reconnect(writer: &mut Writer, command_id: Option<&str>) {
    writer.start("rsp:Reconnect").namespace("rsp", SHELL);
    if let Some(id) = command_id {
        writer.attribute("CommandId", id);
    }
    writer.end();
}

/// Writes the body of Connect: with fragments for a shell, and with an identifier for one of its commands.
pub fn write_connect(writer: &mut Writer, command_id: Option<&str>, fragments: Option<&[u8]>) {
    writer.start("rsp:Connect").namespace("rsp", SHELL);
    if let Some(id) = command_id {
        writer.attribute("CommandId", id);
    }
    if let Some(fragments) = fragments {
        write_fragments(writer, "connectXml", fragments);
    }
    writer.end();
}

/// Returns the fragments in the response to Connect; empty if it has none.
///
/// # Errors
/// `w:SchemaValidationError` for invalid Base64.
pub fn parse_connected(response: Element<'_>) -> Result<Vec<u8>, Fault> {
    let Some(fragments) = named(response, "connectResponseXml") else { return Ok(Vec::new()) };
    let packed: Vec<u8> = fragments.text().bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let decoded = BASE64.decode(packed);
    decoded.map_err(|error| schema_error(format!("invalid Base64 in connectResponseXml: {error}")))
}

fn write_fragments(writer: &mut Writer, name: &str, fragments: &[u8]) {
    writer.start(name).namespace("", POWERSHELL);
    writer.plain(|out| write_base64(fragments, out)).end();
}

#[cfg(test)]
mod tests {
    use xml::{Bounds, Document};

    use super::*;

    #[test]
    fn fragments_are_read_back_with_and_without_line_breaks() {
        for text in ["AQID", "AQ\nID"] {
            let text =
                format!("<ConnectResponse><connectResponseXml>{text}</connectResponseXml></ConnectResponse>");
            let document = Document::parse(text, &Bounds::default()).expect("XML");
            assert_eq!(parse_connected(document.root()), Ok(vec![1, 2, 3]));
        }
        let wrong = "<ConnectResponse><connectResponseXml>*</connectResponseXml></ConnectResponse>";
        let document = Document::parse(wrong.to_owned(), &Bounds::default()).expect("XML");
        assert!(parse_connected(document.root()).is_err());
    }

    #[test]
    fn bodies_have_the_form_of_windows() {
        let mut writer = Writer::new();
        write_connect(&mut writer, None, Some(&[1, 2, 3]));
        let expected = format!(
            "<rsp:Connect xmlns:rsp=\"{SHELL}\"><connectXml xmlns=\"{POWERSHELL}\">AQID</connectXml></rsp:Connect>"
        );
        assert_eq!(writer.finish(), expected);
    }
}
