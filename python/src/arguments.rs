//! Conversion of Python arguments.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use telarch::{ConnectionOptions, ProxyAccess, ProxyAuthentication, ResourceLocator, SessionFlags};

use crate::raise::raise;
use crate::resource::{Locator, Resource};

/// A locator argument: a locator, a string, or a resource with a reference.
#[derive(FromPyObject)]
pub(crate) enum LocatorArgument {
    Locator(Locator),
    Resource(Resource),
    Text(String),
}

impl LocatorArgument {
    pub(crate) fn locator(self) -> PyResult<ResourceLocator> {
        match self {
            Self::Locator(locator) => Ok(locator.0),
            Self::Text(text) => ResourceLocator::parse(&text).map_err(|error| raise(&error)),
            Self::Resource(resource) => match resource.0.reference() {
                Some(reference) => Ok(reference.into()),
                None => Err(PyTypeError::new_err("the resource is not an endpoint reference")),
            },
        }
    }
}

/// Returns a body as XML, from XML, a resource, or names and values.
pub(crate) fn body(given: Option<&Bound<'_, PyAny>>, name: &str, namespace: &str) -> PyResult<String> {
    let Some(given) = given.filter(|given| !given.is_none()) else { return compose(name, namespace, &[]) };
    if let Ok(resource) = given.extract::<Resource>() {
        return Ok(resource.0.xml().to_owned());
    }
    if let Ok(xml) = given.extract::<String>() {
        return Ok(xml);
    }
    let values = given.cast::<PyDict>().map_err(|_| {
        PyTypeError::new_err("the body must be XML, a dict of names and values, or a Resource")
    })?;
    let mut pairs = Vec::new();
    for (name, value) in values {
        pairs.push((name.extract::<String>()?, text_of(&value)?));
    }
    compose(name, namespace, &pairs)
}

fn compose(name: &str, namespace: &str, pairs: &[(String, Option<String>)]) -> PyResult<String> {
    let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
    match telarch::Resource::compose(name, namespace, pairs) {
        Ok(resource) => Ok(resource.xml().to_owned()),
        Err(error) => Err(raise(&error)),
    }
}

/// Converts a value to text, booleans as in XML Schema; `None` for NULL.
fn text_of(value: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    if value.is_none() {
        return Ok(None);
    }
    if let Ok(truth) = value.cast::<pyo3::types::PyBool>() {
        return Ok(Some(if truth.is_true() { "true" } else { "false" }.to_owned()));
    }
    Ok(Some(value.str()?.to_string()))
}

/// Flags and options of a session, read from keyword arguments. Each is removed when it is read.
pub(crate) struct Keywords<'a, 'py>(pub(crate) &'a Bound<'py, PyDict>);

impl Keywords<'_, '_> {
    pub(crate) fn options(&self) -> PyResult<ConnectionOptions> {
        let mut options = ConnectionOptions::new();
        if let Some(user) = self.take::<String>("username")? {
            options = options.user_name(user);
        }
        if let Some(password) = self.take::<String>("password")? {
            options = options.password(password);
        }
        match (self.take::<PathBuf>("certificate")?, self.take::<PathBuf>("key")?) {
            (Some(certificate), key) => {
                let key = key.unwrap_or_else(|| certificate.clone());
                options = options.certificate_files(certificate, key);
            }
            (None, Some(_)) => return Err(PyValueError::new_err("key requires certificate")),
            (None, None) => {}
        }
        if let Some(thumbprint) = self.take::<String>("certificate_thumbprint")? {
            options = options.certificate_thumbprint(&thumbprint).map_err(|error| raise(&error))?;
        }
        if let Some(file) = self.take::<PathBuf>("ca")? {
            options = options.ca_file(file);
        }
        if let Some(thumbprint) = self.take::<String>("pin")? {
            options = options.pin(&thumbprint).map_err(|error| raise(&error))?;
        }
        if let Some(name) = self.take::<String>("service_name")? {
            options = options.service_name(&name).map_err(|error| raise(&error))?;
        }
        if self.take::<bool>("trust_host")? == Some(true) {
            options = options.trust_host();
        }
        if self.take::<bool>("delegate")? == Some(true) {
            options = options.delegate();
        }
        options = self.proxied(options)?;
        if let Some(limit) = self.seconds("operation_timeout")? {
            options = options.operation_timeout(limit);
        }
        if let Some(limit) = self.seconds("connect_timeout")? {
            options = options.connect_timeout(limit);
        }
        if let Some(limit) = self.seconds("idle_timeout")? {
            options = options.idle_timeout(limit);
        }
        options = options.total_timeout(self.seconds("timeout")?);
        if let Some(octets) = self.take("max_envelope_size")? {
            options = options.max_envelope_size(octets);
        }
        if let Some(locale) = self.take::<String>("locale")? {
            options = options.locale(locale);
        }
        Ok(options)
    }

    fn proxied(&self, options: ConnectionOptions) -> PyResult<ConnectionOptions> {
        let (address, access) = (self.take::<String>("proxy")?, self.take::<u32>("proxy_access")?);
        let scheme = self.take::<u32>("proxy_auth")?.filter(|scheme| *scheme != 0);
        let scheme = scheme.map(ProxyAuthentication::from_bits_retain);
        let user = self.take::<String>("proxy_username")?;
        let password = self.take::<String>("proxy_password")?.unwrap_or_default();
        let credentials = user.as_deref().map(|user| (user, password.as_str()));
        let proxied = match (address, access) {
            (Some(address), None) if scheme.is_none() && credentials.is_none() => {
                options.proxy_address(&address)
            }
            (Some(_), _) => {
                let what = "proxy is a complete address, http://USER:PASSWORD@HOST:PORT, and excludes the other proxy settings";
                return Err(PyValueError::new_err(what));
            }
            (None, Some(access)) => options.proxy(ProxyAccess::from_bits_retain(access), scheme, credentials),
            (None, None) if scheme.is_none() && credentials.is_none() => return Ok(options),
            (None, None) => {
                return Err(PyValueError::new_err("proxy_auth and proxy_username require proxy_access"));
            }
        };
        proxied.map_err(|error| raise(&error))
    }

    pub(crate) fn flags(&self) -> PyResult<SessionFlags> {
        Ok(SessionFlags::from_bits_retain(self.take("flags")?.unwrap_or_default()))
    }

    /// Rejects remaining keywords.
    ///
    /// # Errors
    /// `TypeError` for an unknown keyword.
    pub(crate) fn finish(&self) -> PyResult<()> {
        match self.0.keys().iter().next() {
            Some(name) => Err(PyTypeError::new_err(format!("unknown session setting {name}"))),
            None => Ok(()),
        }
    }

    pub(crate) fn take<T>(&self, name: &str) -> PyResult<Option<T>>
    where
        T: for<'a, 'py> FromPyObject<'a, 'py, Error: Into<PyErr>>,
    {
        let Some(value) = self.0.get_item(name)? else { return Ok(None) };
        self.0.del_item(name)?;
        if value.is_none() {
            return Ok(None);
        }
        match value.extract::<T>() {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                let error: PyErr = error.into();
                Err(PyTypeError::new_err(format!("{name}: {error}")))
            }
        }
    }

    fn seconds(&self, name: &str) -> PyResult<Option<Duration>> {
        let Some(seconds) = self.take::<f64>(name)? else { return Ok(None) };
        let limit = Duration::try_from_secs_f64(seconds);
        limit
            .map(Some)
            .map_err(|_| PyValueError::new_err(format!("{name}: invalid number of seconds {seconds}")))
    }
}
