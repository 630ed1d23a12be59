//! Validation of `winrm` switches.

use telarch_cli::Error;
use telarch_cli::connection::{
    ClientCertificate, Encoding, ImplicitScheme, Login, ProxyAccess, ProxyScheme, SpnPort, Target,
    Unencrypted, Verification,
};

use crate::{command, endpoint, parse, refusal};

const PRINT: &str = "0123456789abcdef0123456789ABCDEF01234567";

#[test]
fn conflicting_switches_are_rejected_with_advice() {
    for (line, message) in [
        ("id -un", "-unencrypted requires -remote"),
        ("id -ssl", "-usessl requires -remote"),
        ("id -encoding:utf-16", "-encoding requires -remote"),
        ("id -port:5985", "-port requires -remote"),
        ("id -skipCAcheck", "require -remote"),
        ("id -skipCNcheck", "require -remote"),
        ("id -skipRevocationcheck", "require -remote"),
        ("id -ca:x", "-ca requires -remote"),
        ("id -pac:no_proxy", "the proxy switches require -remote"),
        ("id -u:me", "-username and -password require -remote"),
        ("id -p:x", "-username and -password require -remote"),
        ("id -passwordfile:x", "-username and -password require -remote"),
        ("id -c:@", "-certificate and -certfile require -remote"),
        ("id -certfile:c", "-certificate and -certfile require -remote"),
        ("id -defaultCreds", "-defaultCreds requires -remote"),
        ("id -SPNPort", "-SPNPort requires -remote"),
        ("id -auth:negotiate", "-authentication requires -remote"),
        ("get winrm/config -auth:none", "-authentication requires -remote, except for identify"),
        ("id -r:h -socket:/x", "-socket cannot be used with -remote"),
        ("qc -socket:", "-socket requires a value"),
        ("id -r:https://h -un", "-unencrypted requires HTTP"),
        ("id -r:h -ssl -un", "-unencrypted requires HTTP"),
        ("id -r:https://h -ssl", "-usessl cannot be used with an endpoint that includes a transport"),
        ("id -r:http://h -ssl", "-usessl cannot be used with an endpoint that includes a transport"),
        ("id -r:h:80 -port:81", "-port cannot be used with an endpoint that includes a port"),
        ("id -r:h -p:x", "a password requires -username"),
        ("id -r:h -passwordfile:x", "a password requires -username"),
        ("id -r:h -u:me -p:x -passwordfile:y", "-password cannot be used with -passwordfile"),
        ("id -r:h -auth:none -u:me", "-username cannot be used with -authentication:none"),
        ("id -r:https://h -auth:certificate -u:me", "-username cannot be used with -authentication:none"),
        ("id -r:h -auth:basic", "-authentication:basic, digest and credssp require -username"),
        ("id -r:h -auth:digest", "-authentication:basic, digest and credssp require -username"),
        ("id -r:h -auth:credssp", "-authentication:basic, digest and credssp require -username"),
        ("id -r:https://h -auth:certificate", "-authentication:certificate requires a client certificate"),
        ("id -r:https://h -c:@ -u:me", "-username cannot be used with a client certificate"),
        ("id -r:https://h -c:@ -auth:negotiate", "a client certificate requires -authentication:certificate"),
        ("id -r:h -c:@", "client certificates require HTTPS"),
        ("id -r:https://h -keyfile:k", "-keyfile requires -certfile"),
        ("id -r:https://h -c:@ -certfile:c", "-certificate cannot be used with -certfile"),
        ("id -r:https://h -defaultCreds", "-defaultCreds requires -authentication:negotiate over HTTPS"),
        ("id -r:h -auth:negotiate -defaultCreds", "-defaultCreds requires -authentication:negotiate"),
        ("id -r:https://h -auth:kerberos -defaultCreds", "-defaultCreds requires -authentication"),
        (
            "id -r:https://h -auth:negotiate -defaultCreds -u:me",
            "-defaultCreds cannot be used with -username",
        ),
        ("id -r:h -auth:basic -u:me -SPNPort", "-SPNPort requires negotiate or kerberos authentication"),
        ("id -r:h -auth:none -SPNPort", "-SPNPort requires negotiate or kerberos authentication"),
        ("id -r:h -skipCAcheck", "require HTTPS"),
        ("id -r:h -skipCNcheck", "require HTTPS"),
        ("id -r:h -skipRevocationcheck", "require HTTPS"),
        ("id -r:h -ca:x", "-ca requires HTTPS"),
        ("id -r:h -pac:no_proxy -pa:negotiate", "-proxyauth cannot be used with -proxyaccess:no_proxy"),
        ("id -r:h -pa:basic", "-proxyauth requires -proxyaccess"),
        ("id -r:h -pac:auto_detect -pu:me -pp:x", "-proxyusername requires -proxyauth"),
        ("id -r:h -pac:auto_detect -pa:basic -pp:x", "-proxypassword requires -proxyusername"),
        ("id -r:h -pac:auto_detect -pa:basic -pu:me", "-proxyusername requires -proxypassword"),
        ("get winrm/config -dialect:x", "-dialect requires -fragment"),
        ("e shell -dialect:wql", "-dialect requires -filter"),
        ("e shell -associations", "-associations requires the association dialect"),
        ("e shell -filter:x -associations", "-associations requires the association dialect"),
    ] {
        let (found, way_out) = refusal(&line.replace('@', PRINT));
        assert!(found.contains(message), "{line}: {found}");
        assert!(!way_out.is_empty(), "{line} has no advice");
    }
}

#[test]
fn valid_combinations_of_switches_are_accepted() {
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
fn switches_without_effect_cause_a_notice() {
    for (line, notice) in [
        ("id -r:https://h -skipRevocationcheck", "-skipRevocationcheck has no effect"),
        ("get winrm/config --remote:h", "--remote:h is ignored"),
        ("set winrm/config @{a=1} -file:x.xml", "-file:x.xml is ignored"),
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
fn the_default_is_the_local_service_and_the_current_user() {
    let connection = command("get winrm/config").connection;
    assert_eq!(connection.target, Target::Local(config::local_sockets()));
    assert_eq!(connection.login, Login::Implicit { scheme: ImplicitScheme::Default, spn: SpnPort::Left });
    assert_eq!(connection.unencrypted, Unencrypted::Refused);
    assert_eq!(connection.trust.issuer, Verification::Required);
    assert_eq!(connection, Default::default());
}

#[test]
fn switches_set_the_connection_options() {
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
