//! What the gateway asks, and what the broker tells it.

mod certificate;
mod values;

use std::net::IpAddr;

use auth::certificate_mapping::{Mapping, MappingChange, MappingChangeError};
use auth::{AuthError, Binding, CertificateProof, ChannelBinding, Hardening, Oid, Scheme, SealError, Secret};
use quickconfig::{Answer, Wish};
use sddl::{Sid, Token};
use zeroize::Zeroizing;

use self::certificate::{
    change_error, mapping_change, mappings, proof, put_change_error, put_mapping_change, put_mappings,
    put_proof,
};
use self::values::{binding, error, error_number, oid, put_oid, scheme, scheme_number, secret};
pub(crate) use self::values::{read_token, write_token};
use crate::quick_config;
use crate::wire::{Malformed, Reader, Writer};

/// What a gateway shows to be served for somebody: 128 random bits that the broker gave after a proof.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub(crate) [u8; 16]);

impl std::fmt::Debug for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionId(…)")
    }
}

/// What a gateway asks.
#[derive(Debug)]
pub enum Ask {
    /// Which schemes there are.
    Hello,
    /// Whether a name and a password are right.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
        /// Where they came from, as far as the gateway can be believed: only the counting of failures goes by it.
        from: IpAddr,
    },
    /// To begin a sign-in by tokens.
    Begin {
        /// The scheme.
        scheme: Scheme,
        /// Where the peer is.
        address: IpAddr,
        /// To what its tokens must be bound.
        binding: Binding,
        /// The first token.
        token: Vec<u8>,
    },
    /// To go on with one.
    Step {
        /// Which.
        handshake: u64,
        /// The next token.
        token: Vec<u8>,
    },
    /// To forget a sign-in, or what seals messages.
    Forget {
        /// Which.
        number: u64,
    },
    /// To seal a message.
    Seal {
        /// With what.
        context: u64,
        /// The message.
        message: Zeroizing<Vec<u8>>,
    },
    /// To open a message.
    Unseal {
        /// With what.
        context: u64,
        /// What goes before the message.
        header: Vec<u8>,
        /// The message.
        message: Zeroizing<Vec<u8>>,
    },
    /// To end a session.
    End(SessionId),
    /// Whether the account of a session may still be used; a new session for the same proof.
    Renew(SessionId),
    /// To judge what the key of a client certificate has signed.
    Holder {
        /// What was shown and signed.
        proof: CertificateProof,
        /// Where it came from, as far as the gateway can be believed: only the counting of failures goes by it.
        from: IpAddr,
    },
    /// Whether the certificate of a holder leads anywhere.
    Consider {
        /// Which.
        holder: u64,
    },
    /// Whose account a holder has.
    Account {
        /// Which.
        holder: u64,
        /// Where this resource is asked for.
        resource: String,
    },
    /// A connection to the process that works for the user of a session.
    Host(SessionId),
    /// To change the settings.
    Change {
        /// Who wants it.
        session: SessionId,
        /// The file as it was when the change was thought up.
        before: String,
        /// As it is to be.
        after: String,
    },
    /// The mappings of client certificates, for whom a session is.
    Mappings(SessionId),
    /// To make, change or delete one of them.
    ChangeMapping {
        /// Who wants it.
        session: SessionId,
        /// What.
        change: MappingChange,
        /// Where it came from, as of a password.
        from: IpAddr,
    },
    /// The files of a certificate for listeners.
    Certificate(CertificateWish),
    /// The SID of a user or a group of this machine.
    SidOf(String),
    /// The name of the user or the group of this machine that has a SID.
    NameOf(Sid),
    /// To look at the machine, or to make it ready to be managed.
    QuickConfig {
        /// Who wants it.
        session: SessionId,
        /// What.
        wish: Wish,
    },
    /// Nothing: it serves now.
    Ready,
    /// Nothing: how it is, for people.
    Status(String),
    /// Nothing: it still answers.
    Alive,
}

/// Which certificate a gateway needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateWish {
    /// The one with this thumbprint.
    Named(String),
    /// The one that the service makes itself, for these names.
    Own(Vec<String>),
}

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
    /// To read everything again; the file of audit records comes with it.
    Reload(String),
    /// To end.
    Stop,
}

