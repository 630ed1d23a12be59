//! Conversations with psrpcore, another implementation of both ends.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command as Process, Stdio};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use telarch_psrp::clixml::{self, Limits, Object, Primitive, Value, Version};
use telarch_psrp::out_of_proc::{Control, Packet};
use telarch_psrp::{
    Availability, Body, ClientOptions, ClientPool, Command, CreatePipeline, ErrorRecord, Event, ExchangeKey,
    Guid, HostMethod, HostResponse, InformationRecord, InformationalRecord, Outgoing, PipelineState,
    PoolState, ProgressRecord, RunspaceRequest, ServerOptions, ServerPool, SessionKey, TextProtection,
    xpress,
};

/// psrpcore in a process that ends with this value.
struct Peer {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts the script in a role; `None`, with a skip, if psrpcore is not installed.
    fn start(role: &str) -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let peers =
            std::env::var_os("TELARCH_PEERS").map_or_else(|| folder.join("../../.peers"), PathBuf::from);
        let python = peers.join("bin/python");
        let has_module = Process::new(&python)
            .args(["-B", "-E", "-s", "-c", "import psrpcore, dissect.util"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !has_module {
            skips::skip!(
                "{} lacks psrpcore or dissect.util; install the peers with: ./test --install",
                peers.display()
            );
            return None;
        }
        let mut process = Process::new(python)
            .args(["-B", "-E", "-s"])
            .arg(folder.join("tests/it/psrpcore_peer.py"))
            .arg(role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().unwrap());
        Some(Self { process, input, output })
    }

    /// Returns the next line of the script.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "the peer ended: its standard error has the reason");
        line.trim_end().to_owned()
    }

    fn write(&mut self, text: &str) {
        self.input.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn send(&mut self, packet: Packet) {
        let mut line = String::new();
        packet.write(&mut line);
        self.write(&line);
    }

    fn send_fragments(&mut self, Outgoing { pipeline, stream, fragments }: Outgoing) {
        self.send(Packet::Data { stream, target: pipeline.unwrap_or(Guid::ZERO), data: fragments });
    }

    /// Closes the input of the script and requires that it succeeds.
    fn end(mut self) {
        self.input = None;
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn psrpcore_reads_every_value_that_we_read_and_wrote() {
    let Some(mut peer) = Peer::start("values") else { return };
    let mut values = 0;
    loop {
        let line = peer.line();
        if line == "end" {
            break;
        }
        let written = STANDARD.decode(&line).unwrap();
        let value = clixml::parse(&written, &Limits::default())
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&written)));
        let ours = clixml::write(&value).unwrap();
        peer.write(&format!("{}\n", STANDARD.encode(ours)));
        values += 1;
    }
    assert!(values > 40, "only {values} values were compared");
    peer.end();
}

#[test]
fn dissect_reads_what_we_compress() {
    let Some(mut peer) = Peer::start("xpress") else { return };
    let letters = "abcdefghijklmnopqrstuvwxyz".to_owned();
    let repeated = "<Obj RefId=\"0\"><S>".repeat(400);
    let long = "0123456789".repeat(20_000);
    let mixed: String =
        (0..3_000_u32).map(|n| format!("<I32>{}</I32>", n.wrapping_mul(2_654_435_761))).collect();
    for text in [letters, "x".repeat(300), repeated, long, mixed] {
        peer.write(&format!("{}\n", STANDARD.encode(xpress::compress(text.as_bytes()))));
        let plain = STANDARD.decode(peer.line()).unwrap();
        // dissect.util has no end symbol: it decodes the padding behind it as well.
        assert!(plain.starts_with(text.as_bytes()), "{} bytes changed", text.len());
        let chunks = xpress::compress_chunks(text.as_bytes());
        peer.write(&format!("chunks {}\n", STANDARD.encode(&chunks)));
        let plain = STANDARD.decode(peer.line()).unwrap();
        assert!(plain == text.as_bytes(), "chunks of {} bytes changed", text.len());
    }
    peer.end();
}

fn guid(number: u8) -> Guid {
    Guid::from_bytes([number; 16])
}

/// Our client with psrpcore's server.
struct Client {
    pool: ClientPool,
    peer: Peer,
}

impl Client {
    fn send(&mut self) {
        while let Some(outgoing) = self.pool.take(32_768) {
            self.peer.send_fragments(outgoing);
        }
    }

