//! The switches about the connection that `winrm` and `winrs` have in common.

use super::draft::{Draft, Scheme};
use super::{ServiceName, Thumbprint};
use crate::secret::{PasswordSource, Secret};
use crate::switch::{Group, Switch, Value, names};

/// What the switches of a command line said, with those about the connection.
pub(crate) trait Connects {
    /// What they said about the connection.
    fn connection(&mut self) -> &mut Draft;
}

/// `-socket`.
pub(crate) const fn socket<D: Connects>() -> Switch<D> {
    Switch::new(
        "socket",
        Value::File("FILE"),
        "this machine, by the Unix socket of its service",
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
        "HTTPS on port 5986, for an endpoint without transport",
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
    Switch::new(
        "unencrypted",
        Value::None,
        "send messages over HTTP that anyone on the way can read",
        |d: &mut D, _| {
            d.connection().unencrypted = true;
            Ok(())
        },
    )
    .short(&["un"])
    .under(Group::Remote)
}

/// `-skipCAcheck`.
pub(crate) const fn skip_ca_check<D: Connects>() -> Switch<D> {
    Switch::new("skipCAcheck", Value::None, "accept a certificate of an unknown issuer", |d: &mut D, _| {
        d.connection().skip_issuer = true;
        Ok(())
    })
    .under(Group::Remote)
}

/// `-skipCNcheck`.
pub(crate) const fn skip_cn_check<D: Connects>() -> Switch<D> {
    Switch::new("skipCNcheck", Value::None, "accept a certificate for another name", |d: &mut D, _| {
        d.connection().skip_name = true;
        Ok(())
    })
    .under(Group::Remote)
}

/// `-ca`.
pub(crate) const fn ca<D: Connects>() -> Switch<D> {
    Switch::new(
        "ca",
        Value::File("FILE"),
        "PEM file with issuers of certificates to trust as well",
        |d: &mut D, v| {
            d.connection().ca = Some(v.into_text().into());
            Ok(())
        },
    )
    .under(Group::Remote)
}

/// `-authentication`.
pub(crate) const fn authentication<D: Connects>() -> Switch<D> {
    Switch::new("authentication", Value::Words(names::<Scheme>), "how to prove who asks", |d: &mut D, v| {
        d.connection().scheme = Some(v.keyword()?);
        Ok(())
    })
    .short(&["a", "auth"])
    .under(Group::Login)
}

/// `-username`.
pub(crate) const fn username<D: Connects>() -> Switch<D> {
    Switch::new(
        "username",
        Value::Text("USER"),
        "the user: USER, DOMAIN\\USER or USER@DOMAIN",
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
        "the password; alone it is asked for, - reads standard input",
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
        "file whose first line is the password, mode 600",
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
        "log in with the certificate of this SHA-1 thumbprint",
        |d: &mut D, v| {
            let form = "the 40 hexadecimal digits of a SHA-1 thumbprint; a file goes with -certfile";
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
        "log in with the certificate in this PEM file",
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
        "PEM file with the private key of -certfile",
        |d: &mut D, v| {
            d.connection().key_file = Some(v.into_text().into());
            Ok(())
        },
    )
    .under(Group::Login)
}

/// `-SPNPort`.
pub(crate) const fn spn_port<D: Connects>() -> Switch<D> {
    Switch::new("SPNPort", Value::None, "put the port into the service principal name", |d: &mut D, _| {
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
        "what Kerberos calls the service: HTTP (default), WSMAN, HOST, or CLASS/HOST[:PORT]",
        |d: &mut D, v| {
            let form = "HTTP, WSMAN, HOST, or a whole name such as HTTP/server7.example.com";
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
        "write every message to this file, without the secrets in it",
        |d: &mut D, v| {
            d.connection().trace = Some(v.into_text().into());
            Ok(())
        },
    )
    .under(Group::Output)
}

/// What the value of `-password` means: nothing asks, `-` reads standard input.
fn password_source(given: Secret) -> PasswordSource {
    match given.expose() {
        "" => PasswordSource::Ask,
        "-" => PasswordSource::StandardInput,
        _ => PasswordSource::Argument(given),
    }
}
