//! The provider interface.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cim::{Class, ColumnSet, Instance, Name, Namespace, ObjectPath, Operation, Value};
use sddl::Token;

use crate::event::{EventSource, Watch};
use crate::{ProviderError, Scan, Sink};

/// Provider of the instances of some classes.
///
/// Each call runs on a separate thread and may block on files, devices and other processes.
/// Operations that a provider does not support keep their default, which returns
/// [`ProviderError::NotCapable`].
pub trait Provider: Send + Sync {
    /// Returns the classes of the provider, each with its namespace. Subclasses are listed separately.
    fn classes(&self) -> Vec<(Namespace, Name)>;

    /// Returns where its instances are stored, which determines the right needed for writing.
    fn storage(&self) -> Storage {
        Storage::Provider
    }

    /// Passes the rows of a class to `rows` until there are no more or [`Sink::push`] returns an error.
    ///
    /// At least the columns of [`Scan::columns`] must be set.
    /// Rows that do not match may be passed; they are dropped.
    ///
    /// # Errors
    /// The reason why not all rows could be read. Rows passed before remain valid.
    fn enumerate(&self, scan: &Scan, rows: &mut Sink<'_>) -> Result<(), ProviderError>;

    /// Returns the instance with these keys; `None` if it does not exist.
    ///
    /// Compare texts case-insensitively.
    ///
    /// # Errors
    /// [`ProviderError::NotCapable`] by default; all rows are then enumerated instead.
    fn get(&self, _lookup: &Lookup<'_>) -> Result<Option<Instance>, ProviderError> {
        Err(ProviderError::NotCapable)
    }

    /// Calls a method and returns its output, an instance of [`Operation::output`] with `ReturnValue`.
    ///
    /// A method that was executed and failed is not an error; its `ReturnValue` holds the result.
    ///
    /// # Errors
    /// The reason why it could not be executed.
    fn invoke(&self, _call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        Err(ProviderError::NotCapable)
    }

    /// Changes the columns `changed` of an instance.
    ///
    /// # Errors
    /// The reason why it could not be changed.
    fn put(
        &self,
        _context: &Context,
        _instance: &Instance,
        _changed: &ColumnSet,
    ) -> Result<(), ProviderError> {
        Err(ProviderError::NotCapable)
    }

    /// Creates an instance and returns its path.
    ///
    /// # Errors
    /// The reason why it could not be created.
    fn create(&self, _context: &Context, _instance: &Instance) -> Result<ObjectPath, ProviderError> {
        Err(ProviderError::NotCapable)
    }

    /// Returns the name of the data source of a class if this machine lacks it, so that the class has no instances.
    /// It may block. `None` by default.
    fn missing_source(&self, _namespace: &Namespace, _class: &Name) -> Option<&'static str> {
        None
    }

    /// Releases external resources, such as sessions with other machines. Later calls may acquire them again.
    /// Does nothing by default.
    fn close(&self) {}

    /// Deletes the instance with these keys. Returns `false` if it does not exist.
    ///
    /// # Errors
    /// The reason why it could not be deleted.
    fn delete(&self, _lookup: &Lookup<'_>) -> Result<bool, ProviderError> {
        Err(ProviderError::NotCapable)
    }

    /// Returns the properties that are not keys and never change while an instance exists, such as the folder of a file.
    ///
    /// A subscription watches only instances that match its conditions on keys and on these properties.
    fn fixed_properties(&self) -> &[&'static str] {
        &[]
    }

    /// Starts to watch for events of an event class, or for changes of instances of another class.
    ///
    /// Unlike the other methods, it is called within the runtime and must not block. Watching begins before
    /// it returns.
    /// `None`, the default, means that changes are found by polling, and that the provider reports no such
    /// events.
    ///
    /// # Errors
    /// The reason why it cannot watch, if polling would not work either.
    fn watch(&self, _watch: &Watch<'_>) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        Ok(None)
    }
}

