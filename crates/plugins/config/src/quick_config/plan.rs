//! Plans: the steps of a stage, determined again for each request.

use std::time::SystemTime;

use config::{
    Hostname, Listener, ListenerAddress, ListenerKey, ListenerSource, Setting, Source, State, Thumbprint,
    Transport,
};
use quickconfig::{FirewallKind, MAX_OPENINGS, Opening, Survey, Unit};
use service::{Answer, Call, Certificates};
use wsman::{Fault, Subcode, code};

use super::options::{AcceptedCertificate, Options, PublicZone, wrong};
use super::step::{Step, to_quickconfig};
use super::{CallerMachine, NAMESPACE, Stage};
use crate::ConfigPlugin;

/// Steps of one stage.
#[derive(Debug, Default)]
pub(super) struct Plan {
    steps: Vec<(Step, StepState)>,
    source: Control,
}

/// State of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepState {
    Missing,
    Done,
}

/// Source of the decision about remote access.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Control {
    #[default]
    Locally,
    /// Policy created the listener, or forbids remote access.
    ByPolicy { allowed: bool },
}

impl Plan {
    /// Returns the plan to start the service at boot. The service itself is running, because it responds.
    pub(super) fn of_service(survey: &Survey) -> Self {
        let need = match survey.unit {
            Unit::Known { enabled: false, .. } => StepState::Missing,
            Unit::Known { enabled: true, .. } => StepState::Done,
            _ => return Self::default(),
        };
        Self { steps: vec![(Step::Enable, need)], source: Control::Locally }
    }

    /// Returns the plan to make the service accessible from other machines.
    pub(super) async fn of_remoting(
        plugin: &ConfigPlugin,
        machine: &CallerMachine,
        options: &Options,
    ) -> Result<(Self, Survey), Fault> {
        let state = plugin.store.state();
        let source = governed(&state, options.transport);
        let mut steps = Vec::new();
        let listener = listener(&state, options.transport);
        let survey = machine.survey(openings(&state, options, listener.as_ref())).await?;
        if let Some((step, need)) = listener {
            let certificate = match (options.transport, need) {
                (Transport::Https, StepState::Missing) => {
                    certificate(plugin, &state, &survey, options.certificate).await?
                }
                _ => None,
            };
            let step = match step {
                Step::Listener { transport, .. } => Step::Listener { transport, certificate },
                other => other,
            };
            steps.push((step, need));
        }
        let open = firewall(&state, options, &survey, steps.first())?;
        if open.iter().any(|(_, need)| *need == StepState::Missing)
            && survey.firewall.public
            && options.public_zone == PublicZone::Stops
        {
            return Err(public_zone());
        }
        steps.extend(open);
        if let Some(group) = &options.group {
            let sid = plugin.principals.as_ref().and_then(|principals| principals.sid_of(group));
            let sid = sid.ok_or_else(|| {
                wrong(format!("the local group {group} does not exist; create it with groupadd {group}"))
            })?;
            let dacl = state.access.of(wsman::namespace::SHELL).guard.dacl();
            let has_access = dacl.is_some_and(|dacl| {
                let all = sddl::AccessMask::GENERIC_ALL;
                dacl.aces.iter().any(|ace| ace.principal == sid.into() && ace.rights == all)
            });
            let need = if has_access { StepState::Done } else { StepState::Missing };
            steps.push((Step::Allow { group: group.clone(), sid }, need));
        }
        Ok((Self { steps, source }, survey))
    }

    /// Returns the steps that the client has confirmed; all of them must be in this plan.
    pub(super) fn select(&self, options: &Options) -> Result<Vec<(Step, StepState)>, Fault> {
        if let Control::ByPolicy { allowed: false } = self.source {
            return Err(Fault::new(
                Subcode::AccessDenied,
                code::GOVERNED_BY_POLICY,
                "remote access is disabled by policy; change the policy to enable it",
            ));
        }
        let mut selected = Vec::new();
        for token in &options.steps {
            let step = self.find(token)?;
            if !selected.contains(&step) {
                selected.push(step);
            }
        }
        Ok(selected)
    }

