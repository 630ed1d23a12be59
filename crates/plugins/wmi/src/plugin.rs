//! The way of a request.

use std::sync::atomic::{AtomicBool, Ordering};

use cim::uri::{CLASS_SCHEMA, UriForm};
use service::{Answer, BoxFuture, Call, Caller, Plugin, Resource, ResourceKind, Whence};
use wmi::{Context, Engine, Rights};
use wsman::{Action, Fault, ResourceUri, Subcode, code};

use crate::error::WmiError;
use crate::fault::{Operation, Told};
use crate::form::Form;
use crate::place::Place;
use crate::{class_schema, enumerate, invoke, subscribe, transfer};

/// The plug-in for the classes of an engine.
pub struct WmiPlugin {
    /// The engine of this moment; there is another one when classes were added.
    engine: Box<dyn Fn() -> Option<Engine> + Send + Sync>,
    /// Somebody has asked for something, so there may be an engine that has to be closed.
    was_asked: AtomicBool,
}

impl WmiPlugin {
    /// What it answers for: the URIs of Microsoft, those of the DMTF, and those of classes themselves.
    pub const RESOURCES: [Resource; 3] = [
        Resource {
            uri: "http://schemas.microsoft.com/wbem/wsman/1/wmi",
            with_children: true,
            kind: ResourceKind::Instances,
        },
        Resource {
            uri: "http://schemas.dmtf.org/wbem/wscim/1",
            with_children: true,
            kind: ResourceKind::Instances,
        },
        Resource {
            uri: "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2",
            with_children: true,
            kind: ResourceKind::Instances,
        },
    ];

    /// A plug-in that asks this engine.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self::living(move || Some(engine.clone()))
    }

    /// A plug-in that asks the engine that there is when a request comes, and not before the first one; if there is
    /// none, whoever asks is told to look into the log.
    #[must_use]
    pub fn living(engine: impl Fn() -> Option<Engine> + Send + Sync + 'static) -> Self {
        Self { engine: Box::new(engine), was_asked: AtomicBool::new(false) }
    }

    async fn answer(&self, call: Call) -> Result<Answer, Fault> {
        let uri = call.request.require_resource()?;
        self.was_asked.store(true, Ordering::Release);
        let engine = (self.engine)().ok_or_else(no_engine)?;
        if names_a_class_schema(uri) {
            return class_schema::answer(&engine, &call, &context(&call.caller));
        }
        let head = call.request.head();
        let form = Form::of(&head.options);
        let place = Place::read(&engine, uri, &head.selectors).map_err(|error| {
            // The namespace is not known; so clients are told of the usual one.
            Told::new(&engine, form.clone(), UriForm::Wmi, cim::Namespace::cimv2()).fault(
                error,
                Operation::GetObject,
                uri.as_str(),
            )
        })?;
        let asked = Asked {
            engine: &engine,
            context: context(&call.caller),
            told: Told::new(&engine, form, place.form, place.namespace.clone()),
            place,
            call: &call,
        };
        asked.answer().await
    }
}

impl Plugin for WmiPlugin {
    fn resources(&self) -> &[Resource] {
        &Self::RESOURCES
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        Box::pin(self.answer(call))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let was_asked = self.was_asked.load(Ordering::Acquire);
            if let Some(engine) = was_asked.then(|| (self.engine)()).flatten() {
                engine.close().await;
            }
        })
    }
}

/// One request, as far as it is understood for all kinds of them.
pub(crate) struct Asked<'c> {
    pub(crate) engine: &'c Engine,
    pub(crate) call: &'c Call,
    pub(crate) context: Context,
    pub(crate) place: Place,
    pub(crate) told: Told,
}

impl Asked<'_> {
    async fn answer(&self) -> Result<Answer, Fault> {
        let head = self.call.request.head();
        let operation = match &head.action {
            Action::Get => Operation::GetObject,
            Action::Put => Operation::PutInstance,
            Action::Create => Operation::CreateInstance,
            Action::Delete => Operation::DeleteInstance,
            Action::Enumerate => Operation::CreateInstanceEnum,
            Action::Subscribe => Operation::ExecNotificationQuery,
            Action::Custom(_) => Operation::ExecMethod,
            other => return Err(invoke::not_supported(&other.uri())),
        };
        // Before anything is told of what there is.
        let admitted = self.engine.admit(&self.context, &self.place.namespace, Rights::ENABLE);
        admitted.map_err(|error| self.fault(error, operation))?;
        let of_part = matches!(operation, Operation::GetObject | Operation::PutInstance);
        if head.fragment.is_some() && !of_part {
            return Err(self.fault(WmiError::NoFragments, operation));
        }
        match &head.action {
            Action::Get => transfer::get(self).await,
            Action::Put => transfer::put(self).await,
            Action::Create => transfer::create(self).await,
            Action::Delete => transfer::delete(self).await,
            Action::Enumerate => enumerate::answer(self),
            Action::Subscribe => subscribe::answer(self).await,
            _ => invoke::answer(self).await,
        }
    }

    /// The fault of an operation on the instance or class that the request names.
    pub(crate) fn fault(&self, error: impl Into<WmiError>, operation: Operation) -> Fault {
        self.told.fault(error, operation, &self.place.to_string())
    }

    /// The context of something that is to be done while the client waits.
    pub(crate) fn context_in_time(&self) -> Context {
        self.context.clone().within(self.call.timeout)
    }

    /// Waits no longer than the client does.
    pub(crate) async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, wmi::Error>>,
    ) -> Result<T, WmiError> {
        match tokio::time::timeout(self.call.timeout, work).await {
            Ok(Err(wmi::Error::TimedOut(_))) | Err(_) => Err(WmiError::TimedOut),
            Ok(done) => Ok(done?),
        }
    }
}

fn no_engine() -> Fault {
    let problem = "the classes of this machine do not fit together: the log of the service says why";
    Fault::new(Subcode::InternalError, code::INTERNAL_ERROR, problem)
}

/// Whose rights count in namespaces.
pub(crate) fn context(caller: &Caller) -> Context {
    let (name, token) = (caller.identity().account().to_string(), caller.token().clone());
    match caller.whence() {
        Whence::ThisMachine => Context::local(name, token),
        Whence::Network => Context::remote(name, token),
    }
}

/// Whether the URI is that of a class or of all, as `Get-CimClass` asks for them.
fn names_a_class_schema(uri: &ResourceUri) -> bool {
    uri.below(CLASS_SCHEMA.trim_end_matches('/')).is_some()
}
