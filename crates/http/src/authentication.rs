//! The values of `Authorization` and `WWW-Authenticate` (RFC 9110 11).

use std::borrow::Cow;
use std::fmt;

use crate::ValueError;
use crate::grammar::{BLANKS, is_token, quoted_string};

/// The value of an `Authorization` header: an authentication scheme and its credentials.
///
/// `Debug` shows the scheme only.
///
/// RFC 9110 11.4.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'a> {
    scheme: &'a str,
    rest: &'a str,
}

impl<'a> Credentials<'a> {
    /// Splits the header value into scheme and credentials.
    ///
    /// A scheme need not be a token: client certificates are announced by the URI
    /// `http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual` (DSP0226).
    ///
    /// # Errors
    ///
    /// [`ValueError::Scheme`] if the value is empty or its scheme is not made of printable ASCII.
    pub fn parse(value: &'a str) -> Result<Self, ValueError> {
        let value = value.trim_matches(BLANKS);
        let (scheme, rest) = split_scheme(value)?;
        if !rest.is_empty() && !rest.starts_with(BLANKS) {
            return Err(ValueError::Scheme);
        }
        Ok(Self { scheme, rest: rest.trim_start_matches(BLANKS) })
    }

    /// Returns the scheme as written.
    pub fn scheme(&self) -> &'a str {
        self.scheme
    }

    /// Returns whether the scheme equals `scheme`, case-insensitive.
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// Returns the text after the scheme, such as a token in Base64; empty if only the scheme was sent.
    pub fn rest(&self) -> &'a str {
        self.rest
    }
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// A challenge of a `WWW-Authenticate` header: a scheme, optionally with a token or parameters.
///
/// `Debug` shows the scheme only.
///
/// ```
/// use telarch_http::Challenge;
///
/// let offered = Challenge::parse_list(r#"Negotiate, Kerberos, Basic realm="WSMAN""#)?;
/// let schemes: Vec<&str> = offered.iter().map(Challenge::scheme).collect();
/// assert_eq!(schemes, ["Negotiate", "Kerberos", "Basic"]);
/// assert_eq!(offered.last().and_then(|basic| basic.parameter("realm")), Some("WSMAN"));
/// # Ok::<(), telarch_http::ValueError>(())
/// ```
///
/// RFC 9110 11.3.
#[derive(Clone, PartialEq, Eq)]
pub struct Challenge<'a> {
    scheme: &'a str,
    content: Content<'a>,
}

impl<'a> Challenge<'a> {
    /// Reads the value of one `WWW-Authenticate` header, which may hold several challenges.
    ///
    /// It may have at most 128 KiB (a Kerberos token in base64 can have 87 KiB), 32 challenges, and 32
    /// parameters each.
    ///
    /// # Errors
    ///
    /// [`ValueError`] if it is not a list of challenges.
    pub fn parse_list(value: &'a str) -> Result<Vec<Self>, ValueError> {
        if value.len() > LENGTH {
            return Err(ValueError::TooLong { limit: LENGTH });
        }
        let mut challenges: Vec<Self> = Vec::new();
        let mut rest = skip_commas(value);
        while !rest.is_empty() {
            rest = match parameter(rest)? {
                Some((parameter, after)) => {
                    challenges.last_mut().ok_or(ValueError::Scheme)?.add(parameter)?;
                    after
                }
                None if challenges.len() == PARTS => return Err(ValueError::TooManyParts { limit: PARTS }),
                None => {
                    let (challenge, after) = Self::begin(rest)?;
                    challenges.push(challenge);
                    after
                }
            };
            let next = skip_commas(rest);
            if !next.is_empty() && !rest.trim_start_matches(BLANKS).starts_with(',') {
                return Err(ValueError::Parameter);
            }
            rest = next;
        }
        Ok(challenges)
    }

