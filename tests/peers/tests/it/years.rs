//! pywinrm and pypsrp of each year since 2018, with the packages below them, and Debian's own pywinrm: every scheme
//! that each has.

use telarch_peers::{Holder, PASSWORD, Release, Telarchd, USER, YearSignIn, map_certificates};

macro_rules! years {
    ($($name:ident = $release:expr;)+) => {
        $(mod $name {
            use super::*;

            #[test]
            fn clients_sign_in_by_every_scheme_and_run_commands() {
                super::clients_sign_in_by_every_scheme_and_run_commands($release);
            }

            #[test]
            fn a_wrong_password_is_refused_by_every_scheme() {
                super::a_wrong_password_is_refused_by_every_scheme($release);
            }
        })+
    };
}

years! {
    debian = Release::Debian;
    year_2018 = Release::Year(2018);
    year_2019 = Release::Year(2019);
    year_2020 = Release::Year(2020);
    year_2021 = Release::Year(2021);
    year_2022 = Release::Year(2022);
    year_2023 = Release::Year(2023);
    year_2024 = Release::Year(2024);
    year_2025 = Release::Year(2025);
    year_2026 = Release::Current;
}

fn clients_sign_in_by_every_scheme_and_run_commands(release: Release) {
    if let Some(missing) = release.missing() {
        skips::skip!("{missing}");
        return;
    }
    let service = service();
    let holder = Holder::self_signed("ada@corp.example");
    map_certificates(&service, &holder.thumbprint(), "ada@corp.example");
    let mut sign_ins = by_password(release, &service, PASSWORD);
    for client in clients(release) {
        let certificate = sign_in(client, service.https(), "certificate", "auto", PASSWORD);
        sign_ins.push(certificate.with_certificate(&holder));
    }
    let outcomes = release.sign_in(&sign_ins);
    let failed: Vec<_> = sign_ins.iter().zip(&outcomes).filter(|(_, outcome)| *outcome != "ok").collect();
    assert!(failed.is_empty(), "{} of {} failed: {failed:#?}", failed.len(), sign_ins.len());
}

fn a_wrong_password_is_refused_by_every_scheme(release: Release) {
    if let Some(missing) = release.missing() {
        skips::skip!("{missing}");
        return;
    }
    let service = service();
    let sign_ins = by_password(release, &service, "not the password");
    let outcomes = release.sign_in(&sign_ins);
    let admitted: Vec<_> = sign_ins.iter().zip(&outcomes).filter(|(_, outcome)| *outcome == "ok").collect();
    assert!(admitted.is_empty() && outcomes.len() == sign_ins.len(), "{admitted:#?}");
}

/// Returns a sign-in for each scheme with a password, over HTTP and HTTPS, with and without message encryption.
fn by_password(release: Release, service: &Telarchd, password: &str) -> Vec<YearSignIn> {
    let (http, https) = (service.http(), service.https());
    let mut sign_ins = Vec::new();
    for client in clients(release) {
        let mut add =
            |url, scheme, encryption| sign_ins.push(sign_in(client, url, scheme, encryption, password));
        add(https, "basic", "auto");
        add(http, "ntlm", "always");
        add(https, "ntlm", "auto");
        add(https, "ntlm", "always");
        // Debian has no package of requests-credssp for its pywinrm.
        if release != Release::Debian {
            add(http, "credssp", "always");
            add(https, "credssp", "auto");
        }
        if *client == "pypsrp" {
            add(http, "negotiate", "always");
            add(https, "negotiate", "auto");
        }
    }
    sign_ins
}

/// Debian has no package of pypsrp.
fn clients(release: Release) -> &'static [&'static str] {
    match release {
        Release::Debian => &["pywinrm"],
        _ => &["pywinrm", "pypsrp"],
    }
}

fn sign_in(
    client: &'static str,
    url: &str,
    scheme: &'static str,
    encryption: &'static str,
    password: &str,
) -> YearSignIn {
    let (url, user, password) = (url.to_owned(), USER.to_owned(), password.to_owned());
    YearSignIn { client, url, scheme, encryption, user, password, certificate: None }
}

fn service() -> Telarchd {
    Telarchd::start(&[("Service.Auth.CredSSP", "true"), ("Service.Auth.Certificate", "true")])
}
