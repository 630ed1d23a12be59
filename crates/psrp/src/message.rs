//! Messages: a header and an object as CLIXML (MS-PSRP 2.2.1).

use crate::error::PsrpError;
use crate::guid::Guid;

/// Length of the header of a message in bytes.
pub const MESSAGE_HEADER: usize = 40;

/// UTF-8 byte order mark that Windows writes before the XML of every message.
const BYTE_ORDER_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

/// End of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The end that opens pools and starts pipelines.
    Client,
    /// The end that runs them.
    Server,
}

impl Role {
    /// Returns the other end.
    #[must_use]
    pub fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    fn from_code(code: u32) -> Option<Self> {
        match code {
            1 => Some(Self::Client),
            2 => Some(Self::Server),
            _ => None,
        }
    }

    fn code(self) -> u32 {
        match self {
            Self::Client => 1,
            Self::Server => 2,
        }
    }
}

/// Message with its data as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Receiver.
    pub destination: Role,
    /// Type of the data.
    pub kind: MessageType,
    /// Runspace pool; zero in some messages of the server.
    pub pool: Guid,
    /// Pipeline; zero in messages about the pool.
    pub pipeline: Guid,
    /// CLIXML in UTF-8 without byte order mark; empty in some messages.
    pub data: Vec<u8>,
    /// Whether a byte order mark precedes the data on the wire, as Windows writes it.
    pub has_byte_order_mark: bool,
}

impl Message {
    /// Decodes a message that was joined from its fragments.
    ///
    /// # Errors
    /// [`PsrpError::Header`] if the bytes are shorter than the header or the destination is unknown.
    pub fn decode(bytes: &[u8]) -> Result<Self, PsrpError> {
        let Header { destination, kind, pool, pipeline } = Header::decode(bytes)?;
        let data = data_of(bytes);
        let has_byte_order_mark = bytes.len() > MESSAGE_HEADER + data.len();
        Ok(Self { destination, kind, pool, pipeline, data: data.to_vec(), has_byte_order_mark })
    }

    /// Returns the encoded message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.header();
        bytes.extend_from_slice(&self.data);
        bytes
    }

    /// Returns the bytes before the data.
    pub(crate) fn header(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MESSAGE_HEADER + BYTE_ORDER_MARK.len());
        bytes.extend(self.destination.code().to_le_bytes());
        bytes.extend(self.kind.code().to_le_bytes());
        bytes.extend(self.pool.to_bytes());
        bytes.extend(self.pipeline.to_bytes());
        if self.has_byte_order_mark {
            bytes.extend_from_slice(BYTE_ORDER_MARK);
        }
        bytes
    }
}

/// Returns the data of an encoded message without its byte order mark.
pub(crate) fn data_of(bytes: &[u8]) -> &[u8] {
    let data = bytes.get(MESSAGE_HEADER..).unwrap_or_default();
    data.strip_prefix(BYTE_ORDER_MARK).unwrap_or(data)
}

/// Header of a message, for programs that pass messages on without reading their data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Receiver.
    pub destination: Role,
    /// Type of the data.
    pub kind: MessageType,
    /// Runspace pool; zero in some messages of the server.
    pub pool: Guid,
    /// Pipeline; zero in messages about the pool.
    pub pipeline: Guid,
}

impl Header {
    /// Decodes the header at the beginning of a message or of the data of its first fragment.
    ///
    /// # Errors
    /// [`PsrpError::Header`] if the bytes are shorter than the header or the destination is unknown.
    pub fn decode(bytes: &[u8]) -> Result<Self, PsrpError> {
        let short = PsrpError::Header("fewer than 40 bytes");
        let (destination, rest) = bytes.split_first_chunk().ok_or(short.clone())?;
        let (kind, rest) = rest.split_first_chunk().ok_or(short.clone())?;
        let (pool, rest) = rest.split_first_chunk().ok_or(short.clone())?;
        let (pipeline, _) = rest.split_first_chunk().ok_or(short)?;
        let destination = Role::from_code(u32::from_le_bytes(*destination));
        Ok(Self {
            destination: destination
                .ok_or(PsrpError::Header("the destination is neither client nor server"))?,
            kind: MessageType::from_code(u32::from_le_bytes(*kind)),
            pool: Guid::from_bytes(*pool),
            pipeline: Guid::from_bytes(*pipeline),
        })
    }
}

macro_rules! message_types {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $wire:literal;)*) => {
        /// Type of a message (MS-PSRP 2.2.1).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum MessageType {
            $($(#[$doc])* $name,)*
            /// Any other type. A receiver ignores such messages.
            Unknown(
                /// Number on the wire.
                u32,
            ),
        }

        impl MessageType {
            /// All known types.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the type with this number.
            #[must_use]
            pub fn from_code(code: u32) -> Self {
                match code {
                    $($code => Self::$name,)*
                    other => Self::Unknown(other),
                }
            }

            /// Returns the number on the wire.
            #[must_use]
            pub fn code(self) -> u32 {
                match self {
                    $(Self::$name => $code,)*
                    Self::Unknown(code) => code,
                }
            }

            /// Returns the name in the specification.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $wire,)*
                    Self::Unknown(_) => "unknown",
                }
            }
        }
    };
}

