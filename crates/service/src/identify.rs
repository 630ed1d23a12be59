//! Responses to Identify (MS-WSMV 3.1.4.17).

use auth::Scheme;
use config::Config;
use wsman::identify::Identity;

use crate::authentication::SignIn;
use crate::service::Product;

const PROFILES: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile";

/// Returns the response for authenticated clients.
pub(crate) fn identity(product: &Product, sign_in: &SignIn, config: &Config) -> Identity {
    let has = |scheme| sign_in.is_enabled(scheme, config);
    // One profile covers Kerberos and all that Negotiate offers (DSP0226 C).
    let negotiates = has(Scheme::Negotiate) || has(Scheme::Kerberos);
    let profiles = [
        ("http/basic", has(Scheme::Basic) && config.service.allow_unencrypted),
        ("http/spnego-kerberos", negotiates),
        ("https/basic", has(Scheme::Basic)),
        ("https/spnego-kerberos", negotiates),
        ("https/mutual", has(Scheme::Certificate)),
    ];
    let enabled = profiles.into_iter().filter(|(_, is_enabled)| *is_enabled);
    let profiles = enabled.map(|(name, _)| format!("{PROFILES}/{name}")).collect();
    Identity {
        product_version: format!("OS: {} SP: 0.0 Stack: 3.0", product.os_version),
        security_profiles: profiles,
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
