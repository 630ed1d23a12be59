//! Cost of parsing heads, as a ratio to one pass of `memchr` over the same bytes, and in nanoseconds.
//!
//! Run with `cargo bench -p telarch-http`.

#![allow(clippy::print_stdout, clippy::unwrap_used)] // A benchmark prints, and its inputs are its own.

use std::hint::black_box;
use std::time::{Duration, Instant};

use telarch_http::{ChunkedDecoder, Limits, RequestHead, ResponseHead, ResponseWriter};

fn main() {
    let limits = Limits::default();
    let request =
        b"POST /wsman HTTP/1.1\r\nHost: node7.example.net:5985\r\nUser-Agent: Python WinRM client\r\n\
        Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: Keep-Alive\r\n\
        Content-Type: application/soap+xml;charset=UTF-8\r\nContent-Length: 1547\r\n\
        Authorization: Basic dmFncmFudDp2YWdyYW50\r\n\r\n";
    let response = b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml;charset=UTF-8\r\n\
        Server: Microsoft-HTTPAPI/2.0\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 1547\r\n\r\n";
    let token = "A".repeat(64 * 1024);
    let kerberos = format!("POST /wsman HTTP/1.1\r\nHost: n\r\nAuthorization: Kerberos {token}\r\n\r\n");
    let mut body = Vec::new();
    for _ in 0..64 {
        body.extend_from_slice(b"400\r\n");
        body.extend_from_slice(&[b'x'; 1024]);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");

    let mut out = Vec::with_capacity(128 * 1024);
    report("request_head", request, || RequestHead::parse(black_box(request), &limits).unwrap());
    report("response_head", response, || ResponseHead::parse(black_box(response), &limits).unwrap());
    report("kerberos_head", kerberos.as_bytes(), || {
        RequestHead::parse(black_box(kerberos.as_bytes()), &limits).unwrap()
    });
    report("chunked_body", &body, || {
        out.clear();
        ChunkedDecoder::new(1024 * 1024).decode(black_box(&body), &mut out).unwrap()
    });
    let mut out = Vec::with_capacity(1024);
    report("write_response", response, || {
        out.clear();
        let mut writer = ResponseWriter::new(&mut out, 200).unwrap();
        writer.header("Content-Type", "application/soap+xml;charset=UTF-8").unwrap();
        writer.header("Server", "Microsoft-HTTPAPI/2.0").unwrap();
        writer.header("Date", "Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        writer.end(1547).unwrap();
        out.len()
    });
}

fn report<T>(name: &str, bytes: &[u8], mut ours: impl FnMut() -> T) {
    let (mut floor, mut cost) = (Duration::MAX, Duration::MAX);
    for _ in 0..30 {
        floor = floor.min(thousand(|| memchr::memchr(0, black_box(bytes))));
        cost = cost.min(thousand(&mut ours));
    }
    let ratio = cost.as_secs_f64() / floor.as_secs_f64();
    println!("{name:15} {:6} bytes {:8} ns {ratio:6.1} x one pass", bytes.len(), cost.as_nanos() / 1000);
}

/// Returns the time of a thousand calls.
fn thousand<T>(mut call: impl FnMut() -> T) -> Duration {
    let start = Instant::now();
    for _ in 0..1000 {
        black_box(call());
    }
    start.elapsed()
}
