//! Connection switches shared by `winrm` and `winrs`.

use super::draft::{Draft, Scheme};
use super::{ServiceName, Thumbprint};
use crate::secret::{PasswordSource, Secret};
use crate::switch::{Group, Switch, Value, keywords};

/// Parsed switches that include the connection switches.
pub(crate) trait Connects {
    /// Returns the parsed connection switches.
    fn connection(&mut self) -> &mut Draft;
}

/// `-socket`.
pub(crate) const fn socket<D: Connects>() -> Switch<D> {
    Switch::new(
        "socket",
        Value::File("FILE"),
        "connect to the service of this machine through this Unix socket",
        |d: &mut D, v| {
            d.connection().socket = Some(v.into_text().into());
            Ok(())
        },
    )
    .under(Group::Remote)
}

/// `-usessl`.
pub(crate) const fn usessl<D: Connects>() -> Switch<D> {
    Switch::new(
        "usessl",
        Value::None,
        "use HTTPS, port 5986, if the endpoint has no transport",
        |d: &mut D, _| {
            d.connection().ssl = true;
            Ok(())
        },
    )
    .short(&["ssl"])
    .under(Group::Remote)
}

/// `-unencrypted`.
pub(crate) const fn unencrypted<D: Connects>() -> Switch<D> {
    Switch::new("unencrypted", Value::None, "send messages over HTTP without encryption", |d: &mut D, _| {
        d.connection().unencrypted = true;
        Ok(())
    })
    .short(&["un"])
    .under(Group::Remote)
}

/// `-skipCAcheck`.
pub(crate) const fn skip_ca_check<D: Connects>() -> Switch<D> {
    Switch::new("skipCAcheck", Value::None, "do not verify the certificate issuer", |d: &mut D, _| {
        d.connection().skip_issuer = true;
        Ok(())
    })
    .under(Group::Remote)
}

/// `-skipCNcheck`.
pub(crate) const fn skip_cn_check<D: Connects>() -> Switch<D> {
    Switch::new(
        "skipCNcheck",
        Value::None,
        "do not verify the host name in the certificate",
        |d: &mut D, _| {
            d.connection().skip_name = true;
            Ok(())
        },
    )
    .under(Group::Remote)
}

/// `-ca`.
pub(crate) const fn ca<D: Connects>() -> Switch<D> {
    Switch::new(
        "ca",
        Value::File("FILE"),
        "PEM file with additional trusted certificate authorities",
        |d: &mut D, v| {
            d.connection().ca = Some(v.into_text().into());
            Ok(())
        },
    )
    .under(Group::Remote)
}

/// `-authentication`.
pub(crate) const fn authentication<D: Connects>() -> Switch<D> {
    Switch::new(
        "authentication",
        Value::Words(keywords::<Scheme>),
        "authentication scheme",
        |d: &mut D, v| {
            d.connection().scheme = Some(v.keyword()?);
            Ok(())
        },
    )
    .short(&["a", "auth"])
    .under(Group::Login)
}

/// `-username`.
pub(crate) const fn username<D: Connects>() -> Switch<D> {
    Switch::new(
        "username",
        Value::Text("USER"),
        "user name: USER, DOMAIN\\USER or USER@DOMAIN",
        |d: &mut D, v| {
            d.connection().user = Some(v.into_text());
            Ok(())
        },
    )
    .short(&["u"])
    .under(Group::Login)
}

/// `-password`.
pub(crate) const fn password<D: Connects>() -> Switch<D> {
    Switch::new(
        "password",
        Value::Optional("PASSWORD"),
        "password; prompt for it if PASSWORD is omitted, read standard input if it is -",
        |d: &mut D, v| {
            d.connection().password = Some(password_source(v.into_secret()));
            Ok(())
        },
    )
    .short(&["p"])
    .under(Group::Login)
}

/// `-passwordfile`.
pub(crate) const fn passwordfile<D: Connects>() -> Switch<D> {
    Switch::new(
        "passwordfile",
        Value::File("FILE"),
        "read the password from the first line of FILE, which must have mode 600",
        |d: &mut D, v| {
            d.connection().password_file = Some(v.into_text().into());
            Ok(())
        },
    )
    .under(Group::Login)
}

/// `-certificate`.
pub(crate) const fn certificate<D: Connects>() -> Switch<D> {
    Switch::new(
        "certificate",
        Value::Text("THUMBPRINT"),
        "authenticate with the client certificate with this SHA-1 thumbprint",
        |d: &mut D, v| {
            let form = "a SHA-1 thumbprint of 40 hexadecimal digits; use -certfile for a file";
            d.connection().thumbprint = Some(Thumbprint::parse(v.text()).ok_or_else(|| v.bad_form(form))?);
            Ok(())
        },
    )
    .short(&["c"])
    .under(Group::Login)
}

/// `-certfile`.
pub(crate) const fn certfile<D: Connects>() -> Switch<D> {
    Switch::new(
        "certfile",
        Value::File("FILE"),
        "authenticate with the client certificate in this PEM file",
        |d: &mut D, v| {
            d.connection().certificate_file = Some(v.into_text().into());
            Ok(())
        },
    )
    .under(Group::Login)
}

/// `-keyfile`.
pub(crate) const fn keyfile<D: Connects>() -> Switch<D> {
    Switch::new(
        "keyfile",
        Value::File("FILE"),
        "PEM file with the private key for -certfile (default: the same file)",
        |d: &mut D, v| {
            d.connection().key_file = Some(v.into_text().into());
            Ok(())
        },
    )
    .under(Group::Login)
}

/// `-SPNPort`.
pub(crate) const fn spn_port<D: Connects>() -> Switch<D> {
    Switch::new("SPNPort", Value::None, "append the port to the service principal name", |d: &mut D, _| {
        d.connection().spn_port = true;
        Ok(())
    })
    .under(Group::Login)
}

/// `-spn`.
pub(crate) const fn spn<D: Connects>() -> Switch<D> {
    Switch::new(
        "spn",
        Value::Text("SPN"),
        "service principal name for Kerberos: HTTP (default), WSMAN, HOST, or CLASS/HOST[:PORT]",
        |d: &mut D, v| {
            let form = "HTTP, WSMAN, HOST, or a full name such as HTTP/server7.example.com";
            d.connection().spn = Some(ServiceName::parse(v.text()).ok_or_else(|| v.bad_form(form))?);
            Ok(())
        },
    )
    .under(Group::Login)
}

/// `-trace`.
pub(crate) const fn trace<D: Connects>() -> Switch<D> {
    Switch::new(
        "trace",
        Value::File("FILE"),
        "write every message to FILE, with secrets removed",
        |d: &mut D, v| {
            d.connection().trace = Some(v.into_text().into());
            Ok(())
        },
    )
    .under(Group::Output)
}

/// Interprets the value of `-password`: an empty value prompts, `-` reads standard input.
fn password_source(given: Secret) -> PasswordSource {
    match given.expose() {
        "" => PasswordSource::Ask,
        "-" => PasswordSource::StandardInput,
        _ => PasswordSource::Argument(given),
    }
}
