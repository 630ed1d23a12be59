//! Records that start pipelines (MS-PSRP 2.2.2.10, 2.2.2.14, 2.2.3.11 to 2.2.3.13).

use crate::clixml::{Content, Index, Object, Value};
use crate::error::PsrpError;
use crate::fields::Fields;

use super::host_info::HostInfo;
use super::pool::apartment_state;

const STREAM_OPTIONS: &str = "System.Management.Automation.RemoteStreamOptions";
const RESULT_TYPES: &str = "System.Management.Automation.Runspaces.PipelineResultTypes";
const COMMAND_TYPES: &str = "System.Management.Automation.CommandTypes";
/// Type of lists of objects in CREATE_PIPELINE.
const OBJECT_LIST: &str = "System.Collections.Generic.List`1[[System.Management.Automation.PSObject, \
    System.Management.Automation, Version=1.0.0.0, Culture=neutral, PublicKeyToken=31bf3856ad364e35]]";

/// A new pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct CreatePipeline {
    /// Whether the client sends no input.
    pub has_no_input: bool,
    /// Number of the COM apartment: 0 STA, 1 MTA, 2 unknown.
    pub apartment_state: i32,
    /// Streams whose records contain information about the command: 1 error, 2 warning, 4 debug, 8 verbose.
    pub stream_options: i32,
    /// Whether PowerShell adds the pipeline to its history.
    pub add_to_history: bool,
    /// Host of the client.
    pub host: HostInfo,
    /// Whether the pipeline runs while another one waits in a host call.
    pub is_nested: bool,
    /// Statements, each with at least one command.
    ///
    /// INVARIANT: there is at least one statement.
    statements: Vec<Vec<Command>>,
    /// Text for the history.
    pub history: Option<String>,
    /// Whether errors of the shell go to the output.
    pub redirect_errors_to_output: bool,
}

impl CreatePipeline {
    /// Returns a pipeline without input and host that runs a script.
    #[must_use]
    pub fn script(text: &str) -> Self {
        Self::new(Command::script(text))
    }

    /// Returns a pipeline without input and host that runs a command.
    #[must_use]
    pub fn new(command: Command) -> Self {
        Self {
            has_no_input: true,
            apartment_state: 2,
            stream_options: 0,
            add_to_history: false,
            host: HostInfo::NONE,
            is_nested: false,
            statements: vec![vec![command]],
            history: None,
            redirect_errors_to_output: true,
        }
    }

    /// Returns the same pipeline with input: the client sends objects and their end.
    #[must_use]
    pub fn with_input(self) -> Self {
        Self { has_no_input: false, ..self }
    }

    /// Adds a command that processes the output of the last one.
    pub fn pipe(&mut self, command: Command) {
        if let Some(last) = self.statements.last_mut() {
            last.push(command);
        }
    }

    /// Adds a command that begins a new statement; from 2.2.
    pub fn begin_statement(&mut self, command: Command) {
        self.statements.push(vec![command]);
    }

    /// Returns the statements with their commands.
    #[must_use]
    pub fn statements(&self) -> &[Vec<Command>] {
        &self.statements
    }

    pub(super) fn read<'a>(value: &'a Value, index: &'a Index<'a>) -> Result<Self, PsrpError> {
        let fields = Fields::of(value, "CREATE_PIPELINE", index)?;
        let pipeline = Fields::of(fields.value("PowerShell")?, "CREATE_PIPELINE", index)?;
        let extra = pipeline.optional_list("ExtraCmds")?;
        let statements = if extra.is_empty() {
            vec![commands(&pipeline)?]
        } else {
            let read =
                extra.iter().map(|statement| commands(&Fields::of(statement, "CREATE_PIPELINE", index)?));
            read.collect::<Result<_, _>>()?
        };
        Ok(Self {
            has_no_input: fields.bool("NoInput")?,
            apartment_state: fields.i32_or("ApartmentState", 2)?,
            stream_options: fields.i32_or("RemoteStreamOptions", 0)?,
            add_to_history: fields.flag("AddToHistory")?,
            host: HostInfo::read(fields.value("HostInfo")?, index)?,
            is_nested: fields.flag("IsNested")?,
            statements,
            history: pipeline.optional_text("History")?,
            redirect_errors_to_output: pipeline.flag("RedirectShellErrorOutputPipe")?,
        })
    }

    pub(super) fn write(&self) -> Object {
        let first = self.statements.first().map(Vec::as_slice).unwrap_or_default();
        let extra = if self.statements.len() > 1 {
            let all = self.statements.iter();
            list(
                all.map(|commands| Object::with_properties([("Cmds", write_all(commands))]).into()).collect(),
            )
        } else {
            Value::NULL
        };
        let pipeline = Object::with_properties([
            ("IsNested", self.is_nested.into()),
            ("Cmds", write_all(first)),
            ("ExtraCmds", extra),
            ("History", self.history.as_deref().map_or(Value::NULL, Value::from)),
            ("RedirectShellErrorOutputPipe", self.redirect_errors_to_output.into()),
        ]);
        Object::with_properties([
            ("NoInput", self.has_no_input.into()),
            ("ApartmentState", apartment_state(self.apartment_state)),
            (
                "RemoteStreamOptions",
                Object::enumeration(STREAM_OPTIONS, &stream_names(self.stream_options), self.stream_options)
                    .into(),
            ),
            ("AddToHistory", self.add_to_history.into()),
            ("HostInfo", self.host.write().into()),
            ("PowerShell", pipeline.into()),
            ("IsNested", self.is_nested.into()),
        ])
    }
}

