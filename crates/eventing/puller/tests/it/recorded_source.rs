//! A source that answers with messages recorded from Windows.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Patience with requests that must arrive.
const PATIENCE: Duration = Duration::from_secs(60);

/// Events of a recorded delivery.
pub(crate) struct RecordedEvents {
    items: Vec<String>,
}

/// Request to the source.
pub(crate) struct Request {
    /// Number of requests Pull before this one on all connections, and this one; 0 for Subscribe.
    pub(crate) pulls: u8,
}

/// Answer of the source.
pub(crate) enum Answer {
    /// The recorded response to Subscribe.
    Subscribed,
    /// The recorded response to Pull, with these items and this bookmark.
    Events(String, Option<String>),
    /// The fault that there is no event.
    NoEvents,
    /// No answer; the connection stays open.
    Nothing,
    /// Status 401.
    Unauthorized,
    /// Another text as a message.
    Raw(String),
}

/// A source with the requests that it has received.
pub(crate) struct RecordedSource {
    port: u16,
    received: Arc<Received>,
}

#[derive(Default)]
struct Received {
    requests: Mutex<Vec<String>>,
    more: Condvar,
}

type Respond = dyn Fn(Request) -> Answer + Send + Sync;

impl RecordedEvents {
    /// Returns `None` without recordings.
    pub(crate) fn read() -> Option<Self> {
        skips::recordings("wsman")?;
        let text =
            fs::read_to_string(skips::recordings("events")?.join("batch-security-25.soap.xml")).unwrap();
        let items = text.split("<w:Event ").skip(1).map(|item| {
            let (item, _) = item.split_once("</w:Event>").unwrap();
            format!("<w:Event {item}</w:Event>")
        });
        Some(Self { items: items.collect() })
    }

    pub(crate) fn items(&self, range: Range<usize>) -> String {
        self.items[range].concat()
    }

    /// Returns the bookmark behind a batch.
    pub(crate) fn bookmark(&self, batch: u64) -> String {
        format!(
            "<BookmarkList><Bookmark Channel=\"Security\" RecordId=\"{batch}\" IsCurrent=\"true\"/></BookmarkList>"
        )
    }
}

impl RecordedSource {
    pub(crate) fn start(host: &str, respond: impl Fn(Request) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_at(host, 0, respond)
    }

    pub(crate) fn start_at(
        host: &str,
        port: u16,
        respond: impl Fn(Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((host, port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::<Received>::default();
        let source = Self { port, received: Arc::clone(&received) };
        let respond: Arc<Respond> = Arc::new(respond);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (received, respond) = (Arc::clone(&received), Arc::clone(&respond));
                std::thread::spawn(move || serve(stream, &received, &*respond));
            }
        });
        source
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the requests, with their headers.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.received.requests.lock().unwrap().clone()
    }

    /// Waits until the source has received so many requests.
    pub(crate) fn wait_for_requests(&self, count: usize) {
        let until = Instant::now() + PATIENCE;
        let mut requests = self.received.requests.lock().unwrap();
        while requests.len() < count {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} of {count} requests: {requests:#?}", requests.len());
            requests = self.received.more.wait_timeout(requests, left).unwrap().0;
        }
    }
}

fn serve(mut stream: TcpStream, received: &Received, respond: &Respond) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(request) = read_request(&mut reader) {
        let is_pull = request.contains("enumeration/Pull<");
        let mut requests = received.requests.lock().unwrap();
        requests.push(request.clone());
        let pulls = requests.iter().filter(|request| request.contains("enumeration/Pull<")).count();
        drop(requests);
        received.more.notify_all();
        let pulls = if is_pull { u8::try_from(pulls).unwrap_or(u8::MAX) } else { 0 };
        let answer = match request.contains("eventing/Unsubscribe") {
            true => Answer::Raw(UNSUBSCRIBED.to_owned()),
            false => respond(Request { pulls }),
        };
        let (_, id) = request.split_once("<a:MessageID>").unwrap();
        let (id, _) = id.split_once('<').unwrap();
        let (status, body) = match answer {
            Answer::Subscribed => ("200 OK", recorded("subscribe_resp.xml", id)),
            Answer::Events(items, bookmark) => {
                let page = recorded("pull_resp_02.xml", id);
                let bookmark = bookmark.map(|text| format!("<w:Bookmark>{text}</w:Bookmark></s:Header>"));
                let page = bookmark.map_or(page.clone(), |bookmark| page.replace("</s:Header>", &bookmark));
                ("200 OK", page.replace("<n:Items/>", &format!("<n:Items>{items}</n:Items>")))
            }
            Answer::NoEvents => ("500 Internal Server Error", TIMED_OUT.replace("ID", id)),
            Answer::Raw(text) => ("200 OK", text.replace("ID", id)),
            Answer::Unauthorized => ("401 Unauthorized", String::new()),
            Answer::Nothing => continue,
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/soap+xml;charset=UTF-8\r\n\
             WWW-Authenticate: Basic realm=\"WSMAN\"\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}

/// Returns a recorded answer to a message.
fn recorded(name: &str, id: &str) -> String {
    let path = skips::recordings("wsman").unwrap().join("events").join(name);
    let text = fs::read_to_string(path).unwrap();
    let (before, after) = text.split_once("<a:RelatesTo>").unwrap();
    let (_, after) = after.split_once("</a:RelatesTo>").unwrap();
    format!("{before}<a:RelatesTo>{id}</a:RelatesTo>{after}")
}

/// Returns the head and the body of a request; `None` at the end of the connection.
fn read_request(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(head + &String::from_utf8(body).unwrap())
}

const TIMED_OUT: &str = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
    xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
    xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\"><s:Header>\
    <a:Action>http://schemas.dmtf.org/wbem/wsman/1/wsman/fault</a:Action><a:RelatesTo>ID</a:RelatesTo></s:Header>\
    <s:Body><s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>w:TimedOut</s:Value></s:Subcode></s:Code>\
    <s:Reason><s:Text xml:lang=\"en-US\">no event</s:Text></s:Reason><s:Detail>\
    <f:WSManFault xmlns:f=\"http://schemas.microsoft.com/wbem/wsman/1/wsmanfault\" Code=\"2150858793\" Machine=\"m\">\
    <f:Message>no event</f:Message></f:WSManFault></s:Detail></s:Fault></s:Body></s:Envelope>";
const UNSUBSCRIBED: &str = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
    xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\"><s:Header>\
    <a:Action>http://schemas.xmlsoap.org/ws/2004/08/eventing/UnsubscribeResponse</a:Action>\
    <a:RelatesTo>ID</a:RelatesTo></s:Header><s:Body/></s:Envelope>";
