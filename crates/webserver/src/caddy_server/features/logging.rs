//! Logs of a site: the logger of its requests, and the files to which Caddy writes its messages.

use serde_json::{Value, json};

use crate::caddy_server::configuration::{members_mut, remove_empty};
use crate::caddy_server::sites::{Place, items, places, server_pointer, token};
use crate::engine::log_file;
use crate::error::WebServerError;
use crate::feature::{AccessLog, ErrorLog, LogLevel, Logging};
use crate::log::{LogFile, LogKind};
use crate::value::{FilePath, SiteId};

const LOGS: &str = "/logging/logs";

/// Beginning of the names of the messages of a kind, followed by the logger.
fn topic(kind: LogKind, logger: &str) -> String {
    match kind {
        LogKind::Access => format!("http.log.access.{logger}"),
        LogKind::Error => format!("http.log.error.{logger}"),
    }
}

/// Returns the logger of a site, if all its host names have the same one.
fn logger<'a>(root: &'a Value, place: &Place) -> Option<&'a str> {
    let logs = root.pointer(&server_pointer(&place.server))?.get("logs")?;
    let Some(hosts) = place.hosts(root) else { return logs.get("default_logger_name")?.as_str() };
    let names = logs.get("logger_names")?;
    let mut found = hosts.as_array()?.iter().map(|host| names.get(host.as_str()?)?.as_str());
    let first = found.next()??;
    found.all(|name| name == Some(first)).then_some(first)
}

/// Returns the name of the log with the messages of one kind of a logger only.
fn log_name(root: &Value, kind: LogKind, logger: &str) -> Option<String> {
    let wanted = json!([topic(kind, logger)]);
    let logs = root.pointer(LOGS)?.as_object()?;
    logs.iter().find(|(_, log)| log.get("include") == Some(&wanted)).map(|(name, _)| name.clone())
}

/// Pointers of the logs of a site.
pub(super) fn origins(root: &Value, place: &Place) -> Vec<String> {
    let logger = logger(root, place);
    let logs = logger
        .into_iter()
        .flat_map(|logger| [LogKind::Access, LogKind::Error].map(|kind| log_name(root, kind, logger)));
    logs.flatten().map(|name| format!("{LOGS}/{}", token(&name))).collect()
}

/// Levels of Caddy.
const LEVELS: [(LogLevel, &str); 4] = [
    (LogLevel::Debug, "DEBUG"),
    (LogLevel::Info, "INFO"),
    (LogLevel::Warn, "WARN"),
    (LogLevel::Error, "ERROR"),
];

/// Reads the logs of a site: `None` if the type cannot represent them, `Some(None)` without any.
#[allow(clippy::option_option)] // Both cases are documented.
pub(super) fn read(root: &Value, place: &Place) -> Option<Option<Logging>> {
    let Some(logger) = logger(root, place) else { return Some(None) };
    let mut logging = Logging::default();
    if let Some(name) = log_name(root, LogKind::Access, logger) {
        let (file, _) = read_log(root.pointer(LOGS)?.get(&name)?)?;
        logging.access = Some(AccessLog { file: Some(file), format: None });
    }
    if let Some(name) = log_name(root, LogKind::Error, logger) {
        let (file, level) = read_log(root.pointer(LOGS)?.get(&name)?)?;
        logging.error = Some(ErrorLog { file, level });
    }
    Some((logging != Logging::default()).then_some(logging))
}

fn read_log(log: &Value) -> Option<(FilePath, Option<LogLevel>)> {
    let file = log.pointer("/writer/filename")?.as_str()?;
    let is_file = log.pointer("/writer/output").and_then(Value::as_str) == Some("file");
    let level = match log.get("level") {
        Some(level) => {
            let level = level.as_str()?;
            Some(LEVELS.iter().find(|(_, name)| name.eq_ignore_ascii_case(level))?.0)
        }
        None => None,
    };
    Some((FilePath::parse(file).ok().filter(|_| is_file)?, level))
}

/// Sets the logs of a site.
pub(super) fn set(root: &mut Value, place: &Place, logging: &Logging) -> Result<(), WebServerError> {
    if logging.access.as_ref().is_some_and(|log| log.format.is_some()) {
        let reason = "Caddy writes JSON; omit the format";
        return Err(WebServerError::impossible("set the format of the access log", reason));
    }
    let access = logging.access.as_ref().and_then(|log| log.file.as_ref()).map(|file| (file, None));
    let error = match &logging.error {
        Some(log) => Some((&log.file, log.level.map(level_name).transpose()?)),
        None => None,
    };
    let logger = match logger(root, place) {
        Some(logger) => logger.to_owned(),
        None if access.is_none() && error.is_none() => return Ok(()),
        None => add_logger(root, place)?,
    };
    set_log(root, LogKind::Access, &logger, access)?;
    set_log(root, LogKind::Error, &logger, error)?;
    if access.is_none() && error.is_none() {
        remove_logger(root, place);
    }
    Ok(())
}

fn level_name(level: LogLevel) -> Result<&'static str, WebServerError> {
    let found = LEVELS.iter().find(|(known, _)| *known == level).map(|(_, name)| *name);
    found.ok_or_else(|| {
        let reason = "Caddy has debug, info, warn and error";
        WebServerError::impossible(format!("set the level {}", level.name()), reason)
    })
}

