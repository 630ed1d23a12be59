//! Credentials of the service at the address of a push subscription (DSP0226).

use std::fmt;

use xml::Element;
use zeroize::Zeroizing;

use super::names::{EVENTING, SECURITY, TRUST, WSMAN};

/// Authentication at the address for events, from the element `w:Auth` of the delivery, or from the policy of the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkScheme {
    /// User name and password in a header.
    Basic,
    /// User name and password by challenge and response.
    Digest,
    /// Kerberos within SPNEGO.
    Kerberos,
    /// Certificate in the TLS handshake.
    Certificate,
}

/// User name and password in the header `wst:IssuedTokens`.
#[derive(Clone, PartialEq, Eq)]
pub struct SinkCredentials {
    /// User name.
    pub user: String,
    /// Password.
    pub password: Zeroizing<String>,
}

/// Hides the password.
impl fmt::Debug for SinkCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkCredentials").field("user", &self.user).finish_non_exhaustive()
    }
}

impl SinkScheme {
    /// Returns the scheme of a security profile, over HTTP or HTTPS; `None` for another profile.
    #[must_use]
    pub fn of_profile(profile: &str) -> Option<Self> {
        let name = profile.strip_prefix(PROFILES)?;
        match name.strip_prefix("https/").or_else(|| name.strip_prefix("http/"))? {
            "basic" => Some(Self::Basic),
            "digest" => Some(Self::Digest),
            "spnego-kerberos" => Some(Self::Kerberos),
            "mutual" => Some(Self::Certificate),
            _ => None,
        }
    }
}

/// Returns the profile of the element `w:Auth` in Subscribe.
#[must_use]
pub fn requested_profile(subscribe: Element<'_>) -> Option<String> {
    let auth = subscribe.child(EVENTING, "Delivery")?.child(WSMAN, "Auth")?;
    let profile = auth.attribute("", "Profile").unwrap_or_default();
    Some(profile.trim().chars().take(MAX_TEXT).collect())
}

impl SinkCredentials {
    /// Returns the first user name with a password in the headers of a message, each at most 1024 bytes long.
    #[must_use]
    pub fn of_header(header: Element<'_>) -> Option<Self> {
        let responses = header.child(TRUST, "IssuedTokens")?.children();
        let responses =
            responses.filter(|one| one.is(TRUST, "RequestSecurityTokenResponse")).take(MAX_TOKENS);
        responses.filter_map(|one| Self::of_token(one.child(TRUST, "RequestedSecurityToken")?)).next()
    }

    fn of_token(token: Element<'_>) -> Option<Self> {
        let token = token.child(SECURITY, "UsernameToken")?;
        let user = token.child(SECURITY, "Username")?.text().trim().to_owned();
        let password = token.child(SECURITY, "Password")?;
        // The hash of a password is of no use at the address (WS-Security UsernameToken 3.1).
        let kind = password.attribute("", "Type").unwrap_or_default();
        let is_text = kind.is_empty() || kind.trim().ends_with("#PasswordText");
        let password = Zeroizing::new(password.text().into_owned());
        let is_usable = !user.is_empty() && user.len() <= MAX_TEXT && password.len() <= MAX_TEXT && is_text;
        is_usable.then_some(Self { user, password })
    }
}

/// Beginning of the URIs of security profiles.
const PROFILES: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/";
/// Maximum length of a profile, a user name or a password.
const MAX_TEXT: usize = 1_024;
/// Maximum number of tokens.
const MAX_TOKENS: usize = 16;

#[cfg(test)]
mod tests {
    use xml::{Bounds, Document};

    use super::*;

    fn found(kind: &str, token: &str) -> Option<SinkCredentials> {
        let text = format!(
            "<h xmlns:t='{TRUST}' xmlns:s='{SECURITY}'><t:IssuedTokens><t:RequestSecurityTokenResponse/>\
             <t:RequestSecurityTokenResponse><t:RequestedSecurityToken><s:UsernameToken>{token}\
             <s:Password{kind}> p&amp;w </s:Password></s:UsernameToken></t:RequestedSecurityToken>\
             </t:RequestSecurityTokenResponse></t:IssuedTokens></h>"
        );
        SinkCredentials::of_header(Document::parse(text, &Bounds::default()).unwrap().root())
    }

    #[test]
    fn the_user_name_and_the_password_are_found_in_the_tokens() {
        let user = "<s:Username> ada </s:Username>";
        let credentials = found("", user).unwrap();
        assert_eq!((credentials.user.as_str(), credentials.password.as_str()), ("ada", " p&w "));
        assert!(!format!("{credentials:?}").contains("p&w"));
        assert!(found(" Type='urn:x#PasswordText'", user).is_some());
        assert_eq!(found(" Type='urn:x#PasswordDigest'", user), None);
        assert_eq!(found("", ""), None);
        assert_eq!(found("", &format!("<s:Username>{}</s:Username>", "x".repeat(1_025))), None);
    }

    #[test]
    fn profiles_of_both_transports_name_a_scheme() {
        for (name, scheme) in [
            ("http/basic", Some(SinkScheme::Basic)),
            ("https/digest", Some(SinkScheme::Digest)),
            ("https/mutual", Some(SinkScheme::Certificate)),
            ("http/spnego-kerberos", Some(SinkScheme::Kerberos)),
            ("https/basic/mutual", None),
            ("basic", None),
        ] {
            assert_eq!(SinkScheme::of_profile(&format!("{PROFILES}{name}")), scheme, "{name}");
        }
    }
}
