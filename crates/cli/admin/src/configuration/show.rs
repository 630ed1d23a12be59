//! The settings, as people and as programs read them.

use std::path::Path;

use config::{Config, Listener, Mutability, Setting, Source, State};
use serde_json::{Value, json};

use super::arguments::{Asked, Which};
use cli_command::Failure;
use cli_command::format::Format;

/// What is printed for a configuration.
pub(super) fn shown(path: &Path, state: &State, asked: &Asked) -> Result<String, Failure> {
    let chosen = choose(&asked.names)?;
    let defaults = state.preset.config();
    let rows: Vec<Row<'_>> = chosen
        .into_iter()
        .map(|setting| Row { setting, state, config: &state.config, defaults: &defaults })
        .filter(|row| asked.which == Which::All || row.source() != Source::Default)
        .collect();
    // The rest of the file is shown with the whole only.
    let whole = asked.names.is_empty().then_some(state);
    Ok(match asked.format {
        Format::Text => text(path, &rows, whole),
        Format::Json => format!("{:#}\n", document(path, state, &rows)),
    })
}

/// The settings of these names and those in the sections of these names, in the order of the tree.
fn choose(names: &[String]) -> Result<Vec<&'static Setting>, Failure> {
    let mut found = Vec::new();
    for name in names {
        let folder = format!("{}/", name.trim_matches(['/', '.']).replace('.', "/")).to_ascii_lowercase();
        let in_it = |setting: &&&Setting| setting.path().to_ascii_lowercase().starts_with(&folder);
        let inside: Vec<&'static Setting> = Setting::all().iter().filter(in_it).copied().collect();
        match inside.is_empty() {
            true => found.push(Setting::find(name).map_err(unknown)?),
            false => found.extend(inside),
        }
    }
    let is_meant =
        |setting: &&&Setting| names.is_empty() || found.iter().any(|chosen| chosen.path() == setting.path());
    Ok(Setting::all().iter().filter(is_meant).copied().collect())
}

fn unknown(error: config::SettingError) -> Failure {
    Failure::usage(format!("config: {error}"), "telarch config show lists all there are")
}

/// One setting with its value, its default and who decided between them.
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

    fn said_by(&self) -> &'static str {
        match self.source() {
            Source::Default => "default",
            Source::Local => "file",
            _ => "policy",
        }
    }

    fn is_default(&self) -> bool {
        self.setting.show(self.config) == self.setting.show(self.defaults)
    }

    /// Behind the value, as a comment of the file.
    fn remark(&self) -> String {
        let mut remark = self.said_by().to_owned();
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
            Mutability::FileOnly => remark.push_str("; in this file only"),
        }
        remark
    }

    fn object(&self) -> Value {
        // What is written in the file is written the same in JSON.
        let value = |config: &Config| {
            let literal = self.setting.literal(config);
            serde_json::from_str(&literal).unwrap_or_else(|_| Value::from(self.setting.show(config)))
        };
        json!({
            "name": self.setting.path(),
            "value": value(self.config),
            "default": value(self.defaults),
            "source": self.said_by(),
            "writable": self.setting.mutability() == Mutability::Writable,
        })
    }
}

fn text(path: &Path, rows: &[Row<'_>], whole: Option<&State>) -> String {
    /// Values that reach further do not push the remarks of all others aside.
    const WIDEST: usize = 60;
    let lines: Vec<String> = rows.iter().map(|row| row.setting.line(row.config)).collect();
    let width = lines.iter().map(|line| line.chars().count()).filter(|width| *width <= WIDEST).max();
    let mut text = String::new();
    if let Some(state) = whole {
        text.push_str(&format!(
            "# {}: what it does not name has the default of the preset.\nPreset = \"{}\"\n",
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
    })
}
