//! What there is to do, found out anew each time it is asked.

use std::time::SystemTime;

use config::{
    Hostname, Listener, ListenerAddress, ListenerKey, ListenerSource, Setting, Source, State, Thumbprint,
    Transport,
};
use quickconfig::{FirewallKind, MAX_OPENINGS, Opening, Survey, Unit};
use service::{Answer, Call};
use wsman::{Fault, Subcode, code};

use super::step::{Step, below};
use super::wanted::{CertificateOf, PublicZone, Wanted, wrong};
use super::{Below, NAMESPACE, Stage};
use crate::ConfigPlugin;

/// What one of the stages consists of.
#[derive(Debug, Default)]
pub(super) struct Plan {
    steps: Vec<(Step, Need)>,
    source: Governed,
}

/// Whether a step has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Missing,
    Already,
}

/// Who decides whether there is remote access.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Governed {
    #[default]
    Locally,
    /// A policy has made the listener, or allows none.
    ByPolicy { allowed: bool },
}

impl Plan {
    /// To have the service at boot. That it runs is plain: it answers.
    pub(super) fn of_service(survey: &Survey) -> Self {
        let need = match survey.unit {
            Unit::Known { enabled: false, .. } => Need::Missing,
            Unit::Known { enabled: true, .. } => Need::Already,
            _ => return Self::default(),
        };
        Self { steps: vec![(Step::Enable, need)], source: Governed::Locally }
    }

    /// To be reachable from other machines.
    pub(super) async fn of_remoting(
        plugin: &ConfigPlugin,
        machine: &Below,
        wanted: &Wanted,
    ) -> Result<(Self, Survey), Fault> {
        let state = plugin.store.state();
        let source = governed(&state, wanted.transport);
        let mut steps = Vec::new();
        let listener = listener(&state, wanted.transport);
        let survey = machine.survey(openings(&state, wanted, listener.as_ref())).await?;
        if let Some((step, need)) = listener {
            let certificate = match (wanted.transport, need) {
                (Transport::Https, Need::Missing) => {
                    certificate(plugin, &state, &survey, wanted.certificate).await?
                }
                _ => None,
            };
            let step = match step {
                Step::Listener { transport, .. } => Step::Listener { transport, certificate },
                other => other,
            };
            steps.push((step, need));
        }
        let open = firewall(&state, wanted, &survey, steps.first())?;
        if open.iter().any(|(_, need)| *need == Need::Missing)
            && survey.firewall.public
            && wanted.public_zone == PublicZone::Stops
        {
            return Err(public_zone());
        }
        steps.extend(open);
        if let Some(group) = &wanted.group {
            let sid = plugin.principals.as_ref().and_then(|principals| principals.sid_of(group));
            let sid = sid.ok_or_else(|| wrong(format!("this machine has no group {group}")))?;
            let guards = state.access.of(wsman::namespace::SHELL).guard;
            let has = guards.dacl().is_some_and(|dacl| {
                let all = sddl::AccessMask::GENERIC_ALL;
                dacl.aces.iter().any(|ace| ace.principal == sid.into() && ace.rights == all)
            });
            let need = if has { Need::Already } else { Need::Missing };
            steps.push((Step::Allow { group: group.clone(), sid }, need));
        }
        Ok((Self { steps, source }, survey))
    }

    /// The steps that somebody has agreed to, all of which are of this plan.
    pub(super) fn named(&self, wanted: &Wanted) -> Result<Vec<(Step, Need)>, Fault> {
        if let Governed::ByPolicy { allowed: false } = self.source {
            return Err(Fault::new(
                Subcode::AccessDenied,
                code::GOVERNED_BY_POLICY,
                "remote access is turned off by policy, and is turned on there",
            ));
        }
        let find = |token: &String| {
            let found = self.steps.iter().find(|(step, _)| step.token() == *token);
            found.cloned().ok_or_else(|| {
                wrong(format!("{token:?} is no step that is proposed now: analyze again, and agree to what that proposes"))
            })
        };
        let mut named = Vec::new();
        for token in &wanted.steps {
            let step = find(token)?;
            if !named.contains(&step) {
                named.push(step);
            }
        }
        Ok(named)
    }

