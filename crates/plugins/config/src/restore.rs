//! `winrm invoke restore`: settings and plug-ins as nobody has changed them.
//!
//! An action of Windows on `winrm/config` and on `winrm/config/plugin`. Listeners, mappings and whatever is set in the
//! file only stay as they are, so that nobody locks themselves out, and what policy governs stays governed.

use config::Plugins;
use service::{Answer, Call};
use wsman::{Action, Fault};

use crate::{ConfigPlugin, write_right};

/// What is restored.
#[derive(Clone, Copy)]
pub(crate) enum Restored {
    Settings,
    Plugins,
}

/// Whether a call asks for it at a resource, in any case of letters.
pub(crate) fn is_asked(call: &Call) -> bool {
    let Ok(resource) = call.request.require_resource() else { return false };
    let Action::Custom(action) = &call.request.head().action else { return false };
    action.eq_ignore_ascii_case(&format!("{}/restore", resource.as_str()))
}

pub(crate) async fn answer(plugin: &ConfigPlugin, what: Restored, call: &Call) -> Result<Answer, Fault> {
    let resource = call.request.require_resource()?.as_str();
    write_right::require(plugin, resource, call)?;
    let defaults = plugin.store.state().preset.config();
    let change = plugin.change(call, move |draft| {
        match what {
            Restored::Settings => draft.config = draft.config.restored(&defaults),
            Restored::Plugins => draft.plugins = Plugins::default(),
        }
        Ok(())
    });
    change.await?;
    let mut reply = call.reply();
    let body = reply.body();
    body.start("p:Restore_OUTPUT").namespace("p", resource).end();
    call.finish(reply)
}
