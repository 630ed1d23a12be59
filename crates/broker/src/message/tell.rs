//! What the broker tells.

use auth::certificate_mapping::{Mapping, MappingChangeError};
use auth::{AuthError, Scheme, SealError, Secret};
use quickconfig::Answer;
use zeroize::Zeroizing;

use super::certificate::{change_error, mappings, put_change_error, put_mappings};
use super::values::{error, error_number, oid, put_oid, scheme, scheme_number, secret};
use super::{Claim, ContextForm, Denial, Denied, SignedIn};
use crate::quick_config;
use crate::wire::{Malformed, Reader, Writer};

/// What the broker tells.
#[derive(Debug)]
pub enum Tell {
    /// The schemes that lead somewhere.
    Hello(Vec<Scheme>),
    /// Somebody has proven who it is.
    SignedIn(SignedIn),
    /// Nobody is signed in.
    Refused {
        /// Why, for the log.
        error: AuthError,
        /// What the client is told.
        token: Option<Vec<u8>>,
        /// Who it was to be.
        claim: Claim,
    },
    /// The other end is to answer this.
    Continue {
        /// The sign-in that is under way.
        handshake: u64,
        /// What to send.
        token: Vec<u8>,
    },
    /// A sign-in by tokens is at its end.
    Done {
        /// What the other end still needs.
        token: Option<Vec<u8>>,
        /// Who it is.
        signed_in: SignedIn,
        /// What seals messages.
        context: ContextForm,
    },
    /// A message that was sealed or opened.
    Sealed {
        /// What goes before it.
        header: Vec<u8>,
        /// The message.
        message: Zeroizing<Vec<u8>>,
    },
    /// It was not.
    NotSealed(SealError),
    /// Somebody holds a certificate that may lead somewhere.
    Holder(u64),
    /// The mappings of client certificates, without the passwords.
    Mappings(Vec<Mapping>),
    /// A mapping was not changed.
    Unmapped(MappingChangeError),
    /// The descriptor that comes with it leads to a host.
    Host,
    /// It was done.
    Changed,
    /// It was not done.
    Denied(Denied),
    /// It was not done, because the settings are others than the change began with: these.
    Outdated(String),
    /// A program of this machine has connected; its descriptor comes with it.
    Local {
        /// Number of the connection, to report its end with.
        number: u64,
        /// The user, as the kernel names it.
        uid: u32,
        /// Who that is.
        signed_in: SignedIn,
    },
    /// The files of a certificate: PEM, with the key.
    Certificate(Secret),
    /// A name, or a SID as text; none if there is none.
    Found(Option<String>),
    /// How the machine is, or what became of it.
    QuickConfig(Answer),
    /// The sockets that were handed over: they listen on the network.
    Sockets,
    /// The settings as they are now.
    Settings(String),
    /// What policy demands now: `config::Policies::to_text`.
    Policies(String),
    /// To read everything again. Holds the settings.
    Reload(String),
    /// To end.
    Stop,
}

impl Tell {
    /// A refusal of somebody of whom nothing else is known.
    #[must_use]
    pub fn refused(error: AuthError) -> Self {
        Self::Refused { error, token: None, claim: Claim::default() }
    }

