//! Request dispatch of the plug-in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cim::uri::{CLASS_SCHEMA, UriForm};
use pusher::Pusher;
use service::{Answer, BoxFuture, Call, Plugin, Resource, ResourceKind};
use wmi::{Engine, Rights};
use wsman::{Action, Fault, OptionSet, ResourceUri, Subcode, code};

use crate::error::WmiError;
use crate::fault::{Operation, ResponseContext};
use crate::form::Form;
use crate::request::{WmiRequest, context};
use crate::target::RequestTarget;
use crate::{class_schema, enumerate, invoke, subscribe, transfer};

/// Plug-in for the classes of a WMI engine.
pub struct WmiPlugin {
    /// Returns the current engine, which is replaced when classes change.
    engine: Arc<dyn Fn() -> Option<Engine> + Send + Sync>,
    /// Whether an engine was created, which has to be closed.
    is_created: AtomicBool,
    pusher: Pusher,
}

impl WmiPlugin {
    /// Resources: URIs of Microsoft, of the DMTF, of Operations Manager, and of class definitions.
    pub const RESOURCES: [Resource; 4] = [
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
            uri: "http://schemas.microsoft.com/wbem/wscim/1",
            with_children: true,
            kind: ResourceKind::Instances,
        },
        Resource {
            uri: "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2",
            with_children: true,
            kind: ResourceKind::Instances,
        },
    ];

    /// Creates a plug-in for a fixed engine.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self::with_current(move || Some(engine.clone()))
    }

    /// Creates a plug-in for the engine that is current at each request; it is first called at the first
    /// request. If it returns `None`, the client gets a fault that refers to the log.
    #[must_use]
    pub fn with_current(engine: impl Fn() -> Option<Engine> + Send + Sync + 'static) -> Self {
        let pusher = Pusher::of_this_machine();
        Self { engine: Arc::new(engine), is_created: AtomicBool::new(false), pusher }
    }

    /// Returns the current engine. Creating the first one takes a while and runs on a separate thread.
    async fn engine(&self) -> Result<Engine, Fault> {
        let engine = if self.is_created.load(Ordering::Acquire) {
            (self.engine)()
        } else {
            let create = Arc::clone(&self.engine);
            let created = tokio::task::spawn_blocking(move || create()).await;
            self.is_created.store(true, Ordering::Release);
            created.ok().flatten()
        };
        engine.ok_or_else(no_engine)
    }

    async fn answer(&self, call: Call) -> Result<Answer, Fault> {
        let uri = call.request.require_resource()?;
        let engine = self.engine().await?;
        if names_a_class_schema(uri) {
            return class_schema::answer(&engine, &call, &context(&call.caller));
        }
        let head = call.request.head();
        let form = Form::of(&head.options);
        let target = RequestTarget::read(&engine, uri, &head.selectors).map_err(|error| {
            // The namespace is unknown, so the fault is written for the default namespace.
            ResponseContext::new(&engine, form.clone(), UriForm::Wmi, cim::Namespace::cimv2()).fault(
                error,
                Operation::GetObject,
                uri.as_str(),
            )
        })?;
        let context = match head.options.contains(OptionSet::VALIDATE_ONLY) {
            true => context(&call.caller).only_checking(),
            false => context(&call.caller),
        };
        let request = WmiRequest {
            engine: &engine,
            context,
            response: ResponseContext::new(&engine, form, target.form, target.namespace.clone()),
            target,
            call: &call,
            pusher: &self.pusher,
        };
        request.answer().await
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
            self.pusher.close().await;
            let is_created = self.is_created.load(Ordering::Acquire);
            if let Some(engine) = is_created.then(|| (self.engine)()).flatten() {
                engine.close().await;
            }
        })
    }
}

impl WmiRequest<'_> {
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
        // Access is checked before any information is returned.
        let admitted = self.engine.admit(&self.context, &self.target.namespace, Rights::ENABLE);
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
}

fn no_engine() -> Fault {
    let problem = "the WMI classes of this machine cannot be loaded; see the log of the service";
    Fault::new(Subcode::InternalError, code::INTERNAL_ERROR, problem)
}

/// Returns whether the URI is that of class definitions, as used by `Get-CimClass`.
fn names_a_class_schema(uri: &ResourceUri) -> bool {
    uri.below(CLASS_SCHEMA.trim_end_matches('/')).is_some()
}