message_types! {
    /// Versions of an end.
    SessionCapability = 0x0001_0002, "SESSION_CAPABILITY";
    /// Settings of a new pool.
    InitRunspacePool = 0x0001_0004, "INIT_RUNSPACEPOOL";
    /// Public key of the client.
    PublicKey = 0x0001_0005, "PUBLIC_KEY";
    /// Session key, encrypted with the public key of the client.
    EncryptedSessionKey = 0x0001_0006, "ENCRYPTED_SESSION_KEY";
    /// Request for the public key of the client; servers up to 2.1 only.
    PublicKeyRequest = 0x0001_0007, "PUBLIC_KEY_REQUEST";
    /// Connects to a disconnected pool.
    ConnectRunspacePool = 0x0001_0008, "CONNECT_RUNSPACEPOOL";
    /// Sets the maximum number of runspaces.
    SetMaxRunspaces = 0x0002_1002, "SET_MAX_RUNSPACES";
    /// Sets the minimum number of runspaces.
    SetMinRunspaces = 0x0002_1003, "SET_MIN_RUNSPACES";
    /// Result of a request about runspaces.
    RunspaceAvailability = 0x0002_1004, "RUNSPACE_AVAILABILITY";
    /// State of the pool.
    RunspacePoolState = 0x0002_1005, "RUNSPACEPOOL_STATE";
    /// A new pipeline.
    CreatePipeline = 0x0002_1006, "CREATE_PIPELINE";
    /// Asks for the number of available runspaces.
    GetAvailableRunspaces = 0x0002_1007, "GET_AVAILABLE_RUNSPACES";
    /// An event of the server.
    UserEvent = 0x0002_1008, "USER_EVENT";
    /// Data about the server, such as its version.
    ApplicationPrivateData = 0x0002_1009, "APPLICATION_PRIVATE_DATA";
    /// Asks for descriptions of commands.
    GetCommandMetadata = 0x0002_100A, "GET_COMMAND_METADATA";
    /// Size of a pool that was connected to.
    RunspacePoolInitData = 0x0002_100B, "RUNSPACEPOOL_INIT_DATA";
    /// Resets the variables of a runspace; from 2.3.
    ResetRunspaceState = 0x0002_100C, "RESET_RUNSPACE_STATE";
    /// Call of a method of the client's host, outside pipelines.
    RunspacePoolHostCall = 0x0002_1100, "RUNSPACEPOOL_HOST_CALL";
    /// Result of a host call outside pipelines.
    RunspacePoolHostResponse = 0x0002_1101, "RUNSPACEPOOL_HOST_RESPONSE";
    /// Input object of a pipeline.
    PipelineInput = 0x0004_1002, "PIPELINE_INPUT";
    /// End of the input of a pipeline.
    EndOfPipelineInput = 0x0004_1003, "END_OF_PIPELINE_INPUT";
    /// Output object of a pipeline.
    PipelineOutput = 0x0004_1004, "PIPELINE_OUTPUT";
    /// Error of a pipeline.
    ErrorRecord = 0x0004_1005, "ERROR_RECORD";
    /// State of a pipeline.
    PipelineState = 0x0004_1006, "PIPELINE_STATE";
    /// Debug text.
    DebugRecord = 0x0004_1007, "DEBUG_RECORD";
    /// Verbose text.
    VerboseRecord = 0x0004_1008, "VERBOSE_RECORD";
    /// Warning.
    WarningRecord = 0x0004_1009, "WARNING_RECORD";
    /// Progress of an activity.
    ProgressRecord = 0x0004_1010, "PROGRESS_RECORD";
    /// Record of the information stream; from 2.3.
    InformationRecord = 0x0004_1011, "INFORMATION_RECORD";
    /// Call of a method of the client's host by a pipeline.
    PipelineHostCall = 0x0004_1100, "PIPELINE_HOST_CALL";
    /// Result of a host call of a pipeline.
    PipelineHostResponse = 0x0004_1101, "PIPELINE_HOST_RESPONSE";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_keeps_its_header_data_and_byte_order_mark() {
        for has_byte_order_mark in [false, true] {
            let message = Message {
                destination: Role::Client,
                kind: MessageType::RunspacePoolState,
                pool: Guid::parse("76056a84-51dc-4f24-9262-ca2a55464b2b").unwrap(),
                pipeline: Guid::ZERO,
                data: b"<Nil />".to_vec(),
                has_byte_order_mark,
            };
            assert_eq!(Message::decode(&message.encode()), Ok(message));
        }
    }

    #[test]
    fn short_headers_and_other_destinations_are_refused() {
        let mut bytes = [0; MESSAGE_HEADER];
        assert!(Message::decode(&bytes).is_err());
        bytes[0] = 2;
        assert_eq!(Message::decode(&bytes).map(|message| message.kind), Ok(MessageType::Unknown(0)));
        assert!(Message::decode(&bytes[..39]).is_err());
    }

    #[test]
    fn every_type_has_its_number() {
        for kind in MessageType::ALL {
            assert_eq!(MessageType::from_code(kind.code()), *kind);
        }
        assert_eq!(MessageType::from_code(0x0004_1010), MessageType::ProgressRecord);
    }
}
