//! Runspace pools and pipelines against psrpcore.

use std::path::Path;
use std::time::Duration;

use client::{
    Compression, Credentials, Endpoint, Error, PipelineEvent, PipelineOutcome, PoolOptions, RunspacePool,
    Secret, Session, Unencrypted,
};
use psrp::clixml::Value;
use psrp::{
    Availability, Command, CreatePipeline, ErrorRecord, HostInfo, HostMethod, PoolState, RunspaceRequest,
};
use telarch_client as client;

use crate::powershell_peer::PowerShellPeer;

fn start() -> Option<(PowerShellPeer, Session)> {
    let peer = PowerShellPeer::start(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))?;
    let endpoint = Endpoint::parse(&format!("http://127.0.0.1:{}/wsman", peer.port)).unwrap();
    let session = Session::builder(endpoint)
        .credentials(Credentials { user: "ann".into(), password: Secret::new("pass word".into()) })
        .unencrypted(Unencrypted::Allowed);
    Some((peer, session.build().unwrap()))
}

/// Result of a pipeline: its events, and how it ended.
struct Run {
    events: Vec<PipelineEvent>,
    outcome: PipelineOutcome,
    had_errors: bool,
}

impl Run {
    fn texts(&self) -> Vec<&str> {
        let texts = self.events.iter().filter_map(|event| match event {
            PipelineEvent::Output(value) => value.as_str(),
            _ => None,
        });
        texts.collect()
    }
}

async fn run(pool: &RunspacePool, script: &str) -> Result<Run, Error> {
    run_pipeline(pool, CreatePipeline::script(script)).await
}

async fn run_pipeline(pool: &RunspacePool, pipeline: CreatePipeline) -> Result<Run, Error> {
    let mut pipeline = pool.start(pipeline).await?;
    let mut events = Vec::new();
    while let Some(event) = pipeline.next().await? {
        events.push(event);
    }
    let outcome = pipeline.outcome().cloned().unwrap();
    let had_errors = pipeline.had_errors();
    pipeline.finish().await?;
    Ok(Run { events, outcome, had_errors })
}

