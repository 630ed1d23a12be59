//! Conversion of errors of certificate mappings into faults.

use auth::UserNameError;
use auth::certificate_mapping::{MappingChangeError, PatternError};
use wsman::{Code, Detail, Fault, Subcode, code};

use super::MappingStoreError;

/// Error while reading or changing a mapping; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MappingFault {
    #[error("Issuer: {0}")]
    Issuer(PatternError),
    #[error("Subject: {0}")]
    Subject(PatternError),
    #[error("URI: {0}")]
    Uri(PatternError),
    #[error("unexpected element {0}; send CertMapping")]
    Root(String),
    #[error("CertMapping/{0} is given more than once; send it once")]
    Repeated(String),
    #[error("CertMapping/{0} contains elements; send text")]
    NotText(String),
    #[error("unknown element CertMapping/{0}; use UserName, Password and Enabled")]
    Unknown(String),
    #[error("CertMapping/Enabled: \"{0}\" is not valid; use true or false")]
    Enabled(String),
    #[error("the key {0} of a certificate mapping cannot be changed; delete the mapping and create another")]
    KeyChange(String),
    #[error("CertMapping/UserName: {0}")]
    User(UserNameError),
    #[error(
        "certificates can only be mapped to local accounts, and {0} is none; name an account of this machine"
    )]
    NotLocal(String),
    #[error("CertMapping/Password is longer than 256 characters; choose a shorter password for the account")]
    TooLong,
    #[error("CertMapping/Password is empty; send the password of UserName")]
    Blank,
    #[error(transparent)]
    Store(#[from] MappingStoreError),
    #[error("the change was interrupted; retry")]
    Interrupted,
}

impl From<MappingFault> for Fault {
    fn from(error: MappingFault) -> Self {
        // Faults have a single line, but errors have their hint on a second one.
        let reason = error.to_string().replace("\n  ", "; ");
        match error {
            MappingFault::Issuer(_) => of_key(INVALID_ISSUER, reason),
            MappingFault::Subject(_) => of_key(INVALID_SUBJECT, reason),
            MappingFault::Uri(_) => of_key(code::INVALID_SELECTOR_VALUE, reason),
            MappingFault::Root(_)
            | MappingFault::Repeated(_)
            | MappingFault::NotText(_)
            | MappingFault::Unknown(_)
            | MappingFault::Enabled(_) => {
                Fault::new(Subcode::SchemaValidationError, code::SCHEMA_VALIDATION_ERROR, reason)
            }
            MappingFault::KeyChange(_) => of_values(CANNOT_CHANGE_KEYS, reason),
            MappingFault::User(_) | MappingFault::NotLocal(_) => of_values(INVALID_CREDENTIALS, reason),
            MappingFault::TooLong => of_values(PASSWORD_TOO_LONG, reason),
            MappingFault::Blank => of_values(PASSWORD_BLANK, reason),
            MappingFault::Store(MappingStoreError::Refused(fault)) => fault,
            MappingFault::Store(MappingStoreError::Change(error)) => of_change(&error, reason),
            MappingFault::Interrupted => Fault::new(Subcode::InternalError, code::INTERNAL_ERROR, reason),
        }
    }
}

impl From<MappingChangeError> for MappingFault {
    fn from(error: MappingChangeError) -> Self {
        Self::Store(error.into())
    }
}

fn of_change(error: &MappingChangeError, reason: String) -> Fault {
    match error {
        MappingChangeError::Missing(_) => {
            Fault::new(Subcode::InvalidSelectors, code::UNEXPECTED_SELECTORS, reason)
                .with_detail(Detail::UNEXPECTED_SELECTORS)
        }
        MappingChangeError::Exists(_) => Fault::new(Subcode::AlreadyExists, code::ALREADY_EXISTS, reason)
            .with_detail(Detail::TARGET_ALREADY_EXISTS),
        MappingChangeError::Credentials(_) => of_values(INVALID_CREDENTIALS, reason),
        MappingChangeError::Incomplete | MappingChangeError::PasswordMissing(_) => {
            of_values(USER_WITHOUT_PASSWORD, reason)
        }
        MappingChangeError::Mappings(_) => Fault::new(Subcode::QuotaLimit, TOO_MANY, reason),
        _ => Fault::new(Subcode::InternalError, code::INTERNAL_ERROR, reason),
    }
}

fn of_key(code: Code, reason: String) -> Fault {
    Fault::new(Subcode::InvalidSelectors, code, reason).with_detail(Detail::INVALID_VALUE)
}

fn of_values(code: Code, reason: String) -> Fault {
    Fault::new(Subcode::InvalidRepresentation, code, reason).with_detail(Detail::INVALID_VALUES)
}

/// `ERROR_WSMAN_CERTMAPPING_CONFIGLIMIT_EXCEEDED`.
const TOO_MANY: Code = 2_150_859_091;
/// `ERROR_WSMAN_CERTMAPPING_INVALIDUSERCREDENTIALS`.
const INVALID_CREDENTIALS: Code = 2_150_859_092;
/// `ERROR_WSMAN_CERTMAPPING_INVALIDSUBJECTKEY`.
const INVALID_SUBJECT: Code = 2_150_859_105;
/// `ERROR_WSMAN_CERTMAPPING_INVALIDISSUERKEY`.
const INVALID_ISSUER: Code = 2_150_859_106;
/// `ERROR_WSMAN_CERTMAPPING_PASSWORDTOOLONG`.
const PASSWORD_TOO_LONG: Code = 2_150_859_114;
/// `ERROR_WSMAN_CERTMAPPING_PASSWORDBLANK`.
const PASSWORD_BLANK: Code = 2_150_859_115;
/// `ERROR_WSMAN_CERTMAPPING_PASSWORDUSERTUPLE`.
const USER_WITHOUT_PASSWORD: Code = 2_150_859_116;
/// `ERROR_WSMAN_CONFIG_CANNOT_CHANGE_CERTMAPPING_KEYS`.
const CANNOT_CHANGE_KEYS: Code = 2_150_859_122;
