//! CONNECT, the first message of a client.

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::error::NatsError;
use crate::message::Info;
use crate::nkey::UserKey;

/// Proof of the client's identity.
#[derive(Default)]
pub enum Login {
    /// None.
    #[default]
    Anonymous,
    /// Name and password.
    Password {
        /// Name of the user.
        user: String,
        /// Password of the user.
        password: Zeroizing<String>,
    },
    /// Token, which all clients of a server may share.
    Token(Zeroizing<String>),
    /// Key whose public part the server knows.
    Key(Key),
    /// Key, and a JWT about it by an account of the server.
    Jwt {
        /// The JWT.
        jwt: Zeroizing<String>,
        /// Key of the user.
        key: Key,
    },
}

/// Key of a user.
pub struct Key(UserKey);

/// Settings from which a login is made.
#[derive(Default)]
pub struct LoginSettings<'a> {
    /// Name of the user.
    pub user: Option<&'a str>,
    /// Password of the user.
    pub password: Option<&'a str>,
    /// Token.
    pub token: Option<&'a str>,
    /// Content of a `.creds` file, or the seed of a user.
    pub credentials: Option<&'a str>,
}

/// Hides the secrets.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Password { .. } => "Password",
            Self::Token(_) => "Token",
            Self::Key(_) => "Key",
            Self::Jwt { .. } => "Jwt",
        })
    }
}

impl Login {
    /// Returns the login for some settings.
    ///
    /// # Errors
    /// [`NatsError::Credentials`] if they contradict each other or cannot be used.
    pub fn new(settings: &LoginSettings<'_>) -> Result<Self, NatsError> {
        let LoginSettings { user, password, token, credentials } = settings;
        match (user, password, token, credentials) {
            (None, None, None, None) => Ok(Self::Anonymous),
            (Some(user), Some(password), None, None) => Ok(Self::Password {
                user: (*user).to_owned(),
                password: Zeroizing::new((*password).to_owned()),
            }),
            (None, None, Some(token), None) => Ok(Self::Token(Zeroizing::new((*token).to_owned()))),
            (None, None, None, Some(text)) => Self::of_credentials(text),
            (Some(_), None, ..) | (None, Some(_), ..) => {
                Err(NatsError::Credentials("User and Password must be given together"))
            }
            _ => Err(NatsError::Credentials(
                "more than one login is given\n  use User and Password, or Token, or Credentials",
            )),
        }
    }

    /// Returns whether the server learns the secret itself, instead of a signature.
    #[must_use]
    pub fn is_secret_in_clear_text(&self) -> bool {
        matches!(self, Self::Password { .. } | Self::Token(_))
    }

    fn of_credentials(text: &str) -> Result<Self, NatsError> {
        let text = text.trim();
        if !text.contains('-') {
            return Ok(Self::Key(Key(UserKey::parse(text)?)));
        }
        let (jwt, seed) = (block(text, "NATS USER JWT"), block(text, "USER NKEY SEED"));
        let (Some(jwt), Some(seed)) = (jwt, seed) else {
            return Err(NatsError::Credentials(
                "Credentials has no NATS USER JWT or no USER NKEY SEED\n  use the content of a .creds file, or a seed that begins with SU",
            ));
        };
        Ok(Self::Jwt { jwt: Zeroizing::new(jwt.to_owned()), key: Key(UserKey::parse(seed)?) })
    }

    /// Returns CONNECT for a server.
    ///
    /// # Errors
    /// [`NatsError::Credentials`] if the login needs a nonce that the server has not sent.
    pub fn connect(&self, info: &Info, has_tls: bool) -> Result<Zeroizing<Vec<u8>>, NatsError> {
        let mut options = Map::new();
        for (name, value) in [
            ("verbose", false),
            ("pedantic", false),
            ("echo", false),
            ("tls_required", has_tls),
            ("headers", true),
            ("no_responders", true),
        ] {
            options.insert(name.to_owned(), Value::Bool(value));
        }
        options.insert("protocol".to_owned(), Value::from(1));
        let version = env!("CARGO_PKG_VERSION");
        let mut texts = vec![("name", "telarch".to_owned()), ("lang", "rust".to_owned())];
        texts.push(("version", version.to_owned()));
        match self {
            Self::Anonymous => {}
            Self::Password { user, password } => {
                texts.extend([("user", user.clone()), ("pass", password.as_str().to_owned())]);
            }
            Self::Token(token) => texts.push(("auth_token", token.as_str().to_owned())),
            Self::Key(Key(key)) => texts.extend([("nkey", key.public()), ("sig", key.sign(nonce(info)?))]),
            Self::Jwt { jwt, key: Key(key) } => {
                texts.extend([("jwt", jwt.as_str().to_owned()), ("sig", key.sign(nonce(info)?))]);
            }
        }
        options.extend(texts.into_iter().map(|(name, text)| (name.to_owned(), Value::String(text))));
        Ok(Zeroizing::new(format!("CONNECT {}\r\n", Value::Object(options)).into_bytes()))
    }
}

