//! Responses to Identify (MS-WSMV 3.1.4.17).

use auth::Scheme;
use config::Config;
use wsman::identify::Identity;

use crate::authentication::SignIn;
use crate::service::Product;

/// URI of a profile (DSP0226 C.1).
macro_rules! profile {
    ($name:literal) => {
        concat!("http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/", $name)
    };
}

/// Returns the response for authenticated clients.
pub(crate) fn identity(product: &Product, sign_in: &SignIn, config: &Config) -> Identity {
    let has = |scheme| sign_in.is_enabled(scheme, config);
    let has_basic = has(Scheme::Basic);
    // One profile covers Kerberos and all that Negotiate offers (DSP0226 C).
    let negotiates = has(Scheme::Negotiate) || has(Scheme::Kerberos);
    let profiles = [
        (profile!("http/basic"), has_basic && config.service.allow_unencrypted),
        (profile!("http/spnego-kerberos"), negotiates),
        (profile!("https/basic"), has_basic),
        (profile!("https/spnego-kerberos"), negotiates),
        (profile!("https/mutual"), has(Scheme::Certificate)),
    ];
    let enabled = profiles.into_iter().filter(|(_, is_enabled)| *is_enabled);
    Identity {
        product_version: format!("OS: {} SP: 0.0 Stack: 3.0", product.os_version).into(),
        security_profiles: enabled.map(|(uri, _)| uri.into()).collect(),
        ..anonymous(product, config)
    }
}

/// Returns the response for anonymous clients. If the vendor name is configured, the product name is included.
pub(crate) fn anonymous(product: &Product, config: &Config) -> Identity {
    match config.identify.product_vendor.configured() {
        None => Identity::anonymous(&product.vendor),
        Some(vendor) => Identity { product: Some(product.vendor.clone()), ..Identity::anonymous(vendor) },
    }
}
