//! The one who has instances.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cim::{Class, ColumnSet, Instance, Name, Namespace, ObjectPath, Operation, Value};
use sddl::Token;

use crate::event::{EventSource, Watch};
use crate::{ProviderError, Scan, Sink};

/// Serves the instances of some classes.
///
/// Every call comes on a thread of its own that may wait for files, devices and other processes.
/// What a provider cannot do it leaves at its default, which says so.
pub trait Provider: Send + Sync {
    /// The classes it serves, each in its namespace. Subclasses are others.
    fn classes(&self) -> Vec<(Namespace, Name)>;

    /// Where its instances are kept, which decides about the right that writing takes.
    fn storage(&self) -> Storage {
        Storage::Provider
    }

    /// Gives the rows of a class, as they come, until they end or [`Sink::push`] says that nobody wants more.
    ///
    /// At least the columns of [`Scan::columns`] are filled.
    /// Rows that are not wanted may come; they are left out.
    ///
    /// # Errors
    /// Whatever made it impossible; the rows given before still count.
    fn enumerate(&self, scan: &Scan, rows: &mut Sink<'_>) -> Result<(), ProviderError>;

    /// The instance with some keys; `None` if there is none.
    ///
    /// Texts are meant without regard to case.
    ///
    /// # Errors
    /// [`ProviderError::NotCapable`] by default, upon which all rows are looked through.
    fn get(&self, _lookup: &Lookup<'_>) -> Result<Option<Instance>, ProviderError> {
        Err(ProviderError::NotCapable)
    }

    /// Calls a method and gives what comes out, an instance of [`Operation::output`] with `ReturnValue`.
    ///
    /// A method that ran and failed is no error: its `ReturnValue` tells.
    ///
    /// # Errors
    /// What kept it from running.
    fn invoke(&self, _call: &MethodCall<'_>) -> Result<Instance, ProviderError> {
        Err(ProviderError::NotCapable)
    }

    /// Gives an instance new values in the columns that have changed.
    ///
    /// # Errors
    /// What kept it from changing.
    fn put(
        &self,
        _context: &Context,
        _instance: &Instance,
        _changed: &ColumnSet,
    ) -> Result<(), ProviderError> {
        Err(ProviderError::NotCapable)
    }

    /// Makes an instance and says what it is called.
    ///
    /// # Errors
    /// What kept it from being made.
    fn create(&self, _context: &Context, _instance: &Instance) -> Result<ObjectPath, ProviderError> {
        Err(ProviderError::NotCapable)
    }

    /// Lets go of what it holds elsewhere, such as sessions with other machines; whoever asks afterwards may make it
    /// take that again. Nothing by default.
    fn close(&self) {}

    /// Removes the instance with some keys; `false` if there is none.
    ///
    /// # Errors
    /// What kept it from going.
    fn delete(&self, _lookup: &Lookup<'_>) -> Result<bool, ProviderError> {
        Err(ProviderError::NotCapable)
    }

    /// Begins to listen for events of a class of events, or for changes of the instances of another class.
    ///
    /// Unlike the others, this is called within the runtime, and must not wait. It listens from then on.
    /// `None`, the default, is for changes that are found only by looking, and for events nobody can tell of.
    ///
    /// # Errors
    /// What kept it from listening, where that makes looking useless as well.
    fn watch(&self, _watch: &Watch<'_>) -> Result<Option<Box<dyn EventSource>>, ProviderError> {
        Ok(None)
    }
}

/// Where instances are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// With what they are instances of: processes, services, devices.
    Provider,
    /// In the repository.
    Repository,
}

/// For whom something is done, and until when.
///
/// There is none that does not say whose rights count.
#[derive(Clone, Debug)]
pub struct Context {
    caller: Arc<str>,
    standing: Standing,
    deadline: Option<Instant>,
}

/// Whose rights count.
#[derive(Clone, Debug)]
enum Standing {
    /// Those that the kernel gives this process.
    Process,
    /// Those that descriptors give a caller, here or elsewhere.
    Caller { token: Arc<Token>, is_remote: bool },
}

impl Context {
    /// Something that this process does for the user it runs as: no descriptor of a namespace is asked, because
    /// whoever runs the process could as well change it.
    #[must_use]
    pub fn of_this_process(caller: impl Into<Arc<str>>) -> Self {
        Self { caller: caller.into(), standing: Standing::Process, deadline: None }
    }

    /// Something done for somebody on this machine who has proven to be that.
    #[must_use]
    pub fn local(caller: impl Into<Arc<str>>, token: impl Into<Arc<Token>>) -> Self {
        let standing = Standing::Caller { token: token.into(), is_remote: false };
        Self { caller: caller.into(), standing, deadline: None }
    }

    /// Something done for somebody who came over the network.
    #[must_use]
    pub fn remote(caller: impl Into<Arc<str>>, token: impl Into<Arc<Token>>) -> Self {
        let standing = Standing::Caller { token: token.into(), is_remote: true };
        Self { caller: caller.into(), standing, deadline: None }
    }

    /// The same with a limit.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { deadline: Instant::now().checked_add(limit), ..self }
    }

    /// The name of whoever asks.
    #[must_use]
    pub fn caller(&self) -> &str {
        &self.caller
    }

    /// Who asks, as descriptors know it; `None` for this process itself.
    #[must_use]
    pub fn token(&self) -> Option<&Token> {
        match &self.standing {
            Standing::Process => None,
            Standing::Caller { token, .. } => Some(token),
        }
    }

    /// Whether it was asked from another machine.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        matches!(self.standing, Standing::Caller { is_remote: true, .. })
    }

    /// When an answer is of no use any more.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

/// Which instance is meant.
#[derive(Clone, Copy, Debug)]
pub struct Lookup<'a> {
    /// For whom.
    pub context: &'a Context,
    /// Its class.
    pub class: &'a Arc<Class>,
    /// The values of [`Class::keys`], of their types.
    pub keys: &'a [Value],
    /// What is wanted of it; the rest may stay NULL.
    pub columns: &'a ColumnSet,
}

/// A method that is called.
#[derive(Clone, Copy, Debug)]
pub struct MethodCall<'a> {
    /// For whom.
    pub context: &'a Context,
    /// The class it is called on.
    pub class: &'a Arc<Class>,
    /// The method.
    pub operation: &'a Operation,
    /// On what.
    pub target: Target<'a>,
    /// What goes in, an instance of [`Operation::input`].
    pub input: &'a Instance,
}

/// What a method is called on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target<'a> {
    /// The class, by a static method.
    Class,
    /// The instance with these keys.
    Instance(&'a [Value]),
}
