//! Checks of changes by a Telarch service that do not make them.

use wsman::{OptionSet, WsmanOption, code, namespace};
use xml::Fragment;

use super::service_command::Run;
use crate::failure::Failure;
use crate::locator::Locator;
use crate::program::Stop;
use crate::session::{resource, target};

/// Change of a resource.
#[derive(Clone, Copy)]
pub(super) enum Change<'b> {
    /// Replaces the resource.
    Put(&'b Fragment),
    /// Creates an instance.
    Create(&'b Fragment),
    /// Deletes the instance.
    Delete,
    /// Calls a method.
    Invoke {
        /// URI of the action.
        action: &'b str,
        input: &'b Fragment,
    },
}

/// Extent of a check that found no reason to refuse a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prediction {
    /// The service would make the change.
    Complete,
    /// The service can still refuse the change, for the reason in this text.
    Partial(&'static str),
    /// The service was not asked, for the reason in this text.
    None(&'static str),
}

impl Prediction {
    /// Returns the note for the user.
    pub(super) fn note(self) -> Option<String> {
        match self {
            Self::Complete => None,
            Self::Partial(reason) => {
                Some(format!("the change was checked, but the service can still refuse it: {reason}"))
            }
            Self::None(reason) => {
                Some(format!("the service was not asked whether it would refuse the change: {reason}"))
            }
        }
    }
}

/// Resource that a service can check changes of.
#[derive(Clone, Copy)]
enum Checked {
    Configuration,
    CertificateMappings,
    Wmi,
    Shells,
}

impl Checked {
    fn of(locator: &Locator) -> Result<Option<Self>, Failure> {
        let uri = resource(locator)?;
        if let Some(below) = uri.below(namespace::CONFIG) {
            let is_mapping = below.eq_ignore_ascii_case("/service/certmapping");
            return Ok(Some(if is_mapping { Self::CertificateMappings } else { Self::Configuration }));
        }
        let is_wmi = WMI.iter().any(|prefix| uri.below(prefix).is_some());
        let is_shell = uri.below(namespace::SHELL).is_some();
        Ok(is_wmi.then_some(Self::Wmi).or(is_shell.then_some(Self::Shells)))
    }

    /// Returns the extent of the check of a change.
    fn extent(self, change: Change<'_>) -> Prediction {
        match (self, change) {
            (Self::CertificateMappings, Change::Put(_) | Change::Create(_)) => {
                Prediction::Partial("the password of the account is verified when the mapping is made")
            }
            (Self::Wmi, _) => Prediction::Partial(
                "class, instance, names, types and rights are valid, but the provider was not called",
            ),
            _ => Prediction::Complete,
        }
    }
}

/// Has a Telarch service check a change without making it.
///
/// # Errors
/// The fault that the change would cause.
pub(super) async fn predict(run: &Run, locator: &Locator, change: Change<'_>) -> Result<Prediction, Stop> {
    let Some(checked) = Checked::of(locator)? else {
        return Ok(Prediction::None("changes of this resource cannot be checked"));
    };
    if matches!(
        (checked, change),
        (Checked::Configuration | Checked::CertificateMappings | Checked::Shells, Change::Invoke { .. })
    ) {
        return Ok(Prediction::None("this action cannot be checked"));
    }
    if !run.service().is_telarch().await {
        return Ok(Prediction::None("only Telarch services check changes without making them"));
    }
    let mut target = target(locator, run.options(), None)?;
    // A service that does not know the option must reject the request.
    target.options.push(WsmanOption {
        name: OptionSet::VALIDATE_ONLY.to_owned(),
        value: Some("true".to_owned()),
        must_comply: true,
    });
    let session = &run.service().session;
    let outcome = match change {
        Change::Put(body) => session.put(&target, body).await.map(drop),
        Change::Create(body) => session.create(&target, body).await.map(drop),
        Change::Delete => session.delete(&target).await.map(drop),
        Change::Invoke { action, input } => session.invoke(&target, action, Some(input)).await.map(drop),
    };
    match outcome {
        Err(client::Error::Fault(fault)) if fault.code() == code::OPTION_NOT_SUPPORTED => {
            Ok(Prediction::None("the service cannot check changes of this resource"))
        }
        outcome => {
            run.with_context(outcome, locator)?;
            Ok(checked.extent(change))
        }
    }
}

/// Resource URIs of WMI.
const WMI: [&str; 2] =
    ["http://schemas.microsoft.com/wbem/wsman/1/wmi", "http://schemas.dmtf.org/wbem/wscim/1"];
