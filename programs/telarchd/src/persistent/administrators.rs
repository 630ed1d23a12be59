//! A plug-in that only administrators may use.

use sddl::well_known;
use service::{Answer, BoxFuture, Call, Plugin, Resource};
use wsman::{Fault, Subcode, code};

/// Refuses everyone but administrators, whatever RootSDDL allows.
///
/// What a plug-in of this process does is done as the user of this process. If that is root, whoever may use the
/// plug-in is root in all but name, so only those may who are administrators of the machine anyway.
pub(crate) struct AdministratorsOnly<P>(P);

impl<P: Plugin> AdministratorsOnly<P> {
    pub(crate) fn new(plugin: P) -> Self {
        Self(plugin)
    }
}

impl<P: Plugin> Plugin for AdministratorsOnly<P> {
    fn resources(&self) -> &[Resource] {
        self.0.resources()
    }

    fn served(&self, all: &[Resource]) {
        self.0.served(all);
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        if call.caller.token().holds(well_known::ADMINISTRATORS.into()) {
            return self.0.call(call);
        }
        let account = call.caller.identity().account().clone();
        tracing::warn!(%account, "Refused: commands would run as root, and this is no administrator");
        Box::pin(async move {
            Err(Fault::new(
                Subcode::AccessDenied,
                code::ACCESS_DENIED,
                format!(
                    "access is denied: {account} is no administrator of this machine, and commands run as root here"
                ),
            ))
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.0.close()
    }
}
