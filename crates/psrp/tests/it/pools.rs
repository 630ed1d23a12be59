//! Our client with our server, message by message.

use telarch_psrp::clixml::{Value, Version};
use telarch_psrp::{
    Availability, Body, ClientOptions, ClientPool, Command, CommandMetadataQuery, CreatePipeline,
    ErrorRecord, Event, Fragment, Guid, HostMethod, HostResponse, PipelineState, PoolLimits, PoolState,
    PsrpError, RunspaceCount, RunspaceRequest, ServerOptions, ServerPool, SessionKey, Stream,
};

struct Pair {
    client: ClientPool,
    server: ServerPool,
}

impl Pair {
    fn with_versions(client: u32, server: u32) -> Self {
        let options = ClientOptions { protocol: Version::new(2, client), ..ClientOptions::default() };
        let server = ServerPool::new(ServerOptions {
            protocol: Version::new(2, server),
            session_key: SessionKey::from_bytes([3; 32]),
            private_data: Value::NULL,
            limits: PoolLimits { pipelines: 2, ..PoolLimits::default() },
        });
        Self { client: ClientPool::new(guid(1), options), server }
    }

    fn opened() -> Self {
        let mut pair = Self::with_versions(3, 3);
        pair.client.open().unwrap();
        pair.exchange();
        assert_eq!((pair.client.state(), pair.server.state()), (PoolState::Opened, PoolState::Opened));
        pair
    }

    /// Moves everything that is queued, and returns the events of client and server.
    fn exchange(&mut self) -> (Vec<Body>, Vec<Body>) {
        let (mut at_client, mut at_server) = (Vec::new(), Vec::new());
        loop {
            if let Some(sent) = self.client.take(100) {
                at_server.extend(self.server.receive(&sent.fragments).unwrap());
            } else if let Some(sent) = self.server.take(100) {
                at_client.extend(self.client.receive(&sent.fragments).unwrap());
            } else {
                assert_eq!((self.client.queued(), self.server.queued()), (0, 0));
                let bodies = [at_client, at_server]
                    .map(|all| all.into_iter().map(|event: Event| event.body).collect());
                let [at_client, at_server] = bodies;
                return (at_client, at_server);
            }
        }
    }
}

fn guid(number: u8) -> Guid {
    Guid::from_bytes([number; 16])
}

#[test]
fn a_pool_uses_the_older_version_of_both_ends() {
    for (client, server, used) in [(3, 3, 3), (3, 1, 1), (0, 3, 0), (4, 4, 4), (4, 3, 3)] {
        let mut pair = Pair::with_versions(client, server);
        pair.client.open().unwrap();
        pair.exchange();
        assert_eq!(pair.client.protocol(), Some(Version::new(2, used)));
        assert_eq!(pair.server.protocol(), pair.client.protocol());
        let needs_no_key = pair.client.protect("x").is_ok();
        assert_eq!(needs_no_key, used == 4, "text of version 2.{used}");
    }
}

#[test]
fn a_pipeline_runs_from_its_creation_to_its_end() {
    let mut pair = Pair::opened();
    let mut create = CreatePipeline::new(Command::named("Get-Item")).with_input();
    create.pipe(Command::script("$_").argument(None, 1_i32));
    create.begin_statement(Command { use_local_scope: Some(true), ..Command::named("Out-Null") });
    pair.client.create_pipeline(guid(2), create.clone()).unwrap();
    pair.client.input(guid(2), "in".into()).unwrap();
    pair.client.end_input(guid(2)).unwrap();
    let (_, at_server) = pair.exchange();
    assert_eq!(at_server.len(), 3);
    let Body::CreatePipeline(received) = &at_server[0] else { panic!("{at_server:?}") };
    assert_eq!(**received, create);
    pair.server.write(guid(2), Body::PipelineOutput("out".into())).unwrap();
    assert!(pair.server.write(guid(2), Body::EndOfPipelineInput).is_err(), "a server sent input");
    pair.server.end(guid(2), PipelineState::Completed, None).unwrap();
    assert!(pair.server.write(guid(2), Body::PipelineOutput(Value::NULL)).is_err(), "output after the end");
    let (at_client, _) = pair.exchange();
    assert_eq!(at_client[0], Body::PipelineOutput("out".into()));
    assert_eq!(pair.client.pipeline_state(guid(2)), Some(PipelineState::Completed));
    assert!(pair.client.end_input(guid(2)).is_err());
    // The identifier may be used again once the client has forgotten the pipeline.
    assert!(pair.client.create_pipeline(guid(2), CreatePipeline::script("x")).is_err());
    pair.client.forget_pipeline(guid(2));
    pair.client.create_pipeline(guid(2), CreatePipeline::script("x")).unwrap();
}

