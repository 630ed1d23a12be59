//! `winrm invoke restore`: resets settings and plug-ins to their defaults.
//!
//! This is an action of Windows on `winrm/config` and `winrm/config/plugin`. Listeners, certificate mappings and
//! settings that exist only in the file do not change, so that the action does not lock out its caller. Values set by
//! policy do not change either.

use config::Plugins;
use service::{Answer, Call};
use wsman::{Action, Fault};

use crate::{ConfigPlugin, write_access};

/// Part of the configuration to restore.
#[derive(Clone, Copy)]
pub(crate) enum RestoreTarget {
    Settings,
    Plugins,
}

/// Returns whether a call requests the action on its resource; names are compared without case.
pub(crate) fn is_requested(call: &Call) -> bool {
    let Ok(resource) = call.request.require_resource() else { return false };
    let Action::Custom(action) = &call.request.head().action else { return false };
    action.eq_ignore_ascii_case(&format!("{}/restore", resource.as_str()))
}

pub(crate) async fn answer(
    plugin: &ConfigPlugin,
    target: RestoreTarget,
    call: &Call,
) -> Result<Answer, Fault> {
    let resource = call.request.require_resource()?.as_str();
    write_access::require(plugin, resource, call)?;
    let defaults = plugin.store.state().preset.config();
    let change = plugin.change(call, move |draft| {
        match target {
            RestoreTarget::Settings => draft.config = draft.config.restored(&defaults),
            RestoreTarget::Plugins => draft.plugins = Plugins::default(),
        }
        Ok(())
    });
    change.await?;
    let mut reply = call.reply();
    let body = reply.body();
    body.start("p:Restore_OUTPUT").namespace("p", resource).end();
    call.finish(reply)
}
