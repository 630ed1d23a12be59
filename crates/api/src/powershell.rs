//! Scripts of PowerShell, as text in and text out.
//!
//! They run in a shell, not in a runspace: objects, streams beside output and errors, and input need PowerShell
//! remoting, which this crate does not speak.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::{Finished, ShellOptions};
use wsman::identify::Identity;
use xml::{Bounds, Document};

use crate::error::Error;
use crate::session::Session;

impl Session {
    /// Runs a script in the PowerShell of the other machine, `powershell.exe` of Windows or `pwsh` elsewhere, and
    /// gathers its output; what it wrote to its error stream as CLIXML comes out as text.
    ///
    /// # Errors
    /// [`Error`]; [`Error::Argument`] if the other machine has no PowerShell. A script that fails is none: see its exit
    /// code.
    pub async fn run_ps(&self, script: &str, options: ShellOptions) -> Result<Finished, Error> {
        let program = if self.is_windows().await? { "powershell" } else { "pwsh" };
        let line = command_line(program, &format!("$ProgressPreference = 'SilentlyContinue'\n{script}"));
        let mut finished = self.run(&line, &[], options).await?;
        if program == "pwsh" && finished.exit_code == NOT_FOUND {
            return Err(Error::argument(
                format!("{} has no PowerShell: pwsh was not found", self.host()),
                Some("install it there, in the PATH of the service, or use the shell it has: run()"),
            ));
        }
        if let Some(text) = clean_clixml(&finished.stderr) {
            finished.stderr = text.into_bytes();
        }
        Ok(finished)
    }

    /// Whether the other machine says that it is one of Windows.
    pub(crate) async fn is_windows(&self) -> Result<bool, Error> {
        Ok(Identity::parse(self.identify().await?.element()).is_windows())
    }
}

/// A line that runs a script: as base64 of UTF-16LE, so that no shell on the way reads it.
pub(crate) fn command_line(program: &str, script: &str) -> String {
    let octets: Vec<u8> = script.encode_utf16().flat_map(u16::to_le_bytes).collect();
    format!("{program} -NoProfile -NonInteractive -EncodedCommand {}", STANDARD.encode(octets))
}

/// The messages in what PowerShell writes to a pipe: `#< CLIXML` and one document (MS-PSRP 2.2.5). None if it is
/// something else, or holds no error.
#[must_use]
pub fn clean_clixml(octets: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(octets).ok()?;
    let markup = text.strip_prefix("#< CLIXML")?.trim();
    let document = Document::parse(markup, &Bounds::default()).ok()?;
    let errors = document.root().children().filter(|child| {
        child.name() == "S" && child.attribute("", "S").is_some_and(|stream| stream == "Error")
    });
    let text: String = errors.map(|error| unescaped(&error.text())).collect();
    let text = text.replace("\r\n", "\n");
    (!text.trim().is_empty()).then(|| text.trim().to_owned())
}

/// `_x000D_` stands for a code unit of UTF-16 (MS-PSRP 2.2.5.3.2).
fn unescaped(text: &str) -> String {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("_x") {
        units.extend(before.encode_utf16());
        let unit = behind.get(..5).and_then(|code| code.strip_suffix('_'));
        match (unit.and_then(|digits| u16::from_str_radix(digits, 16).ok()), behind.get(5..)) {
            (Some(unit), Some(behind)) => {
                units.push(unit);
                rest = behind;
            }
            _ => {
                units.extend("_x".encode_utf16());
                rest = behind;
            }
        }
    }
    units.extend(rest.encode_utf16());
    String::from_utf16_lossy(&units)
}

/// What shells of POSIX return for a program that is not there (2.8.2 Exit Status for Commands).
const NOT_FOUND: i32 = 127;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_come_out_of_clixml_as_text() {
        let told = b"#< CLIXML\r\n<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">\
            <Obj S=\"progress\" RefId=\"0\"><MS/></Obj><S S=\"Error\">no such thing _x000D__x000A_</S>\
            <S S=\"Error\">At line:1 a_xb_x0041__xD83D__xDE00_</S></Objs>";
        assert_eq!(clean_clixml(told).as_deref(), Some("no such thing \nAt line:1 a_xbA\u{1F600}"));
        assert_eq!(clean_clixml(b"plain"), None);
        assert_eq!(clean_clixml(b"#< CLIXML\r\n<Objs><S"), None);
        assert_eq!(clean_clixml(b"#< CLIXML\r\n<Objs/>"), None);
    }
}
