//! Records that a pipeline writes, and events of a pool (MS-PSRP 2.2.2.12, 2.2.2.22 to 2.2.2.26).

use crate::clixml::{Content, DateTime, Index, Object, Primitive, Property, Value};
use crate::error::PsrpError;
use crate::error_record::{extended_info, text_or_null};
use crate::fields::Fields;
use crate::guid::Guid;

/// Debug, verbose or warning record (MS-PSRP 2.2.3.16).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InformationalRecord {
    /// Text.
    pub message: String,
    /// Information about the command, as properties whose names begin with `InvocationInfo_` or are
    /// `InformationalRecord_PipelineIterationInfo`; empty if the record has none.
    pub extended_info: Vec<Property>,
}

impl InformationalRecord {
    /// Returns a record without information about the command.
    #[must_use]
    pub fn new(message: &str) -> Self {
        Self { message: message.to_owned(), extended_info: Vec::new() }
    }

    pub(super) fn read<'a>(value: &'a Value, index: &'a Index<'a>) -> Result<Self, PsrpError> {
        let fields = Fields::of(value, "INFORMATIONAL_RECORD", index)?;
        let iteration = "InformationalRecord_PipelineIterationInfo";
        Ok(Self {
            message: fields.optional_text("InformationalRecord_Message")?.unwrap_or_default(),
            extended_info: extended_info(&fields, "InvocationInfo_", iteration),
        })
    }

    /// Returns the object; `kind` is `Debug`, `Verbose` or `Warning`.
    pub(super) fn write(&self, kind: &str) -> Object {
        let mut object = Object::with_properties([
            ("InformationalRecord_Message", Value::from(self.message.as_str())),
            ("InformationalRecord_SerializeInvocationInfo", (!self.extended_info.is_empty()).into()),
        ]);
        object.extended.get_or_insert_default().extend(self.extended_info.iter().cloned());
        object.to_string = Some(self.message.as_str().into());
        object.typed(&[
            &format!("System.Management.Automation.{kind}Record"),
            "System.Management.Automation.InformationalRecord",
            "System.Object",
        ])
    }
}

/// Progress of an activity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgressRecord {
    /// Name of the activity.
    pub activity: String,
    /// Identifier of the activity.
    pub activity_id: i32,
    /// State of the activity.
    pub status: Option<String>,
    /// Current step.
    pub current_operation: Option<String>,
    /// Identifier of the enclosing activity; −1 without one.
    pub parent_id: i32,
    /// Completed part in percent; −1 if unknown.
    pub percent_complete: i32,
    /// Whether the activity has ended.
    pub is_completed: bool,
    /// Estimated remaining time in seconds; −1 if unknown.
    pub seconds_remaining: i32,
}

impl ProgressRecord {
    pub(super) fn read<'a>(value: &'a Value, index: &'a Index<'a>) -> Result<Self, PsrpError> {
        let fields = Fields::of(value, "PROGRESS_RECORD", index)?;
        Ok(Self {
            activity: fields.optional_text("Activity")?.unwrap_or_default(),
            activity_id: fields.i32("ActivityId")?,
            status: fields.optional_text("StatusDescription")?,
            current_operation: fields.optional_text("CurrentOperation")?,
            parent_id: fields.i32_or("ParentActivityId", -1)?,
            percent_complete: fields.i32_or("PercentComplete", -1)?,
            is_completed: fields.i32_or("Type", 0)? == 1,
            seconds_remaining: fields.i32_or("SecondsRemaining", -1)?,
        })
    }

    pub(super) fn write(&self) -> Object {
        const TYPE: &str = "System.Management.Automation.ProgressRecordType";
        let (name, code) = if self.is_completed { ("Completed", 1) } else { ("Processing", 0) };
        Object::with_properties([
            ("Activity", self.activity.as_str().into()),
            ("ActivityId", self.activity_id.into()),
            ("StatusDescription", text_or_null(self.status.as_deref())),
            ("CurrentOperation", text_or_null(self.current_operation.as_deref())),
            ("ParentActivityId", self.parent_id.into()),
            ("PercentComplete", self.percent_complete.into()),
            ("Type", Object::enumeration(TYPE, name, code).into()),
            ("SecondsRemaining", self.seconds_remaining.into()),
        ])
    }
}

/// Record of the information stream; Write-Host writes one with the tag `PSHOST`.
#[derive(Clone, Debug, PartialEq)]
pub struct InformationRecord {
    /// Data, often text.
    pub data: Value,
    /// Script or function that wrote the record.
    pub source: Option<String>,
    /// Time at the server.
    pub time: Option<DateTime>,
    /// Tags.
    pub tags: Vec<String>,
    /// User of the server process.
    pub user: Option<String>,
    /// Name of the server.
    pub computer: Option<String>,
    /// Process of the server.
    pub process: Option<u32>,
    /// Thread of the operating system.
    pub native_thread: Option<u32>,
    /// Thread of .NET.
    pub managed_thread: Option<u32>,
}

