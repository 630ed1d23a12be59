//! Options of `ss` and `cs` for the sources of collector-initiated subscriptions, and their credentials.

use cli::secret::PasswordSource;
use winevent::Subscription;
use winevent::subscription::{CredentialsType, EventSource, Password, SubscriptionType};

use super::error::ToolError;
use crate::windows_options::{UsageError, Words};

/// Changes the sources and credentials that options name.
pub(super) fn apply(words: &Words, subscription: &mut Subscription) -> Result<(), ToolError> {
    require_kind(words, subscription.kind)?;
    if let Some(credentials) = words.parsed("ct", CredentialsType::parse)? {
        subscription.credentials = credentials;
    }
    apply_common(words, subscription)?;
    let Some(address) = words.text("esa") else { return Ok(()) };
    let wanted = EventSource::new(address).map_err(|error| UsageError::value("esa", error))?;
    let sources = &mut subscription.sources;
    let found = sources.iter().position(|source| source.address.eq_ignore_ascii_case(&wanted.address));
    if flag(words, "res")? {
        sources.remove(found.ok_or(ToolError::NoEventSource(wanted.address))?);
        return Ok(());
    }
    match (found, flag(words, "aes")?) {
        (Some(_), true) => {
            let problem = format!("the event source {} exists already", wanted.address);
            return Err(ToolError::Invalid(problem));
        }
        (None, true) => sources.push(wanted.clone()),
        (Some(_), false) => {}
        (None, false) => return Err(ToolError::NoEventSource(wanted.address)),
    }
    let at = found.unwrap_or(sources.len().saturating_sub(1));
    let Some(source) = sources.get_mut(at) else { return Ok(()) };
    if let Some(enabled) = words.switch("ese")? {
        source.enabled = enabled;
    }
    if let Some(user) = user_name(words, "un")? {
        source.password = None;
        source.user_name = user;
    }
    if let Some(user) = &source.user_name
        && let Some(password) = password(words, "up", user, &source.address)?
    {
        source.password = Some(password);
    }
    Ok(())
}

/// Changes the credentials for sources without their own.
pub(super) fn apply_common(words: &Words, subscription: &mut Subscription) -> Result<(), ToolError> {
    if let Some(user) = user_name(words, "cun")? {
        require_kind(words, subscription.kind)?;
        subscription.common_password = None;
        subscription.common_user_name = user;
    }
    if let Some(user) = &subscription.common_user_name {
        let sources = format!("the sources of {}", subscription.id);
        if let Some(password) = password(words, "cup", user, &sources)? {
            subscription.common_password = Some(password);
        }
    }
    Ok(())
}

/// Rejects options for subscriptions of the other kind.
fn require_kind(words: &Words, kind: SubscriptionType) -> Result<(), UsageError> {
    let of_others: &[&str] = match kind {
        SubscriptionType::SourceInitiated => &["esa", "ct", "cun"],
        SubscriptionType::CollectorInitiated => &["ica", "as", "ds", "adc"],
    };
    let Some(name) = of_others.iter().find(|name| words.text(name).is_some()) else { return Ok(()) };
    Err(UsageError(format!("Option {name} is not valid for a {kind} subscription.")))
}

/// Returns the value of an option that is `true` or `false`; `false` if it is not given.
fn flag(words: &Words, name: &str) -> Result<bool, UsageError> {
    Ok(words.switch(name)? == Some(true))
}

/// Returns the user name of an option; an empty one removes it.
fn user_name(words: &Words, name: &'static str) -> Result<Option<Option<String>>, UsageError> {
    match words.text(name) {
        None => Ok(None),
        Some("") => Ok(Some(None)),
        Some(text) => {
            let user =
                EventSource::parse_user_name("name", text).map_err(|error| UsageError::value(name, error))?;
            Ok(Some(Some(user)))
        }
    }
}

/// Returns the password of an option, if it is given. `*` prompts for it.
fn password(words: &Words, name: &str, user: &str, host: &str) -> Result<Option<Password>, ToolError> {
    let text = match words.text(name) {
        None => return Ok(None),
        Some("*" | "") => PasswordSource::Ask.resolve(user, host)?.expose().to_owned(),
        Some(text) => text.to_owned(),
    };
    if text.len() > Password::MAX {
        let problem = format!("it is longer than {} bytes", Password::MAX);
        return Err(UsageError::value(name, problem).into());
    }
    Ok(Some(Password::new(text)))
}
