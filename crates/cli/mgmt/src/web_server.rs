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

/// Returns the web server of this machine, if nginx or Apache has a configuration in its usual directory.
pub(crate) fn installed() -> Option<ChosenServer> {
    let [nginx, apache] = ["/etc/nginx", "/etc/apache2"].map(PathBuf::from);
    if nginx.join("nginx.conf").exists() {
        return Some(ChosenServer::Nginx(nginx));
    }
    apache.join("apache2.conf").exists().then_some(ChosenServer::Apache(apache))
}

impl ChosenServer {
    /// Returns the configuration directory.
    pub(crate) fn directory(&self) -> &Path {
        let (Self::Nginx(directory) | Self::Apache(directory)) = self;
        directory
    }

    /// Opens the web server, whose files are changed in `roots` only, or everywhere if there are none. Each product has a
    /// history of its own below `history`.
    pub(crate) fn open(&self, history: &Path, roots: Vec<PathBuf>) -> Result<Box<dyn WebServer>, Failure> {
        match self {
            Self::Nginx(directory) => {
                let options = NginxOptions::of_folder(directory, history).map_err(failed)?;
                Ok(Box::new(Nginx::open(&NginxOptions { roots, ..options }).map_err(failed)?))
            }
            Self::Apache(directory) => {
                let options = ApacheOptions::of_folder(directory, &history.join("apache")).map_err(failed)?;
                Ok(Box::new(Apache::open(&ApacheOptions { roots, ..options }).map_err(failed)?))
            }
        }
    }
}
