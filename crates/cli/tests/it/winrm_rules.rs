//! Which switches of `winrm` go together.

use telarch_cli::Error;
use telarch_cli::connection::{
    ClientCertificate, Encoding, ImplicitScheme, Login, ProxyAccess, ProxyScheme, SpnPort, Target,
    Unencrypted, Verification,
};

use crate::{command, endpoint, parse, refusal};

const PRINT: &str = "0123456789abcdef0123456789ABCDEF01234567";

#[test]
fn switches_that_do_not_fit_are_refused_with_a_way_out() {
    for (line, message) in [
        ("id -un", "-unencrypted needs -remote"),
        ("id -ssl", "-usessl needs -remote"),
        ("id -encoding:utf-16", "-encoding needs -remote"),
        ("id -port:5985", "-port needs -remote"),
        ("id -skipCAcheck", "need -remote"),
        ("id -skipCNcheck", "need -remote"),
        ("id -skipRevocationcheck", "need -remote"),
        ("id -ca:x", "-ca needs -remote"),
        ("id -pac:no_proxy", "a proxy needs -remote"),
        ("id -u:me", "-username and -password need -remote"),
        ("id -p:x", "-username and -password need -remote"),
        ("id -passwordfile:x", "-username and -password need -remote"),
        ("id -c:@", "a certificate needs -remote"),
        ("id -certfile:c", "a certificate needs -remote"),
        ("id -defaultCreds", "-defaultCreds needs -remote"),
        ("id -SPNPort", "-SPNPort needs -remote"),
        ("id -auth:negotiate", "-authentication needs -remote"),
        ("get winrm/config -auth:none", "-authentication needs -remote, but for identify"),
        ("id -r:h -socket:/x", "-socket does not go with -remote"),
        ("qc -socket:", "-socket needs a value"),
        ("id -r:https://h -un", "-unencrypted is about HTTP"),
        ("id -r:h -ssl -un", "-unencrypted is about HTTP"),
        ("id -r:https://h -ssl", "-usessl does not go with an endpoint that has a transport"),
        ("id -r:http://h -ssl", "-usessl does not go with an endpoint that has a transport"),
        ("id -r:h:80 -port:81", "-port does not go with an endpoint that has a port"),
        ("id -r:h -p:x", "a password without -username"),
        ("id -r:h -passwordfile:x", "a password without -username"),
        ("id -r:h -u:me -p:x -passwordfile:y", "-password does not go with -passwordfile"),
        ("id -r:h -auth:none -u:me", "-username does not go with -authentication:none"),
        ("id -r:https://h -auth:certificate -u:me", "-username does not go with -authentication:none"),
        ("id -r:h -auth:basic", "-authentication:basic, digest and credssp need a user"),
        ("id -r:h -auth:digest", "-authentication:basic, digest and credssp need a user"),
        ("id -r:h -auth:credssp", "-authentication:basic, digest and credssp need a user"),
        ("id -r:https://h -auth:certificate", "-authentication:certificate needs a certificate"),
        ("id -r:https://h -c:@ -u:me", "-username does not go with a certificate"),
        ("id -r:https://h -c:@ -auth:negotiate", "a certificate goes with -authentication:certificate"),
        ("id -r:h -c:@", "a certificate logs in over HTTPS only"),
        ("id -r:https://h -keyfile:k", "-keyfile without -certfile"),
        ("id -r:https://h -c:@ -certfile:c", "-certificate does not go with -certfile"),
        ("id -r:https://h -defaultCreds", "-defaultCreds goes with -authentication:negotiate over HTTPS"),
        ("id -r:h -auth:negotiate -defaultCreds", "-defaultCreds goes with -authentication:negotiate"),
        ("id -r:https://h -auth:kerberos -defaultCreds", "-defaultCreds goes with -authentication"),
        ("id -r:https://h -auth:negotiate -defaultCreds -u:me", "-defaultCreds does not go with -username"),
        ("id -r:h -auth:basic -u:me -SPNPort", "-SPNPort goes with negotiate and kerberos only"),
        ("id -r:h -auth:none -SPNPort", "-SPNPort goes with negotiate and kerberos only"),
        ("id -r:h -skipCAcheck", "are about HTTPS"),
        ("id -r:h -skipCNcheck", "are about HTTPS"),
        ("id -r:h -skipRevocationcheck", "are about HTTPS"),
        ("id -r:h -ca:x", "-ca is about HTTPS"),
        ("id -r:h -pac:no_proxy -pa:negotiate", "-proxyauth does not go with -proxyaccess:no_proxy"),
        ("id -r:h -pa:basic", "-proxyauth without -proxyaccess"),
        ("id -r:h -pac:auto_detect -pu:me -pp:x", "-proxyusername without -proxyauth"),
        ("id -r:h -pac:auto_detect -pa:basic -pp:x", "-proxypassword without -proxyusername"),
        ("id -r:h -pac:auto_detect -pa:basic -pu:me", "-proxyusername without -proxypassword"),
        ("get winrm/config -dialect:x", "-dialect without -fragment"),
        ("e shell -dialect:wql", "-dialect without -filter"),
        ("e shell -associations", "-associations goes with the association dialect only"),
        ("e shell -filter:x -associations", "-associations goes with the association dialect only"),
    ] {
        let (found, way_out) = refusal(&line.replace('@', PRINT));
        assert!(found.contains(message), "{line}: {found}");
        assert!(!way_out.is_empty(), "{line} has no way out");
    }
}

