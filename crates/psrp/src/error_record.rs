//! Errors of pipelines and pools (MS-PSRP 2.2.3.15).

use crate::clixml::{Index, Object, Property, Text, Value};
use crate::error::PsrpError;
use crate::fields::Fields;

/// Error of a pipeline, of a pool or of a host call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorRecord {
    /// Text of the error as PowerShell displays it.
    pub text: Option<String>,
    /// Exception.
    pub exception: Option<Value>,
    /// Object that the failed operation processed.
    pub target: Option<Value>,
    /// Identifier of the error, such as `CommandNotFoundException`.
    pub fully_qualified_error_id: String,
    /// Category.
    pub category: ErrorCategory,
    /// Text that replaces the message of the exception.
    pub details_message: Option<String>,
    /// Recommended action of the user.
    pub recommended_action: Option<String>,
    /// Position of the error in each called script.
    pub script_stack_trace: Option<String>,
    /// Information about the failed command, as an object; most errors have none.
    pub invocation_info: Option<Value>,
    /// Information about the failed command, as properties whose names begin with `InvocationInfo_` or are
    /// `PipelineIterationInfo`; empty if the error has none.
    pub extended_info: Vec<Property>,
}

/// Category of an error (MS-PSRP 2.2.3.9).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorCategory {
    /// Number of the category; 0 if not specified.
    pub code: i32,
    /// Operation that failed.
    pub activity: Option<String>,
    /// Type of the exception.
    pub reason: Option<String>,
    /// Name of the target object.
    pub target_name: Option<String>,
    /// Type of the target object.
    pub target_type: Option<String>,
    /// Category as text.
    pub message: Option<String>,
}

/// Number of the category "operation stopped".
const OPERATION_STOPPED: i32 = 14;

impl ErrorRecord {
    /// Returns an error with a message, an identifier and the number of a category.
    #[must_use]
    pub fn new(message: &str, fully_qualified_error_id: &str, category: i32) -> Self {
        let exception = Object::with_properties([("Message", Value::from(message))]);
        let exception = Object {
            to_string: Some(message.into()),
            ..exception.typed(&[
                "System.Management.Automation.RemoteException",
                "System.Exception",
                "System.Object",
            ])
        };
        let category =
            ErrorCategory { code: category, message: Some(message.to_owned()), ..Default::default() };
        Self {
            text: Some(message.to_owned()),
            exception: Some(exception.into()),
            fully_qualified_error_id: fully_qualified_error_id.to_owned(),
            category,
            ..Self::default()
        }
    }

    /// Returns the error of a pipeline that the client stopped.
    #[must_use]
    pub fn pipeline_stopped() -> Self {
        Self::new("The pipeline has been stopped.", "PipelineStopped", OPERATION_STOPPED)
    }

    /// Returns the text to display: the error's own, its details, or the message of its exception.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        let exception = || self.exception.as_ref()?.property("Message")?.as_str();
        self.text.as_deref().or(self.details_message.as_deref()).or_else(exception)
    }

    /// Reads a record. Missing properties and those of other types are `None`, because their names and types differ
    /// between versions.
    pub(crate) fn read<'a>(value: &'a Value, index: &'a Index<'a>) -> Result<Self, PsrpError> {
        let fields = Fields::of(value, "ERROR_RECORD", index)?;
        let category = ErrorCategory {
            code: fields.i32_or("ErrorCategory_Category", 0)?,
            activity: fields.optional_text("ErrorCategory_Activity")?,
            reason: fields.optional_text("ErrorCategory_Reason")?,
            target_name: fields.optional_text("ErrorCategory_TargetName")?,
            target_type: fields.optional_text("ErrorCategory_TargetType")?,
            message: fields.optional_text("ErrorCategory_Message")?,
        };
        Ok(Self {
            text: fields.object().to_string.as_ref().map(Text::to_string),
            exception: fields.present("Exception").cloned(),
            target: fields.present("TargetObject").cloned(),
            fully_qualified_error_id: fields.optional_text("FullyQualifiedErrorId")?.unwrap_or_default(),
            category,
            details_message: fields.optional_text("ErrorDetails_Message")?,
            recommended_action: fields.optional_text("ErrorDetails_RecommendedAction")?,
            script_stack_trace: fields.optional_text("ErrorDetails_ScriptStackTrace")?,
            invocation_info: fields.present("InvocationInfo").cloned(),
            extended_info: extended_info(&fields, "InvocationInfo_", "PipelineIterationInfo"),
        })
    }

    pub(crate) fn write(&self) -> Object {
        let category = &self.category;
        let mut properties = vec![
            ("Exception", or_null(self.exception.as_ref())),
            ("TargetObject", or_null(self.target.as_ref())),
            ("FullyQualifiedErrorId", self.fully_qualified_error_id.as_str().into()),
            ("InvocationInfo", or_null(self.invocation_info.as_ref())),
            ("ErrorCategory_Category", category.code.into()),
            ("ErrorCategory_Activity", text_or_null(category.activity.as_deref())),
            ("ErrorCategory_Reason", text_or_null(category.reason.as_deref())),
            ("ErrorCategory_TargetName", text_or_null(category.target_name.as_deref())),
            ("ErrorCategory_TargetType", text_or_null(category.target_type.as_deref())),
            ("ErrorCategory_Message", text_or_null(category.message.as_deref())),
        ];
        let details = [
            ("ErrorDetails_Message", &self.details_message),
            ("ErrorDetails_RecommendedAction", &self.recommended_action),
            ("ErrorDetails_ScriptStackTrace", &self.script_stack_trace),
        ];
        properties
            .extend(details.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?.into()))));
        properties.push(("SerializeExtendedInfo", (!self.extended_info.is_empty()).into()));
        let mut object = Object::with_properties(properties);
        object.extended.get_or_insert_default().extend(self.extended_info.iter().cloned());
        object.to_string = self.text.as_deref().map(Text::from);
        object.typed(&["System.Management.Automation.ErrorRecord", "System.Object"])
    }
}

/// Returns the properties with a prefix, and the one with a name.
pub(crate) fn extended_info(fields: &Fields<'_>, prefix: &str, name: &str) -> Vec<Property> {
    let properties = fields.object().extended.iter().flatten();
    let extended = properties.filter(|property| property.name.starts_with(prefix) || property.name == name);
    extended.cloned().collect()
}

fn or_null(value: Option<&Value>) -> Value {
    value.cloned().unwrap_or(Value::NULL)
}

pub(crate) fn text_or_null(text: Option<&str>) -> Value {
    text.map_or(Value::NULL, Value::from)
}
