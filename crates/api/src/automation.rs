//! Entry point of the API: `WSMan.Automation`.

use client::HostTrust;
use client::{Authentication, Credentials, Sealing, Secret, SessionBuilder, SpnPort, TlsPolicy, Unencrypted};
use config::ClientFiles;
use wording::codes::Code;
use wording::endpoint::{Address, Defaults, Endpoint, Transport};
use wording::failure::Hint;
use xml::Encoding;

use crate::ConnectionOptions;
use crate::error::Error;
use crate::flags::SessionFlags;
use crate::session::Session;

/// Creates sessions (`IWSMan`).
///
/// ```
/// use telarch::{ConnectionOptions, SessionFlags, Wsman};
///
/// let options = ConnectionOptions::new().credentials("ann", "a secret");
/// let session = Wsman::new().create_session("https://node7:5986", SessionFlags::USE_NEGOTIATE, options)?;
/// assert_eq!(session.host(), "node7");
/// # Ok::<(), telarch::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Wsman {
    settings: Option<Box<config::Client>>,
}

impl Wsman {
    /// Creates an object that ignores the settings of this machine; flags and options alone determine a session.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an object that applies `winrm/config/client` of this machine and its user, as the command lines and Windows
    /// do: `TrustedHosts`, disabled schemes and default ports.
    ///
    /// The environment variable `TELARCH_CLIENT_CONFIG` names a different configuration file.
    ///
    /// # Errors
    /// [`Error::Argument`] for a file that cannot be read, because its restrictions would be unknown.
    pub fn of_this_process() -> Result<Self, Error> {
        let settings = ClientFiles::of_this_process()
            .read()
            .map_err(|error| Error::argument(format!("cannot read the client settings: {error}"), None))?;
        Ok(Self::with_settings(settings))
    }

    /// Creates an object that applies the given settings.
    #[must_use]
    pub fn with_settings(settings: config::Client) -> Self {
        Self { settings: Some(Box::new(settings)) }
    }

    /// Creates a session with the service at `[TRANSPORT://]HOST[:PORT][/PREFIX]`, or with the local service if
    /// `connection` is empty. Sends nothing.
    ///
    /// Without a port, `http://` means 80 and `https://` 443; a bare host means 5985, or 5986 with
    /// [`SessionFlags::USE_SSL`].
    ///
    /// # Errors
    /// [`Error::Argument`] for an invalid or contradictory argument.
    pub fn create_session(
        &self,
        connection: &str,
        flags: SessionFlags,
        options: ConnectionOptions,
    ) -> Result<Session, Error> {
        if connection.is_empty() {
            return self.local(flags, options);
        }
        let endpoint = self.endpoint(connection, flags)?;
        let address = endpoint.for_client().map_err(|error| Error::argument(error.to_string(), None))?;
        let authentication = authentication(flags, &options)?;
        let port = match flags.contains(SessionFlags::ENABLE_SPN_SERVER_PORT) {
            true => SpnPort::Appended,
            false => SpnPort::Omitted,
        };
        let mut builder = client::Session::builder(address)
            .authentication(authentication)
            .tls(tls(flags, options.tls.clone()))
            .service_name(options.service.clone().for_client(port))
            .delegation(options.delegation)
            .host_trust(options.trust.unwrap_or(HostTrust::Unlisted));
        if let Some(requested) = options.proxy.clone()
            && let Some(proxy) = requested.find(&endpoint)?
        {
            builder = builder.proxy(proxy);
        }
        if let Some(certificate) = &options.certificate {
            builder = builder.client_certificate(certificate.load()?);
        }
        if authentication != Authentication::None {
            builder = match credentials(&options)? {
                Some(credentials) => builder.credentials(credentials),
                None => builder,
            };
        }
        if let Some(settings) = &self.settings {
            builder = builder.with_client_settings(settings, endpoint.host());
        }
        if flags.contains(SessionFlags::NO_ENCRYPTION) {
            builder = builder.unencrypted(Unencrypted::Allowed).sealing(Sealing::Off);
        }
        let user = options.user_name.clone();
        Session::new(limited(builder, flags, options)?, authentication, endpoint.host(), user)
    }

    /// Returns the text for an error number, in a few words (`GetErrorMessage`).
    #[must_use]
    pub fn error_message(&self, code: u32) -> String {
        let code = Code(code);
        match (Hint::find(code), code.symbol()) {
            (Some(hint), _) => hint.summary.to_owned(),
            (None, Some(symbol)) => symbol.to_owned(),
            (None, None) => format!("unknown error {code}"),
        }
    }

    /// Returns the command line of this process, joined with spaces (`CommandLine`).
    #[must_use]
    pub fn command_line(&self) -> String {
        let words: Vec<String> =
            std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
        words.join(" ")
    }