#[test]
fn switches_that_fit_make_a_connection() {
    for line in [
        "id -r:h -un",
        "id -r:h -ssl -skipCAcheck -skipCNcheck -skipRevocationcheck",
        "id -r:h -u:me",
        "id -r:h -auth:kerberos -SPNPort",
        "id -r:h -SPNPort",
        "id -r:h -u:me -SPNPort -spn:wsman",
        "id -r:h -auth:kerberos -spn:HTTP/web.example.com:5985",
        "id -r:https://h -auth:negotiate -defaultCreds",
        "id -r:h -auth:credssp -u:me -p:x",
        "id -r:h -pac:no_proxy",
        "id -r:h -pac:ie_settings -pa:negotiate",
        "get winrm/config -fragment:a/b -dialect:http://example.com/path",
        "e wmicimv2/* -filter:{Object=a} -dialect:association -associations",
        "id -auth:none",
        "id -timeout:5",
    ] {
        assert!(parse(line).is_ok(), "{line}: {:?}", parse(line));
    }
}

#[test]
fn what_changes_nothing_is_said() {
    for (line, notice) in [
        ("id -r:https://h -skipRevocationcheck", "-skipRevocationcheck changes nothing"),
        ("get winrm/config --remote:h", "--remote:h is passed over"),
        ("set winrm/config @{a=1} -file:x.xml", "-file:x.xml is passed over"),
    ] {
        let notices = command(line).notices;
        assert!(matches!(notices.as_slice(), [said] if said.starts_with(notice)), "{line}: {notices:?}");
    }
    for line in ["id", "id -r:h -auth:kerberos -SPNPort", "set winrm/config -file:x.xml", "id -r:https://h"] {
        assert_eq!(command(line).notices, Vec::<String>::new(), "{line}");
    }
}

#[test]
fn a_thumbprint_may_have_spaces_and_implies_the_scheme() {
    let spaced = "01·23·45·67·89·ab·cd·ef·01·23·45·67·89·AB·CD·EF·01·23·45·67";
    let login = command(&format!("id -r:https://h -c:\"{spaced}\"")).connection.login;
    let Login::Certificate(ClientCertificate::Thumbprint(thumbprint)) = login else { panic!("{login:?}") };
    assert_eq!(thumbprint.as_str(), PRINT.to_uppercase());
    assert_eq!(command(&format!("id -r:https://h -c:{PRINT}")), {
        command(&format!("id -r:https://h -c:{PRINT} -auth:certificate"))
    });
    for wrong in ["0123", "zz23456789abcdef0123456789ABCDEF01234567"] {
        let error = parse(&format!("id -r:https://h -c:{wrong}")).unwrap_err();
        assert!(matches!(error, Error::BadForm { name: "certificate", .. }), "{error}");
    }
}

#[test]
fn a_certificate_may_be_a_file_with_its_key() {
    let login = command("id -r:https://h -certfile:both.pem").connection.login;
    let both = ClientCertificate::Files { certificate: "both.pem".into(), key: "both.pem".into() };
    assert_eq!(login, Login::Certificate(both));
}

#[test]
fn nothing_said_is_this_machine_and_this_user() {
    let connection = command("get winrm/config").connection;
    assert_eq!(connection.target, Target::Local(config::local_sockets()));
    assert_eq!(connection.login, Login::Implicit { scheme: ImplicitScheme::Default, spn: SpnPort::Left });
    assert_eq!(connection.unencrypted, Unencrypted::Refused);
    assert_eq!(connection.trust.issuer, Verification::Required);
    assert_eq!(connection, Default::default());
}

#[test]
fn what_is_said_arrives() {
    let connection = command(
        "id -r:h -ssl -port:8443 -skipCNcheck -ca:ca.pem -encoding:UTF-16 -timeout:5 \
         -pac:winhttp_settings -pa:digest -pu:me -pp:secret",
    )
    .connection;
    assert_eq!(endpoint(connection.clone()).to_string(), "https://h:8443/wsman");
    assert_eq!(connection.trust.name, Verification::Skipped);
    assert_eq!(connection.trust.ca.as_deref(), Some(std::path::Path::new("ca.pem")));
    assert_eq!(connection.encoding, Encoding::Utf16);
    let proxy = connection.proxy.expect("a proxy");
    assert_eq!(proxy.access, ProxyAccess::Machine);
    let login = proxy.login.expect("a login");
    assert_eq!(login.scheme, ProxyScheme::Digest);
    let credentials = login.credentials.expect("credentials");
    assert_eq!((credentials.user.as_str(), credentials.password.expose()), ("me", "secret"));
}
