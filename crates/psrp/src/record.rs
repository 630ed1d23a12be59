//! Data of every message as a typed record (MS-PSRP 2.2.2).

mod create_pipeline;
mod host_info;
mod pool;
mod stream;

use crate::clixml::{self, Index, Limits, Value};
use crate::error::PsrpError;
use crate::error_record::ErrorRecord;
use crate::host::{HostCall, HostResponse};
use crate::message::MessageType;

pub use create_pipeline::{Argument, Command, CommandMetadataQuery, CreatePipeline, Merge, StreamMerges};
pub use host_info::{ConsoleState, Coordinates, HostInfo, Size};
pub use pool::{
    Availability, InitRunspacePool, PipelineStateRecord, PoolStateRecord, RunspaceCount, SessionCapability,
};
pub use stream::{InformationRecord, InformationalRecord, ProgressRecord, UserEvent};

/// Data of a message.
///
/// An object of a record may contain references to objects in other parts of the same record. They keep their
/// identifiers, so that a record can be written again; [`Index`] of the part alone does not find them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Body {
    /// Versions of an end.
    SessionCapability(SessionCapability),
    /// Settings of a new pool.
    InitRunspacePool(Box<InitRunspacePool>),
    /// Public key of the client in Base64; [`SessionKey::seal_for`](crate::SessionKey::seal_for) reads it.
    PublicKey(String),
    /// Session key in Base64; [`ExchangeKey::open`](crate::ExchangeKey::open) reads it.
    EncryptedSessionKey(String),
    /// Request for the public key of the client.
    PublicKeyRequest,
    /// Connects to a pool; the expected numbers of runspaces may be missing.
    ConnectRunspacePool(Option<RunspaceCount>),
    /// Size of a pool that was connected to.
    RunspacePoolInitData(RunspaceCount),
    /// Resets the variables of a runspace; the number identifies the request.
    ResetRunspaceState(i64),
    /// Sets the maximum number of runspaces.
    SetMaxRunspaces {
        /// Maximum number of runspaces.
        count: i32,
        /// Number of the request.
        call: i64,
    },
    /// Sets the minimum number of runspaces.
    SetMinRunspaces {
        /// Minimum number of runspaces.
        count: i32,
        /// Number of the request.
        call: i64,
    },
    /// Asks for the number of available runspaces; the number identifies the request.
    GetAvailableRunspaces(i64),
    /// Result of a request about runspaces.
    RunspaceAvailability {
        /// Result.
        result: Availability,
        /// Number of the request.
        call: i64,
    },
    /// State of the pool.
    PoolState(PoolStateRecord),
    /// A new pipeline.
    CreatePipeline(Box<CreatePipeline>),
    /// Asks for descriptions of commands.
    GetCommandMetadata(CommandMetadataQuery),
    /// Event of the server.
    UserEvent(Box<UserEvent>),
    /// Data about the server; a dictionary.
    ApplicationPrivateData(Value),
    /// Host call outside pipelines.
    PoolHostCall(HostCall),
    /// Response to a host call outside pipelines.
    PoolHostResponse(HostResponse),
    /// Input object of a pipeline.
    PipelineInput(Value),
    /// End of the input of a pipeline.
    EndOfPipelineInput,
    /// Output object of a pipeline.
    PipelineOutput(Value),
    /// Error of a pipeline.
    Error(Box<ErrorRecord>),
    /// State of a pipeline.
    PipelineState(PipelineStateRecord),
    /// Debug text.
    Debug(InformationalRecord),
    /// Verbose text.
    Verbose(InformationalRecord),
    /// Warning.
    Warning(InformationalRecord),
    /// Progress of an activity.
    Progress(Box<ProgressRecord>),
    /// Record of the information stream.
    Information(Box<InformationRecord>),
    /// Host call of a pipeline.
    PipelineHostCall(HostCall),
    /// Response to a host call of a pipeline.
    PipelineHostResponse(HostResponse),
    /// Message of an unknown type; receivers ignore it.
    Unknown(u32),
}

impl Body {
    /// Reads the data of a message of this type.
    ///
    /// # Errors
    /// [`PsrpError`] if the data is not CLIXML, exceeds a limit, or lacks a required property.
    pub fn decode(kind: MessageType, data: &[u8], limits: &Limits) -> Result<Self, PsrpError> {
        match kind {
            MessageType::EndOfPipelineInput => return Ok(Self::EndOfPipelineInput),
            MessageType::PublicKeyRequest => return Ok(Self::PublicKeyRequest),
            MessageType::Unknown(code) => return Ok(Self::Unknown(code)),
            // An empty output object is null (psrpcore reads and writes it).
            MessageType::PipelineOutput if data.is_empty() => return Ok(Self::PipelineOutput(Value::NULL)),
            _ => {}
        }
        let value = clixml::parse(data, limits)?;
        match kind {
            MessageType::PipelineInput => Ok(Self::PipelineInput(value)),
            MessageType::PipelineOutput => Ok(Self::PipelineOutput(value)),
            _ => Self::read(kind, &value, &Index::new(&value)),
        }
    }

