//! Responses to Identify (MS-WSMV 3.1.4.17).

use config::Config;
use wsman::identify::Identity;

use crate::service::Product;

const PROFILES: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile";

/// Returns the response for authenticated clients.
pub(crate) fn identity(product: &Product, config: &Config) -> Identity {
    let auth = &config.service.auth;
    let mut profiles = Vec::new();
    if auth.basic {
        if config.service.allow_unencrypted {
            profiles.push(format!("{PROFILES}/http/basic"));
        }
        profiles.push(format!("{PROFILES}/https/basic"));
    }
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
