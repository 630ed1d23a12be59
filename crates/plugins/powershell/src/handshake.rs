//! Messages about a pool that the service reads: those that open it, and those that a new client receives.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use psrp::clixml::Limits;
use psrp::{
    Availability, Body, Defragmenter, Fragment, Fragmenter, Guid, Header, Message, MessageType, PsrpError,
    Role, RunspaceCount,
};

use crate::error::PoolError;
use crate::tracker::Tracker;

/// First messages of a client that opens a pool or starts a pipeline.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    /// Identifier of the pool.
    pub(crate) pool: Guid,
    /// Identifier of the pipeline; zero when a pool is opened.
    pub(crate) pipeline: Guid,
    /// Whole fragments.
    pub(crate) fragments: Vec<u8>,
}

/// Messages for a new client.
#[derive(Debug)]
pub(crate) struct ConnectAnswer {
    /// Content of connectResponseXml.
    pub(crate) response: Vec<u8>,
    /// The pool's next output.
    pub(crate) private_data: Vec<u8>,
}

/// State of a pool that a new client needs.
#[derive(Debug)]
pub(crate) struct Handshake {
    client: Tracker,
    capability: Option<Message>,
    private_data: Option<Message>,
    runspaces: RunspaceCount,
    /// Requests to change the number of runspaces, by the number of the request.
    changes: BTreeMap<i64, RunspaceCount>,
    /// Identifier for the next message of this service.
    next_object: u64,
}

impl Default for Handshake {
    fn default() -> Self {
        Self {
            client: Tracker::new(&[
                MessageType::InitRunspacePool,
                MessageType::SetMaxRunspaces,
                MessageType::SetMinRunspaces,
            ]),
            capability: None,
            private_data: None,
            runspaces: RunspaceCount { min: 1, max: 1 },
            changes: BTreeMap::new(),
            next_object: FIRST_OBJECT,
        }
    }
}

impl Handshake {
    /// Reads fragments that the client sends to the pool.
    ///
    /// # Errors
    /// [`PsrpError`] if they are no whole fragments.
    pub(crate) fn follow_client(&mut self, mut fragments: &[u8]) -> Result<(), PsrpError> {
        while !fragments.is_empty() {
            let (fragment, rest) = Fragment::decode(fragments)?;
            if let Some(message) = self.client.add(&fragment)?.message {
                self.apply(&message);
            }
            fragments = rest;
        }
        Ok(())
    }

    fn apply(&mut self, message: &Message) {
        // The process reports malformed messages.
        let Ok(body) = Body::decode(message.kind, &message.data, &Limits::default()) else { return };
        let (call, count) = match body {
            Body::InitRunspacePool(settings) => {
                self.runspaces = settings.runspaces;
                return;
            }
            Body::SetMaxRunspaces { count, call } => (call, RunspaceCount { max: count, ..self.runspaces }),
            Body::SetMinRunspaces { count, call } => (call, RunspaceCount { min: count, ..self.runspaces }),
            _ => return,
        };
        if self.changes.len() < MAX_CHANGES {
            self.changes.insert(call, count);
        }
    }

    /// Reads a message of the process about the pool.
    pub(crate) fn follow_process(&mut self, message: &Message) {
        match message.kind {
            MessageType::SessionCapability => self.capability = Some(message.clone()),
            MessageType::ApplicationPrivateData => self.private_data = Some(message.clone()),
            MessageType::RunspaceAvailability => {
                let body = Body::decode(message.kind, &message.data, &Limits::default());
                if let Ok(Body::RunspaceAvailability { result, call }) = body
                    && let Some(count) = self.changes.remove(&call)
                    && result == Availability::Changed(true)
                {
                    self.runspaces = count;
                }
            }
            _ => {}
        }
    }