#[tokio::test]
async fn every_stream_arrives_in_order() {
    let Some((_peer, session)) = start() else { return };
    let pool = session.runspace_pool(PoolOptions::default()).await.unwrap();
    assert_eq!(pool.state(), PoolState::Opened);
    let ran = run(&pool, "streams").await.unwrap();
    let kinds: Vec<_> = ran
        .events
        .iter()
        .map(|event| match event {
            PipelineEvent::Output(value) => value.as_str().unwrap().to_owned(),
            PipelineEvent::Error(record) => record.message().unwrap().to_owned(),
            PipelineEvent::Warning(record)
            | PipelineEvent::Verbose(record)
            | PipelineEvent::Debug(record) => record.message.clone(),
            PipelineEvent::Progress(record) => format!("{} {}%", record.activity, record.percent_complete),
            PipelineEvent::Information(record) => record.data.as_str().unwrap().to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        "output text",
        "went wrong",
        "debug text",
        "verbose text",
        "warning text",
        "copying 50%",
        "information text",
    ];
    assert_eq!(kinds, expected);
    assert!(ran.outcome == PipelineOutcome::Completed && ran.had_errors);
    pool.close().await.unwrap();
}

#[tokio::test]
async fn objects_scripts_and_input_of_any_size_are_exchanged() {
    let Some((_peer, session)) = start() else { return };
    let pool = session.runspace_pool(PoolOptions::default()).await.unwrap();
    let ran = run(&pool, "objects 300").await.unwrap();
    assert_eq!(ran.events.len(), 300);
    let PipelineEvent::Output(last) = &ran.events[299] else { panic!() };
    assert_eq!(last.property("Name").and_then(Value::as_str), Some("object 299"));
    assert_eq!(last.property("Index").and_then(Value::as_i32), Some(299));
    assert_eq!(run(&pool, "text 900000").await.unwrap().texts()[0].len(), 900_000);

    // A script that takes several requests.
    let long = "z".repeat(1_000_000);
    let ran = run(&pool, &format!("echo {long}")).await.unwrap();
    assert_eq!(ran.texts(), [long.as_str()]);

    let command = Command::script("echo x").argument(Some("Name"), "välue");
    let ran = run_pipeline(&pool, CreatePipeline::new(command)).await.unwrap();
    assert_eq!(ran.texts(), ["x", "Name=välue"]);

    let mut pipeline = pool.start(CreatePipeline::script("input").with_input()).await.unwrap();
    let controls = pipeline.controls();
    let texts = ["first".to_owned(), "second".repeat(200_000), String::new()];
    controls.send(texts.iter().map(|text| Value::from(text.as_str()))).await.unwrap();
    controls.end_input().await.unwrap();
    for text in &texts {
        let event = pipeline.next().await.unwrap();
        assert_eq!(event, Some(PipelineEvent::Output(Value::from(text.as_str()))));
    }
    assert_eq!(pipeline.next().await.unwrap(), None);
    assert!(controls.send([Value::NULL]).await.is_err(), "input was accepted after its end");
    pipeline.finish().await.unwrap();
    pool.close().await.unwrap();
}

#[tokio::test]
async fn errors_of_scripts_and_stopped_pipelines_are_outcomes() {
    let Some((_peer, session)) = start() else { return };
    let pool = session.runspace_pool(PoolOptions::default()).await.unwrap();
    let PipelineOutcome::Failed(error) = run(&pool, "fail").await.unwrap().outcome else { panic!() };
    assert_eq!(error.message(), Some("terminated"));

    let mut pipeline = pool.start(CreatePipeline::script("wait")).await.unwrap();
    assert_eq!(pipeline.next().await.unwrap(), Some(PipelineEvent::Output("waiting".into())));
    pipeline.controls().stop().await.unwrap();
    assert_eq!(pipeline.next().await.unwrap(), None);
    assert_eq!(pipeline.outcome(), Some(&PipelineOutcome::Stopped));
    pipeline.finish().await.unwrap();

    // A dropped pipeline ends, and the pool stays usable; so does it with two pipelines at the same time.
    drop(pool.start(CreatePipeline::script("wait")).await.unwrap());
    let (first, second) = tokio::join!(run(&pool, "objects 5"), run(&pool, "objects 7"));
    assert_eq!((first.unwrap().events.len(), second.unwrap().events.len()), (5, 7));
    pool.close().await.unwrap();
}

#[tokio::test]
async fn host_calls_are_answered_or_refused() {
    let Some((_peer, session)) = start() else { return };
    let pool = session.runspace_pool(PoolOptions::default()).await.unwrap();
    let ran = run(&pool, "read").await.unwrap();
    assert_eq!(ran.texts(), ["refused: The client has no host that supports ReadLine."]);
    assert!(run(&pool, "print").await.unwrap().events.is_empty());
    pool.close().await.unwrap();

    let host = HostInfo { is_host_null: false, is_ui_null: false, ..HostInfo::NONE };
    let pool = session.runspace_pool(PoolOptions { host, ..PoolOptions::default() }).await.unwrap();
    for (result, expected) in [
        (Ok(Value::from("typed")), "answer: typed"),
        (Err(ErrorRecord::new("not now", "Refused", 0)), "refused: not now"),
    ] {
        let mut pipeline = pool.start(CreatePipeline::script("read")).await.unwrap();
        let Some(PipelineEvent::HostCall(call)) = pipeline.next().await.unwrap() else { panic!() };
        assert_eq!(call.method, HostMethod::ReadLine);
        pipeline.controls().respond(&call, result).await.unwrap();
        assert_eq!(pipeline.next().await.unwrap(), Some(PipelineEvent::Output(expected.into())));
        assert_eq!(pipeline.next().await.unwrap(), None);
    }
    pool.close().await.unwrap();
}

#[tokio::test]
async fn secrets_travel_encrypted_and_runspaces_are_counted() {
    let Some((_peer, session)) = start() else { return };
    let pool = session.runspace_pool(PoolOptions::default()).await.unwrap();
    let secret = pool.protect("pässword").await.unwrap();
    let command = Command::script("secret").argument(Some("Secret"), secret);
    let ran = run_pipeline(&pool, CreatePipeline::new(command)).await.unwrap();
    assert_eq!(ran.texts(), ["pässword"]);
    assert_eq!(pool.request(RunspaceRequest::CountAvailable).await.unwrap(), Availability::Available(3));
    assert_eq!(pool.request(RunspaceRequest::SetMax(4)).await.unwrap(), Availability::Changed(true));
    let data = pool.private_data().unwrap();
    let peer = data.entries().unwrap().iter().find(|(key, _)| key.as_str() == Some("Peer"));
    assert_eq!(peer.and_then(|(_, value)| value.as_str()), Some("psrpcore"));
    pool.close().await.unwrap();
}

#[tokio::test]
async fn pools_are_disconnected_reconnected_and_connected_by_another_client() {
    let Some((_peer, session)) = start() else { return };
    let pool = session.runspace_pool(PoolOptions::default()).await.unwrap();
    let mut pipeline = pool.start(CreatePipeline::script("wait")).await.unwrap();
    assert_eq!(pipeline.next().await.unwrap(), Some(PipelineEvent::Output("waiting".into())));
    pool.disconnect(Some(Duration::from_secs(600))).await.unwrap();
    assert_eq!(pool.state(), PoolState::Disconnected);
    assert!(matches!(run(&pool, "objects 1").await, Err(Error::PoolUnusable { .. })));
    pool.reconnect().await.unwrap();
    pipeline.controls().stop().await.unwrap();
    assert_eq!(pipeline.next().await.unwrap(), None);
    pipeline.finish().await.unwrap();

    let id = pool.id();
    pool.disconnect(None).await.unwrap();
    pool.leave();
    let found = session.disconnected_pools().await.unwrap();
    assert_eq!(found.iter().map(|pool| pool.id).collect::<Vec<_>>(), [id]);
    let pool = session.connect_runspace_pool(id, PoolOptions::default()).await.unwrap();
    assert_eq!(run(&pool, "objects 2").await.unwrap().events.len(), 2);
    pool.close().await.unwrap();
    assert!(session.connect_runspace_pool(id, PoolOptions::default()).await.is_err());
}

#[tokio::test]
async fn streams_are_compressed_if_the_service_supports_it() {
    let Some((_peer, session)) = start() else { return };
    for (configuration, is_compressed) in
        [("Microsoft.PowerShell", true), ("Microsoft.PowerShell.Plain", false)]
    {
        let options = PoolOptions {
            configuration: configuration.to_owned(),
            compression: Compression::Xpress,
            ..PoolOptions::default()
        };
        let pool = session.runspace_pool(options.clone()).await.unwrap();
        assert_eq!(run(&pool, "text 900000").await.unwrap().texts(), ["x".repeat(900_000)]);
        let mut pipeline = pool.start(CreatePipeline::script("input").with_input()).await.unwrap();
        let controls = pipeline.controls();
        let line = "0123456789".repeat(20_000);
        controls.send([Value::from(line.as_str()), Value::from("größer")]).await.unwrap();
        controls.end_input().await.unwrap();
        let mut lines = Vec::new();
        while let Some(PipelineEvent::Output(value)) = pipeline.next().await.unwrap() {
            lines.push(value.as_str().unwrap().to_owned());
        }
        assert_eq!(lines, [line.as_str(), "größer"], "{configuration}");
        pipeline.finish().await.unwrap();
        assert_eq!(compressed_chunks(&pool).await > 0, is_compressed, "{configuration}");
        let id = pool.id();
        pool.disconnect(None).await.unwrap();
        pool.leave();
        // Another client decides again.
        for options in [options, PoolOptions::default()] {
            let pool = session.connect_runspace_pool(id, options).await.unwrap();
            assert_eq!(run(&pool, "text 90000").await.unwrap().texts(), ["x".repeat(90_000)]);
            pool.disconnect(None).await.unwrap();
            pool.leave();
        }
    }
}

/// Number of compressed chunks that the service has received.
async fn compressed_chunks(pool: &RunspacePool) -> i32 {
    let ran = run(pool, "compressed").await.unwrap();
    let Some(PipelineEvent::Output(count)) = ran.events.first() else { panic!("{:?}", ran.events) };
    count.as_i32().unwrap()
}

#[tokio::test]
async fn compressed_output_is_bounded() {
    let Some((_peer, session)) = start() else { return };
    let options = PoolOptions { compression: Compression::Xpress, ..PoolOptions::default() };
    let pool = session.runspace_pool(options).await.unwrap();
    let error = run(&pool, "bomb").await.map(|ran| ran.events).unwrap_err();
    assert!(error.to_string().contains("length of decompressed data"), "{error}");
    assert!(matches!(run(&pool, "objects 1").await, Err(Error::PoolUnusable { .. })));
}

#[tokio::test]
async fn a_lost_connection_is_retried() {
    let Some((_peer, session)) = start() else { return };
    let pool = session.runspace_pool(PoolOptions::default()).await.unwrap();
    assert_eq!(run(&pool, "drop").await.unwrap().texts(), ["after the loss"]);
    pool.close().await.unwrap();
}

#[tokio::test]
async fn hostile_answers_are_errors() {
    let Some((_peer, session)) = start() else { return };
    for script in ["garbage", "gap"] {
        let pool = session.runspace_pool(PoolOptions::default()).await.unwrap();
        let error = run(&pool, script).await.map(|ran| ran.events).unwrap_err();
        assert!(matches!(error, Error::PowerShell(_)), "{script}: {error}");
        assert!(matches!(run(&pool, "objects 1").await, Err(Error::PoolUnusable { .. })), "{script}");
        pool.close().await.unwrap();
    }
    let pool = session.runspace_pool(PoolOptions::default()).await.unwrap();
    let PipelineOutcome::Failed(error) = run(&pool, "silent").await.unwrap().outcome else { panic!() };
    assert!(error.message().unwrap().contains("without reporting its state"));
    assert!(run(&pool, "vanish").await.is_err());
    pool.close().await.unwrap();

    let options = PoolOptions { configuration: "Other".to_owned(), ..PoolOptions::default() };
    let error = session.runspace_pool(options).await.unwrap_err();
    assert_eq!(error.code(), Some(2_150_858_752), "{error}");
    let options = PoolOptions { configuration: "a/b".to_owned(), ..PoolOptions::default() };
    assert!(matches!(session.runspace_pool(options).await, Err(Error::Setting { .. })));
}