#[test]
fn late_messages_of_pipelines_are_ignored() {
    let mut pair = Pair::opened();
    pair.client.create_pipeline(guid(2), CreatePipeline::script("x").with_input()).unwrap();
    pair.exchange();
    pair.client.input(guid(2), "late".into()).unwrap();
    pair.server.end(guid(2), PipelineState::Failed, Some(ErrorRecord::new("a", "b", 0))).unwrap();
    let (at_client, at_server) = pair.exchange();
    assert_eq!((at_client.len(), at_server.len()), (1, 0));
    pair.client.create_pipeline(guid(3), CreatePipeline::script("y")).unwrap();
    pair.exchange();
    pair.client.forget_pipeline(guid(3));
    pair.server.write(guid(3), Body::PipelineOutput(Value::NULL)).unwrap();
    let (at_client, _) = pair.exchange();
    assert_eq!(at_client, []);
}

#[test]
fn host_calls_are_answered_once_and_void_methods_never() {
    let mut pair = Pair::opened();
    pair.client.create_pipeline(guid(2), CreatePipeline::script("x")).unwrap();
    pair.exchange();
    assert_eq!(pair.server.call_host(Some(guid(2)), HostMethod::Write1, vec!["a".into()]), Ok(-100));
    let call = pair.server.call_host(Some(guid(2)), HostMethod::ReadLine, Vec::new()).unwrap();
    let (at_client, _) = pair.exchange();
    let has_response: Vec<bool> = at_client
        .iter()
        .filter_map(|body| match body {
            Body::PipelineHostCall(call) => Some(call.has_response()),
            _ => None,
        })
        .collect();
    assert_eq!(has_response, [false, true]);
    let error = Box::new(ErrorRecord::new("no terminal", "RemoteHostExecutionException", 0));
    for result in [Ok("x".into()), Err(error)] {
        let response = HostResponse { call, method: HostMethod::ReadLine, result };
        pair.client.respond(Some(guid(2)), response).unwrap();
    }
    let sent = pair.client.take(1_000_000).unwrap();
    assert_eq!((sent.stream, sent.pipeline), (Stream::PromptResponse, Some(guid(2))));
    assert_eq!(pair.server.receive(&sent.fragments).unwrap().len(), 1, "the second answer was used");
}

#[test]
fn requests_about_runspaces_are_answered() {
    let mut pair = Pair::opened();
    for (request, result) in [
        (RunspaceRequest::SetMax(5), Availability::Changed(true)),
        (RunspaceRequest::SetMin(6), Availability::Changed(false)),
        (RunspaceRequest::SetMin(2), Availability::Changed(true)),
        (RunspaceRequest::CountAvailable, Availability::Available(5)),
    ] {
        let call = pair.client.request(request).unwrap();
        let (at_client, _) = pair.exchange();
        assert_eq!(at_client, [Body::RunspaceAvailability { result, call }]);
    }
    assert_eq!(pair.server.runspaces(), RunspaceCount { min: 2, max: 5 });
    let call = pair.client.request(RunspaceRequest::ResetState).unwrap();
    let (_, at_server) = pair.exchange();
    assert_eq!(at_server, [Body::ResetRunspaceState(call)]);
    pair.server.answer_reset(call, true).unwrap();
    assert_eq!(pair.exchange().0, [Body::RunspaceAvailability { result: Availability::Changed(true), call }]);
}

