//! Errors as exceptions of `telarch._errors`.

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use telarch::Error;

/// Creates the exception for an error, with all its details.
pub(crate) fn raised(py: Python<'_>, error: &Error) -> PyErr {
    exception(py, error).unwrap_or_else(|failed| failed)
}

/// Creates the exception for an error of a call that sends nothing.
pub(crate) fn raise(error: &Error) -> PyErr {
    Python::attach(|py| raised(py, error))
}

fn exception(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let class = match error {
        Error::Argument { .. } => "ArgumentError",
        Error::Connect(_) => "ConnectError",
        Error::Authentication(_) => "AuthenticationError",
        Error::Denied(_) => "AccessDenied",
        Error::Timeout(_) => "TimeoutError",
        Error::Quota(_) => "QuotaError",
        Error::Protocol(_) => "ProtocolError",
        Error::File { .. } | Error::Copy { .. } => "CopyError",
        // Also for future errors.
        _ => "Fault",
    };
    let exception = py.import("telarch._errors")?.getattr(class)?.call1((error.to_string(),))?;
    exception.setattr("fix", PyTuple::new(py, error.fix())?)?;
    if let Some(failed) = error.details() {
        exception.setattr("message", failed.message())?;
        exception.setattr("code", failed.code())?;
        exception.setattr("hresult", failed.hresult())?;
        exception.setattr("symbol", failed.symbol())?;
        exception.setattr("cause", failed.cause())?;
        exception.setattr("xml", failed.xml())?;
        exception.setattr("offered", PyTuple::new(py, failed.offered())?)?;
        exception.setattr("tried", failed.tried().map(|scheme| scheme.to_string()))?;
        if let Some(fault) = failed.fault() {
            exception.setattr("subcode", fault.subcode().qualified_name())?;
            exception.setattr("detail", fault.detail().map(telarch::FaultDetail::uri))?;
            exception.setattr("machine", fault.machine())?;
            exception.setattr("provider", fault.provider().map(|provider| provider.provider.as_str()))?;
        }
    }
    Ok(PyErr::from_value(exception))
}