    /// Returns the scheme as written.
    pub fn scheme(&self) -> &'a str {
        self.scheme
    }

    /// Returns whether the scheme equals `scheme`, case-insensitive.
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// Returns the Base64 token after the scheme, as used by `Negotiate` and `CredSSP`, or `None`.
    pub fn token(&self) -> Option<&'a str> {
        match self.content {
            Content::Token(token) => Some(token),
            _ => None,
        }
    }

    /// Returns the value of a parameter without its quotes. The name is case-insensitive.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Returns names and values of all parameters, in the order received.
    pub fn parameters(&self) -> impl Iterator<Item = (&'a str, &str)> {
        let parameters = match &self.content {
            Content::Parameters(parameters) => parameters.as_slice(),
            _ => &[],
        };
        parameters.iter().map(|(name, value)| (*name, value.as_ref()))
    }

    /// Parses a scheme with its token or first parameter, and returns the rest of the input.
    fn begin(input: &'a str) -> Result<(Self, &'a str), ValueError> {
        let (scheme, after) = split_scheme(input)?;
        let rest = after.trim_start_matches(BLANKS);
        let mut challenge = Self { scheme, content: Content::Nothing };
        if rest.is_empty() || rest.starts_with(',') {
            return Ok((challenge, rest));
        }
        if let Some((token, rest)) = token68(rest) {
            challenge.content = Content::Token(token);
            return Ok((challenge, rest));
        }
        let (parameter, rest) = parameter(rest)?.ok_or(ValueError::Parameter)?;
        challenge.add(parameter)?;
        Ok((challenge, rest))
    }

    fn add(&mut self, parameter: Parameter<'a>) -> Result<(), ValueError> {
        if self.parameter(parameter.0).is_some() {
            return Err(ValueError::RepeatedParameter);
        }
        match &mut self.content {
            Content::Nothing => self.content = Content::Parameters(vec![parameter]),
            Content::Parameters(all) if all.len() == PARTS => {
                return Err(ValueError::TooManyParts { limit: PARTS });
            }
            Content::Parameters(all) => all.push(parameter),
            Content::Token(_) => return Err(ValueError::Parameter),
        }
        Ok(())
    }
}

impl fmt::Debug for Challenge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

#[derive(Clone, PartialEq, Eq)]
enum Content<'a> {
    Nothing,
    Token(&'a str),
    Parameters(Vec<Parameter<'a>>),
}

/// Name and value of a parameter.
type Parameter<'a> = (&'a str, Cow<'a, str>);

/// Splits the input after the scheme at its start.
fn split_scheme(input: &str) -> Result<(&str, &str), ValueError> {
    let end = input.find(|c: char| !c.is_ascii_graphic() || matches!(c, ',' | '=' | '"'));
    match input.split_at_checked(end.unwrap_or(input.len())) {
        None | Some(("", _)) => Err(ValueError::Scheme),
        Some(split) => Ok(split),
    }
}

/// Parses the parameter at the start and returns it with the rest; `None` if the input starts with a scheme
/// instead.
fn parameter(input: &str) -> Result<Option<(Parameter<'_>, &str)>, ValueError> {
    let (name, rest) = split_scheme(input)?;
    let Some(value) = rest.trim_start_matches(BLANKS).strip_prefix('=') else { return Ok(None) };
    if !is_token(name.as_bytes()) {
        return Err(ValueError::Parameter);
    }
    let value = value.trim_start_matches(BLANKS);
    if let Some(quoted) = value.strip_prefix('"') {
        let (value, rest) = quoted_string(quoted)?;
        return Ok(Some(((name, value), rest)));
    }
    let (value, rest) = split_scheme(value).map_err(|_| ValueError::Parameter)?;
    Ok(Some(((name, value.into()), rest)))
}

/// Parses a `token68` that extends to the next comma, and returns the rest after that comma.
fn token68(input: &str) -> Option<(&str, &str)> {
    let (all, rest) = input.split_at_checked(input.find(',').unwrap_or(input.len()))?;
    let token = all.trim_end_matches(BLANKS);
    let letters = token.trim_end_matches('=');
    let is_valid = letters.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte));
    (!letters.is_empty() && is_valid).then_some((token, rest))
}

/// Skips commas and white space: lists may have empty elements (RFC 9110 5.6.1.2).
fn skip_commas(input: &str) -> &str {
    input.trim_start_matches([' ', '\t', ','])
}

