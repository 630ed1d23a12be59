//! Choice of the web server to manage.

use std::path::{Path, PathBuf};

use cli_command::{Arguments, Failure, Opt};
use webserver::{Apache, ApacheOptions, Caddy, CaddyOptions, Nginx, NginxOptions, WebServer};

use crate::locations::failed;

/// Product of a web server, and where its configuration is.
pub(crate) enum ChosenServer {
    /// nginx.
    Nginx(PathBuf),
    /// Apache httpd.
    Apache(PathBuf),
    /// Caddy, with the address of its admin endpoint.
    Caddy(String),
}

/// Options that name a web server.
pub(crate) struct ServerOptions {
    pub(crate) nginx: &'static Opt,
    pub(crate) apache: &'static Opt,
    pub(crate) caddy: &'static Opt,
}

/// Returns the web server that an option names, if one does.
pub(crate) fn chosen(
    arguments: &Arguments,
    options: &ServerOptions,
) -> Result<Option<ChosenServer>, Failure> {
    let named = [
        arguments.path(options.nginx).map(ChosenServer::Nginx),
        arguments.path(options.apache).map(ChosenServer::Apache),
        arguments.text(options.caddy)?.map(|address| ChosenServer::Caddy(address.to_owned())),
    ];
    let mut named = named.into_iter().flatten();
    let first = named.next();
    match named.next() {
        Some(_) => Err(arguments.usage_error("--nginx, --apache and --caddy exclude each other")),
        None => Ok(first),
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
    /// Returns the configuration directory. Caddy has none.
    pub(crate) fn directory(&self) -> Option<&Path> {
        match self {
            Self::Nginx(directory) | Self::Apache(directory) => Some(directory),
            Self::Caddy(_) => None,
        }
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
            Self::Caddy(address) => {
                let options = CaddyOptions::of_admin(address, &history.join("caddy")).map_err(failed)?;
                Ok(Box::new(Caddy::open(&options).map_err(failed)?))
            }
        }
    }
}
