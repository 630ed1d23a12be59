//! PowerShell scripts with text output.
//!
//! Scripts run in a command shell, not in a runspace: objects, other streams and input need PowerShell remoting
//! ([`remoting`](crate::remoting)).

use client::{CommandResult, ShellOptions};
use copy::command_line;
use wsman::identify::Identity;
use xml::{Bounds, Document};

use crate::error::Error;
use crate::session::Session;

impl Session {
    /// Runs a script in the PowerShell of the remote machine, `powershell.exe` on Windows and `pwsh` elsewhere, and
    /// collects its output; CLIXML in its error stream is converted to text.
    ///
    /// # Errors
    /// [`Error`] if a request fails; [`Error::Argument`] if the remote machine has no PowerShell. A failed script is not
    /// an error; check its exit code.
    pub async fn run_ps(&self, script: &str, options: ShellOptions) -> Result<CommandResult, Error> {
        let program = if self.detect_windows().await? { "powershell" } else { "pwsh" };
        let line = command_line(program, &format!("$ProgressPreference = 'SilentlyContinue'\n{script}"));
        let mut finished = self.run(&line, &[], options).await?;
        if program == "pwsh" && finished.exit_code == NOT_FOUND {
            return Err(Error::argument(
                format!("no PowerShell on {}: pwsh was not found", self.host()),
                Some("install it in the PATH of the service, or use the command shell: run()"),
            ));
        }
        if let Some(text) = clean_clixml(&finished.stderr) {
            finished.stderr = text.into_bytes();
        }
        Ok(finished)
    }

    /// Returns whether the remote machine reports that it runs Windows.
    async fn detect_windows(&self) -> Result<bool, Error> {
        Ok(Identity::parse(self.identify().await?.element()).is_windows())
    }
}

/// Extracts error messages from PowerShell's output to a pipe: `#< CLIXML` and one document (MS-PSRP 2.2.5). Returns
/// `None` for other output and if there is no error.
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

/// Decodes `_x000D_`, the escape for a UTF-16 code unit (MS-PSRP 2.2.5.3.2).
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

/// Exit code of POSIX shells for a command that was not found (POSIX.1-2017, Shell Command Language 2.8.2).
const NOT_FOUND: i32 = 127;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_extracted_from_clixml_as_text() {
        let clixml = b"#< CLIXML\r\n<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">\
            <Obj S=\"progress\" RefId=\"0\"><MS/></Obj><S S=\"Error\">no such thing _x000D__x000A_</S>\
            <S S=\"Error\">At line:1 a_xb_x0041__xD83D__xDE00_</S></Objs>";
        assert_eq!(clean_clixml(clixml).as_deref(), Some("no such thing \nAt line:1 a_xbA\u{1F600}"));
        assert_eq!(clean_clixml(b"plain"), None);
        assert_eq!(clean_clixml(b"#< CLIXML\r\n<Objs><S"), None);
        assert_eq!(clean_clixml(b"#< CLIXML\r\n<Objs/>"), None);
    }
}
