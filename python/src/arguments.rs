//! Arguments in the forms that scripts have them in.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use telarch::{ConnectionOptions, ProxyAccess, ProxyAuthentication, ResourceLocator, SessionFlags};

use crate::raise::raise;
use crate::resource::{Locator, Resource};

/// A locator, a text, or a resource that holds a reference.
#[derive(FromPyObject)]
pub(crate) enum Place {
    Locator(Locator),
    Resource(Resource),
    Text(String),
}

impl Place {
    pub(crate) fn locator(self) -> PyResult<ResourceLocator> {
        match self {
            Self::Locator(locator) => Ok(locator.0),
            Self::Text(text) => ResourceLocator::parse(&text).map_err(|error| raise(&error)),
            Self::Resource(resource) => match resource.0.reference() {
                Some(reference) => Ok(reference.into()),
                None => Err(PyTypeError::new_err("this resource holds no endpoint reference")),
            },
        }
    }
}

/// XML, or names and values that become it.
pub(crate) fn body(given: Option<&Bound<'_, PyAny>>, name: &str, namespace: &str) -> PyResult<String> {
    let compose = |pairs: &[(String, Option<String>)]| {
        let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
        let composed = telarch::Resource::compose(name, namespace, pairs);
        composed.map(|resource| resource.xml().to_owned()).map_err(|error| raise(&error))
    };
    let Some(given) = given.filter(|given| !given.is_none()) else { return compose(&[]) };
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
    compose(&pairs)
}

/// `true` and `false` are written as XML Schema has them.
fn text_of(value: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    if value.is_none() {
        return Ok(None);
    }
    if let Ok(truth) = value.cast::<pyo3::types::PyBool>() {
        return Ok(Some(if truth.is_true() { "true" } else { "false" }.to_owned()));
    }
    Ok(Some(value.str()?.to_string()))
}

/// The flags and options of a session, read out of keywords; each is taken away, so that what is left is unknown.
pub(crate) struct Keywords<'a, 'py>(pub(crate) &'a Bound<'py, PyDict>);

impl Keywords<'_, '_> {
    pub(crate) fn options(&self) -> PyResult<ConnectionOptions> {
        let wrong = |error: telarch::Error| raise(&error);
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
            (None, Some(_)) => return Err(PyValueError::new_err("key needs certificate beside it")),
            (None, None) => {}
        }
        if let Some(thumbprint) = self.take::<String>("certificate_thumbprint")? {
            options = options.certificate_thumbprint(&thumbprint).map_err(wrong)?;
        }
        if let Some(file) = self.take::<PathBuf>("ca")? {
            options = options.ca_file(file);
        }
        if let Some(thumbprint) = self.take::<String>("pin")? {
            options = options.pin(&thumbprint).map_err(wrong)?;
        }
        if let Some(name) = self.take::<String>("service_name")? {
            options = options.service_name(&name).map_err(wrong)?;
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
                let what = "proxy is a whole address, http://USER:PASSWORD@HOST:PORT, and goes alone";
                return Err(PyValueError::new_err(what));
            }
            (None, Some(access)) => options.proxy(ProxyAccess::from_bits_retain(access), scheme, credentials),
            (None, None) if scheme.is_none() && credentials.is_none() => return Ok(options),
            (None, None) => return Err(PyValueError::new_err("proxy_auth and its user need proxy_access")),
        };
        proxied.map_err(|error| raise(&error))
    }

    pub(crate) fn flags(&self) -> PyResult<SessionFlags> {
        Ok(SessionFlags::from_bits_retain(self.take("flags")?.unwrap_or_default()))
    }

    /// # Errors
    /// `TypeError` for a keyword that nobody has taken.
    pub(crate) fn finish(&self) -> PyResult<()> {
        match self.0.keys().iter().next() {
            Some(name) => Err(PyTypeError::new_err(format!("{name} is no setting of a session"))),
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
            .map_err(|_| PyValueError::new_err(format!("{name}: {seconds} is no number of seconds")))
    }
}