    /// Receives events up to and including the first one that fits.
    fn until(&mut self, fits: impl Fn(&Event) -> bool) -> Vec<Event> {
        self.send();
        let mut events = Vec::new();
        while !events.last().is_some_and(&fits) {
            let line = self.peer.line();
            let Some(Packet::Data { data, .. }) = Packet::parse(line.as_bytes()).unwrap() else {
                panic!("{line}")
            };
            events.extend(self.pool.receive(&data).unwrap());
        }
        events
    }

    /// Starts a pipeline.
    fn start(&mut self, id: Guid, pipeline: CreatePipeline) {
        self.pool.create_pipeline(id, pipeline).unwrap();
        self.peer.send(Packet::Control(Control::Command, id));
        self.send();
    }

    /// Receives the records of a pipeline up to its end.
    fn finish(&mut self, id: Guid, state: PipelineState) -> Vec<Body> {
        let events = self.until(|event| {
            event.pipeline == Some(id)
                && matches!(&event.body, Body::PipelineState(record) if record.state.is_final())
        });
        assert_eq!(self.pool.pipeline_state(id), Some(state));
        events.into_iter().map(|event| event.body).collect()
    }
}

fn is_opened(event: &Event) -> bool {
    matches!(&event.body, Body::PoolState(record) if record.state == PoolState::Opened)
}

#[test]
fn our_client_runs_pipelines_on_a_psrpcore_server() {
    let Some(peer) = Peer::start("server") else { return };
    let mut client = Client { pool: ClientPool::new(guid(1), ClientOptions::default()), peer };
    client.pool.open().unwrap();
    let opening = client.until(is_opened);
    assert_eq!(client.pool.protocol(), Some(Version::new(2, 3)));
    let private = opening.iter().find_map(|event| match &event.body {
        Body::ApplicationPrivateData(value) => value.entries()?.first().cloned(),
        _ => None,
    });
    assert_eq!(private, Some(("Peer".into(), "psrpcore".into())));

    client.start(guid(2), CreatePipeline::script("streams"));
    check_streams(&client.finish(guid(2), PipelineState::Completed));

    client.start(guid(3), CreatePipeline::script("input").with_input());
    let inputs: Vec<Value> = vec!["a\n".into(), Value::NULL, 7_i32.into(), "y".repeat(100_000).into()];
    for input in &inputs {
        client.pool.input(guid(3), input.clone()).unwrap();
    }
    client.pool.end_input(guid(3)).unwrap();
    assert!(client.pool.input(guid(3), Value::NULL).is_err(), "input after its end");
    let outputs = client.finish(guid(3), PipelineState::Completed);
    let outputs = outputs.into_iter().filter_map(|body| match body {
        Body::PipelineOutput(value) => Some(value),
        _ => None,
    });
    assert_eq!(outputs.collect::<Vec<_>>(), inputs);

    client.start(guid(4), CreatePipeline::script("prompt"));
    let events = client.until(|event| matches!(event.body, Body::PipelineHostCall(_)));
    let Some(Body::PipelineHostCall(call)) = events.last().map(|event| &event.body) else { panic!() };
    assert_eq!((call.method, call.has_response()), (HostMethod::ReadLine, true));
    let response = HostResponse { call: call.call, method: call.method, result: Ok("typed".into()) };
    client.pool.respond(Some(guid(4)), response).unwrap();
    let bodies = client.finish(guid(4), PipelineState::Completed);
    assert!(bodies.contains(&Body::PipelineOutput("answer: typed".into())), "{bodies:?}");

    client.start(guid(5), CreatePipeline::script("big"));
    let bodies = client.finish(guid(5), PipelineState::Completed);
    assert!(bodies.contains(&Body::PipelineOutput("x".repeat(400_000).into())));

    client.start(guid(6), CreatePipeline::script("wait"));
    client.peer.send(Packet::Control(Control::Signal, guid(6)));
    client.pool.mark_stopping(guid(6));
    let bodies = client.finish(guid(6), PipelineState::Stopped);
    let Some(Body::PipelineState(record)) = bodies.last() else { panic!("{bodies:?}") };
    assert_eq!(record.error.as_ref().unwrap().fully_qualified_error_id, "PipelineStopped");
    client.peer.end();
}

