//! Virtual directories and applications of a site.

use cli_command::{Arguments, Failure};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::Error as ValueError;
use webserver::{Change, NewLocation, PoolName, ProxyProtocol, UrlPath, WebServer};

use super::change::{file_path, make};
use super::site_of;
use crate::locations::failed;

/// Creates, replaces or deletes the virtual directory or application at a path of a site.
///
/// `content` is a folder, `PROTOCOL://POOL` with an optional path, or `delete`.
pub(super) fn change(
    arguments: &Arguments,
    web: &dyn WebServer,
    name: &str,
    path: &str,
    content: &str,
) -> Result<String, Failure> {
    let path = UrlPath::parse(path).map_err(|error| arguments.usage_error(error))?;
    let snapshot = web.snapshot().map_err(failed)?;
    let site = site_of(&snapshot, name)?.id.clone();
    let change = match content {
        "delete" => Change::DeleteLocation { site, path },
        _ => Change::PutLocation { site, path, location: parse(arguments, content)? },
    };
    make(arguments, web, &snapshot.revision, change)
}

fn parse(arguments: &Arguments, content: &str) -> Result<NewLocation, Failure> {
    let Some((protocol, target)) = content.split_once("://") else {
        return Ok(NewLocation::Directory { folder: file_path(arguments, content)? });
    };
    let protocol = ProxyProtocol::deserialize(protocol.into_deserializer()).map_err(|_: ValueError| {
        arguments.usage_error(format!(
            "unknown protocol \"{protocol}\"; expected http, https, fastcgi, uwsgi, scgi or grpc"
        ))
    })?;
    let begin = target.find('/').unwrap_or(target.len());
    let (pool, path) = target.split_at(begin);
    let pool = PoolName::parse(pool).map_err(|error| arguments.usage_error(error))?;
    let path = (!path.is_empty()).then(|| UrlPath::parse(path)).transpose();
    let path = path.map_err(|error| arguments.usage_error(error))?;
    Ok(NewLocation::Application { protocol, pool, path })
}