impl InformationRecord {
    pub(super) fn read<'a>(value: &'a Value, index: &'a Index<'a>) -> Result<Self, PsrpError> {
        let fields = Fields::of(value, "INFORMATION_RECORD", index)?;
        let tags = fields.optional_list("Tags")?.iter();
        let tags = tags.map(|tag| tag.as_str().map(str::to_owned).ok_or_else(|| fields.error("Tags")));
        Ok(Self {
            data: fields.optional("MessageData").cloned().unwrap_or(Value::NULL),
            source: fields.optional_text("Source")?,
            time: date_time(&fields, "TimeGenerated")?,
            tags: tags.collect::<Result<_, _>>()?,
            user: fields.optional_text("User")?,
            computer: fields.optional_text("Computer")?,
            process: identifier(&fields, "ProcessId"),
            native_thread: identifier(&fields, "NativeThreadId"),
            managed_thread: identifier(&fields, "ManagedThreadId"),
        })
    }

    pub(super) fn write(&self) -> Object {
        let tags = self.tags.iter().map(|tag| tag.as_str().into()).collect();
        let tags = Object::with_content(Content::List(tags));
        let tags = tags.typed(&["System.Collections.Generic.List`1[System.String]", "System.Object"]);
        // Two independent clients read extended properties without type names; some servers write adapted ones.
        Object::with_properties([
            ("MessageData", self.data.clone()),
            ("Source", text_or_null(self.source.as_deref())),
            ("TimeGenerated", self.time.clone().map_or(Value::NULL, Value::from)),
            ("Tags", tags.into()),
            ("User", text_or_null(self.user.as_deref())),
            ("Computer", text_or_null(self.computer.as_deref())),
            ("ProcessId", self.process.map_or(Value::NULL, Value::from)),
            ("NativeThreadId", self.native_thread.map_or(Value::NULL, Value::from)),
            ("ManagedThreadId", self.managed_thread.map_or(Value::NULL, Value::from)),
        ])
    }
}

/// Event of the server (MS-PSRP 2.2.2.12).
#[derive(Clone, Debug, PartialEq)]
pub struct UserEvent {
    /// Number of the event.
    pub event: i32,
    /// Name of the source.
    pub source: String,
    /// Time at the server.
    pub time: Option<DateTime>,
    /// Object that sent the event.
    pub sender: Value,
    /// Arguments of the source.
    pub arguments: Vec<Value>,
    /// Data of the event.
    pub data: Value,
    /// Name of the server.
    pub computer: Option<String>,
    /// Identifier of the runspace.
    pub runspace: Guid,
}

impl UserEvent {
    pub(super) fn read<'a>(value: &'a Value, index: &'a Index<'a>) -> Result<Self, PsrpError> {
        let fields = Fields::of(value, "USER_EVENT", index)?;
        let runspace = fields.value("PSEventArgs.RunspaceId")?.as_guid();
        Ok(Self {
            event: fields.i32("PSEventArgs.EventIdentifier")?,
            source: fields.text("PSEventArgs.SourceIdentifier")?,
            time: date_time(&fields, "PSEventArgs.TimeGenerated")?,
            sender: fields.optional("PSEventArgs.Sender").cloned().unwrap_or(Value::NULL),
            arguments: fields.optional_list("PSEventArgs.SourceArgs")?.to_vec(),
            data: fields.optional("PSEventArgs.MessageData").cloned().unwrap_or(Value::NULL),
            computer: fields.optional_text("PSEventArgs.ComputerName")?,
            runspace: runspace.ok_or_else(|| fields.error("PSEventArgs.RunspaceId"))?,
        })
    }

    pub(super) fn write(&self) -> Object {
        let arguments = Object::with_content(Content::List(self.arguments.clone()));
        let arguments = arguments.typed(&["System.Object[]", "System.Array", "System.Object"]);
        Object::with_properties([
            ("PSEventArgs.EventIdentifier", self.event.into()),
            ("PSEventArgs.SourceIdentifier", self.source.as_str().into()),
            ("PSEventArgs.TimeGenerated", self.time.clone().map_or(Value::NULL, Value::from)),
            ("PSEventArgs.Sender", self.sender.clone()),
            ("PSEventArgs.SourceArgs", arguments.into()),
            ("PSEventArgs.MessageData", self.data.clone()),
            ("PSEventArgs.ComputerName", text_or_null(self.computer.as_deref())),
            ("PSEventArgs.RunspaceId", self.runspace.into()),
        ])
    }
}

fn date_time(fields: &Fields<'_>, name: &'static str) -> Result<Option<DateTime>, PsrpError> {
    match fields.optional_primitive(name)? {
        None => Ok(None),
        Some(Primitive::DateTime(time)) => Ok(Some(time.clone())),
        Some(_) => Err(fields.error(name)),
    }
}

/// Returns the number of a process or thread, whose type differs between versions.
fn identifier(fields: &Fields<'_>, name: &str) -> Option<u32> {
    match fields.present(name)?.as_primitive()? {
        Primitive::U32(number) => Some(*number),
        Primitive::I32(number) => u32::try_from(*number).ok(),
        _ => None,
    }
}