fn check_streams(bodies: &[Body]) {
    let output = bodies.iter().find_map(|body| match body {
        Body::PipelineOutput(value) => Some(value),
        _ => None,
    });
    assert_eq!(output.unwrap().property("name").unwrap().as_str(), Some("first"));
    assert_eq!(output.unwrap().property("Size").unwrap().as_i64(), Some(5_000_000_000));
    let error = bodies.iter().find_map(|body| match body {
        Body::Error(record) => Some(record),
        _ => None,
    });
    assert_eq!(error.unwrap().message(), Some("went wrong"));
    assert_eq!(error.unwrap().fully_qualified_error_id, "Wrong");
    let has_texts = [
        Body::Debug(InformationalRecord::new("debug text")),
        Body::Verbose(InformationalRecord::new("verbose text")),
        Body::Warning(InformationalRecord::new("warning text")),
    ];
    for text in has_texts {
        assert!(bodies.contains(&text), "{text:?} is missing from {bodies:#?}");
    }
    let progress = bodies.iter().find_map(|body| match body {
        Body::Progress(record) => {
            Some((record.activity.as_str(), record.activity_id, record.percent_complete))
        }
        _ => None,
    });
    assert_eq!(progress, Some(("copying", 4, 50)));
    let information = bodies.iter().find_map(|body| match body {
        Body::Information(record) => Some((record.data.as_str(), record.tags.clone())),
        _ => None,
    });
    assert_eq!(information, Some((Some("information text"), vec!["one".to_owned(), "two".to_owned()])));
}

#[test]
fn our_client_exchanges_keys_with_a_psrpcore_server() {
    let Some(peer) = Peer::start("server") else { return };
    let mut client = Client { pool: ClientPool::new(guid(1), ClientOptions::default()), peer };
    client.pool.open().unwrap();
    client.until(is_opened);
    assert!(client.pool.protect("too early").is_err());
    let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
    client.pool.exchange_key(ExchangeKey::from_pkcs8(key.as_der().unwrap().as_ref()).unwrap()).unwrap();
    client.until(|event| matches!(event.body, Body::EncryptedSessionKey(_)));
    let secret = client.pool.protect("pässword").unwrap();
    let command = Command::named("secret").argument(Some("Secret"), secret);
    client.start(guid(2), CreatePipeline::new(command));
    let bodies = client.finish(guid(2), PipelineState::Completed);
    assert!(bodies.contains(&Body::PipelineOutput("pässword".into())), "{bodies:?}");
    let secret = bodies.iter().find_map(|body| match body {
        Body::PipelineOutput(Value::Primitive(Primitive::Secure(secret))) => Some(secret),
        _ => None,
    });
    let protection = client.pool.protection().unwrap();
    assert_eq!(protection.reveal(secret.unwrap()).unwrap().as_str(), "from the server");

    let call = client.pool.request(RunspaceRequest::CountAvailable).unwrap();
    let events = client.until(|event| matches!(event.body, Body::RunspaceAvailability { .. }));
    let expected = Body::RunspaceAvailability { result: Availability::Available(3), call };
    assert_eq!(events.last().map(|event| &event.body), Some(&expected));
    let call = client.pool.request(RunspaceRequest::SetMax(2)).unwrap();
    let events = client.until(|event| matches!(event.body, Body::RunspaceAvailability { .. }));
    let expected = Body::RunspaceAvailability { result: Availability::Changed(true), call };
    assert_eq!(events.last().map(|event| &event.body), Some(&expected));
    client.peer.end();
}

#[test]
fn a_psrpcore_client_runs_pipelines_on_our_server() {
    let Some(mut peer) = Peer::start("client") else { return };
    let private_data =
        Object::with_content(clixml::Content::Dictionary(vec![("Peer".into(), "telarch".into())]));
    let private_data = private_data.typed(&["System.Management.Automation.PSPrimitiveDictionary"]);
    let mut server = ServerPool::new(ServerOptions {
        protocol: Version::new(2, 3),
        session_key: SessionKey::from_bytes([9; 32]),
        private_data: private_data.into(),
        limits: telarch_psrp::PoolLimits::default(),
    });
    loop {
        let line = peer.line();
        if line == "end" {
            break;
        }
        match Packet::parse(line.as_bytes()).unwrap().unwrap() {
            Packet::Data { data, .. } => {
                for event in server.receive(&data).unwrap() {
                    serve(&mut server, event);
                }
            }
            Packet::Control(Control::Signal, pipeline) => {
                server.mark_stopping(pipeline);
                let error = Some(ErrorRecord::pipeline_stopped());
                server.end(pipeline, PipelineState::Stopped, error).unwrap();
            }
            other => panic!("{other:?}"),
        }
        while let Some(outgoing) = server.take(32_768) {
            peer.send_fragments(outgoing);
        }
    }
    assert_eq!(server.runspaces().max, 4);
    peer.end();
}