/// Somebody who has proven who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// What to show from now on.
    pub session: SessionId,
    /// The account.
    pub account: String,
    /// With what it was proven, where the scheme leaves a choice.
    pub mechanism: Option<Oid>,
    /// What access is decided with.
    pub token: Token,
}

/// Who somebody said to be, and with what it was to be proven, for the records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// The mechanism, once it was decided.
    pub mechanism: Option<Oid>,
    /// The name that the client gave.
    pub name: Option<String>,
}

/// How the gateway comes to what seals messages.
pub enum ContextForm {
    /// As octets to go on with.
    Exported(Zeroizing<Vec<u8>>),
    /// It stays with the broker.
    Kept {
        /// How it is asked for.
        number: u64,
        /// Whether it can seal.
        can_seal: bool,
        /// The most it seals at once.
        largest: Option<u64>,
    },
}

impl std::fmt::Debug for ContextForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Exported(_) => "Exported(…)",
            Self::Kept { .. } => "Kept",
        })
    }
}

/// Why the broker does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Denied {
    /// What kind of reason it is.
    pub kind: Denial,
    /// A sentence for the one who asked.
    pub reason: String,
}

/// Why settings were not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unchanged {
    /// Somebody may not, or it went wrong.
    Denied(Denied),
    /// They are others than the change began with: these.
    Outdated(String),
}

/// Why mappings are not shown, or stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotMapped {
    /// Somebody may not.
    Denied(Denied),
    /// Something is wrong with what is wanted, or with the mappings.
    Change(MappingChangeError),
}

/// What kinds of reasons there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The session may not, or there is none.
    Access,
    /// It went wrong.
    Failed,
}

impl Denied {
    /// A refusal.
    #[must_use]
    pub fn new(kind: Denial, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into() }
    }
}

