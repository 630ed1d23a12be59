//! Minimal WS-Management service for tests, which records its requests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};
use std::thread;

/// Response: HTTP status and content of the SOAP body.
pub(crate) type Answer = (u16, String);

pub(crate) struct Service {
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// A received request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Last segment of the action; empty for Identify.
    pub(crate) action: String,
    pub(crate) headers: String,
    pub(crate) envelope: String,
}

impl Request {
    /// Returns the text of the first element with this prefixed name.
    pub(crate) fn text(&self, name: &str) -> String {
        let (_, behind) = self.envelope.split_once(&format!("<{name}")).unwrap_or_default();
        let (_, inside) = behind.split_once('>').unwrap_or_default();
        inside.split("</").next().unwrap_or_default().to_owned()
    }

    /// Returns the content of the SOAP body.
    pub(crate) fn body(&self) -> &str {
        let (_, body) = self.envelope.split_once("<s:Body>").unwrap_or_default();
        body.split("</s:Body>").next().unwrap_or_default()
    }
}

impl Service {
    /// Listens on a loopback port; the threads end with the test program.
    pub(crate) fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, received) = (Arc::new(answer), requests.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, received) = (answer.clone(), received.clone());
                thread::spawn(move || serve(&stream, &stream, &*answer, &received));
            }
        });
        Self { port, requests }
    }

    /// Listens on a Unix socket; `port` is 0.
    pub(crate) fn at(
        listener: UnixListener,
        answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (answer, received) = (Arc::new(answer), requests.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, received) = (answer.clone(), received.clone());
                thread::spawn(move || serve(&stream, &stream, &*answer, &received));
            }
        });
        Self { port: 0, requests }
    }

    /// Returns the received requests in order.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no test panicked in it").clone()
    }

    /// Returns the actions of the received requests.
    pub(crate) fn actions(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.action).collect()
    }
}

/// Returns a fault in the format of Windows.
pub(crate) fn fault(code: u32, subcode: &str, text: &str) -> Answer {
    let body = format!(
        "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code>\
         <s:Reason><s:Text xml:lang=\"en-US\">{text}</s:Text></s:Reason><s:Detail>\
         <f:WSManFault xmlns:f=\"http://schemas.microsoft.com/wbem/wsman/1/wsmanfault\" Code=\"{code}\" \
         Machine=\"server7\"><f:Message>{text}</f:Message></f:WSManFault></s:Detail></s:Fault>"
    );
    (500, body)
}

fn serve(
    input: impl Read,
    mut output: impl Write,
    answer: &(impl Fn(&Request) -> Answer + ?Sized),
    requests: &Mutex<Vec<Request>>,
) -> Option<()> {
    let mut reader = BufReader::new(input);
    loop {
        let mut headers = String::new();
        while !headers.ends_with("\r\n\r\n") {
            (reader.read_line(&mut headers).ok()? > 0).then_some(())?;
        }
        let length = headers.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        let mut body = vec![0; length?];
        reader.read_exact(&mut body).ok()?;
        let mut request = Request { action: String::new(), headers, envelope: String::from_utf8(body).ok()? };
        request.action = request.text("a:Action").rsplit('/').next().unwrap_or_default().to_owned();
        requests.lock().ok()?.push(request.clone());
        let (status, content) = answer(&request);
        output.write_all(reply(&request, status, &content).as_bytes()).ok()?;
    }
}

fn reply(request: &Request, status: u16, content: &str) -> String {
    let envelope = if content.is_empty() && status != 200 {
        String::new()
    } else {
        format!(
            "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
             xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
             xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" \
             xmlns:n=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\"><s:Header>\
             <a:RelatesTo>{}</a:RelatesTo></s:Header><s:Body>{content}</s:Body></s:Envelope>",
            request.text("a:MessageID")
        )
    };
    let challenge = if status == 401 { "WWW-Authenticate: Basic realm=\"WSMAN\"\r\n" } else { "" };
    format!(
        "HTTP/1.1 {status} Answer\r\n{challenge}Content-Type: application/soap+xml;charset=UTF-8\r\n\
         Content-Length: {}\r\n\r\n{envelope}",
        envelope.len()
    )
}
