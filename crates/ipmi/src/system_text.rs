//! System information texts, read in blocks (IPMI 2.0, 22.14b).

use ipmi_proto::system_info::{GetSystemInfo, SystemText, begin};

use crate::{Connection, IpmiError};

impl Connection {
    /// Returns a text about the machine; `None` if the controller does not have it.
    ///
    /// # Errors
    /// If the controller does not respond.
    pub async fn system_text(&self, text: SystemText) -> Result<Option<String>, IpmiError> {
        let Some(first) = self.block(text, 0).await? else { return Ok(None) };
        let Ok((encoding, length, rest)) = begin(&first) else { return Ok(None) };
        let mut octets = rest.to_vec();
        for block in 1..=LAST_BLOCK {
            if octets.len() >= length {
                break;
            }
            match self.block(text, block).await? {
                Some(more) if !more.is_empty() => octets.extend(more),
                _ => break,
            }
        }
        octets.truncate(length);
        Ok(Some(encoding.decode(&octets)).filter(|text| !text.is_empty()))
    }

    /// Returns a block; `None` if the controller does not support texts or its response is not valid.
    async fn block(&self, text: SystemText, block: u8) -> Result<Option<Vec<u8>>, IpmiError> {
        match self.run(&GetSystemInfo { text, block }).await {
            Ok(octets) => Ok(Some(octets)),
            Err(IpmiError::Completion(_)) => Ok(None),
            Err(IpmiError::Proto(error)) if error.is_about_octets() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Last block: up to it there is room for the maximum length of 255 bytes.
const LAST_BLOCK: u8 = 16;
