//! A minimal HTTP server for pages of metrics.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Limits, Method, RequestHead, ResponseWriter};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::text_format::to_text_format;

/// Source of the pages.
pub trait Pages: Send + Sync + 'static {
    /// Returns the page at a path. `query` is the text after the question mark, or empty.
    fn page(&self, path: &str, query: &str) -> Page;
}

/// Response to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    status: u16,
    content_type: &'static str,
    text: String,
}

impl Page {
    /// Creates a page of metrics in the text format 0.0.4 of Prometheus.
    #[must_use]
    pub fn prometheus(text: String) -> Self {
        Self { status: 200, content_type: "text/plain; version=0.0.4; charset=utf-8", text }
    }

    /// Creates a page of metrics in the text format 1.0.0 of OpenMetrics.
    #[must_use]
    pub fn open_metrics(text: String) -> Self {
        Self { status: 200, content_type: "application/openmetrics-text; version=1.0.0; charset=utf-8", text }
    }

    /// Returns a page of OpenMetrics in the older text format, if the client accepts that and not OpenMetrics.
    fn accepted_by(self, accept: Option<&str>) -> Self {
        let accepts_text_only =
            accept.is_some_and(|accept| accept.contains("text/plain") && !accept.contains(OPEN_METRICS));
        match self.content_type.starts_with(OPEN_METRICS) && accepts_text_only {
            true => Self::prometheus(to_text_format(&self.text)),
            false => self,
        }
    }

    /// Creates a page of text for a person, or an error, with an HTTP status.
    #[must_use]
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", text: text.into() }
    }
}

/// Serves connections without end. Excess connections wait, and slow ones are closed.
pub async fn serve(listener: TcpListener, pages: Arc<impl Pages>) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // File descriptors may be exhausted for a while.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let pages = Arc::clone(&pages);
        tokio::spawn(async move {
            let _permit = permit;
            let _ = timeout(REQUEST_TIMEOUT, answer(stream, &*pages)).await;
        });
    }
}

/// Answers one request and closes the connection.
async fn answer(mut stream: TcpStream, pages: &impl Pages) -> io::Result<()> {
    let mut received = Vec::new();
    let mut buffer = [0; 4_096];
    let (is_head, page) = loop {
        match RequestHead::parse(&received, &Limits::default()) {
            Ok(Some((head, _))) => {
                let page = page(head.method(), head.target(), pages).accepted_by(head.header("Accept"));
                break (head.method() == Method::Head, page);
            }
            Ok(None) => {}
            Err(error) => break (false, Page::text(error.status(), "bad request\n")),
        }
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        received.extend(buffer.get(..length).unwrap_or_default());
    };
    let mut out = Vec::new();
    let written = ResponseWriter::new(&mut out, page.status).and_then(|mut writer| {
        writer.header("Content-Type", page.content_type)?;
        writer.header("Connection", "close")?;
        if page.status == METHOD_NOT_ALLOWED {
            writer.header("Allow", "GET, HEAD")?;
        }
        writer.end(u64::try_from(page.text.len()).unwrap_or_default())
    });
    written.map_err(io::Error::other)?;
    if !is_head {
        out.extend(page.text.as_bytes());
    }
    stream.write_all(&out).await?;
    stream.shutdown().await
}

fn page(method: Method, target: &str, pages: &impl Pages) -> Page {
    if !matches!(method, Method::Get | Method::Head) {
        return Page::text(METHOD_NOT_ALLOWED, "method not allowed; use GET or HEAD\n");
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    pages.page(path, query)
}

/// Media type of OpenMetrics.
const OPEN_METRICS: &str = "application/openmetrics-text";
const METHOD_NOT_ALLOWED: u16 = 405;
const MAX_CONNECTIONS: usize = 64;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    impl Pages for Echo {
        fn page(&self, path: &str, query: &str) -> Page {
            match path {
                "/metrics" => Page::prometheus(format!("asked {query}\n")),
                "/open" => Page::open_metrics("# EOF\n".to_owned()),
                _ => Page::text(404, "not found\n"),
            }
        }
    }

    /// Sends a request and returns the head and the body of the response.
    async fn exchange(request: &str) -> (String, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(serve(listener, Arc::new(Echo)));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        serving.abort();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    #[tokio::test]
    async fn pages_are_served_with_their_format() {
        let (head, body) = exchange("GET /metrics?target=a HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
        assert_eq!(body, "asked target=a\n");
        let (head, body) = exchange("GET /open HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert!(head.contains("application/openmetrics-text; version=1.0.0"), "{head}");
        assert_eq!(body, "# EOF\n");
    }

    #[tokio::test]
    async fn clients_without_openmetrics_receive_the_older_format() {
        for (accept, is_open) in [
            ("*/*", true),
            ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", true),
            ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", false),
            ("text/plain", false),
        ] {
            let request = format!("GET /open HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n");
            let (head, body) = exchange(&request).await;
            assert_eq!(head.contains("application/openmetrics-text; version=1.0.0"), is_open, "{accept}");
            assert_eq!(body, if is_open { "# EOF\n" } else { "" }, "{accept}");
        }
    }

    #[tokio::test]
    async fn head_requests_have_no_body() {
        let (head, body) = exchange("HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert!(head.contains("Content-Length: 7"), "{head}");
        assert_eq!(body, "");
    }

    #[tokio::test]
    async fn other_requests_are_rejected() {
        let (head, body) =
            exchange("POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 405") && head.contains("Allow: GET, HEAD"), "{head}");
        assert_eq!(body, "method not allowed; use GET or HEAD\n");
        assert!(exchange("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n").await.0.starts_with("HTTP/1.1 404"));
        assert!(exchange("nonsense\r\n\r\n").await.0.starts_with("HTTP/1.1 400"));
    }
}