/// Lets the requests of a site have a logger of their own.
fn add_logger(root: &mut Value, place: &Place) -> Result<String, WebServerError> {
    let name = format!("telarch-{}", place.id.as_str().replace('.', "_"));
    let hosts = place.hosts(root).cloned();
    let has_logs = root.pointer(&format!("{}/logs", server_pointer(&place.server))).is_some();
    let logs = members_mut(root, &["apps", "http", "servers", &place.server, "logs"])?;
    let Some(hosts) = hosts else {
        logs.insert("default_logger_name".to_owned(), json!(name));
        return Ok(name);
    };
    if !has_logs {
        // Other sites of the server had no logs before.
        logs.insert("skip_unmapped_hosts".to_owned(), json!(true));
    }
    let names = logs.entry("logger_names").or_insert_with(|| json!({}));
    for host in hosts.as_array().into_iter().flatten().filter_map(Value::as_str) {
        if let Some(names) = names.as_object_mut() {
            names.insert(host.to_owned(), json!(name));
        }
    }
    Ok(name)
}

fn remove_logger(root: &mut Value, place: &Place) {
    let hosts = place.hosts(root).cloned();
    let pointer = format!("{}/logs", server_pointer(&place.server));
    let Some(logs) = root.pointer_mut(&pointer).and_then(Value::as_object_mut) else { return };
    match hosts {
        None => {
            logs.remove("default_logger_name");
        }
        Some(hosts) => {
            if let Some(names) = logs.get_mut("logger_names").and_then(Value::as_object_mut) {
                for host in hosts.as_array().into_iter().flatten().filter_map(Value::as_str) {
                    names.remove(host);
                }
                if names.is_empty() {
                    logs.remove("logger_names");
                }
            }
        }
    }
    if logs.keys().all(|name| name == "skip_unmapped_hosts") {
        logs.clear();
    }
    remove_empty(root, &["apps", "http", "servers", &place.server, "logs"]);
}

/// Sets or removes the file for the messages of one kind.
fn set_log(
    root: &mut Value,
    kind: LogKind,
    logger: &str,
    log: Option<(&FilePath, Option<&'static str>)>,
) -> Result<(), WebServerError> {
    let topic = topic(kind, logger);
    let known = log_name(root, kind, logger);
    let Some((file, level)) = log else {
        if let (Some(name), Some(logs)) = (&known, root.pointer_mut(LOGS).and_then(Value::as_object_mut)) {
            logs.remove(name);
            exclude(root, &topic, false)?;
            remove_empty(root, &["logging", "logs", "default", "exclude"]);
        }
        return Ok(());
    };
    let is_new = known.is_none();
    let suffix = if kind == LogKind::Access { "access" } else { "error" };
    let name = known.unwrap_or_else(|| format!("{logger}-{suffix}"));
    let members = members_mut(root, &["logging", "logs", &name])?;
    members.insert("include".to_owned(), json!([topic]));
    let writer = members.entry("writer").or_insert_with(|| json!({}));
    match writer.as_object_mut().filter(|writer| writer.get("output").and_then(Value::as_str) == Some("file"))
    {
        Some(writer) => {
            writer.insert("filename".to_owned(), json!(file));
        }
        None => *writer = json!({ "output": "file", "filename": file }),
    }
    match level {
        Some(level) => members.insert("level".to_owned(), json!(level)),
        None => members.remove("level"),
    };
    if is_new { exclude(root, &topic, true) } else { Ok(()) }
}

/// Excludes messages from the default log, or includes them again.
fn exclude(root: &mut Value, topic: &str, is_excluded: bool) -> Result<(), WebServerError> {
    if !is_excluded && root.pointer("/logging/logs/default/exclude").is_none() {
        return Ok(());
    }
    let default = members_mut(root, &["logging", "logs", "default"])?;
    let list = default.entry("exclude").or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut() {
        list.retain(|known| known.as_str() != Some(topic));
        list.extend(is_excluded.then(|| json!(topic)));
    }
    Ok(())
}

/// Removes the logs of a site that is deleted.
pub(in crate::caddy_server) fn remove(root: &mut Value, place: &Place) -> Result<(), WebServerError> {
    let is_own = logger(root, place).is_some_and(|name| name.starts_with("telarch-"));
    if is_own { set(root, place, &Logging::default()) } else { Ok(()) }
}

/// Returns the log files that the document names.
pub(in crate::caddy_server) fn files(root: &Value) -> Vec<LogFile> {
    let places = places(root);
    let loggers: Vec<(&SiteId, &str)> =
        places.iter().filter_map(|place| Some((&place.id, logger(root, place)?))).collect();
    let logs = root.pointer(LOGS).and_then(Value::as_object);
    let mut files: Vec<LogFile> = Vec::new();
    for log in logs.into_iter().flat_map(|logs| logs.values()) {
        let Some(path) = log.pointer("/writer/filename").and_then(Value::as_str) else { continue };
        let topics: Vec<&str> = items(log, "/include").iter().filter_map(Value::as_str).collect();
        let is_access = topics.iter().any(|topic| topic.starts_with("http.log.access"));
        let kind = if is_access { LogKind::Access } else { LogKind::Error };
        let users = loggers.iter().filter(|(_, logger)| topics.contains(&topic(kind, logger).as_str()));
        files.push(log_file(path.to_owned(), kind, users.map(|(id, _)| (*id).clone()).collect()));
    }
    files
}