#[test]
fn a_disconnected_pool_is_connected_to_by_another_client() {
    let mut pair = Pair::opened();
    pair.client.create_pipeline(guid(2), CreatePipeline::script("x")).unwrap();
    pair.exchange();
    // The first client is interrupted within a message whose number the second one uses again.
    let mut interrupted = Vec::new();
    let begun = Fragment { object: 1, number: 0, is_start: true, is_end: false, data: b"begun" };
    begun.encode(&mut interrupted);
    assert_eq!(pair.server.receive(&interrupted), Ok(Vec::new()));
    pair.client.mark_disconnected().unwrap();
    pair.server.mark_disconnected().unwrap();
    assert_eq!(pair.client.pipeline_state(guid(2)), Some(PipelineState::Disconnected));
    assert!(pair.client.create_pipeline(guid(3), CreatePipeline::script("x")).is_err());
    let server = pair.server;
    let mut pair = Pair { client: ClientPool::new(guid(1), ClientOptions::default()), server };
    pair.client.connect().unwrap();
    let (at_client, _) = pair.exchange();
    assert_eq!(at_client.len(), 3, "{at_client:?}");
    assert_eq!((pair.client.state(), pair.server.state()), (PoolState::Opened, PoolState::Opened));
    pair.client.adopt_pipeline(guid(2)).unwrap();
    pair.server.end(guid(2), PipelineState::Completed, None).unwrap();
    assert_eq!(pair.exchange().0.len(), 1);
    pair.client.mark_disconnected().unwrap();
    pair.client.mark_reconnected().unwrap();
}

#[test]
fn messages_out_of_order_break_the_pool() {
    let mut client = ClientPool::new(guid(1), ClientOptions::default());
    assert!(
        client.create_pipeline(guid(2), CreatePipeline::script("x")).is_err(),
        "before the pool was opened"
    );
    client.open().unwrap();
    assert!(client.open().is_err(), "the pool was opened twice");
    let opening = client.take(100_000).unwrap().fragments;
    let mut pair = Pair::with_versions(3, 3);
    pair.server.receive(&opening).unwrap();
    // The same object identifiers may occur again, but a second capability may not.
    assert!(matches!(pair.server.receive(&opening), Err(PsrpError::Unexpected { .. })));
    assert_eq!(pair.server.state(), PoolState::Broken);
    assert!(pair.server.receive(&[]).is_err());
    // A server's message is not for a server.
    let mut pair = Pair::opened();
    pair.server.call_host(None, HostMethod::GetName, Vec::new()).unwrap();
    let sent = pair.server.take(100_000).unwrap();
    assert!(pair.server.receive(&sent.fragments).is_err());
}

#[test]
fn pipelines_are_limited_and_identifiers_unique() {
    let mut pair = Pair::opened();
    let query =
        CommandMetadataQuery { names: vec!["*".to_owned()], types: 1, modules: vec![], arguments: vec![] };
    pair.client.query_commands(guid(2), query.clone()).unwrap();
    let (_, at_server) = pair.exchange();
    assert_eq!(at_server, [Body::GetCommandMetadata(query)]);
    pair.client.create_pipeline(guid(3), CreatePipeline::script("x")).unwrap();
    pair.exchange();
    pair.client.create_pipeline(guid(4), CreatePipeline::script("x")).unwrap();
    let sent = pair.client.take(100_000).unwrap();
    assert!(matches!(pair.server.receive(&sent.fragments), Err(PsrpError::TooLarge { .. })));
    assert!(pair.client.create_pipeline(Guid::ZERO, CreatePipeline::script("x")).is_err());
}

#[test]
fn a_broken_pool_fails_its_pipelines() {
    let mut pair = Pair::opened();
    pair.client.create_pipeline(guid(2), CreatePipeline::script("x")).unwrap();
    pair.exchange();
    pair.server.fail(ErrorRecord::new("out of memory", "OutOfMemory", 0)).unwrap();
    pair.exchange();
    assert_eq!(pair.client.state(), PoolState::Broken);
    assert_eq!(pair.client.pipeline_state(guid(2)), Some(PipelineState::Failed));
}

#[test]
fn stopping_drops_input_that_was_not_sent() {
    let mut pair = Pair::opened();
    pair.client.create_pipeline(guid(2), CreatePipeline::script("x").with_input()).unwrap();
    pair.exchange();
    pair.client.input(guid(2), "x".repeat(1_000).into()).unwrap();
    pair.client.mark_stopping(guid(2));
    assert_eq!((pair.client.queued(), pair.client.take(1_000)), (0, None));
    assert!(pair.client.input(guid(2), Value::NULL).is_err());
    pair.server.mark_stopping(guid(2));
    pair.server.end(guid(2), PipelineState::Stopped, Some(ErrorRecord::pipeline_stopped())).unwrap();
    pair.exchange();
    assert_eq!(pair.client.pipeline_state(guid(2)), Some(PipelineState::Stopped));
}