    fn read<'a>(kind: MessageType, v: &'a Value, index: &'a Index<'a>) -> Result<Self, PsrpError> {
        Ok(match kind {
            MessageType::SessionCapability => Self::SessionCapability(SessionCapability::read(v, index)?),
            MessageType::InitRunspacePool => {
                Self::InitRunspacePool(Box::new(InitRunspacePool::read(v, index)?))
            }
            MessageType::PublicKey => Self::PublicKey(pool::key(v, "PUBLIC_KEY", "PublicKey", index)?),
            MessageType::EncryptedSessionKey => Self::EncryptedSessionKey(pool::key(
                v,
                "ENCRYPTED_SESSION_KEY",
                "EncryptedSessionKey",
                index,
            )?),
            MessageType::PublicKeyRequest => Self::PublicKeyRequest,
            MessageType::ConnectRunspacePool => {
                Self::ConnectRunspacePool(RunspaceCount::read_optional(v, index)?)
            }
            MessageType::RunspacePoolInitData => {
                Self::RunspacePoolInitData(RunspaceCount::read(v, "RUNSPACEPOOL_INIT_DATA", index)?)
            }
            MessageType::ResetRunspaceState => {
                Self::ResetRunspaceState(pool::call(v, "RESET_RUNSPACE_STATE", index)?)
            }
            MessageType::SetMaxRunspaces => {
                let (count, call) = pool::count(v, "SET_MAX_RUNSPACES", "MaxRunspaces", index)?;
                Self::SetMaxRunspaces { count, call }
            }
            MessageType::SetMinRunspaces => {
                let (count, call) = pool::count(v, "SET_MIN_RUNSPACES", "MinRunspaces", index)?;
                Self::SetMinRunspaces { count, call }
            }
            MessageType::GetAvailableRunspaces => {
                Self::GetAvailableRunspaces(pool::call(v, "GET_AVAILABLE_RUNSPACES", index)?)
            }
            MessageType::RunspaceAvailability => {
                let (result, call) = pool::availability(v, index)?;
                Self::RunspaceAvailability { result, call }
            }
            MessageType::RunspacePoolState => Self::PoolState(PoolStateRecord::read(v, index)?),
            MessageType::CreatePipeline => Self::CreatePipeline(Box::new(CreatePipeline::read(v, index)?)),
            MessageType::GetCommandMetadata => {
                Self::GetCommandMetadata(CommandMetadataQuery::read(v, index)?)
            }
            MessageType::UserEvent => Self::UserEvent(Box::new(UserEvent::read(v, index)?)),
            MessageType::ApplicationPrivateData => {
                Self::ApplicationPrivateData(pool::private_data(v, index)?)
            }
            MessageType::RunspacePoolHostCall => Self::PoolHostCall(HostCall::read(v, index)?),
            MessageType::RunspacePoolHostResponse => Self::PoolHostResponse(HostResponse::read(v, index)?),
            MessageType::PipelineInput => Self::PipelineInput(v.clone()),
            MessageType::EndOfPipelineInput => Self::EndOfPipelineInput,
            MessageType::PipelineOutput => Self::PipelineOutput(v.clone()),
            MessageType::ErrorRecord => Self::Error(Box::new(ErrorRecord::read(v, index)?)),
            MessageType::PipelineState => Self::PipelineState(PipelineStateRecord::read(v, index)?),
            MessageType::DebugRecord => Self::Debug(InformationalRecord::read(v, index)?),
            MessageType::VerboseRecord => Self::Verbose(InformationalRecord::read(v, index)?),
            MessageType::WarningRecord => Self::Warning(InformationalRecord::read(v, index)?),
            MessageType::ProgressRecord => Self::Progress(Box::new(ProgressRecord::read(v, index)?)),
            MessageType::InformationRecord => Self::Information(Box::new(InformationRecord::read(v, index)?)),
            MessageType::PipelineHostCall => Self::PipelineHostCall(HostCall::read(v, index)?),
            MessageType::PipelineHostResponse => Self::PipelineHostResponse(HostResponse::read(v, index)?),
            MessageType::Unknown(code) => Self::Unknown(code),
        })
    }

    /// Returns the data of the message as CLIXML; empty for messages without data.
    ///
    /// # Errors
    /// As [`clixml::write`](crate::clixml::write()).
    pub fn encode(&self) -> Result<Vec<u8>, PsrpError> {
        let value: Value = match self {
            Self::EndOfPipelineInput | Self::Unknown(_) => return Ok(Vec::new()),
            Self::PipelineInput(value) | Self::PipelineOutput(value) => return clixml::write(value),
            Self::SessionCapability(record) => record.write().into(),
            Self::InitRunspacePool(record) => record.write().into(),
            Self::PublicKey(key) => pool::object("PublicKey", key.as_str().into()),
            Self::EncryptedSessionKey(key) => pool::object("EncryptedSessionKey", key.as_str().into()),
            Self::PublicKeyRequest => "".into(),
            Self::ConnectRunspacePool(Some(count)) | Self::RunspacePoolInitData(count) => {
                count.write().into()
            }
            Self::ConnectRunspacePool(None) => "".into(),
            Self::ResetRunspaceState(call) | Self::GetAvailableRunspaces(call) => {
                pool::object("ci", (*call).into())
            }
            Self::SetMaxRunspaces { count, call } => pool::counted("MaxRunspaces", *count, *call),
            Self::SetMinRunspaces { count, call } => pool::counted("MinRunspaces", *count, *call),
            Self::RunspaceAvailability { result, call } => result.write(*call),
            Self::PoolState(record) => record.write().into(),
            Self::CreatePipeline(record) => record.write().into(),
            Self::GetCommandMetadata(record) => record.write().into(),
            Self::UserEvent(record) => record.write().into(),
            Self::ApplicationPrivateData(data) => pool::object("ApplicationPrivateData", data.clone()),
            Self::PoolHostCall(call) | Self::PipelineHostCall(call) => call.write().into(),
            Self::PoolHostResponse(response) | Self::PipelineHostResponse(response) => {
                response.write().into()
            }
            Self::Error(record) => record.write().into(),
            Self::PipelineState(record) => record.write().into(),
            Self::Debug(record) => record.write("Debug").into(),
            Self::Verbose(record) => record.write("Verbose").into(),
            Self::Warning(record) => record.write("Warning").into(),
            Self::Progress(record) => record.write().into(),
            Self::Information(record) => record.write().into(),
        };
        clixml::write(&value)
    }

    /// Returns the type of the message.
    #[must_use]
    pub fn kind(&self) -> MessageType {
        match self {
            Self::SessionCapability(_) => MessageType::SessionCapability,
            Self::InitRunspacePool(_) => MessageType::InitRunspacePool,
            Self::PublicKey(_) => MessageType::PublicKey,
            Self::EncryptedSessionKey(_) => MessageType::EncryptedSessionKey,
            Self::PublicKeyRequest => MessageType::PublicKeyRequest,
            Self::ConnectRunspacePool(_) => MessageType::ConnectRunspacePool,
            Self::RunspacePoolInitData(_) => MessageType::RunspacePoolInitData,
            Self::ResetRunspaceState(_) => MessageType::ResetRunspaceState,
            Self::SetMaxRunspaces { .. } => MessageType::SetMaxRunspaces,
            Self::SetMinRunspaces { .. } => MessageType::SetMinRunspaces,
            Self::GetAvailableRunspaces(_) => MessageType::GetAvailableRunspaces,
            Self::RunspaceAvailability { .. } => MessageType::RunspaceAvailability,
            Self::PoolState(_) => MessageType::RunspacePoolState,
            Self::CreatePipeline(_) => MessageType::CreatePipeline,
            Self::GetCommandMetadata(_) => MessageType::GetCommandMetadata,
            Self::UserEvent(_) => MessageType::UserEvent,
            Self::ApplicationPrivateData(_) => MessageType::ApplicationPrivateData,
            Self::PoolHostCall(_) => MessageType::RunspacePoolHostCall,
            Self::PoolHostResponse(_) => MessageType::RunspacePoolHostResponse,
            Self::PipelineInput(_) => MessageType::PipelineInput,
            Self::EndOfPipelineInput => MessageType::EndOfPipelineInput,
            Self::PipelineOutput(_) => MessageType::PipelineOutput,
            Self::Error(_) => MessageType::ErrorRecord,
            Self::PipelineState(_) => MessageType::PipelineState,
            Self::Debug(_) => MessageType::DebugRecord,
            Self::Verbose(_) => MessageType::VerboseRecord,
            Self::Warning(_) => MessageType::WarningRecord,
            Self::Progress(_) => MessageType::ProgressRecord,
            Self::Information(_) => MessageType::InformationRecord,
            Self::PipelineHostCall(_) => MessageType::PipelineHostCall,
            Self::PipelineHostResponse(_) => MessageType::PipelineHostResponse,
            Self::Unknown(code) => MessageType::Unknown(*code),
        }
    }
}