    /// Verifies the messages of a new client, and returns the messages for it (MS-PSRP 3.2.5.4.3).
    pub(crate) fn connect(&mut self, pool: Guid, fragments: &[u8]) -> Result<ConnectAnswer, PoolError> {
        let mut joined = Defragmenter::default();
        let (mut rest, mut has_capability, mut is_connect) = (fragments, false, false);
        while !rest.is_empty() {
            let (fragment, behind) = Fragment::decode(rest).map_err(PoolError::Client)?;
            rest = behind;
            let Some(bytes) = joined.add(fragment).map_err(PoolError::Client)? else { continue };
            let message = Message::decode(&bytes).map_err(PoolError::Client)?;
            if message.pool != pool {
                return Err(PoolError::Invalid(
                    "the pool in connectXml is another one than the shell; send the identifier of the shell"
                        .to_owned(),
                ));
            }
            let body = Body::decode(message.kind, &message.data, &Limits::default());
            match body.map_err(PoolError::Client)? {
                Body::SessionCapability(_) => has_capability = true,
                Body::ConnectRunspacePool(count) => {
                    if count.is_some_and(|count| count != self.runspaces) {
                        let RunspaceCount { min, max } = self.runspaces;
                        return Err(PoolError::Invalid(format!(
                            "the pool has {min} to {max} runspaces, not those in connectXml; send these numbers"
                        )));
                    }
                    is_connect = true;
                }
                _ => {}
            }
        }
        let (Some(capability), true, true) = (self.capability.clone(), has_capability, is_connect) else {
            return Err(PoolError::Invalid("connectXml does not connect to an open pool; send SESSION_CAPABILITY and CONNECT_RUNSPACEPOOL".to_owned()));
        };
        let init = Body::RunspacePoolInitData(self.runspaces);
        let init = Message {
            destination: Role::Client,
            kind: init.kind(),
            pool,
            pipeline: Guid::ZERO,
            data: init.encode().map_err(PoolError::Client)?,
            has_byte_order_mark: false,
        };
        let mut response = self.fragment(&capability);
        response.extend(self.fragment(&init));
        let private_data = self.private_data.clone();
        let private_data = private_data.map(|message| self.fragment(&message)).unwrap_or_default();
        Ok(ConnectAnswer { response, private_data })
    }

    /// Returns a message as one fragment.
    fn fragment(&mut self, message: &Message) -> Vec<u8> {
        let object = self.next_object;
        self.next_object = self.next_object.saturating_add(1);
        let mut out = Vec::new();
        Fragmenter::new(object, message.encode()).next(usize::MAX, &mut out);
        out
    }
}

/// Decodes the Base64 text of creationXml, connectXml or Arguments.
pub(crate) fn decode(text: &str, place: &str) -> Result<Vec<u8>, PoolError> {
    let packed: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(packed).map_err(|error| {
        PoolError::Invalid(format!("invalid Base64 in {place}: {error}; encode its data again"))
    })
}

/// Encodes the content of connectResponseXml.
pub(crate) fn encode(fragments: &[u8]) -> String {
    STANDARD.encode(fragments)
}

/// Returns the opening of a pool: fragments of SESSION_CAPABILITY, and of INIT_RUNSPACEPOOL if there is room.
pub(crate) fn opening(creation: &str) -> Result<Opening, PoolError> {
    let fragments = decode(creation, "creationXml")?;
    let header = first_header(&fragments)?;
    if header.kind != MessageType::SessionCapability || header.pool.is_zero() {
        return Err(PoolError::Invalid("creationXml must begin with SESSION_CAPABILITY".to_owned()));
    }
    Ok(Opening { pool: header.pool, pipeline: Guid::ZERO, fragments })
}

/// Returns the opening of a pipeline.
pub(crate) fn pipeline(argument: &str) -> Result<Opening, PoolError> {
    let fragments = decode(argument, "Arguments")?;
    let header = first_header(&fragments)?;
    let is_start = matches!(header.kind, MessageType::CreatePipeline | MessageType::GetCommandMetadata);
    if !is_start || header.pipeline.is_zero() {
        return Err(PoolError::Invalid("Arguments must begin with CREATE_PIPELINE".to_owned()));
    }
    Ok(Opening { pool: header.pool, pipeline: header.pipeline, fragments })
}

