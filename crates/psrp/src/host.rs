//! Calls of the server to the client's host (MS-PSRP 2.2.3.17 and 2.2.6).

use crate::clixml::{Content, Index, Object, Value};
use crate::error::PsrpError;
use crate::error_record::ErrorRecord;
use crate::fields::Fields;

/// Type name of the number of a method.
const METHOD_TYPE: &str = "System.Management.Automation.Remoting.RemoteHostMethodId";
/// Call number of methods without result.
pub const NO_RESPONSE: i64 = -100;

macro_rules! methods {
    ($($name:ident = $code:literal $result:ident,)*) => {
        /// Method of the client's host (MS-PSRP 2.2.3.17). Names are those of PowerShell.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum HostMethod {
            $(
                #[doc = concat!("Method `", stringify!($name), "`.")]
                $name,
            )*
        }

        impl HostMethod {
            /// All methods.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the method with this number.
            #[must_use]
            pub fn from_code(code: i32) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Returns the number on the wire.
            #[must_use]
            pub fn code(self) -> i32 {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// Returns the name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// Returns whether the client answers a call of the method.
            #[must_use]
            pub fn has_response(self) -> bool {
                match self {
                    $(Self::$name => $result,)*
                }
            }
        }
    };
}

methods! {
    GetName = 1 true,
    GetVersion = 2 true,
    GetInstanceId = 3 true,
    GetCurrentCulture = 4 true,
    GetCurrentUICulture = 5 true,
    SetShouldExit = 6 false,
    EnterNestedPrompt = 7 false,
    ExitNestedPrompt = 8 false,
    NotifyBeginApplication = 9 false,
    NotifyEndApplication = 10 false,
    ReadLine = 11 true,
    ReadLineAsSecureString = 12 true,
    Write1 = 13 false,
    Write2 = 14 false,
    WriteLine1 = 15 false,
    WriteLine2 = 16 false,
    WriteLine3 = 17 false,
    WriteErrorLine = 18 false,
    WriteDebugLine = 19 false,
    WriteProgress = 20 false,
    WriteVerboseLine = 21 false,
    WriteWarningLine = 22 false,
    Prompt = 23 true,
    PromptForCredential1 = 24 true,
    PromptForCredential2 = 25 true,
    PromptForChoice = 26 true,
    GetForegroundColor = 27 true,
    SetForegroundColor = 28 false,
    GetBackgroundColor = 29 true,
    SetBackgroundColor = 30 false,
    GetCursorPosition = 31 true,
    SetCursorPosition = 32 false,
    GetWindowPosition = 33 true,
    SetWindowPosition = 34 false,
    GetCursorSize = 35 true,
    SetCursorSize = 36 false,
    GetBufferSize = 37 true,
    SetBufferSize = 38 false,
    GetWindowSize = 39 true,
    SetWindowSize = 40 false,
    GetWindowTitle = 41 true,
    SetWindowTitle = 42 false,
    GetMaxWindowSize = 43 true,
    GetMaxPhysicalWindowSize = 44 true,
    GetKeyAvailable = 45 true,
    ReadKey = 46 true,
    FlushInputBuffer = 47 false,
    SetBufferContents1 = 48 false,
    SetBufferContents2 = 49 false,
    GetBufferContents = 50 true,
    ScrollBufferContents = 51 false,
    PushRunspace = 52 false,
    PopRunspace = 53 false,
    GetIsRunspacePushed = 54 true,
    GetRunspace = 55 true,
    PromptForChoiceMultipleSelection = 56 true,
}

/// Call of a method of the client's host.
#[derive(Clone, Debug, PartialEq)]
pub struct HostCall {
    /// Number of the call, which the response repeats; [`NO_RESPONSE`] if there is none.
    pub call: i64,
    /// Method.
    pub method: HostMethod,
    /// Parameters in their encoding for host calls.
    pub parameters: Vec<Value>,
}

/// Response to a [`HostCall`].
#[derive(Clone, Debug, PartialEq)]
pub struct HostResponse {
    /// Number of the call.
    pub call: i64,
    /// Method.
    pub method: HostMethod,
    /// Result of the method, or the error that it ended with.
    pub result: Result<Value, Box<ErrorRecord>>,
}

impl HostCall {
    pub(crate) fn read<'a>(value: &'a Value, index: &'a Index<'a>) -> Result<Self, PsrpError> {
        let fields = Fields::of(value, "HOST_CALL", index)?;
        Ok(Self {
            call: fields.i64("ci")?,
            method: method(&fields)?,
            parameters: fields.list("mp")?.to_vec(),
        })
    }

    pub(crate) fn write(&self) -> Object {
        let parameters = Object::with_content(Content::List(self.parameters.clone()));
        let parameters = parameters.typed(&["System.Collections.ArrayList", "System.Object"]);
        Object::with_properties([
            ("ci", self.call.into()),
            ("mi", method_value(self.method)),
            ("mp", parameters.into()),
        ])
    }

    /// Returns whether the server waits for a response.
    #[must_use]
    pub fn has_response(&self) -> bool {
        self.call != NO_RESPONSE && self.method.has_response()
    }
}

impl HostResponse {
    pub(crate) fn read<'a>(value: &'a Value, index: &'a Index<'a>) -> Result<Self, PsrpError> {
        let fields = Fields::of(value, "HOST_RESPONSE", index)?;
        let result = match fields.present("me") {
            Some(error) => Err(Box::new(ErrorRecord::read(error, index)?)),
            None => Ok(fields.optional("mr").cloned().unwrap_or(Value::NULL)),
        };
        Ok(Self { call: fields.i64("ci")?, method: method(&fields)?, result })
    }

    pub(crate) fn write(&self) -> Object {
        let result = match &self.result {
            Ok(value) => ("mr", value.clone()),
            Err(error) => ("me", error.write().into()),
        };
        Object::with_properties([("ci", self.call.into()), ("mi", method_value(self.method)), result])
    }
}

fn method(fields: &Fields<'_>) -> Result<HostMethod, PsrpError> {
    HostMethod::from_code(fields.i32("mi")?).ok_or_else(|| fields.error("mi"))
}

fn method_value(method: HostMethod) -> Value {
    Object::enumeration(METHOD_TYPE, method.name(), method.code()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_its_number() {
        for (code, method) in (1..).zip(HostMethod::ALL) {
            assert_eq!((method.code(), HostMethod::from_code(code)), (code, Some(*method)));
        }
        assert_eq!(HostMethod::ALL.len(), 56);
    }
}
