//! HTTP POST requests.

use std::time::{Duration, Instant};

use http::{Limits, RequestWriter, ResponseHead};
use zeroize::Zeroizing;

use crate::connection::{Address, Connection};

/// Target of HTTP requests.
#[derive(Clone)]
pub struct HttpTarget {
    /// Address of the server.
    pub address: Address,
    /// Value of the header `Host`.
    pub host: String,
    /// Path with query.
    pub path: String,
    /// Further headers, such as `Authorization`.
    pub headers: Vec<HttpHeader>,
}

/// Header of a request. The value is zeroized when it is dropped, because it may be a credential.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpHeader {
    /// Name.
    pub name: String,
    /// Value.
    pub value: Zeroizing<String>,
}

/// Hides the value.
impl std::fmt::Debug for HttpHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.name)
    }
}

/// Hides the headers, which may contain credentials.
impl std::fmt::Debug for HttpTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.host, self.path)
    }
}

impl HttpTarget {
    /// Sends a body in one request on a connection of its own, and waits for the status of the response.
    ///
    /// # Errors
    /// A message if the request cannot be sent, or its status is not 200 to 299.
    pub fn post(&self, content_type: &str, body: &[u8]) -> Result<(), String> {
        let mut request = Zeroizing::new(Vec::new());
        let mut writer =
            RequestWriter::post(&mut request, &self.path, &self.host).map_err(|error| error.to_string())?;
        let fixed = [("Content-Type", content_type), ("User-Agent", "telarch"), ("Connection", "close")];
        let further = self.headers.iter().map(|header| (header.name.as_str(), header.value.as_str()));
        for (name, value) in fixed.into_iter().chain(further) {
            writer.header(name, value).map_err(|error| error.to_string())?;
        }
        writer.end(u64::try_from(body.len()).unwrap_or(u64::MAX));
        request.extend_from_slice(body);
        let mut connection = Connection::open(&self.address).map_err(|error| error.to_string())?;
        connection.write(&request).map_err(|error| error.to_string())?;
        let status = status(&mut connection)?;
        if (200..300).contains(&status) {
            Ok(())
        } else {
            Err(format!("the server has answered with the status {status}"))
        }
    }
}

/// Reads the status of the response; its body is not needed, because the connection is closed.
fn status(connection: &mut Connection) -> Result<u16, String> {
    let (mut received, mut buffer, began) = (Vec::new(), [0; 4_096], Instant::now());
    loop {
        if began.elapsed() > RESPONSE_TIMEOUT {
            return Err("the server has not sent its response in time".to_owned());
        }
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

/// Time limit for the head of a response, whose parts have the time limit of a read each.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);