    fn missing(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|(_, need)| *need == Need::Missing).map(|(step, _)| step)
    }
}

/// Answers what there is to do.
pub(super) fn write(
    plan: &Plan,
    stage: Stage,
    enable: &str,
    wanted: &Wanted,
    remarks: Vec<String>,
    call: &Call,
) -> Result<Answer, Fault> {
    let mut reply = call.reply();
    let writer = reply.body();
    let to_do: Vec<String> = plan.missing().map(Step::to_do).collect();
    let forbidden = plan.source == Governed::ByPolicy { allowed: false };
    writer.start(&format!("p:{}_OUTPUT", stage.name())).namespace("p", NAMESPACE);
    writer.start("p:RemotingEnabled");
    if plan.source != Governed::Locally {
        writer.attribute("Source", "GPO");
    }
    writer.text(if to_do.is_empty() && !forbidden { "true" } else { "false" }).end();
    let results = match forbidden {
        true => "Service/AllowRemoteAccess is false by policy.".to_owned(),
        false => to_do.join("\n"),
    };
    writer.element("p:Results", &results);
    for remark in remarks {
        writer.element("p:Remark", &remark);
    }
    let tokens: Vec<String> = plan.missing().map(Step::token).collect();
    wanted.write(enable, &tokens, writer);
    writer.end();
    call.finish(reply)
}

/// What somebody should know of the firewall.
pub(super) fn remarks_on_firewall(survey: &Survey) -> Vec<String> {
    match &survey.firewall.kind {
        FirewallKind::Unseen(why) => vec![format!("Whether a firewall is in the way cannot be seen: {why}")],
        _ => Vec::new(),
    }
}

fn governed(state: &State, transport: Transport) -> Governed {
    let setting = Setting::find("Service/AllowRemoteAccess").map(|setting| state.config.source(setting));
    let by_policy = |listener: &Listener| listener.source == ListenerSource::Policy;
    match state.config.service.allow_remote_access {
        false if setting == Ok(Source::Policy) => Governed::ByPolicy { allowed: false },
        _ if reachable(state, transport).iter().any(by_policy) => Governed::ByPolicy { allowed: true },
        _ => Governed::Locally,
    }
}

/// The listeners that other machines can reach, but for those of compatibility, which have ports of their own.
fn reachable(state: &State, transport: Transport) -> Vec<Listener> {
    let is_loopback = |address: ListenerAddress| match address {
        ListenerAddress::Ip(ip) => ip.is_loopback(),
        _ => false,
    };
    let mut all = state.listeners.in_force(&state.config.service);
    all.retain(|own| {
        let is_it = own.enabled && own.transport == transport && !is_loopback(own.address);
        is_it && own.source != ListenerSource::Compatibility
    });
    all
}

/// The step that leads to a listener; none if there are listeners of another kind already.
fn listener(state: &State, transport: Transport) -> Option<(Step, Need)> {
    let key = ListenerKey { address: ListenerAddress::Any, transport };
    let made = Step::Listener { transport, certificate: None };
    let there = reachable(state, transport);
    if there.iter().any(|own| own.key() == key) {
        return Some((made, Need::Already));
    }
    if !there.is_empty() {
        return None;
    }
    match state.listeners.find(key) {
        Some(_) => Some((Step::EnableListener(transport), Need::Missing)),
        None => Some((made, Need::Missing)),
    }
}

/// What the firewall has to let through: the ports of the listeners that there are, or that of the one to be.
fn openings(state: &State, wanted: &Wanted, listener: Option<&(Step, Need)>) -> Vec<Opening> {
    let key = ListenerKey { address: ListenerAddress::Any, transport: wanted.transport };
    let future = match listener {
        Some((Step::Listener { .. }, Need::Missing)) => Some(Listener::new(key, &state.config.service)),
        Some((Step::EnableListener(_), Need::Missing)) => state.listeners.find(key).cloned(),
        _ => None,
    };
    let all = reachable(state, wanted.transport).into_iter().chain(future);
    let mut ports: Vec<_> = all.filter_map(|own| own.port.number().try_into().ok()).collect();
    ports.sort_unstable();
    ports.dedup();
    ports.truncate(MAX_OPENINGS);
    let transport = below(wanted.transport);
    let opening =
        |port| Opening { transport, port, sources: wanted.sources.clone(), zone: wanted.zone.clone() };
    ports.into_iter().map(opening).collect()
}