/// Command or script of a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// Name of the command, or text of the script.
    pub text: String,
    /// Whether [`text`](Self::text) is a script.
    pub is_script: bool,
    /// Whether variables of the command are local; `None` leaves it to PowerShell.
    pub use_local_scope: Option<bool>,
    /// Arguments.
    pub arguments: Vec<Argument>,
    /// Streams that are redirected.
    pub merges: StreamMerges,
}

/// Argument of a command.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// Name of the parameter, `None` for a positional argument.
    pub name: Option<String>,
    /// Value.
    pub value: Value,
}

impl Command {
    /// Returns a script.
    #[must_use]
    pub fn script(text: &str) -> Self {
        Self { is_script: true, ..Self::named(text) }
    }

    /// Returns a command with this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            text: name.to_owned(),
            is_script: false,
            use_local_scope: None,
            arguments: Vec::new(),
            merges: StreamMerges::default(),
        }
    }

    /// Adds an argument, which is positional without a name.
    #[must_use]
    pub fn argument(mut self, name: Option<&str>, value: impl Into<Value>) -> Self {
        self.arguments.push(Argument { name: name.map(str::to_owned), value: value.into() });
        self
    }

    fn read<'a>(value: &'a Value, index: &'a Index<'a>) -> Result<Self, PsrpError> {
        let fields = Fields::of(value, "CREATE_PIPELINE", index)?;
        let arguments = fields.optional_list("Args")?.iter().map(|argument| {
            let fields = Fields::of(argument, "CREATE_PIPELINE", index)?;
            let value = fields.optional("V").cloned().unwrap_or(Value::NULL);
            Ok(Argument { name: fields.optional_text("N")?, value })
        });
        Ok(Self {
            text: fields.text("Cmd")?,
            is_script: fields.bool("IsScript")?,
            use_local_scope: fields
                .present("UseLocalScope")
                .map(|_| fields.bool("UseLocalScope"))
                .transpose()?,
            arguments: arguments.collect::<Result<_, PsrpError>>()?,
            merges: StreamMerges::read(&fields)?,
        })
    }

    fn write(&self) -> Value {
        let arguments = self.arguments.iter().map(|Argument { name, value }| {
            let name = name.as_deref().map_or(Value::NULL, Value::from);
            Object::with_properties([("N", name), ("V", value.clone())]).into()
        });
        let first = [
            ("Cmd", self.text.as_str().into()),
            ("IsScript", self.is_script.into()),
            ("UseLocalScope", self.use_local_scope.map_or(Value::NULL, Value::from)),
        ];
        let merges = self.merges.write();
        let arguments = [("Args", list(arguments.collect()))];
        Object::with_properties(first.into_iter().chain(merges).chain(arguments)).into()
    }
}

/// Redirections of a command's streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamMerges {
    /// Stream of this command that is redirected, in the form of version 2.1: 0 or 2 (error).
    pub my_result: i32,
    /// Target of that stream: 0 or 1 (output).
    pub to_result: i32,
    /// Streams of earlier commands that this command receives: 0, or 3 for output and errors.
    pub previous_results: i32,
    /// Target of errors; from 2.2.
    pub error: Merge,
    /// Target of warnings; from 2.2.
    pub warning: Merge,
    /// Target of verbose records; from 2.2.
    pub verbose: Merge,
    /// Target of debug records; from 2.2.
    pub debug: Merge,
    /// Target of information records; from 2.3.
    pub information: Merge,
}

/// Target of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Merge {
    /// The stream is not redirected.
    #[default]
    None,
    /// The stream goes to the output.
    Output,
    /// The stream is discarded.
    Null,
}

impl Merge {
    fn from_code(code: i32) -> Option<Self> {
        match code {
            0 => Some(Self::None),
            1 => Some(Self::Output),
            8 => Some(Self::Null),
            _ => None,
        }
    }

    fn code(self) -> i32 {
        match self {
            Self::None => 0,
            Self::Output => 1,
            Self::Null => 8,
        }
    }
}

impl StreamMerges {
    /// Redirects errors to the output, also for servers of version 2.1.
    #[must_use]
    pub fn errors_to_output(self) -> Self {
        Self { my_result: 2, to_result: 1, error: Merge::Output, ..self }
    }

