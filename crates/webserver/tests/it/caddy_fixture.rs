//! A Caddy with an admin endpoint of its own.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::{Value, json};

use crate::fixture::status;

/// Writes the content of the site `main`, and the configuration with it.
pub(crate) fn write_files(folder: &Path, admin: &str, port: u16) {
    fs::create_dir_all(folder.join("www/main/files")).unwrap();
    fs::create_dir_all(folder.join("logs")).unwrap();
    let root = folder.join("www/main");
    let routes = json!([{ "handle": [{ "handler": "vars", "root": root }] },
        { "handle": [{ "handler": "file_server" }] }]);
    let main = json!({ "listen": [format!("127.0.0.1:{port}")], "automatic_https": { "disable": true },
        "routes": [{ "handle": [{ "handler": "subroute", "routes": routes }], "terminal": true }] });
    let document = json!({ "admin": { "listen": admin.replace("unix:", "unix/") },
        "apps": { "http": { "servers": { "main": main } } } });
    fs::write(folder.join("caddy.json"), document.to_string()).unwrap();
    for (name, text) in [
        ("www/main/index.html", "main page"),
        ("www/main/other.txt", &"other ".repeat(200)),
        ("www/main/files/a.txt", "a"),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
}

/// Starts Caddy, and waits until it serves its configuration.
pub(crate) fn run(program: &Path, folder: &Path) -> Child {
    let mut command = Command::new(program);
    command.args(["run", "--config"]).arg(folder.join("caddy.json"));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    for name in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
        command.env(name, folder.join("home"));
    }
    command.env("SSL_CERT_FILE", folder.join("authorities.pem"));
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut log = String::new();
    loop {
        let Some(Ok(line)) = lines.next() else { panic!("Caddy ended: {log}") };
        if line.contains("serving initial configuration") {
            break;
        }
        log += &line;
    }
    // A full pipe would stop Caddy.
    thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    child
}

/// Sends a request to the admin endpoint, as another program does.
pub(crate) fn admin_request(admin: &str, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(admin).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {admin}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(status(answer.lines().next().unwrap()), 200, "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// Returns the running configuration.
pub(crate) fn document(admin: &str) -> Value {
    serde_json::from_str(&admin_request(admin, "GET", "/config/", "")).unwrap()
}