    fn find(&self, token: &str) -> Result<(Step, StepState), Fault> {
        let found = self.steps.iter().find(|(step, _)| step.token() == token);
        found.cloned().ok_or_else(|| {
            wrong(format!(
                "\"{token}\" is not a proposed step; analyze again and confirm the steps proposed then"
            ))
        })
    }

    fn missing(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|(_, need)| *need == StepState::Missing).map(|(step, _)| step)
    }
}

/// Writes the response to an analysis.
pub(super) fn write(
    plan: &Plan,
    stage: Stage,
    enable: &str,
    options: &Options,
    remarks: Vec<String>,
    call: &Call,
) -> Result<Answer, Fault> {
    let mut reply = call.reply();
    let writer = reply.body();
    let to_do: Vec<String> = plan.missing().map(Step::to_do).collect();
    let forbidden = plan.source == Control::ByPolicy { allowed: false };
    writer.start(&format!("p:{}_OUTPUT", stage.name())).namespace("p", NAMESPACE);
    writer.start("p:RemotingEnabled");
    if plan.source != Control::Locally {
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
    if stage == Stage::Analyze {
        // Clients of Telarch call this action last.
        writer.element("p:SignInAction", Stage::AnalyzeSignIn.name());
    }
    let tokens: Vec<String> = plan.missing().map(Step::token).collect();
    options.write(enable, &tokens, writer);
    writer.end();
    call.finish(reply)
}

/// Returns remarks on the firewall.
pub(super) fn remarks_on_firewall(survey: &Survey) -> Vec<String> {
    match &survey.firewall.kind {
        FirewallKind::Unseen(why) => vec![format!("The state of the firewall cannot be determined: {why}")],
        FirewallKind::None => vec![
            "No firewall filters incoming connections on this machine, so no firewall exception is needed."
                .to_owned(),
        ],
        _ => Vec::new(),
    }
}

fn governed(state: &State, transport: Transport) -> Control {
    let setting = Setting::find("Service/AllowRemoteAccess").map(|setting| state.config.source(setting));
    match state.config.service.allow_remote_access {
        false if setting == Ok(Source::Policy) => Control::ByPolicy { allowed: false },
        _ if is_listening_by_policy(state, transport) => Control::ByPolicy { allowed: true },
        _ => Control::Locally,
    }
}

fn is_listening_by_policy(state: &State, transport: Transport) -> bool {
    reachable(state, transport).iter().any(|listener| listener.source == ListenerSource::Policy)
}

/// Returns the enabled listeners that other machines can reach, without the compatibility listeners, which have their
/// own ports.
fn reachable(state: &State, transport: Transport) -> Vec<Listener> {
    let mut all = state.listeners.in_force(&state.config.service);
    all.retain(|own| {
        own.enabled
            && own.transport == transport
            && own.source != ListenerSource::Compatibility
            && !matches!(own.address, ListenerAddress::Ip(ip) if ip.is_loopback())
    });
    all
}

/// Returns the step that creates or enables a listener; `None` if there are only listeners on certain addresses.
fn listener(state: &State, transport: Transport) -> Option<(Step, StepState)> {
    let key = ListenerKey { address: ListenerAddress::Any, transport };
    let made = Step::Listener { transport, certificate: None };
    let there = reachable(state, transport);
    if there.iter().any(|own| own.key() == key) {
        return Some((made, StepState::Done));
    }
    if !there.is_empty() {
        return None;
    }
    match state.listeners.find(key) {
        Some(_) => Some((Step::EnableListener(transport), StepState::Missing)),
        None => Some((made, StepState::Missing)),
    }
}

/// Returns the openings that the firewall needs: the ports of existing listeners, or of the planned one.
fn openings(state: &State, options: &Options, listener: Option<&(Step, StepState)>) -> Vec<Opening> {
    let key = ListenerKey { address: ListenerAddress::Any, transport: options.transport };
    let future = match listener {
        Some((Step::Listener { .. }, StepState::Missing)) => Some(Listener::new(key, &state.config.service)),
        Some((Step::EnableListener(_), StepState::Missing)) => state.listeners.find(key).cloned(),
        _ => None,
    };
    let all = reachable(state, options.transport).into_iter().chain(future);
    let mut ports: Vec<_> = all.filter_map(|own| own.port.number().try_into().ok()).collect();
    ports.sort_unstable();
    ports.dedup();
    ports.truncate(MAX_OPENINGS);
    let transport = to_quickconfig(options.transport);
    ports
        .into_iter()
        .map(|port| Opening { transport, port, sources: options.sources.clone(), zone: options.zone.clone() })
        .collect()
}

fn firewall(
    state: &State,
    options: &Options,
    survey: &Survey,
    listener: Option<&(Step, StepState)>,
) -> Result<Vec<(Step, StepState)>, Fault> {
    let kind = &survey.firewall.kind;
    match kind {
        FirewallKind::Unseen(why) if options.zone.is_some() || !options.sources.is_empty() => {
            return Err(wrong(why.replace("\n  ", "; ")));
        }
        // Without a firewall, the listener would accept connections from all addresses.
        FirewallKind::None if !options.sources.is_empty() => {
            return Err(wrong(
                "remote addresses are given, but no firewall is active to enforce them; start a firewall, or omit \
                 -remoteaddress to accept connections from all addresses"
                    .to_owned(),
            ));
        }
        FirewallKind::Firewalld => {}
        _ if options.zone.is_some() => {
            return Err(wrong("-zone requires firewalld, which is not running; omit -zone".to_owned()));
        }
        _ => {}
    }
    if matches!(kind, FirewallKind::None | FirewallKind::Unseen(_)) {
        return Ok(Vec::new());
    }
    let openings = openings(state, options, listener);
    let open = survey.firewall.open.iter().copied().chain(std::iter::repeat(false));
    let steps = openings.into_iter().zip(open).map(|(opening, is_open)| {
        let step = Step::Open { opening, firewall: kind.clone(), places: survey.firewall.places.clone() };
        (step, if is_open { StepState::Done } else { StepState::Missing })
    });
    Ok(steps.collect())
}

/// Returns the certificate for a new listener; `None` means the service's certificate.
async fn certificate(
    plugin: &ConfigPlugin,
    state: &State,
    survey: &Survey,
    of: AcceptedCertificate,
) -> Result<Option<Thumbprint>, Fault> {
    let set = state.config.service.certificate_thumbprint;
    if set.is_some() && of == AcceptedCertificate::Any {
        return Ok(None);
    }
    let certificates = std::sync::Arc::clone(&plugin.certificates);
    let mut candidates = set.into_iter().chain(survey.certificates.clone().into_iter().map(Thumbprint));
    let found = tokio::task::spawn_blocking(move || {
        candidates.find(|thumbprint| is_suitable(&certificates, *thumbprint))
    });
    let found = found.await.ok().flatten();
    match (found, of) {
        (None, AcceptedCertificate::CaSigned) => Err(no_certificate()),
        (Some(found), _) if Some(found) == set => Ok(None),
        (found, _) => Ok(found),
    }
}

/// Returns whether a certificate is valid for a name of this machine and not self-signed.
fn is_suitable(certificates: &Certificates, thumbprint: Thumbprint) -> bool {
    certificates.find(thumbprint).is_ok_and(|found| {
        found.check(&Hostname::default(), SystemTime::now()).is_ok()
            && !found.is_self_signed()
            && found.names_this_machine()
    })
}

fn public_zone() -> Fault {
    Fault::new(
        Subcode::InternalError,
        PUBLIC_FIREWALL_PROFILE_ACTIVE,
        "the firewall has network interfaces in the zone public, which is for untrusted networks; assign them to \
         another zone, give one with -zone:ZONE, or use -force to permit only the local networks in the zone public",
    )
}

fn no_certificate() -> Fault {
    Fault::new(
        Subcode::InternalError,
        QUICK_CONFIG_FAILED_CERT_REQUIRED,
        "no suitable certificate for HTTPS; -strict requires a valid server certificate for a name of this machine, \
         not self-signed, in the directory of certificates; omit -strict to create a self-signed certificate",
    )
}

/// `ERROR_WSMAN_PUBLIC_FIREWALL_PROFILE_ACTIVE`.
const PUBLIC_FIREWALL_PROFILE_ACTIVE: wsman::Code = 2_150_859_113;
/// `ERROR_WSMAN_QUICK_CONFIG_FAILED_CERT_REQUIRED`.
const QUICK_CONFIG_FAILED_CERT_REQUIRED: wsman::Code = 2_150_859_029;