const LENGTH: usize = 128 * 1024;
const PARTS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns each challenge as `scheme`, `scheme:token` or `scheme;name=value`.
    fn parsed(value: &str) -> Result<Vec<String>, ValueError> {
        let describe = |challenge: &Challenge<'_>| {
            let token = challenge.token().map(|token| format!(":{token}")).unwrap_or_default();
            let parameters = challenge.parameters().map(|(name, value)| format!(";{name}={value}"));
            format!("{}{token}{}", challenge.scheme(), parameters.collect::<String>())
        };
        Ok(Challenge::parse_list(value)?.iter().map(describe).collect())
    }

    #[test]
    fn credentials_are_a_scheme_and_the_rest() {
        let credentials = Credentials::parse(" negotiate  TlRMTVNTUAAB== ").expect("credentials");
        assert_eq!((credentials.scheme(), credentials.rest()), ("negotiate", "TlRMTVNTUAAB=="));
        assert!(credentials.is("Negotiate"));
        assert!(!credentials.is("Nego"));
    }

    #[test]
    fn the_scheme_of_client_certificates_is_a_uri_with_nothing_after_it() {
        let mutual = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual";
        let credentials = Credentials::parse(mutual).expect("credentials");
        assert_eq!((credentials.scheme(), credentials.rest()), (mutual, ""));
    }

    #[test]
    fn credentials_without_a_scheme_are_refused() {
        for value in ["", "  ", "\u{e4} x", "Basic\u{e4} x", "Basic,x", "=", "Basic=x", "Ba\u{0}sic x"] {
            assert_eq!(Credentials::parse(value), Err(ValueError::Scheme), "{value}");
        }
    }

    #[test]
    fn credentials_and_challenges_show_no_secret_in_debug() {
        let credentials = Credentials::parse("Basic c2VjcmV0").expect("credentials");
        assert_eq!(format!("{credentials:?}"), "Credentials { scheme: \"Basic\", .. }");
        let challenges = Challenge::parse_list("Negotiate c2VjcmV0").expect("challenges");
        assert_eq!(format!("{challenges:?}"), "[Challenge { scheme: \"Negotiate\", .. }]");
    }

    #[test]
    fn schemes_joined_by_commas_are_distinguished_from_parameters() {
        for (value, expected) in [
            ("Negotiate", &["Negotiate"][..]),
            ("Negotiate YII=", &["Negotiate:YII="]),
            ("Negotiate, Kerberos, Basic realm=\"WSMAN\"", &["Negotiate", "Kerberos", "Basic;realm=WSMAN"]),
            (" ,, Negotiate ,\tKerberos, ", &["Negotiate", "Kerberos"]),
            (
                "Basic realm=WSMAN,Negotiate a+/b==,CredSSP",
                &["Basic;realm=WSMAN", "Negotiate:a+/b==", "CredSSP"],
            ),
            (
                "Digest realm=\"a, b\", qop=\"auth,auth-int\" , nonce = \"x\\\"y\",stale=FALSE, Negotiate",
                &["Digest;realm=a, b;qop=auth,auth-int;nonce=x\"y;stale=FALSE", "Negotiate"],
            ),
            ("Basic, realm=\"WSMAN\"", &["Basic;realm=WSMAN"]),
            ("", &[]),
        ] {
            assert_eq!(parsed(value).expect("challenges"), expected, "{value}");
        }
    }

    #[test]
    fn parameter_names_have_no_case() {
        let challenges = Challenge::parse_list("Basic Realm=WSMAN").expect("challenges");
        assert_eq!(challenges.first().and_then(|basic| basic.parameter("realm")), Some("WSMAN"));
    }

    #[test]
    fn invalid_lists_of_challenges_are_refused() {
        for (value, expected) in [
            ("realm=\"x\"", ValueError::Scheme),
            ("\"x\"", ValueError::Scheme),
            ("=x", ValueError::Scheme),
            ("Negoti\u{e4}te", ValueError::Scheme),
            ("Basic\"x\"", ValueError::Scheme),
            ("Basic foo bar", ValueError::Parameter),
            ("Basic realm=\"a\", charset=", ValueError::Parameter),
            ("Basic realm=\"a\" charset=\"b\"", ValueError::Parameter),
            ("Negotiate YII=, realm=\"x\"", ValueError::Parameter),
            ("Basic re/alm=\"a\"", ValueError::Parameter),
            ("Basic realm=\"a", ValueError::QuotedString),
            ("Basic realm=a, REALM=b", ValueError::RepeatedParameter),
        ] {
            assert_eq!(parsed(value), Err(expected), "{value}");
        }
    }

    #[test]
    fn challenges_are_bounded_in_length_number_and_parameters() {
        assert_eq!(parsed(&"a,".repeat(32)).map(|all| all.len()), Ok(32));
        assert_eq!(parsed(&"a,".repeat(33)), Err(ValueError::TooManyParts { limit: 32 }));
        let parameters =
            |count| (0..count).fold("a x=y".to_owned(), |all, index| format!("{all}, p{index}=z"));
        assert_eq!(parsed(&parameters(31)).map(|all| all.len()), Ok(1));
        assert_eq!(parsed(&parameters(32)), Err(ValueError::TooManyParts { limit: 32 }));
        assert_eq!(parsed(&format!("a {}", "b".repeat(LENGTH - 2))).map(|all| all.len()), Ok(1));
        assert_eq!(parsed(&" ".repeat(LENGTH + 1)), Err(ValueError::TooLong { limit: LENGTH }));
    }
}