/// Returns the header of the first message, which must be for the server.
fn first_header(fragments: &[u8]) -> Result<Header, PoolError> {
    let (first, mut rest) = Fragment::decode(fragments).map_err(PoolError::Client)?;
    let header = Header::decode(first.data).map_err(PoolError::Client)?;
    if !first.is_start || header.destination != Role::Server {
        return Err(PoolError::Invalid("the first fragment must begin a message for the server".to_owned()));
    }
    while !rest.is_empty() {
        rest = Fragment::decode(rest).map_err(PoolError::Client)?.1;
    }
    Ok(header)
}

/// Identifier of the first message of this service, far above those of the process.
const FIRST_OBJECT: u64 = 1 << 62;
/// Maximum number of pending requests to change the number of runspaces.
const MAX_CHANGES: usize = 100;

#[cfg(test)]
mod tests {
    use psrp::clixml::{Value, Version};
    use psrp::{ClientOptions, ClientPool, PoolState, ServerOptions, ServerPool, SessionKey};

    use super::*;

    const POOL: Guid = Guid::from_bytes([7; 16]);

    fn sent(mut take: impl FnMut() -> Option<psrp::Outgoing>) -> Vec<u8> {
        std::iter::from_fn(|| take().map(|sent| sent.fragments)).flatten().collect()
    }

    /// Opens a pool between both ends of the protocol, with the service in between.
    fn opened() -> (ClientPool, ServerPool, Handshake) {
        let mut client = ClientPool::new(POOL, ClientOptions::default());
        let mut server = ServerPool::new(ServerOptions {
            protocol: Version::new(2, 3),
            session_key: SessionKey::from_bytes([7; 32]),
            private_data: Value::NULL,
            limits: Default::default(),
        });
        let mut handshake = Handshake::default();
        client.open().unwrap();
        let opening = sent(|| client.take(32_768));
        handshake.follow_client(&opening).unwrap();
        server.receive(&opening).unwrap();
        let answer = sent(|| server.take(32_768));
        client.receive(&answer).unwrap();
        let (mut rest, mut joined) = (answer.as_slice(), Defragmenter::default());
        while !rest.is_empty() {
            let (fragment, behind) = Fragment::decode(rest).unwrap();
            if let Some(message) = joined.add(fragment).unwrap() {
                handshake.follow_process(&Message::decode(&message).unwrap());
            }
            rest = behind;
        }
        (client, server, handshake)
    }

    #[test]
    fn a_new_client_connects_to_the_pool() {
        let (client, _, mut handshake) = opened();
        assert_eq!(client.state(), PoolState::Opened);
        let mut other = ClientPool::new(POOL, ClientOptions::default());
        other.connect().unwrap();
        let request = sent(|| other.take(32_768));
        let answer = handshake.connect(POOL, &request).unwrap();
        other.receive(&answer.response).unwrap();
        other.receive(&answer.private_data).unwrap();
        assert_eq!(other.state(), PoolState::Opened);
        assert!(handshake.connect(Guid::from_bytes([8; 16]), &request).is_err(), "another pool");
    }

    #[test]
    fn other_messages_do_not_open_pools_and_pipelines() {
        let (mut client, ..) = opened();
        client.create_pipeline(Guid::from_bytes([2; 16]), psrp::CreatePipeline::script("1")).unwrap();
        let text = STANDARD.encode(sent(|| client.take(32_768)));
        assert_eq!(pipeline(&text).unwrap().pipeline, Guid::from_bytes([2; 16]));
        assert!(opening(&text).is_err());
        for wrong in ["", "AAAA", "*"] {
            assert!(opening(wrong).is_err() && pipeline(wrong).is_err(), "{wrong}");
        }
    }
}
