//! The error of authentication.

/// Reason why authentication failed. It is written to the log and never sent to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// Unknown account or wrong password; deliberately one error for both.
    #[error("unknown account or wrong password")]
    WrongPassword,
    /// The account exists but may not sign in.
    #[error("account is disabled or locked")]
    NotAllowed,
    /// No mapping leads from the client certificate to an account; the log has the reason.
    #[error("client certificate is not mapped to an account")]
    Unmapped,
    /// The account store could not be read.
    #[error("cannot read the accounts")]
    Unavailable,
    /// A token violates its specification.
    #[error("malformed token: {0}")]
    Malformed(&'static str),
    /// A token offers less protection than required.
    #[error("the peer does not offer required protection: {0}")]
    Downgraded(&'static str),
    /// The token was made for another TLS connection, or for none although one is required (RFC 5929).
    #[error("channel binding does not match this connection")]
    ChannelBinding,
    /// The token names another service.
    #[error("token was issued for another service")]
    OtherService,
    /// The proof of the other end does not match what was sent.
    #[error("the peer did not prove that it knows the secret")]
    Unproven,
    /// No mechanism is supported by both ends.
    #[error("no authentication mechanism in common")]
    NoMechanism,
    /// The clocks of the two machines differ too much.
    #[error("the clocks of the two machines differ too much")]
    ClockSkew,
    /// The other end refused with another NTSTATUS (MS-ERREF 2.3).
    #[error("the peer refused with status {0:#010x}")]
    Refused(u32),
}
