//! Flags of `WSMan.Automation` with their numeric values (wsmandisp.h).

use bitflags::bitflags;

bitflags! {
    /// Options of a session (`WSManSessionFlags`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SessionFlags: u32 {
        /// Messages are UTF-8 (default).
        const UTF8 = 0x1;
        /// User name and password are specified; implied by the credentials.
        const CRED_USERNAME_PASSWORD = 0x1000;
        /// Do not verify the issuer of the service's certificate.
        const SKIP_CA_CHECK = 0x2000;
        /// Do not verify the host name in the service's certificate.
        const SKIP_CN_CHECK = 0x4000;
        /// No authentication.
        const USE_NO_AUTHENTICATION = 0x8000;
        /// Digest (RFC 7616).
        const USE_DIGEST = 0x1_0000;
        /// Negotiate: Kerberos or NTLM.
        const USE_NEGOTIATE = 0x2_0000;
        /// Basic (RFC 7617).
        const USE_BASIC = 0x4_0000;
        /// Kerberos without NTLM.
        const USE_KERBEROS = 0x8_0000;
        /// Messages over HTTP may be sent unencrypted.
        const NO_ENCRYPTION = 0x10_0000;
        /// Client certificate.
        const USE_CLIENT_CERTIFICATE = 0x20_0000;
        /// The service principal name contains the port.
        const ENABLE_SPN_SERVER_PORT = 0x40_0000;
        /// Messages are UTF-16.
        const UTF16 = 0x80_0000;
        /// CredSSP, which sends the password to the service.
        const USE_CRED_SSP = 0x100_0000;
        /// Accepted for compatibility; revocation is never checked.
        const SKIP_REVOCATION_CHECK = 0x200_0000;
        /// Negotiate may use the user's Kerberos ticket, over HTTPS.
        const ALLOW_NEGOTIATE_IMPLICIT_CREDENTIALS = 0x400_0000;
        /// Use HTTPS if the address has no transport.
        const USE_SSL = 0x800_0000;
    }
}

bitflags! {
    /// Form of the items of an enumeration (`WSManEnumFlags`). The default is complete objects, including subclasses.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct EnumerationFlags: u32 {
        /// The filter is text, even if it begins like XML.
        const NON_XML_TEXT = 0x1;
        /// Return references.
        const RETURN_EPR = 0x2;
        /// Return objects with their references.
        const RETURN_OBJECT_AND_EPR = 0x4;
        /// Exclude instances of subclasses.
        const HIERARCHY_SHALLOW = 0x20;
        /// Return only the properties of the enumerated class for instances of subclasses.
        const HIERARCHY_DEEP_BASE_PROPS_ONLY = 0x40;
        /// An association filter returns the associations.
        const ASSOCIATION_INSTANCE = 0x80;
    }
}

impl EnumerationFlags {
    /// Return complete objects (default).
    pub const RETURN_OBJECT: Self = Self::empty();
    /// Return instances of subclasses with all properties (default).
    pub const HIERARCHY_DEEP: Self = Self::empty();
    /// An association filter returns the associated instances (default).
    pub const ASSOCIATED_INSTANCE: Self = Self::empty();
}

bitflags! {
    /// Source of the proxy address (`WSManProxyAccessType`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct ProxyAccess: u32 {
        /// Settings of the browser.
        const IE_CONFIG = 1;
        /// Settings of WinHTTP.
        const WIN_HTTP_CONFIG = 2;
        /// Automatic detection.
        const AUTO_DETECT = 4;
        /// No proxy.
        const NO_PROXY_SERVER = 8;
    }
}

bitflags! {
    /// Authentication scheme for a proxy (`WSManProxyAuthenticationFlags`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct ProxyAuthentication: u32 {
        /// Negotiate: Kerberos or NTLM.
        const USE_NEGOTIATE = 1;
        /// Basic.
        const USE_BASIC = 2;
        /// Digest.
        const USE_DIGEST = 4;
    }
}