    /// The message, with the number of the question; 0 if nobody asked.
    #[must_use]
    pub fn encode(&self, number: u64) -> Zeroizing<Vec<u8>> {
        let mut w = Writer::default();
        w.u64(number);
        let put_token = |w: &mut Writer, token: &Vec<u8>| _ = w.octets(token);
        match self {
            Self::Hello(schemes) => {
                w.u8(1).octets(&schemes.iter().map(|scheme| scheme_number(*scheme)).collect::<Vec<_>>())
            }
            Self::SignedIn(signed_in) => signed_in.write(w.u8(2)),
            Self::Refused { error, token, claim } => {
                let (kind, status) = error_number(*error);
                w.u8(3).u8(kind).u32(status).optional(token.as_ref(), put_token);
                w.optional(claim.mechanism.as_ref(), put_oid);
                w.optional(claim.name.as_ref(), |w, name| _ = w.text(name))
            }
            Self::Continue { handshake, token } => w.u8(4).u64(*handshake).octets(token),
            Self::Done { token, signed_in, context } => {
                signed_in.write(w.u8(5).optional(token.as_ref(), put_token));
                match context {
                    ContextForm::Exported(octets) => w.u8(1).octets(octets),
                    ContextForm::Kept { number, can_seal, largest } => w
                        .u8(2)
                        .u64(*number)
                        .u8(u8::from(*can_seal))
                        .optional(*largest, |w, most| _ = w.u64(most)),
                }
            }
            Self::Sealed { header, message } => w.u8(6).octets(header).octets(message),
            Self::NotSealed(error) => w.u8(7).u8(match error {
                SealError::Forged => 1,
                SealError::Unavailable => 2,
                _ => 3,
            }),
            Self::Host => w.u8(8),
            Self::Changed => w.u8(9),
            Self::Denied(denied) => w.u8(10).text(&denied.reason).u8(match denied.kind {
                Denial::Access => 1,
                Denial::Failed => 2,
            }),
            Self::Local { number, uid, signed_in } => signed_in.write(w.u8(11).u64(*number).u32(*uid)),
            Self::Sockets => w.u8(12),
            Self::Settings(text) => w.u8(13).text(text),
            Self::Reload(text) => w.u8(14).text(text),
            Self::Stop => w.u8(15),
            Self::Outdated(text) => w.u8(16).text(text),
            Self::Certificate(pem) => w.u8(17).text(pem.expose()),
            Self::Holder(number) => w.u8(22).u64(*number),
            Self::Mappings(all) => put_mappings(w.u8(20), all),
            Self::Unmapped(error) => put_change_error(w.u8(21), error),
            Self::Policies(text) => w.u8(19).text(text),
            Self::QuickConfig(answer) => quick_config::write_answer(w.u8(23), answer),
            Self::Found(found) => w.u8(18).optional(found.as_ref(), |w, text| _ = w.text(text)),
        };
        w.finish()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(message: &[u8]) -> Result<(u64, Self), Malformed> {
        let mut r = Reader::new(message);
        let number = r.u64()?;
        let token = |r: &mut Reader<'_>| r.octets().map(<[u8]>::to_vec);
        let tell = match r.u8()? {
            1 => Self::Hello(r.octets()?.iter().map(|number| scheme(*number)).collect::<Result<_, _>>()?),
            2 => Self::SignedIn(SignedIn::read(&mut r)?),
            3 => {
                let (error, token) = (error(r.u8()?, r.u32()?)?, r.optional(token)?);
                let name = |r: &mut Reader<'_>| r.text().map(str::to_owned);
                let claim = Claim { mechanism: r.optional(oid)?, name: r.optional(name)? };
                Self::Refused { error, token, claim }
            }
            4 => Self::Continue { handshake: r.u64()?, token: r.octets()?.to_vec() },
            5 => {
                let (token, signed_in) = (r.optional(token)?, SignedIn::read(&mut r)?);
                let context = match r.u8()? {
                    1 => ContextForm::Exported(secret(r.octets()?)),
                    2 => ContextForm::Kept {
                        number: r.u64()?,
                        can_seal: r.u8()? == 1,
                        largest: r.optional(Reader::u64)?,
                    },
                    _ => return Err(Malformed("a context of no known form")),
                };
                Self::Done { token, signed_in, context }
            }
            6 => Self::Sealed { header: r.octets()?.to_vec(), message: secret(r.octets()?) },
            7 => Self::NotSealed(match r.u8()? {
                1 => SealError::Forged,
                2 => SealError::Unavailable,
                3 => SealError::Failed,
                _ => return Err(Malformed("an error that nobody knows")),
            }),
            8 => Self::Host,
            9 => Self::Changed,
            10 => {
                let reason = r.text()?.to_owned();
                let kind = match r.u8()? {
                    1 => Denial::Access,
                    2 => Denial::Failed,
                    _ => return Err(Malformed("a reason that nobody knows")),
                };
                Self::Denied(Denied { kind, reason })
            }
            11 => Self::Local { number: r.u64()?, uid: r.u32()?, signed_in: SignedIn::read(&mut r)? },
            12 => Self::Sockets,
            13 => Self::Settings(r.text()?.to_owned()),
            14 => Self::Reload(r.text()?.to_owned()),
            15 => Self::Stop,
            16 => Self::Outdated(r.text()?.to_owned()),
            18 => Self::Found(r.optional(|r| r.text().map(str::to_owned))?),
            17 => Self::Certificate(Secret::new(r.text()?.to_owned())),
            22 => Self::Holder(r.u64()?),
            20 => Self::Mappings(mappings(&mut r)?),
            21 => Self::Unmapped(change_error(&mut r)?),
            19 => Self::Policies(r.text()?.to_owned()),
            23 => Self::QuickConfig(quick_config::read_answer(&mut r)?),
            _ => return Err(Malformed("nobody knows what is told")),
        };
        r.finish()?;
        Ok((number, tell))
    }
}
