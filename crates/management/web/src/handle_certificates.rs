//! Certificates that sites use, and those that are stored for them.

use std::path::Path;
use std::time::SystemTime;

use management::{NewCertificate, SiteCertificateError, SiteCertificates};
use serde_json::json;
use webserver::CertificateName;

use crate::call::Admitted;
use crate::console::Console;
use crate::problem::Problem;
use crate::reply::{Content, Reply};
use crate::typed_body::typed;

/// `GET /web/certificates`
pub(crate) fn list(console: &Console, _: &Admitted<'_>) -> Result<Reply, Problem> {
    let used = console.web()?.certificates()?;
    let store = store(console).ok();
    let stored = store.as_ref().map(SiteCertificates::list).unwrap_or_default();
    let folder = store.map(|store| store.folder().display().to_string());
    Ok(Reply::json(json!({ "certificates": used, "stored": stored, "folder": folder })))
}

/// `POST /web/certificates`
pub(crate) fn create(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let store = store(console)?;
    let new: NewCertificate = typed(request)?;
    let is_preview = request.dry_run()?;
    let audit = format!("{} the certificate {}", new.origin(), new.name());
    let planned = store.plan(new, SystemTime::now());
    let planned = planned.map_err(|error| Problem::from(error).audited(format!("{audit}: failed")))?;
    if is_preview {
        return Ok(Reply::json(json!(store.preview(&planned))));
    }
    let stored = store.store(&planned);
    let stored = stored.map_err(|error| Problem::from(error).audited(format!("{audit}: failed")))?;
    Ok(Reply::new(201, Content::Json(json!(stored))).audited(audit))
}

/// `DELETE /web/certificates/{certificate}`
pub(crate) fn delete(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let store = store(console)?;
    let name: CertificateName = request.parsed("certificate", "certificate")?;
    store.require_deletable(&name, &console.web()?.certificates()?)?;
    store.delete(&name)?;
    Ok(Reply::empty().audited(format!("deleted the certificate {name}")))
}

/// Returns the certificates of a web server with configuration files.
fn store(console: &Console) -> Result<SiteCertificates, Problem> {
    let configuration = console.web()?.info().configuration.clone();
    SiteCertificates::beside(Path::new(&configuration)).ok_or_else(|| {
        let detail =
            "this web server has no directory of its own for certificates; Caddy requests them itself";
        Problem::new(409, "unsupported", detail)
    })
}

impl From<SiteCertificateError> for Problem {
    fn from(error: SiteCertificateError) -> Self {
        let detail = error.to_string();
        match error {
            SiteCertificateError::Exists(_) => Self::new(409, "conflict", detail),
            SiteCertificateError::InUse { .. } => Self::new(409, "in-use", detail),
            SiteCertificateError::NotFound(_) => Self::not_found("certificate"),
            SiteCertificateError::Disk { .. } => Self::new(422, "disk", detail),
            _ => Self::invalid(detail),
        }
    }
}
