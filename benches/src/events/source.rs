//! A source of events: prepared deliveries over one connection.

use std::time::{Duration, Instant};

use crate::Result;
use crate::connection::Connection;
use crate::messages::between;

/// Compression of a delivery.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Plain,
    Sldc,
}

/// A connected source that knows the address for its events.
pub(crate) struct Source {
    name: String,
    connection: Connection,
    /// Path of the URL for deliveries.
    path: String,
    /// Number of the last event that was prepared.
    record: u64,
}

/// Batches that are ready to be sent.
pub(crate) struct Deliveries {
    batches: Vec<Delivery>,
}

struct Delivery {
    /// HTTP head and body.
    request: Vec<u8>,
    /// Length of the head.
    head: usize,
    /// Events as they are stored.
    text: String,
}

impl Source {
    /// Requests the subscriptions over a new connection.
    pub(crate) fn new(name: String, mut connection: Connection) -> Result<Self> {
        let body = envelope(ENUMERATE, "", "<n:Enumerate/>");
        let head = head("/wsman/SubscriptionManager/WEC", "UTF-8", Compression::Plain, body.len());
        let answer = connection.exchange(&[head.as_bytes(), body.as_bytes()].concat())?;
        let address = between(answer, b"/wsman/subscriptions/", b"<")?;
        let path = format!("/wsman/subscriptions/{address}");
        Ok(Self { name, connection, path, record: 0 })
    }

    /// Prepares batches of new events in UTF-16, as Windows sends them.
    pub(crate) fn prepare(
        &mut self,
        compression: Compression,
        size: usize,
        batches: usize,
    ) -> Result<Deliveries> {
        let batches = (0..batches).map(|_| self.batch(compression, size)).collect::<Result<_>>()?;
        Ok(Deliveries { batches })
    }

    fn batch(&mut self, compression: Compression, size: usize) -> Result<Delivery> {
        let (body, text) = batch(&self.name, self.record + 1, size, compression)?;
        self.record += u64::try_from(size)?;
        let mut request = head(&self.path, "UTF-16", compression, body.len()).into_bytes();
        let head = request.len();
        request.extend(body);
        Ok(Delivery { request, head, text })
    }

    /// Sends each batch after the acknowledgement of the one before, and returns the times to the acknowledgements.
    pub(crate) fn deliver(&mut self, deliveries: &Deliveries) -> Result<Vec<Duration>> {
        let mut times = Vec::with_capacity(deliveries.batches.len());
        for delivery in &deliveries.batches {
            let begin = Instant::now();
            let answer = self.connection.exchange(&delivery.request)?;
            times.push(begin.elapsed());
            // The answer is in UTF-16, like the batch.
            if !contains_utf16(answer, "/wsman/Ack") {
                return Err("a batch was not acknowledged".into());
            }
        }
        Ok(times)
    }
}

impl Deliveries {
    /// Returns the events of each batch as they are stored.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.batches.iter().map(|batch| &*batch.text)
    }

    /// Returns the bodies as they are sent.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = &[u8]> {
        self.batches.iter().map(|batch| batch.request.get(batch.head..).unwrap_or_default())
    }
}

/// Returns the body of a batch in UTF-16, and its events as they are stored. `first` is the number of the first event.
pub(super) fn batch(
    computer: &str,
    first: u64,
    size: usize,
    compression: Compression,
) -> Result<(Vec<u8>, String)> {
    let behind = first + u64::try_from(size)?;
    let events: Vec<String> = (first..behind).map(|record| event(computer, record)).collect();
    let items: String = events
        .iter()
        .map(|event| format!("<w:Event Action=\"{EVENT}\"><![CDATA[{event}]]></w:Event>"))
        .collect();
    let bookmark = format!(
        "<w:Bookmark><BookmarkList><Bookmark Channel=\"Security\" RecordId=\"{}\" IsCurrent=\"true\"/>\
         </BookmarkList></w:Bookmark><w:AckRequested/>",
        behind - 1
    );
    let message = envelope(EVENTS, &bookmark, &format!("<w:Events>{items}</w:Events>"));
    let mut body: Vec<u8> = vec![0xFF, 0xFE];
    body.extend(message.encode_utf16().flat_map(u16::to_le_bytes));
    if compression == Compression::Sldc {
        body = winevent::sldc::encode(&body)?;
    }
    Ok((body, events.join("\n")))
}

