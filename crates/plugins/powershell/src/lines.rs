//! Lines of a PowerShell process, among output of other programs.

use psrp::PsrpError;
use psrp::out_of_proc::Packet;

/// Divides output of the process into packets and skips everything else: programs that PowerShell starts without
/// redirection write to the same pipe.
#[derive(Debug, Default)]
pub(crate) struct PacketReader {
    line: Vec<u8>,
    /// Whether the rest of a line is skipped because the line is too long.
    is_skipping: bool,
    /// Number of skipped lines.
    pub(crate) skipped: u64,
}

impl PacketReader {
    /// Adds output, and appends the packets that it completes to `packets`.
    ///
    /// # Errors
    /// [`PsrpError::Line`] for a malformed packet.
    pub(crate) fn push(&mut self, output: &[u8], packets: &mut Vec<Packet>) -> Result<(), PsrpError> {
        let mut rest = output;
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest);
            let (content, behind) = rest.split_at(end.unwrap_or(rest.len()));
            rest = behind.get(1..).unwrap_or_default();
            let is_whole = end.is_some() && self.line.is_empty();
            if !self.is_skipping && !is_whole {
                self.line.extend_from_slice(content);
                if self.line.len() > LONGEST_LINE {
                    self.line = Vec::new();
                    self.is_skipping = true;
                }
            }
            if end.is_some() {
                let found = match std::mem::take(&mut self.is_skipping) {
                    true => None,
                    false if is_whole => packet(content)?,
                    false => packet(&self.line)?,
                };
                self.line.clear();
                match found {
                    Some(packet) => packets.push(packet),
                    None => self.skipped = self.skipped.saturating_add(1),
                }
            }
        }
        Ok(())
    }
}

/// Returns the packet of a line. Output of another program that ended without a line feed may precede it.
fn packet(line: &[u8]) -> Result<Option<Packet>, PsrpError> {
    if let Some(packet) = Packet::parse(line)? {
        return Ok(Some(packet));
    }
    let begin = ["<Data ", "<DataAck ", "<CommandAck ", "<SignalAck ", "<CloseAck "];
    let begin = begin.iter().filter_map(|tag| memchr::memmem::rfind(line, tag.as_bytes())).max();
    let rest = begin.and_then(|begin| line.get(begin..));
    Ok(rest.and_then(|rest| Packet::parse(rest).ok()).flatten())
}

/// Maximum length of a line in bytes. PowerShell writes fragments of 32 KiB, which are 44 KB in Base64.
const LONGEST_LINE: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use psrp::Guid;
    use psrp::out_of_proc::Control;

    use super::*;

    const ACK: &str = "<CloseAck PSGuid='00000000-0000-0000-0000-000000000000' />";

    fn read(output: &[&str]) -> (usize, u64) {
        let (mut reader, mut packets) = (PacketReader::default(), Vec::new());
        for part in output {
            reader.push(part.as_bytes(), &mut packets).unwrap();
        }
        assert!(packets.iter().all(|packet| *packet == Packet::Control(Control::CloseAck, Guid::ZERO)));
        (packets.len(), reader.skipped)
    }

    #[test]
    fn output_of_other_programs_is_skipped() {
        assert_eq!(read(&["hello\n<html>\n\n", ACK, "\r\n"]), (1, 3));
        assert_eq!(read(&["no line feed", ACK, "\n"]), (1, 0));
        let long = "x".repeat(LONGEST_LINE + 1);
        assert_eq!(read(&[&long, &long, "\n", ACK, "\n"]), (1, 1));
    }

    #[test]
    fn a_malformed_packet_is_an_error() {
        let (mut reader, mut packets) = (PacketReader::default(), Vec::new());
        assert!(reader.push(b"<CloseAck PSGuid='1' />\n", &mut packets).is_err());
    }
}
