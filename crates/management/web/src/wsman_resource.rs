//! Resources of WS-Management services, and the end of a shell.

use client::{EnumerateOptions, Error, Locator, Session};
use wsman::shell::{ShellState, option};
use wsman::{ResourceUri, SelectorSet, namespace};

/// Resource URI of the mappings of client certificates, which is also the namespace of `CertMapping`.
pub(crate) const MAPPINGS: &str = "http://schemas.microsoft.com/wbem/wsman/1/config/service/certmapping";

/// Returns a resource without selectors.
pub(crate) fn resource(uri: &str) -> Result<Locator, Error> {
    let parsed = ResourceUri::parse(uri);
    let parsed = parsed.map_err(|fault| Error::Setting { setting: "resource", reason: fault.to_string() })?;
    Ok(Locator::new(parsed))
}

/// Ends a shell that the service shows to the user of the session. Returns its state before, or `None` if there is no
/// such shell.
pub(crate) async fn end_shell(session: &Session, id: &str) -> Result<Option<ShellState>, Error> {
    let mut items = session.enumerate(&resource(namespace::SHELL)?, EnumerateOptions::default()).await?;
    let mut found = None;
    while let Some(item) = items.next().await {
        let state = item?.object().map(ShellState::parse);
        found = state.filter(|state| state.shell_id.eq_ignore_ascii_case(id));
        if found.is_some() {
            items.release().await?;
            break;
        }
    }
    let Some(shell) = found else { return Ok(None) };
    let selectors = SelectorSet::new().with(option::SHELL_ID, shell.shell_id.as_str());
    session.delete(&resource(&shell.resource_uri)?.with_selectors(selectors)).await?;
    Ok(Some(shell))
}