    /// Creates a session with the local service, where the kernel authenticates the user.
    fn local(&self, flags: SessionFlags, options: ConnectionOptions) -> Result<Session, Error> {
        if options.user_name.is_some() || options.certificate.is_some() {
            let fix = "specify the host, or omit user and certificate: the kernel authenticates local users";
            return Err(Error::argument("credentials need a host", Some(fix)));
        }
        let authentication = match flags.contains(SessionFlags::USE_NO_AUTHENTICATION) {
            true => Authentication::None,
            false => Authentication::Automatic,
        };
        let builder = client::Session::local(config::local_sockets());
        Session::new(limited(builder, flags, options)?, authentication, "localhost", None)
    }

    fn endpoint(&self, connection: &str, flags: SessionFlags) -> Result<Endpoint, Error> {
        let address = Address::parse(connection)?;
        let transport = match (flags.contains(SessionFlags::USE_SSL), address.transport()) {
            (true, Some(Transport::Http)) => {
                return Err(Error::argument(
                    format!("{connection}: http:// and USE_SSL cannot be combined"),
                    Some("use https://, or the host without a transport"),
                ));
            }
            (true, _) => Transport::Https,
            (false, typed) => typed.unwrap_or(Transport::Http),
        };
        let endpoint = address.complete(transport, None);
        Ok(match &self.settings {
            Some(settings) => endpoint.with_defaults(&Defaults {
                http: settings.default_ports.http.number(),
                https: settings.default_ports.https.number(),
                prefix: settings.url_prefix.as_str().to_owned(),
            }),
            None => endpoint,
        })
    }
}

/// Returns the scheme that the flags select; the default is automatic selection.
fn authentication(flags: SessionFlags, options: &ConnectionOptions) -> Result<Authentication, Error> {
    const SCHEMES: [(SessionFlags, Authentication); 7] = [
        (SessionFlags::USE_NO_AUTHENTICATION, Authentication::None),
        (SessionFlags::USE_DIGEST, Authentication::Digest),
        (SessionFlags::USE_NEGOTIATE, Authentication::Negotiate),
        (SessionFlags::USE_BASIC, Authentication::Basic),
        (SessionFlags::USE_KERBEROS, Authentication::Kerberos),
        (SessionFlags::USE_CLIENT_CERTIFICATE, Authentication::Certificate),
        (SessionFlags::USE_CRED_SSP, Authentication::CredSsp),
    ];
    let unknown = flags.bits() & !SessionFlags::all().bits();
    if unknown != 0 {
        return Err(Error::argument(format!("unknown session flag 0x{unknown:X}"), None));
    }
    let mut named = SCHEMES.into_iter().filter(|(flag, _)| flags.contains(*flag));
    match (named.next(), named.next(), &options.certificate) {
        (Some(_), Some(_), _) => {
            let fix = "use one of them, or none for automatic selection";
            Err(Error::argument("the flags select more than one authentication scheme", Some(fix)))
        }
        (Some((_, named)), None, _) => Ok(named),
        (None, _, Some(_)) => Ok(Authentication::Certificate),
        (None, _, None) if flags.contains(SessionFlags::ALLOW_NEGOTIATE_IMPLICIT_CREDENTIALS) => {
            Ok(Authentication::Negotiate)
        }
        (None, _, None) => Ok(Authentication::Automatic),
    }
}

fn credentials(options: &ConnectionOptions) -> Result<Option<Credentials>, Error> {
    match (&options.user_name, &options.password) {
        (None, None) => Ok(None),
        (None, Some(_)) => {
            Err(Error::argument("a password without a user name", Some("specify the user name")))
        }
        (Some(user), password) => Ok(Some(Credentials {
            user: user.clone(),
            password: password.clone().unwrap_or_else(|| Secret::new(String::new())),
        })),
    }
}

fn tls(flags: SessionFlags, policy: TlsPolicy) -> TlsPolicy {
    let policy = if flags.contains(SessionFlags::SKIP_CA_CHECK) { policy.skip_ca() } else { policy };
    if flags.contains(SessionFlags::SKIP_CN_CHECK) { policy.skip_name() } else { policy }
}

/// Applies the time limits, the sizes and the encoding of the options.
fn limited(
    builder: SessionBuilder,
    flags: SessionFlags,
    options: ConnectionOptions,
) -> Result<SessionBuilder, Error> {
    let encoding = match (flags.contains(SessionFlags::UTF8), flags.contains(SessionFlags::UTF16)) {
        (true, true) => return Err(Error::argument("UTF8 and UTF16 cannot be combined", None)),
        (_, true) => Encoding::Utf16,
        (_, false) => Encoding::Utf8,
    };
    let mut builder = builder.encoding(encoding).total_timeout(options.total_timeout);
    if let Some(limit) = options.connect_timeout {
        builder = builder.connect_timeout(limit);
    }
    if let Some(limit) = options.idle_timeout {
        builder = builder.idle_timeout(limit);
    }
    if let Some(limit) = options.operation_timeout {
        builder = builder.operation_timeout(limit);
    }
    if let Some(octets) = options.max_envelope_size {
        builder = builder.max_envelope_size(octets);
    }
    if let Some(locale) = options.locale {
        builder = builder.locale(locale);
    }
    Ok(builder)
}