fn nonce(info: &Info) -> Result<&str, NatsError> {
    let missing = NatsError::Credentials("the server does not accept keys: it has sent no nonce");
    info.nonce.as_deref().ok_or(missing)
}

/// Returns the text between the lines `-----BEGIN NAME-----` and `------END NAME------`.
fn block<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut lines = text.lines().map(str::trim).skip_while(|line| !is_mark(line, "BEGIN", name));
    lines.next()?;
    let content = lines.find(|line| !line.is_empty())?;
    let is_ended = lines.find(|line| !line.is_empty()).is_some_and(|line| is_mark(line, "END", name));
    is_ended.then_some(content)
}

fn is_mark(line: &str, kind: &str, name: &str) -> bool {
    let inner = line.trim_matches('-');
    line.starts_with("---") && inner.strip_prefix(kind).is_some_and(|rest| rest.trim() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seed of the documentation of nkeys.
    const SEED: &str = "SUAKYRHVIOREXV7EUZTBHUHL7NUMHPMAS7QMDU3GTIUWEI5LDNOXD43IZY";

    fn text(login: &Login, info: &Info) -> String {
        String::from_utf8(login.connect(info, true).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn each_kind_of_login_has_its_fields() {
        let info = Info { nonce: Some("n".to_owned()), ..Info::default() };
        let new = |settings: LoginSettings<'_>| Login::new(&settings);
        let anonymous = text(&new(LoginSettings::default()).unwrap(), &info);
        assert!(anonymous.starts_with("CONNECT {") && anonymous.ends_with("}\r\n"), "{anonymous}");
        let settings = LoginSettings { user: Some("a"), password: Some("b\"\r\n"), ..Default::default() };
        let password = text(&new(settings).unwrap(), &info);
        assert!(password.contains(r#""pass":"b\"\r\n""#) && password.contains(r#""user":"a""#), "{password}");
        let token = new(LoginSettings { token: Some("t"), ..Default::default() }).unwrap();
        assert!(text(&token, &info).contains(r#""auth_token":"t""#));
        let creds = format!(
            "-----BEGIN NATS USER JWT-----\neyJ0.a-b_c.d\n------END NATS USER JWT------\n\n*** note ***\n\
             -----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n"
        );
        let jwt = new(LoginSettings { credentials: Some(&creds), ..Default::default() }).unwrap();
        assert!(text(&jwt, &info).contains(r#""jwt":"eyJ0.a-b_c.d""#));
        assert!(!text(&jwt, &info).contains("nkey") && text(&jwt, &info).contains("sig"));
        assert!(jwt.connect(&Info::default(), false).is_err(), "a key needs a nonce");
        assert_eq!(format!("{jwt:?}"), "Jwt");
    }

    #[test]
    fn contradictory_settings_are_refused() {
        for settings in [
            LoginSettings { user: Some("a"), ..Default::default() },
            LoginSettings { password: Some("a"), ..Default::default() },
            LoginSettings { user: Some("a"), password: Some("b"), token: Some("c"), ..Default::default() },
            LoginSettings { credentials: Some("SUAX"), ..Default::default() },
            LoginSettings { credentials: Some("-----BEGIN USER NKEY SEED-----"), ..Default::default() },
        ] {
            assert!(Login::new(&settings).is_err());
        }
        assert!(Login::new(&LoginSettings { credentials: Some(SEED), ..Default::default() }).is_ok());
    }
}