/// Runs the commands that the client of the script sends.
fn serve(server: &mut ServerPool, Event { pipeline, body }: Event) {
    let Some(id) = pipeline else { return };
    match body {
        Body::CreatePipeline(create) => {
            let command = &create.statements()[0][0];
            match command.text.as_str() {
                "Write-All" => {
                    assert!(!command.is_script && !create.has_no_input);
                    assert_eq!(command.arguments[0].name.as_deref(), Some("Name"));
                    assert_eq!(command.arguments[0].value.as_str(), Some("välue"));
                    assert_eq!(command.arguments[1].name, None);
                    assert_eq!(command.arguments[1].value.elements().unwrap().len(), 2);
                    assert_eq!(create.statements()[1], [Command::script("second")]);
                }
                "prompt" => {
                    server.call_host(Some(id), HostMethod::ReadLine, Vec::new()).unwrap();
                }
                "secret" => repeat_secret(server, id, &command.arguments[0].value),
                "fail" => {
                    let error = Some(ErrorRecord::new("terminated", "Terminated", 7));
                    server.end(id, PipelineState::Failed, error).unwrap();
                }
                "wait" => {}
                other => panic!("{other}"),
            }
        }
        Body::PipelineInput(value) => server.write(id, Body::PipelineOutput(value)).unwrap(),
        Body::EndOfPipelineInput => write_streams(server, id),
        Body::PipelineHostResponse(response) => {
            server.write(id, Body::PipelineOutput(response.result.unwrap())).unwrap();
            server.end(id, PipelineState::Completed, None).unwrap();
        }
        other => panic!("{other:?}"),
    }
}

fn repeat_secret(server: &mut ServerPool, id: Guid, value: &Value) {
    let Value::Primitive(Primitive::Secure(secret)) = value else { panic!("{value:?}") };
    let text = server.protection().map(|protection: &TextProtection| protection.reveal(secret).unwrap());
    let again = server.protect(&format!("{} again", *text.unwrap())).unwrap();
    server.write(id, Body::PipelineOutput(again.into())).unwrap();
    server.end(id, PipelineState::Completed, None).unwrap();
}

fn write_streams(server: &mut ServerPool, id: Guid) {
    let object = Object::with_properties([("Name", "first".into()), ("Size", 5_000_000_000_i64.into())]);
    let object = object.typed(&["System.Management.Automation.PSCustomObject", "System.Object"]);
    let information = InformationRecord {
        data: "information text".into(),
        source: Some("source".to_owned()),
        time: Some(clixml::DateTime::parse("2026-01-02T03:04:05.0000006Z").unwrap()),
        tags: vec!["one".to_owned(), "two".to_owned()],
        user: Some("user".to_owned()),
        computer: Some("computer".to_owned()),
        process: Some(1),
        native_thread: Some(2),
        managed_thread: Some(3),
    };
    let progress = ProgressRecord {
        activity: "copying".to_owned(),
        activity_id: 4,
        status: Some("half".to_owned()),
        current_operation: None,
        parent_id: -1,
        percent_complete: 50,
        is_completed: false,
        seconds_remaining: -1,
    };
    for body in [
        Body::PipelineOutput(object.into()),
        Body::PipelineOutput(Value::NULL),
        Body::PipelineOutput("z".repeat(200_000).into()),
        Body::Error(Box::new(ErrorRecord::new("went wrong", "Wrong", 0))),
        Body::Debug(InformationalRecord::new("debug text")),
        Body::Verbose(InformationalRecord::new("verbose text")),
        Body::Warning(InformationalRecord::new("warning text")),
        Body::Progress(Box::new(progress)),
        Body::Information(Box::new(information)),
    ] {
        server.write(id, body).unwrap();
    }
    server.end(id, PipelineState::Completed, None).unwrap();
}