fn firewall(
    state: &State,
    wanted: &Wanted,
    survey: &Survey,
    listener: Option<&(Step, Need)>,
) -> Result<Vec<(Step, Need)>, Fault> {
    let kind = &survey.firewall.kind;
    match kind {
        FirewallKind::Unseen(why) if wanted.zone.is_some() || !wanted.sources.is_empty() => {
            return Err(wrong(why.replace("\n  ", "; ")));
        }
        // The listener would be there for everybody.
        FirewallKind::None if !wanted.sources.is_empty() => {
            return Err(wrong(
                "addresses are named from where it may be asked, and no firewall here keeps others out: \
                 start one, or leave -remoteaddress away and let in everybody"
                    .to_owned(),
            ));
        }
        FirewallKind::Firewalld => {}
        _ if wanted.zone.is_some() => {
            return Err(wrong(
                "a zone is named, and firewalld, which has zones, does not run here".to_owned(),
            ));
        }
        _ => {}
    }
    if matches!(kind, FirewallKind::None | FirewallKind::Unseen(_)) {
        return Ok(Vec::new());
    }
    let openings = openings(state, wanted, listener);
    let open = survey.firewall.open.iter().copied().chain(std::iter::repeat(false));
    let step = |(opening, is_open): (Opening, bool)| {
        let step = Step::Open { opening, firewall: kind.clone(), places: survey.firewall.places.clone() };
        (step, if is_open { Need::Already } else { Need::Missing })
    };
    Ok(openings.into_iter().zip(open).map(step).collect())
}

/// The certificate that a new listener is to name; none means that of the service.
async fn certificate(
    plugin: &ConfigPlugin,
    state: &State,
    survey: &Survey,
    of: CertificateOf,
) -> Result<Option<Thumbprint>, Fault> {
    let set = state.config.service.certificate_thumbprint;
    if set.is_some() && of == CertificateOf::Anyone {
        return Ok(None);
    }
    let (certificates, given) = (std::sync::Arc::clone(&plugin.certificates), survey.certificates.clone());
    let finding = move || {
        let now = SystemTime::now();
        let given = set.into_iter().chain(given.into_iter().map(Thumbprint));
        let fits = given.filter(|thumbprint| {
            certificates.find(*thumbprint).is_ok_and(|found| {
                found.check(&Hostname::default(), now).is_ok()
                    && !found.is_self_signed()
                    && found.names_this_machine()
            })
        });
        fits.take(1).next()
    };
    let found = tokio::task::spawn_blocking(finding).await.ok().flatten();
    match (found, of) {
        (None, CertificateOf::Authority) => Err(no_certificate()),
        (Some(found), _) if Some(found) == set => Ok(None),
        (found, _) => Ok(found),
    }
}

fn public_zone() -> Fault {
    Fault::new(
        Subcode::InternalError,
        PUBLIC_FIREWALL_PROFILE_ACTIVE,
        "the firewall has network interfaces in the zone public, which is for networks that are not trusted; \
         put them into another zone, or name one with -zone:ZONE, or use -force: then the zone public lets in the \
         networks of this machine only",
    )
}

fn no_certificate() -> Fault {
    Fault::new(
        Subcode::InternalError,
        QUICK_CONFIG_FAILED_CERT_REQUIRED,
        "there is no certificate for HTTPS: it takes one for a name of this machine, for servers, valid now and not \
         self-signed, in the directory of certificates; without -strict a self-signed one is made",
    )
}

/// `ERROR_WSMAN_PUBLIC_FIREWALL_PROFILE_ACTIVE`.
const PUBLIC_FIREWALL_PROFILE_ACTIVE: wsman::Code = 2_150_859_113;
/// `ERROR_WSMAN_QUICK_CONFIG_FAILED_CERT_REQUIRED`.
const QUICK_CONFIG_FAILED_CERT_REQUIRED: wsman::Code = 2_150_859_029;
