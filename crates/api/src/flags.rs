//! The numbers of `WSMan.Automation`, value for value (wsmandisp.h).

use bitflags::bitflags;

bitflags! {
    /// How a session is opened (`WSManSessionFlags`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SessionFlags: u32 {
        /// Messages are UTF-8, which is the default.
        const UTF8 = 0x1;
        /// A name and a password are given; giving them implies it.
        const CRED_USERNAME_PASSWORD = 0x1000;
        /// Whoever signed the certificate of the service will do.
        const SKIP_CA_CHECK = 0x2000;
        /// Whatever name the certificate of the service bears will do.
        const SKIP_CN_CHECK = 0x4000;
        /// Nobody signs in.
        const USE_NO_AUTHENTICATION = 0x8000;
        /// Digest (RFC 7616).
        const USE_DIGEST = 0x1_0000;
        /// Kerberos or NTLM, as both ends agree.
        const USE_NEGOTIATE = 0x2_0000;
        /// Basic (RFC 7617).
        const USE_BASIC = 0x4_0000;
        /// Kerberos alone.
        const USE_KERBEROS = 0x8_0000;
        /// Messages over HTTP may be readable on the way.
        const NO_ENCRYPTION = 0x10_0000;
        /// A client certificate.
        const USE_CLIENT_CERTIFICATE = 0x20_0000;
        /// The port is part of the service principal name.
        const ENABLE_SPN_SERVER_PORT = 0x40_0000;
        /// Messages are UTF-16.
        const UTF16 = 0x80_0000;
        /// CredSSP, which hands the password on to the service.
        const USE_CRED_SSP = 0x100_0000;
        /// Revoked certificates are not looked for; they never are.
        const SKIP_REVOCATION_CHECK = 0x200_0000;
        /// Negotiate may use a ticket that nobody named, over HTTPS.
        const ALLOW_NEGOTIATE_IMPLICIT_CREDENTIALS = 0x400_0000;
        /// HTTPS, where the address names no transport.
        const USE_SSL = 0x800_0000;
    }
}

bitflags! {
    /// What an enumeration lists (`WSManEnumFlags`). Nothing set means whole objects, of subclasses too.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct EnumerationFlags: u32 {
        /// The filter is a text, even if it begins like XML.
        const NON_XML_TEXT = 0x1;
        /// Items are references.
        const RETURN_EPR = 0x2;
        /// Items are objects with their references.
        const RETURN_OBJECT_AND_EPR = 0x4;
        /// Instances of subclasses are left out.
        const HIERARCHY_SHALLOW = 0x20;
        /// Instances of subclasses have the properties of the class that was asked for only.
        const HIERARCHY_DEEP_BASE_PROPS_ONLY = 0x40;
        /// An association filter returns the associations themselves.
        const ASSOCIATION_INSTANCE = 0x80;
    }
}

impl EnumerationFlags {
    /// Whole objects: nothing set.
    pub const RETURN_OBJECT: Self = Self::empty();
    /// Instances of subclasses with all of their properties: nothing set.
    pub const HIERARCHY_DEEP: Self = Self::empty();
    /// An association filter returns the instances at the other end: nothing set.
    pub const ASSOCIATED_INSTANCE: Self = Self::empty();
}

bitflags! {
    /// Where a proxy comes from (`WSManProxyAccessType`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct ProxyAccess: u32 {
        /// The settings of the browser.
        const IE_CONFIG = 1;
        /// The settings of WinHTTP.
        const WIN_HTTP_CONFIG = 2;
        /// It is looked for.
        const AUTO_DETECT = 4;
        /// There is none.
        const NO_PROXY_SERVER = 8;
    }
}

bitflags! {
    /// How one signs in to a proxy (`WSManProxyAuthenticationFlags`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct ProxyAuthentication: u32 {
        /// Kerberos or NTLM.
        const USE_NEGOTIATE = 1;
        /// Basic.
        const USE_BASIC = 2;
        /// Digest.
        const USE_DIGEST = 4;
    }
}
