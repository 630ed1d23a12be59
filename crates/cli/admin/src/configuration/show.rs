//! The settings as text and as JSON.

use std::path::Path;

use config::{Config, Listener, Mutability, Setting, Source, State};
use serde_json::{Value, json};

use cli_command::Failure;
use cli_command::format::Format;

/// A listing of settings.
pub(super) struct Show<'a> {
    /// Settings or sections; all if empty.
    pub(super) names: Vec<&'a str>,
    pub(super) selection: Selection,
    pub(super) format: Format,
}

/// Settings to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Selection {
    All,
    /// Settings that the file or a policy sets.
    Changed,
}

impl Show<'_> {
    /// Returns the listing of the settings in a file.
    pub(super) fn print(&self, path: &Path, state: &State) -> Result<String, Failure> {
        let selected = select(&self.names)?;
        let defaults = state.preset.config();
        let rows: Vec<Row<'_>> = selected
            .into_iter()
            .map(|setting| Row { setting, state, config: &state.config, defaults: &defaults })
            .filter(|row| self.selection == Selection::All || row.source() != Source::Default)
            .collect();
        // The preset and the listeners are part of a listing of all settings only.
        let whole = self.names.is_empty().then_some(state);
        Ok(match self.format {
            Format::Json => format!("{:#}\n", document(path, state, &rows)),
            _ => text(path, &rows, whole),
        })
    }
}

/// Returns the settings with these names or in sections with these names, in the order of the tree.
fn select(names: &[&str]) -> Result<Vec<&'static Setting>, Failure> {
    let mut found = Vec::new();
    for name in names {
        let prefix = format!("{}/", name.trim_matches(['/', '.']).replace('.', "/")).to_ascii_lowercase();
        let inside: Vec<&'static Setting> = Setting::all()
            .iter()
            .filter(|setting| setting.path().to_ascii_lowercase().starts_with(&prefix))
            .copied()
            .collect();
        match inside.is_empty() {
            true => found.push(Setting::find(name).map_err(unknown)?),
            false => found.extend(inside),
        }
    }
    let mut selected = Setting::all().to_vec();
    selected.retain(|setting| names.is_empty() || found.iter().any(|other| other.path() == setting.path()));
    Ok(selected)
}

fn unknown(error: config::SettingError) -> Failure {
    Failure::usage(format!("config: {error}"), "telarch config show lists all settings")
}

/// A setting with its value and its default.
struct Row<'c> {
    setting: &'static Setting,
    state: &'c State,
    config: &'c Config,
    defaults: &'c Config,
}

impl Row<'_> {
    fn source(&self) -> Source {
        self.config.source(self.setting)
    }

    fn source_name(&self) -> &'static str {
        match self.source() {
            Source::Default => "default",
            Source::Local => "file",
            _ => "policy",
        }
    }

    fn is_default(&self) -> bool {
        self.setting.show(self.config) == self.setting.show(self.defaults)
    }

    /// Returns the comment after the value.
    fn remark(&self) -> String {
        let mut remark = self.source_name().to_owned();
        if let Some(demand) = self.state.policies.of_setting(self.setting) {
            remark.push_str(&format!(", {}", demand.origin));
        }
        if !self.is_default() {
            remark.push_str(&format!("; default {}", self.setting.literal(self.defaults)));
        }
        match self.setting.mutability() {
            Mutability::Writable => {}
            Mutability::ReadOnly => remark.push_str("; read-only"),
            Mutability::Deprecated => remark.push_str("; deprecated"),
            Mutability::FileOnly => remark.push_str("; only configurable in this file"),
        }
        remark
    }

    /// Returns a value as JSON, whose literals are those of TOML except for text.
    fn value(&self, config: &Config) -> Value {
        let literal = self.setting.literal(config);
        serde_json::from_str(&literal).unwrap_or_else(|_| Value::from(self.setting.show(config)))
    }

    fn object(&self) -> Value {
        json!({
            "name": self.setting.path(),
            "value": self.value(self.config),
            "default": self.value(self.defaults),
            "source": self.source_name(),
            "writable": self.setting.mutability() == Mutability::Writable,
        })
    }
}

fn text(path: &Path, rows: &[Row<'_>], whole: Option<&State>) -> String {
    /// Greatest width that sets the column of the comments, so that one long value does not move them all.
    const WIDEST: usize = 60;
    let lines: Vec<String> = rows.iter().map(|row| row.setting.line(row.config)).collect();
    let width = lines.iter().map(|line| line.chars().count()).filter(|width| *width <= WIDEST).max();
    let mut text = String::new();
    if let Some(state) = whole {
        text.push_str(&format!(
            "# {}: settings that are not listed have the default of the preset.\nPreset = \"{}\"\n",
            path.display(),
            state.preset
        ));
    }
    for (row, line) in rows.iter().zip(&lines) {
        text.push_str(&format!("{line:<width$}  # {}\n", row.remark(), width = width.unwrap_or_default()));
    }
    for listener in whole.iter().flat_map(|state| &state.listeners) {
        text.push_str(&format!("\n[[Listener]]\n{}", listener.lines()));
    }
    text
}

fn document(path: &Path, state: &State, rows: &[Row<'_>]) -> Value {
    json!({
        "file": path.to_string_lossy(),
        "preset": state.preset.name(),
        "settings": rows.iter().map(Row::object).collect::<Vec<_>>(),
        "listeners": state.listeners.iter().map(listener).collect::<Vec<_>>(),
    })
}

fn listener(listener: &Listener) -> Value {
    let thumbprint = listener.certificate_thumbprint.map(|thumbprint| thumbprint.to_string());
    json!({
        "Address": listener.address.to_string(),
        "Transport": listener.transport.as_str(),
        "Port": listener.port.number(),
        "Hostname": listener.hostname.as_str(),
        "Enabled": listener.enabled,
        "URLPrefix": listener.url_prefix.as_str(),
        "CertificateThumbprint": thumbprint.unwrap_or_default(),
        "TrustedBalancers": listener.trusted_balancers.to_string(),
    })
}
