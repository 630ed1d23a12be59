//! Batches of events as HTTP POST requests with JSON Lines.

use http::{Limits, RequestWriter, ResponseHead};

use super::connection::{Address, Connection};

/// Target of HTTP requests.
#[derive(Clone)]
pub(super) struct HttpTarget {
    pub(super) address: Address,
    /// Value of the header `Host`.
    pub(super) host: String,
    /// Path with query.
    pub(super) path: String,
    /// Value of the header `Authorization`.
    pub(super) authorization: Option<String>,
}

/// Hides the credentials.
impl std::fmt::Debug for HttpTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.host, self.path)
    }
}

/// Sends lines in one request. Any status other than 200 to 299 is an error.
pub(super) fn send(target: &HttpTarget, lines: &[String]) -> Result<(), String> {
    let mut body = lines.join("\n").into_bytes();
    body.push(b'\n');
    let mut request = Vec::new();
    let mut writer =
        RequestWriter::post(&mut request, &target.path, &target.host).map_err(|error| error.to_string())?;
    writer.header("Content-Type", "application/x-ndjson").map_err(|error| error.to_string())?;
    writer.header("User-Agent", "telarch").map_err(|error| error.to_string())?;
    writer.header("Connection", "close").map_err(|error| error.to_string())?;
    if let Some(value) = &target.authorization {
        writer.header("Authorization", value).map_err(|error| error.to_string())?;
    }
    writer.end(u64::try_from(body.len()).unwrap_or(u64::MAX));
    request.append(&mut body);
    let mut connection = Connection::open(&target.address).map_err(|error| error.to_string())?;
    connection.write(&request).map_err(|error| error.to_string())?;
    let status = status(&mut connection)?;
    if (200..300).contains(&status) {
        Ok(())
    } else {
        Err(format!("the server has answered with the status {status}"))
    }
}

/// Reads the status of the response; its body is not needed, because the connection is closed.
fn status(connection: &mut Connection) -> Result<u16, String> {
    let (mut received, mut buffer) = (Vec::new(), [0; 4_096]);
    loop {
        let count =
            connection.read(&mut buffer).map_err(|error| format!("cannot read the response: {error}"))?;
        received.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let parsed = ResponseHead::parse(&received, &Limits::default()).map_err(|error| error.to_string())?;
        match parsed {
            Some((head, length)) if head.status() < 200 => drop(received.drain(..length)),
            Some((head, _)) => return Ok(head.status()),
            None if count == 0 => {
                return Err("the server has closed the connection without a response".to_owned());
            }
            None => {}
        }
    }
}