fn contains_utf16(bytes: &[u8], text: &str) -> bool {
    let wanted: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    memchr::memmem::find(bytes, &wanted).is_some()
}

fn head(path: &str, charset: &str, compression: Compression, length: usize) -> String {
    let compressed = match compression {
        Compression::Plain => "",
        Compression::Sldc => "Content-Encoding: SLDC\r\n",
    };
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost:5986\r\nUser-Agent: telarch-benches\r\nConnection: Keep-Alive\r\n\
         Content-Type: application/soap+xml;charset={charset}\r\n{compressed}Content-Length: {length}\r\n\r\n"
    )
}

pub(super) fn envelope(action: &str, headers: &str, body: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:n=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\" \
         xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\"><s:Header>\
         <a:Action s:mustUnderstand=\"true\">{action}</a:Action>\
         <a:MessageID>uuid:7B7A1F5E-9C2D-4C1E-8A55-0C5D1E2F3A4B</a:MessageID>{headers}</s:Header>\
         <s:Body>{body}</s:Body></s:Envelope>"
    )
}

/// Returns a sign-in event with the fields of event 4624 of Windows, whose values differ from event to event.
fn event(computer: &str, record: u64) -> String {
    let mixed = record.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let (logon, user, port) = (mixed >> 40, mixed % 9_000, 49_152 + mixed % 16_000);
    let (second, fraction) = (record % 60, mixed % 10_000_000);
    format!(
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
         <Provider Name='Microsoft-Windows-Security-Auditing' Guid='{{54849625-5478-4994-A5BA-3E3B0328C30D}}'/>\
         <EventID>4624</EventID><Version>2</Version><Level>0</Level><Task>12544</Task><Opcode>0</Opcode>\
         <Keywords>0x8020000000000000</Keywords><TimeCreated SystemTime='2026-01-15T09:41:{second:02}.{fraction:07}Z'/>\
         <EventRecordID>{record}</EventRecordID><Correlation ActivityID='{{{mixed:08x}-0001-0000-8f5c-{logon:012x}}}'/>\
         <Execution ProcessID='716' ThreadID='{thread}'/><Channel>Security</Channel><Computer>{computer}</Computer>\
         <Security/></System><EventData><Data Name='SubjectUserSid'>S-1-5-18</Data>\
         <Data Name='SubjectUserName'>FILESERVER$</Data><Data Name='SubjectDomainName'>EXAMPLE</Data>\
         <Data Name='SubjectLogonId'>0x3e7</Data>\
         <Data Name='TargetUserSid'>S-1-5-21-1004336348-1177238915-682003330-{user}</Data>\
         <Data Name='TargetUserName'>user{user}</Data><Data Name='TargetDomainName'>EXAMPLE</Data>\
         <Data Name='TargetLogonId'>0x{logon:x}</Data><Data Name='LogonType'>3</Data>\
         <Data Name='LogonProcessName'>Kerberos</Data><Data Name='AuthenticationPackageName'>Kerberos</Data>\
         <Data Name='WorkstationName'>-</Data><Data Name='LogonGuid'>{{{mixed:016x}}}</Data>\
         <Data Name='TransmittedServices'>-</Data><Data Name='LmPackageName'>-</Data><Data Name='KeyLength'>0</Data>\
         <Data Name='ProcessId'>0x0</Data><Data Name='ProcessName'>-</Data><Data Name='IpAddress'>10.0.3.{address}</Data>\
         <Data Name='IpPort'>{port}</Data><Data Name='ImpersonationLevel'>%%1833</Data></EventData></Event>",
        thread = 700 + record % 64,
        address = user % 250,
    )
}

pub(super) const ENUMERATE: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate";
pub(super) const HEARTBEAT: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/Heartbeat";
const EVENTS: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/Events";
const EVENT: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/Event";