/// Storage of instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// The provider: instances exist with the objects they represent, such as processes, services and devices.
    Provider,
    /// The repository.
    Repository,
}

/// Caller and deadline of a request.
///
/// There is no context without a caller whose rights apply.
#[derive(Clone, Debug)]
pub struct Context {
    caller: Arc<str>,
    identity: ContextIdentity,
    deadline: Option<Instant>,
    effect: Effect,
}

/// Whether a change is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Effect {
    #[default]
    Applied,
    /// The change is only checked, as far as the engine can.
    Checked,
}

/// Rights that apply to a request.
#[derive(Clone, Debug)]
enum ContextIdentity {
    /// Rights of this process.
    Process,
    /// Rights that descriptors grant a caller, who may be on another machine.
    Caller { token: Arc<Token>, is_remote: bool },
}

impl Context {
    /// Returns the context of this process itself. Namespace descriptors are not checked, because the user
    /// who runs the process could change them anyway.
    #[must_use]
    pub fn of_this_process(caller: impl Into<Arc<str>>) -> Self {
        Self {
            caller: caller.into(),
            identity: ContextIdentity::Process,
            deadline: None,
            effect: Effect::Applied,
        }
    }

    /// Returns the context of an authenticated caller on this machine.
    #[must_use]
    pub fn local(caller: impl Into<Arc<str>>, token: impl Into<Arc<Token>>) -> Self {
        let identity = ContextIdentity::Caller { token: token.into(), is_remote: false };
        Self { caller: caller.into(), identity, deadline: None, effect: Effect::Applied }
    }

    /// Returns the context of an authenticated caller on another machine.
    #[must_use]
    pub fn remote(caller: impl Into<Arc<str>>, token: impl Into<Arc<Token>>) -> Self {
        let identity = ContextIdentity::Caller { token: token.into(), is_remote: true };
        Self { caller: caller.into(), identity, deadline: None, effect: Effect::Applied }
    }

    /// Returns the context with a time limit.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { deadline: Instant::now().checked_add(limit), ..self }
    }

    /// Returns the context for checking changes without making them: class, instance, properties or parameters, and
    /// rights. The provider, which could still refuse the change, is not called.
    #[must_use]
    pub fn only_checking(self) -> Self {
        Self { effect: Effect::Checked, ..self }
    }

    /// Returns whether changes are only checked.
    #[must_use]
    pub fn is_only_checking(&self) -> bool {
        self.effect == Effect::Checked
    }

    /// Returns the name of the caller.
    #[must_use]
    pub fn caller(&self) -> &str {
        &self.caller
    }

    /// Returns the token of the caller; `None` for this process itself.
    #[must_use]
    pub fn token(&self) -> Option<&Token> {
        match &self.identity {
            ContextIdentity::Process => None,
            ContextIdentity::Caller { token, .. } => Some(token),
        }
    }

    /// Returns whether the request comes from another machine.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        matches!(self.identity, ContextIdentity::Caller { is_remote: true, .. })
    }

    /// Returns the time after which a response is useless.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

/// Request for one instance.
#[derive(Clone, Copy, Debug)]
pub struct Lookup<'a> {
    /// Caller.
    pub context: &'a Context,
    /// Class of the instance.
    pub class: &'a Arc<Class>,
    /// Values of [`Class::keys`], with their declared types.
    pub keys: &'a [Value],
    /// Requested columns; others may stay NULL.
    pub columns: &'a ColumnSet,
}

/// Method call.
#[derive(Clone, Copy, Debug)]
pub struct MethodCall<'a> {
    /// Caller.
    pub context: &'a Context,
    /// Class it is called on.
    pub class: &'a Arc<Class>,
    /// The method.
    pub operation: &'a Operation,
    /// Class or instance it is called on.
    pub target: Target<'a>,
    /// Input parameters, an instance of [`Operation::input`].
    pub input: &'a Instance,
}

/// Target of a method call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target<'a> {
    /// The class, for a static method.
    Class,
    /// The instance with these keys.
    Instance(&'a [Value]),
}
