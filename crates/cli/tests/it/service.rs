//! A service of a few lines: it answers what a test tells it to, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};
use std::thread;

/// What a request is answered: an HTTP status and the content of the body.
pub(crate) type Answer = (u16, String);

pub(crate) struct Service {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The last segment of the action; empty for Identify.
    pub(crate) action: String,
    pub(crate) headers: String,
    pub(crate) envelope: String,
}

impl Asked {
    /// The text of the first element of a name, with its prefix.
    pub(crate) fn text(&self, name: &str) -> String {
        let (_, behind) = self.envelope.split_once(&format!("<{name}")).unwrap_or_default();
        let (_, inside) = behind.split_once('>').unwrap_or_default();
        inside.split("</").next().unwrap_or_default().to_owned()
    }

    /// What stands in the body.
    pub(crate) fn body(&self) -> &str {
        let (_, body) = self.envelope.split_once("<s:Body>").unwrap_or_default();
        body.split("</s:Body>").next().unwrap_or_default()
    }
}

impl Service {
    /// Listens on this machine; the threads end with the test program.
    pub(crate) fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, remembered) = (Arc::new(answer), asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, remembered) = (answer.clone(), remembered.clone());
                thread::spawn(move || serve(&stream, &stream, &*answer, &remembered));
            }
        });
        Self { port, asked }
    }

    /// The same at a Unix socket; it has no port.
    pub(crate) fn at(
        listener: UnixListener,
        answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, remembered) = (Arc::new(answer), asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, remembered) = (answer.clone(), remembered.clone());
                thread::spawn(move || serve(&stream, &stream, &*answer, &remembered));
            }
        });
        Self { port: 0, asked }
    }

    /// Everything it was asked, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no test panicked in it").clone()
    }

    /// The actions it was asked for.
    pub(crate) fn actions(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.action).collect()
    }
}

/// A fault as Windows writes it.
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
    answer: &(impl Fn(&Asked) -> Answer + ?Sized),
    remembered: &Mutex<Vec<Asked>>,
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
        let mut asked = Asked { action: String::new(), headers, envelope: String::from_utf8(body).ok()? };
        asked.action = asked.text("a:Action").rsplit('/').next().unwrap_or_default().to_owned();
        remembered.lock().ok()?.push(asked.clone());
        let (status, content) = answer(&asked);
        output.write_all(reply(&asked, status, &content).as_bytes()).ok()?;
    }
}

fn reply(asked: &Asked, status: u16, content: &str) -> String {
    let envelope = if content.is_empty() && status != 200 {
        String::new()
    } else {
        format!(
            "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
             xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
             xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" \
             xmlns:n=\"http://schemas.xmlsoap.org/ws/2004/09/enumeration\"><s:Header>\
             <a:RelatesTo>{}</a:RelatesTo></s:Header><s:Body>{content}</s:Body></s:Envelope>",
            asked.text("a:MessageID")
        )
    };
    let challenge = if status == 401 { "WWW-Authenticate: Basic realm=\"WSMAN\"\r\n" } else { "" };
    format!(
        "HTTP/1.1 {status} Answer\r\n{challenge}Content-Type: application/soap+xml;charset=UTF-8\r\n\
         Content-Length: {}\r\n\r\n{envelope}",
        envelope.len()
    )
}
