//! Throughput of command output: responses of 375 KB over loopback, as a ratio to reading the same bytes from a
//! socket; and duration of the five requests of a short command.
//!
//! Run with `cargo bench -p telarch-client`.

#![allow(clippy::print_stdout, clippy::unwrap_used)] // A benchmark prints, and its peer is trusted.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use telarch_client::{CommandOptions, Endpoint, Output, Session, ShellOptions, Unencrypted};
use wsman::shell::{CommandLine, CommandState, StreamData, write_command_response, write_received};
use wsman::{Action, EndpointReference, ResourceUri, SelectorSet, ShellVerb, Uuid, namespace};

const PIECE: usize = 280_000;
const PIECES: usize = 200;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (floor, ours) = (best(|| read_plainly(serve_plainly())), best(|| runtime.block_on(read_output())));
    let octets = (PIECE * PIECES) as f64;
    println!(
        "output         {:6.0} MB/s, {:.1} x the time to read the same bytes from a socket",
        octets / ours.as_secs_f64() / 1e6,
        ours.as_secs_f64() / floor.as_secs_f64()
    );
    let short = best(|| runtime.block_on(run_short()));
    println!("short command  {:6.0} us from connecting to closing the shell", short.as_secs_f64() * 1e6);
}

fn best(mut measure: impl FnMut() -> Duration) -> Duration {
    (0..7).map(|_| measure()).min().unwrap_or_default()
}

async fn read_output() -> Duration {
    let session = session(serve(PIECES));
    let shell = session.shell(ShellOptions::default()).await.unwrap();
    let mut command = shell.start(&CommandLine::default(), CommandOptions::default()).await.unwrap();
    let begun = Instant::now();
    let mut octets = 0;
    loop {
        match command.next_output().await.unwrap() {
            Output::Stdout(piece) => octets += piece.len(),
            Output::Done { .. } => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(octets, PIECE * PIECES);
    let elapsed = begun.elapsed();
    command.finish().await.unwrap();
    shell.close().await.unwrap();
    elapsed
}

async fn run_short() -> Duration {
    let session = session(serve(0));
    let begun = Instant::now();
    let shell = session.shell(ShellOptions::default()).await.unwrap();
    shell.run("true").await.unwrap();
    shell.close().await.unwrap();
    begun.elapsed()
}

fn session(address: SocketAddr) -> Session {
    let endpoint = Endpoint::parse(&format!("http://{address}")).unwrap();
    Session::builder(endpoint).unencrypted(Unencrypted::Allowed).build().unwrap()
}

fn read_plainly(address: SocketAddr) -> Duration {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut buffer = vec![0; 1 << 20];
    let begun = Instant::now();
    while stream.read(&mut buffer).unwrap() > 0 {}
    begun.elapsed()
}

/// Sends as many bytes as the responses contain, without a protocol.
fn serve_plainly() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let answer = vec![b'x'; PIECE / 3 * 4];
        for _ in 0..PIECES {
            stream.write_all(&answer).unwrap();
        }
    });
    address
}

/// Service with one command that returns the given number of pieces and ends.
fn serve(pieces: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut received, mut left) = (Vec::new(), pieces);
        let octets = vec![7; PIECE];
        while let Some(request) = read_request(&mut stream, &mut received) {
            let mut reply = wsman::Reply::to(request.head(), Uuid::from_random([1; 16]));
            let body = reply.body();
            match &request.head().action {
                Action::Create => {
                    let resource = ResourceUri::parse(namespace::SHELL_CMD).unwrap();
                    let shell = SelectorSet::new().with("ShellId", "S");
                    wsman::write_resource_created(body, &EndpointReference::anonymous(resource, shell));
                }
                Action::Shell(ShellVerb::Command) => write_command_response(body, "C"),
                Action::Shell(ShellVerb::Receive) if left > 0 => {
                    left -= 1;
                    let piece = StreamData { name: "stdout", octets: &octets };
                    write_received(body, "C", &[piece], &[], CommandState::Running);
                }
                Action::Shell(ShellVerb::Receive) => {
                    write_received(body, "C", &[], &["stdout"], CommandState::Done { exit_code: 0 });
                }
                _ => {}
            }
            let message = reply.finish(u32::MAX).unwrap();
            let mut out = Vec::with_capacity(message.len() + 200);
            let mut head = http::ResponseWriter::new(&mut out, 200).unwrap();
            head.header("Content-Type", "application/soap+xml;charset=UTF-8").unwrap();
            head.end(message.len() as u64).unwrap();
            out.extend_from_slice(message.as_bytes());
            stream.write_all(&out).unwrap();
        }
    });
    address
}

fn read_request(stream: &mut TcpStream, received: &mut Vec<u8>) -> Option<wsman::Request> {
    let mut buffer = [0; 16_384];
    loop {
        if let Some((head, length)) = http::RequestHead::parse(received, &http::Limits::default()).unwrap() {
            let http::BodyFraming::Length(body) = head.body() else { return None };
            let whole = length + usize::try_from(body).unwrap();
            if received.len() >= whole {
                let body = received.drain(..whole).skip(length).collect();
                let text = String::from_utf8(body).unwrap();
                return Some(wsman::Request::parse(text, &xml::Bounds::default()).unwrap());
            }
        }
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        received.extend_from_slice(buffer.get(..count)?);
    }
}