impl Ask {
    /// The message, with a number that the answer has, too.
    #[must_use]
    pub fn encode(&self, number: u64) -> Zeroizing<Vec<u8>> {
        let mut w = Writer::default();
        w.u64(number);
        match self {
            Self::Hello => w.u8(1),
            Self::Password { user, password, from } => {
                w.u8(2).text(user).text(password.expose()).address(*from)
            }
            Self::Begin { scheme, address, binding, token } => {
                let expected = binding.expected.as_ref().map(ChannelBinding::application_data);
                w.u8(3).u8(scheme_number(*scheme)).address(*address).u8(match binding.level {
                    Hardening::None => 0,
                    Hardening::Relaxed => 1,
                    Hardening::Strict => 2,
                });
                w.optional(expected, |w, octets| _ = w.octets(octets)).octets(token)
            }
            Self::Step { handshake, token } => w.u8(4).u64(*handshake).octets(token),
            Self::Forget { number } => w.u8(5).u64(*number),
            Self::Seal { context, message } => w.u8(6).u64(*context).octets(message),
            Self::Unseal { context, header, message } => w.u8(7).u64(*context).octets(header).octets(message),
            Self::End(session) => w.u8(8).fixed(&session.0),
            Self::Host(session) => w.u8(9).fixed(&session.0),
            Self::Change { session, before, after } => w.u8(10).fixed(&session.0).text(before).text(after),
            Self::Renew(session) => w.u8(18).fixed(&session.0),
            Self::Holder { proof, from } => put_proof(w.u8(19).address(*from), proof),
            Self::Consider { holder } => w.u8(20).u64(*holder),
            Self::Account { holder, resource } => w.u8(21).u64(*holder).text(resource),
            Self::Mappings(session) => w.u8(22).fixed(&session.0),
            Self::ChangeMapping { session, change, from } => {
                put_mapping_change(w.u8(23).fixed(&session.0).address(*from), change)
            }
            Self::Ready => w.u8(11),
            Self::Status(text) => w.u8(12).text(text),
            Self::Alive => w.u8(13),
            Self::Certificate(CertificateWish::Named(thumbprint)) => w.u8(14).text(thumbprint),
            Self::SidOf(name) => w.u8(16).text(name),
            Self::NameOf(sid) => w.u8(17).octets(&sid.encode()),
            Self::QuickConfig { session, wish } => quick_config::write_wish(w.u8(24).fixed(&session.0), wish),
            Self::Certificate(CertificateWish::Own(names)) => {
                w.u8(15).u32(u32::try_from(names.len()).unwrap_or(u32::MAX));
                names.iter().fold(&mut w, |w, name| w.text(name))
            }
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
        let ask = match r.u8()? {
            1 => Self::Hello,
            2 => Self::Password {
                user: r.text()?.to_owned(),
                password: Secret::new(r.text()?.to_owned()),
                from: r.address()?,
            },
            3 => {
                let (scheme, address) = (scheme(r.u8()?)?, r.address()?);
                let level = match r.u8()? {
                    0 => Hardening::None,
                    1 => Hardening::Relaxed,
                    2 => Hardening::Strict,
                    _ => return Err(Malformed("a hardening that nobody knows")),
                };
                let expected = r.optional(|r| r.octets().map(<[u8]>::to_vec))?;
                let expected = expected.map(|octets| binding(&octets)).transpose()?;
                let token = r.octets()?.to_vec();
                Self::Begin { scheme, address, binding: Binding { level, expected }, token }
            }
            4 => Self::Step { handshake: r.u64()?, token: r.octets()?.to_vec() },
            5 => Self::Forget { number: r.u64()? },
            6 => Self::Seal { context: r.u64()?, message: secret(r.octets()?) },
            7 => {
                Self::Unseal { context: r.u64()?, header: r.octets()?.to_vec(), message: secret(r.octets()?) }
            }
            8 => Self::End(SessionId(r.fixed()?)),
            9 => Self::Host(SessionId(r.fixed()?)),
            10 => Self::Change {
                session: SessionId(r.fixed()?),
                before: r.text()?.to_owned(),
                after: r.text()?.to_owned(),
            },
            11 => Self::Ready,
            12 => Self::Status(r.text()?.to_owned()),
            13 => Self::Alive,
            16 => Self::SidOf(r.text()?.to_owned()),
            18 => Self::Renew(SessionId(r.fixed()?)),
            19 => {
                let from = r.address()?;
                Self::Holder { proof: proof(&mut r)?, from }
            }
            20 => Self::Consider { holder: r.u64()? },
            21 => Self::Account { holder: r.u64()?, resource: r.text()?.to_owned() },
            22 => Self::Mappings(SessionId(r.fixed()?)),
            23 => {
                let (session, from) = (SessionId(r.fixed()?), r.address()?);
                Self::ChangeMapping { session, change: mapping_change(&mut r)?, from }
            }
            17 => Self::NameOf(Sid::decode(r.octets()?).map_err(|_| Malformed("no SID"))?),
            24 => {
                Self::QuickConfig { session: SessionId(r.fixed()?), wish: quick_config::read_wish(&mut r)? }
            }
            14 => Self::Certificate(CertificateWish::Named(r.text()?.to_owned())),
            15 => {
                let count = r.u32()?;
                if count > MOST_NAMES {
                    return Err(Malformed("more names than any certificate has"));
                }
                let names = (0..count).map(|_| r.text().map(str::to_owned)).collect::<Result<_, _>>()?;
                Self::Certificate(CertificateWish::Own(names))
            }
            _ => return Err(Malformed("nobody knows what is asked")),
        };
        r.finish()?;
        Ok((number, ask))
    }
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
            Self::Local { uid, signed_in } => signed_in.write(w.u8(11).u32(*uid)),
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
            11 => Self::Local { uid: r.u32()?, signed_in: SignedIn::read(&mut r)? },
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

impl SignedIn {
    fn write<'w>(&self, w: &'w mut Writer) -> &'w mut Writer {
        let w = w.fixed(&self.session.0).text(&self.account);
        write_token(w.optional(self.mechanism.as_ref(), put_oid), &self.token)
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (session, account) = (SessionId(r.fixed()?), r.text()?.to_owned());
        Ok(Self { session, account, mechanism: r.optional(oid)?, token: read_token(r)? })
    }
}

/// Far more than a machine has.
const MOST_NAMES: u32 = 1_000;
