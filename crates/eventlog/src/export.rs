//! The export format of `journalctl -o export` (Journal Export Formats, systemd.io).

use std::io::{self, BufRead, Read as _};

/// Maximum size of a field in bytes; longer ones are skipped.
const MAX_FIELD: u64 = 64 << 10;
/// Maximum number of fields of an entry.
const MAX_FIELDS: usize = 1_100;

/// Fields of an entry, with `__CURSOR` and the like.
pub type ExportedEntry = Vec<(String, Vec<u8>)>;

/// Reads the next entry; `None` at the end. An incomplete last entry is not returned.
///
/// # Errors
/// Errors of the reader, and [`io::ErrorKind::InvalidData`] if the text does not follow the format.
pub fn read_entry(reader: &mut impl BufRead) -> io::Result<Option<ExportedEntry>> {
    let mut fields = Vec::new();
    loop {
        let mut line = Vec::new();
        let read = reader.by_ref().take(MAX_FIELD + 256).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(None);
        }
        if line.pop_if(|last| *last == b'\n').is_none() {
            skip_line(reader)?;
            continue;
        }
        if line.is_empty() {
            if fields.is_empty() {
                continue;
            }
            return Ok(Some(fields));
        }
        let sign = memchr::memchr(b'=', &line);
        let (name, value) = match sign {
            Some(sign) => {
                let value = line.get(sign + 1..).unwrap_or_default().to_vec();
                (line.get(..sign).unwrap_or_default().to_vec(), Some(value))
            }
            None => (line, read_binary(reader)?),
        };
        let name = String::from_utf8(name)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the name of a field is not text"))?;
        if let Some(value) = value.filter(|_| fields.len() < MAX_FIELDS) {
            fields.push((name, value));
        }
    }
}

/// Reads a length, bytes and a line end; `None` for a value that is too long.
fn read_binary(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 8];
    reader.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    let value = if length > MAX_FIELD {
        io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
        None
    } else {
        let mut value = Vec::new();
        reader.by_ref().take(length).read_to_end(&mut value)?;
        Some(value)
    };
    let mut end = [0];
    reader.read_exact(&mut end)?;
    if end != *b"\n" {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a binary field has no line end"));
    }
    Ok(value)
}

fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let there = reader.fill_buf()?;
        let (length, is_end) = match memchr::memchr(b'\n', there) {
            Some(at) => (at + 1, true),
            None => (there.len(), there.is_empty()),
        };
        reader.consume(length);
        if is_end {
            return Ok(());
        }
    }
}
