//! The lower bound for the service: hyper alone, which reads the same requests and sends the same answers without
//! evaluating them.
//!
//! `bare_hyper FILE...` listens on one port for each file, answers every request with the bytes of that file, and
//! writes the ports to standard output in one line. It ends when its standard input ends.

use std::convert::Infallible;
use std::error::Error;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

fn main() -> Result<(), Box<dyn Error>> {
    // The same kind of runtime as that of the service.
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve())
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let mut ports = Vec::new();
    for file in std::env::args_os().skip(1) {
        let answer = Bytes::from(std::fs::read(file)?);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        ports.push(listener.local_addr()?.port().to_string());
        tokio::spawn(take(listener, answer));
    }
    println!("{}", ports.join(" "));
    let mut ignored = Vec::new();
    tokio::io::stdin().read_to_end(&mut ignored).await?;
    Ok(())
}

async fn take(listener: TcpListener, answer: Bytes) {
    while let Ok((stream, _)) = listener.accept().await {
        let answer = answer.clone();
        tokio::spawn(async move {
            stream.set_nodelay(true)?;
            let service = service_fn(move |request| reply(request, answer.clone()));
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await?;
            Ok::<_, Box<dyn Error + Send + Sync>>(())
        });
    }
}

/// Header fields of the service; hyper adds Content-Length and Date.
async fn reply(request: Request<Incoming>, answer: Bytes) -> Result<Response<Full<Bytes>>, Infallible> {
    let _ = request.into_body().collect().await;
    let response = Response::builder()
        .header("Content-Type", "application/soap+xml;charset=UTF-8")
        .header("Server", "Microsoft-HTTPAPI/2.0")
        .body(Full::new(answer));
    Ok(response.unwrap_or_default())
}
