//! Flag values of `WSMan.Automation`, as in the Windows documentation.

use telarch::{EnumerationFlags as E, ProxyAccess as P, ProxyAuthentication as A, SessionFlags as S};

#[test]
fn session_flags_have_the_windows_values() {
    for (flag, number) in [
        (S::UTF8, 1),
        (S::CRED_USERNAME_PASSWORD, 4_096),
        (S::SKIP_CA_CHECK, 8_192),
        (S::SKIP_CN_CHECK, 16_384),
        (S::USE_NO_AUTHENTICATION, 32_768),
        (S::USE_DIGEST, 65_536),
        (S::USE_NEGOTIATE, 131_072),
        (S::USE_BASIC, 262_144),
        (S::USE_KERBEROS, 524_288),
        (S::NO_ENCRYPTION, 1_048_576),
        (S::USE_CLIENT_CERTIFICATE, 2_097_152),
        (S::ENABLE_SPN_SERVER_PORT, 4_194_304),
        (S::UTF16, 8_388_608),
        (S::USE_CRED_SSP, 16_777_216),
        (S::SKIP_REVOCATION_CHECK, 33_554_432),
        (S::ALLOW_NEGOTIATE_IMPLICIT_CREDENTIALS, 67_108_864),
        (S::USE_SSL, 134_217_728),
    ] {
        assert_eq!(flag.bits(), number, "{flag:?}");
    }
}

#[test]
fn enumeration_and_proxy_flags_have_the_windows_values() {
    let enumeration = [
        E::RETURN_OBJECT,
        E::NON_XML_TEXT,
        E::RETURN_EPR,
        E::RETURN_OBJECT_AND_EPR,
        E::HIERARCHY_DEEP,
        E::HIERARCHY_SHALLOW,
        E::HIERARCHY_DEEP_BASE_PROPS_ONLY,
        E::ASSOCIATED_INSTANCE,
        E::ASSOCIATION_INSTANCE,
    ];
    assert_eq!(enumeration.map(|flag| flag.bits()), [0, 1, 2, 4, 0, 32, 64, 0, 128]);
    let access = [P::IE_CONFIG, P::WIN_HTTP_CONFIG, P::AUTO_DETECT, P::NO_PROXY_SERVER];
    assert_eq!(access.map(|access| access.bits()), [1, 2, 4, 8]);
    assert_eq!([A::USE_NEGOTIATE, A::USE_BASIC, A::USE_DIGEST].map(|scheme| scheme.bits()), [1, 2, 4]);
}
