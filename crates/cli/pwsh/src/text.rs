//! Records as text, as PowerShell displays them.

use cli::remote::Remote;
use psrp::ErrorRecord;
use psrp::clixml::{Primitive, Value};

use super::json;

/// Returns an error as PowerShell 7 displays it: command or category, and message.
pub(super) fn of_error(error: &ErrorRecord) -> String {
    let category = &error.category;
    let named = [&category.activity, &category.reason];
    let name = named.into_iter().flatten().map(String::as_str).find(|name| !name.is_empty());
    let message = error.message().filter(|message| !message.is_empty());
    let message = message.unwrap_or(&error.fully_qualified_error_id);
    let mut text = format!("{}: {message}", name.unwrap_or("Error"));
    if let Some(position) = position(error) {
        text += &format!("\n{position}");
    }
    if let Some(action) = error.recommended_action.as_deref().filter(|action| !action.is_empty()) {
        text += &format!("\n  {action}");
    }
    text
}

/// Returns the position of the error in a script.
fn position(error: &ErrorRecord) -> Option<String> {
    let property = error.extended_info.iter().find(|one| &*one.name == "InvocationInfo_PositionMessage")?;
    let text = property.value.as_str()?.trim();
    (!text.is_empty())
        .then(|| text.lines().map(|line| format!("  {}", line.trim_end())).collect::<Vec<_>>().join("\n"))
}

/// Returns the message for a runspace pool that cannot be opened.
pub(super) fn of_refused_pool(error: client::Error, configuration: &str, remote: &Remote) -> String {
    if error.code() == Some(UNKNOWN_RESOURCE) {
        let name = remote.name();
        return format!(
            "{name} has no PowerShell endpoint {configuration}\n  \
             name another with --configuration, or enable PowerShell remoting on {name} (Enable-PSRemoting)"
        );
    }
    remote.message(error)
}

/// `ERROR_WSMAN_RESOURCE_NOT_FOUND`: the service does not know the resource URI.
const UNKNOWN_RESOURCE: u32 = 2_150_858_752;

/// Returns an object as a line: text unchanged, other primitives as in JSON, and objects by their text.
pub(super) fn of_value(value: &Value) -> String {
    let object = value.as_object();
    if let Some(text) = object.and_then(|object| object.to_string.as_ref()) {
        return text.to_string();
    }
    match value.as_primitive() {
        Some(Primitive::Null) => String::new(),
        Some(_) => match json::of(value) {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        },
        None => json::of(value).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_begin_with_their_command() {
        let mut error = ErrorRecord::new("Cannot find path '/x'.", "PathNotFound", 13);
        assert_eq!(of_error(&error), "Error: Cannot find path '/x'.");
        error.category.reason = Some("ItemNotFoundException".to_owned());
        assert_eq!(of_error(&error), "ItemNotFoundException: Cannot find path '/x'.");
        error.category.activity = Some("Get-Item".to_owned());
        assert_eq!(of_error(&error), "Get-Item: Cannot find path '/x'.");
    }

    #[test]
    fn values_without_text_are_json() {
        assert_eq!(of_value(&Value::from("a")), "a");
        assert_eq!(of_value(&Value::from(7)), "7");
        assert_eq!(of_value(&Value::NULL), "");
    }
}
