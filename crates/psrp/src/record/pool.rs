//! Records about runspace pools, and states.

use crate::clixml::{Index, Object, Primitive, Value, Version};
use crate::error::PsrpError;
use crate::error_record::ErrorRecord;
use crate::fields::Fields;
use crate::state::{PipelineState, PoolState};

use super::host_info::HostInfo;

/// Type names of the enumerations in INIT_RUNSPACEPOOL and CREATE_PIPELINE.
const THREAD_OPTIONS: &str = "System.Management.Automation.Runspaces.PSThreadOptions";
const APARTMENT_STATE: &str = "System.Management.Automation.Runspaces.ApartmentState";

/// Versions of an end (MS-PSRP 2.2.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionCapability {
    /// Version of the protocol: 2.0 to 2.4.
    pub protocol: Version,
    /// Version of PowerShell in the protocol: 2.0.
    pub powershell: Version,
    /// Version of CLIXML: 1.1.0.1.
    pub serialization: Version,
    /// Time zone of the client in the binary form of .NET.
    pub time_zone: Option<Vec<u8>>,
}

impl SessionCapability {
    /// Returns the capability with this version of the protocol and the usual other versions.
    #[must_use]
    pub fn new(protocol: Version) -> Self {
        let serialization = Version::with_build(1, 1, 0, 1);
        Self { protocol, powershell: Version::new(2, 0), serialization, time_zone: None }
    }

    pub(super) fn read<'a>(value: &'a Value, index: &'a Index<'a>) -> Result<Self, PsrpError> {
        let fields = Fields::of(value, "SESSION_CAPABILITY", index)?;
        Ok(Self {
            protocol: fields.version("protocolversion")?,
            powershell: fields.version("PSVersion")?,
            serialization: fields.version("SerializationVersion")?,
            time_zone: fields.present("TimeZone").and_then(Value::as_bytes).map(<[u8]>::to_vec),
        })
    }

    pub(super) fn write(&self) -> Object {
        let mut properties = vec![
            ("protocolversion", self.protocol.into()),
            ("PSVersion", self.powershell.into()),
            ("SerializationVersion", self.serialization.into()),
        ];
        properties.extend(self.time_zone.clone().map(|zone| ("TimeZone", zone.into())));
        Object::with_properties(properties)
    }
}

/// Minimum and maximum number of runspaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunspaceCount {
    /// Minimum.
    pub min: i32,
    /// Maximum.
    pub max: i32,
}

impl RunspaceCount {
    pub(super) fn read<'a>(
        value: &'a Value,
        record: &'static str,
        index: &'a Index<'a>,
    ) -> Result<Self, PsrpError> {
        let fields = Fields::of(value, record, index)?;
        Ok(Self { min: fields.i32("MinRunspaces")?, max: fields.i32("MaxRunspaces")? })
    }

    /// Reads CONNECT_RUNSPACEPOOL, whose data is often empty text.
    pub(super) fn read_optional<'a>(
        value: &'a Value,
        index: &'a Index<'a>,
    ) -> Result<Option<Self>, PsrpError> {
        let Some(object) = index.resolve(value) else { return Ok(None) };
        let has_counts =
            object.property("MinRunspaces").is_some() || object.property("MaxRunspaces").is_some();
        if has_counts { Self::read(value, "CONNECT_RUNSPACEPOOL", index).map(Some) } else { Ok(None) }
    }

    pub(super) fn write(self) -> Object {
        Object::with_properties([("MinRunspaces", self.min.into()), ("MaxRunspaces", self.max.into())])
    }
}

/// Settings of a new pool (MS-PSRP 2.2.2.2).
#[derive(Clone, Debug, PartialEq)]
pub struct InitRunspacePool {
    /// Number of runspaces.
    pub runspaces: RunspaceCount,
    /// Number of the thread option; 0 is the default.
    pub thread_options: i32,
    /// Number of the COM apartment: 0 STA, 1 MTA, 2 unknown.
    pub apartment_state: i32,
    /// Host of the client.
    pub host: HostInfo,
    /// Arguments of the application: a dictionary, or null.
    pub application_arguments: Value,
}

impl InitRunspacePool {
    pub(super) fn read<'a>(value: &'a Value, index: &'a Index<'a>) -> Result<Self, PsrpError> {
        let fields = Fields::of(value, "INIT_RUNSPACEPOOL", index)?;
        Ok(Self {
            runspaces: RunspaceCount::read(value, "INIT_RUNSPACEPOOL", index)?,
            thread_options: fields.i32_or("PSThreadOptions", 0)?,
            apartment_state: fields.i32_or("ApartmentState", 2)?,
            host: HostInfo::read(fields.value("HostInfo")?, index)?,
            application_arguments: fields.optional("ApplicationArguments").cloned().unwrap_or(Value::NULL),
        })
    }

    pub(super) fn write(&self) -> Object {
        let thread_options = match self.thread_options {
            0 => "Default",
            1 => "UseNewThread",
            2 => "ReuseThread",
            _ => "UseCurrentThread",
        };
        Object::with_properties([
            ("MinRunspaces", self.runspaces.min.into()),
            ("MaxRunspaces", self.runspaces.max.into()),
            (
                "PSThreadOptions",
                Object::enumeration(THREAD_OPTIONS, thread_options, self.thread_options).into(),
            ),
            ("ApartmentState", apartment_state(self.apartment_state)),
            ("HostInfo", self.host.write().into()),
            ("ApplicationArguments", self.application_arguments.clone()),
        ])
    }
}

