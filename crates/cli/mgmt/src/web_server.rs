//! Choice of the web server to manage.

use std::path::{Path, PathBuf};

use cli_command::{Arguments, Failure, Opt};
use webserver::{Apache, ApacheOptions, Nginx, NginxOptions, WebServer};

use crate::locations::failed;

/// Product and configuration directory of a web server.
pub(crate) enum ChosenServer {
    /// nginx.
    Nginx(PathBuf),
    /// Apache httpd.
    Apache(PathBuf),
}

/// Returns the web server that an option names, if one does.
pub(crate) fn chosen(
    arguments: &Arguments,
    nginx: &'static Opt,
    apache: &'static Opt,
) -> Result<Option<ChosenServer>, Failure> {
    match (arguments.path(nginx), arguments.path(apache)) {
        (Some(_), Some(_)) => Err(arguments.usage_error("--nginx and --apache exclude each other")),
        (Some(directory), None) => Ok(Some(ChosenServer::Nginx(directory))),
        (None, Some(directory)) => Ok(Some(ChosenServer::Apache(directory))),
        (None, None) => Ok(None),
    }
}

/// Returns the web server of this machine: nginx, or Apache if only that one has a configuration directory.
pub(crate) fn installed() -> ChosenServer {
    let [nginx, apache] = ["/etc/nginx", "/etc/apache2"].map(Path::new);
    if !nginx.join("nginx.conf").exists() && apache.join("apache2.conf").exists() {
        return ChosenServer::Apache(apache.to_owned());
    }
    ChosenServer::Nginx(nginx.to_owned())
}

impl ChosenServer {
    /// Opens the web server. Each product has a history of its own below `history`.
    pub(crate) fn open(&self, history: &Path) -> Result<Box<dyn WebServer>, Failure> {
        match self {
            Self::Nginx(directory) => {
                let options = NginxOptions::of_folder(directory, history).map_err(failed)?;
                Ok(Box::new(Nginx::open(&options).map_err(failed)?))
            }
            Self::Apache(directory) => {
                let options = ApacheOptions::of_folder(directory, &history.join("apache")).map_err(failed)?;
                Ok(Box::new(Apache::open(&options).map_err(failed)?))
            }
        }
    }
}