    fn read(fields: &Fields<'_>) -> Result<Self, PsrpError> {
        Ok(Self {
            my_result: fields.i32_or("MergeMyResult", 0)?,
            to_result: fields.i32_or("MergeToResult", 0)?,
            previous_results: fields.i32_or("MergePreviousResults", 0)?,
            error: merge(fields, "MergeError")?,
            warning: merge(fields, "MergeWarning")?,
            verbose: merge(fields, "MergeVerbose")?,
            debug: merge(fields, "MergeDebug")?,
            information: merge(fields, "MergeInformation")?,
        })
    }

    fn write(&self) -> [(&'static str, Value); 8] {
        [
            ("MergeMyResult", result_type(self.my_result)),
            ("MergeToResult", result_type(self.to_result)),
            ("MergePreviousResults", result_type(self.previous_results)),
            ("MergeError", result_type(self.error.code())),
            ("MergeWarning", result_type(self.warning.code())),
            ("MergeVerbose", result_type(self.verbose.code())),
            ("MergeDebug", result_type(self.debug.code())),
            ("MergeInformation", result_type(self.information.code())),
        ]
    }
}

fn merge(fields: &Fields<'_>, name: &'static str) -> Result<Merge, PsrpError> {
    Merge::from_code(fields.i32_or(name, 0)?).ok_or_else(|| fields.error(name))
}

fn result_type(number: i32) -> Value {
    // PowerShell reads the number only; 3 is the sum of two flags in this place.
    let name = match number {
        0 => "None",
        1 => "Output",
        2 => "Error",
        3 => "Output, Error",
        8 => "Null",
        _ => "All",
    };
    Object::enumeration(RESULT_TYPES, name, number).into()
}

fn stream_names(options: i32) -> String {
    let names = [(1, "AddInvocationInfoToErrorRecord"), (2, "AddInvocationInfoToWarningRecord")]
        .into_iter()
        .chain([(4, "AddInvocationInfoToDebugRecord"), (8, "AddInvocationInfoToVerboseRecord")]);
    match options {
        0 => "0".to_owned(),
        15 => "AddInvocationInfo".to_owned(),
        _ => {
            let set: Vec<&str> = names.filter(|(bit, _)| options & bit != 0).map(|(_, name)| name).collect();
            set.join(", ")
        }
    }
}

fn commands(statement: &Fields<'_>) -> Result<Vec<Command>, PsrpError> {
    let commands: Vec<Command> = statement
        .list("Cmds")?
        .iter()
        .map(|command| Command::read(command, statement.index()))
        .collect::<Result<_, _>>()?;
    if commands.is_empty() {
        return Err(statement.error("Cmds"));
    }
    Ok(commands)
}

fn write_all(commands: &[Command]) -> Value {
    list(commands.iter().map(Command::write).collect())
}

fn list(values: Vec<Value>) -> Value {
    Object::with_content(Content::List(values)).typed(&[OBJECT_LIST, "System.Object"]).into()
}

/// Asks for descriptions of commands.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandMetadataQuery {
    /// Names, which may contain wildcards.
    pub names: Vec<String>,
    /// Types of commands as flags: 1 alias, 2 function, 4 filter, 8 cmdlet, 16 external script, 32 application,
    /// 64 script.
    pub types: i32,
    /// Names of modules, which may contain wildcards; empty for all.
    pub modules: Vec<String>,
    /// Arguments for dynamic parameters; empty for none.
    pub arguments: Vec<Value>,
}

impl CommandMetadataQuery {
    pub(super) fn read<'a>(value: &'a Value, index: &'a Index<'a>) -> Result<Self, PsrpError> {
        let fields = Fields::of(value, "GET_COMMAND_METADATA", index)?;
        Ok(Self {
            names: fields.value("Name").and_then(|_| texts(&fields, "Name"))?,
            types: fields.i32_or("CommandType", 0)?,
            modules: texts(&fields, "Namespace")?,
            arguments: fields.optional_list("ArgumentList")?.to_vec(),
        })
    }

    pub(super) fn write(&self) -> Object {
        Object::with_properties([
            ("Name", text_list(&self.names)),
            ("CommandType", Object::enumeration(COMMAND_TYPES, &self.types.to_string(), self.types).into()),
            ("Namespace", if self.modules.is_empty() { Value::NULL } else { text_list(&self.modules) }),
            (
                "ArgumentList",
                if self.arguments.is_empty() { Value::NULL } else { list(self.arguments.clone()) },
            ),
        ])
    }
}

fn texts(fields: &Fields<'_>, name: &'static str) -> Result<Vec<String>, PsrpError> {
    let texts = fields.optional_list(name)?.iter().map(|text| text.as_str().map(str::to_owned));
    texts.collect::<Option<_>>().ok_or_else(|| fields.error(name))
}

fn text_list(texts: &[String]) -> Value {
    let texts = texts.iter().map(|text| text.as_str().into()).collect();
    let list = Object::with_content(Content::List(texts));
    list.typed(&["System.String[]", "System.Array", "System.Object"]).into()
}