pub(super) fn apartment_state(number: i32) -> Value {
    let name = match number {
        0 => "STA",
        1 => "MTA",
        _ => "UNKNOWN",
    };
    Object::enumeration(APARTMENT_STATE, name, number).into()
}

/// Result of a request about runspaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// Whether the number of runspaces was changed or the state was reset.
    Changed(bool),
    /// Number of available runspaces.
    Available(i64),
}

impl Availability {
    pub(super) fn write(self, call: i64) -> Value {
        let result = match self {
            Self::Changed(is_changed) => is_changed.into(),
            Self::Available(count) => count.into(),
        };
        Object::with_properties([("SetMinMaxRunspacesResponse", result), ("ci", call.into())]).into()
    }
}

pub(super) fn availability<'a>(
    value: &'a Value,
    index: &'a Index<'a>,
) -> Result<(Availability, i64), PsrpError> {
    let fields = Fields::of(value, "RUNSPACE_AVAILABILITY", index)?;
    let name = "SetMinMaxRunspacesResponse";
    let result = match fields.optional_primitive(name)? {
        Some(Primitive::Boolean(is_changed)) => Availability::Changed(*is_changed),
        Some(Primitive::I64(count)) => Availability::Available(*count),
        Some(Primitive::I32(count)) => Availability::Available(i64::from(*count)),
        _ => return Err(fields.error(name)),
    };
    Ok((result, fields.i64("ci")?))
}

/// State of a pool, and its error if it is broken (MS-PSRP 2.2.2.8).
#[derive(Clone, Debug, PartialEq)]
pub struct PoolStateRecord {
    /// State.
    pub state: PoolState,
    /// Reason of a broken or closed pool.
    pub error: Option<Box<ErrorRecord>>,
}

impl PoolStateRecord {
    pub(super) fn read<'a>(value: &'a Value, index: &'a Index<'a>) -> Result<Self, PsrpError> {
        let fields = Fields::of(value, "RUNSPACEPOOL_STATE", index)?;
        let state = PoolState::from_code(fields.i32("RunspaceState")?);
        Ok(Self { state: state.ok_or_else(|| fields.error("RunspaceState"))?, error: read_error(&fields)? })
    }

    pub(super) fn write(&self) -> Object {
        with_error("RunspaceState", self.state.code(), self.error.as_deref())
    }
}

/// State of a pipeline, and its error if it failed or was stopped (MS-PSRP 2.2.2.21).
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineStateRecord {
    /// State.
    pub state: PipelineState,
    /// Terminating error.
    pub error: Option<Box<ErrorRecord>>,
}

impl PipelineStateRecord {
    pub(super) fn read<'a>(value: &'a Value, index: &'a Index<'a>) -> Result<Self, PsrpError> {
        let fields = Fields::of(value, "PIPELINE_STATE", index)?;
        let state = PipelineState::from_code(fields.i32("PipelineState")?);
        Ok(Self { state: state.ok_or_else(|| fields.error("PipelineState"))?, error: read_error(&fields)? })
    }

    pub(super) fn write(&self) -> Object {
        with_error("PipelineState", self.state.code(), self.error.as_deref())
    }
}

fn read_error(fields: &Fields<'_>) -> Result<Option<Box<ErrorRecord>>, PsrpError> {
    let error = fields
        .present("ExceptionAsErrorRecord")
        .map(|error| ErrorRecord::read(error, fields.index()))
        .transpose()?;
    Ok(error.map(Box::new))
}

fn with_error(name: &str, state: i32, error: Option<&ErrorRecord>) -> Object {
    let error = error.map(|error| ("ExceptionAsErrorRecord", error.write().into()));
    Object::with_properties([(name, state.into())].into_iter().chain(error))
}

/// Reads the text of a key message.
pub(super) fn key<'a>(
    value: &'a Value,
    record: &'static str,
    name: &'static str,
    index: &'a Index<'a>,
) -> Result<String, PsrpError> {
    Fields::of(value, record, index)?.text(name)
}

/// Reads the number of a request.
pub(super) fn call<'a>(
    value: &'a Value,
    record: &'static str,
    index: &'a Index<'a>,
) -> Result<i64, PsrpError> {
    Fields::of(value, record, index)?.i64("ci")
}

/// Reads a number of runspaces and the number of the request.
pub(super) fn count<'a>(
    value: &'a Value,
    record: &'static str,
    name: &'static str,
    index: &'a Index<'a>,
) -> Result<(i32, i64), PsrpError> {
    let fields = Fields::of(value, record, index)?;
    Ok((fields.i32(name)?, fields.i64("ci")?))
}

pub(super) fn private_data<'a>(value: &'a Value, index: &'a Index<'a>) -> Result<Value, PsrpError> {
    Ok(Fields::of(value, "APPLICATION_PRIVATE_DATA", index)?.value("ApplicationPrivateData")?.clone())
}

pub(super) fn object(name: &str, value: Value) -> Value {
    Object::with_properties([(name, value)]).into()
}

pub(super) fn counted(name: &str, count: i32, call: i64) -> Value {
    Object::with_properties([(name, count.into()), ("ci", call.into())]).into()
}
