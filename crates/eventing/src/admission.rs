//! Access of sources to subscriptions.

use sddl::{AccessMask, Domain, Guard, Token, well_known};
use winevent::subscription::{NonDomainSources, SubjectPattern, SubscriptionType};
use winevent::{Subscription, Timestamp};

use crate::source::{Source, SourceKind};

/// Returns whether a source may use a subscription at a time.
pub(crate) fn is_admitted(source: &Source, subscription: &Subscription, now: Timestamp) -> bool {
    if !subscription.is_active(now) || subscription.kind != SubscriptionType::SourceInitiated {
        return false;
    }
    match &source.kind {
        SourceKind::Certificate { issuer, subjects } => {
            let rules = &subscription.non_domain_sources;
            let is_issuer = rules.issuers.is_empty() || rules.issuers.contains(issuer);
            is_issuer && is_subject(rules, subjects)
        }
        // The collector connects to such a source.
        SourceKind::Address => false,
        SourceKind::Account { token, is_computer } => {
            let Ok(guard) = Guard::parse(&subscription.domain_sources) else { return false };
            guard.access_check(&domain_token(token, *is_computer), AccessMask::GENERIC_EXECUTE).is_granted()
        }
    }
}

/// Returns whether the lists of subjects admit a certificate with these names. An empty list admits every subject of
/// an accepted authority.
fn is_subject(rules: &NonDomainSources, subjects: &[String]) -> bool {
    (rules.allowed.is_empty() || has_match(&rules.allowed, subjects)) && !has_match(&rules.denied, subjects)
}

/// Returns whether a pattern matches a subject.
fn has_match(patterns: &[SubjectPattern], subjects: &[String]) -> bool {
    patterns.iter().any(|pattern| subjects.iter().any(|subject| pattern.matches(subject)))
}

/// Returns a token for the check of a subscription's descriptor, in which the machine is also the domain.
///
/// The groups of a computer are in its Kerberos ticket, which is not read. Every computer account that may sign in to
/// this service counts as a domain computer.
fn domain_token(token: &Token, is_computer: bool) -> Token {
    let machine = token.machine();
    let mut groups: Vec<_> = token.groups().collect();
    groups.push(well_known::AUTHENTICATED_USERS);
    if is_computer {
        groups.push(machine.account(DOMAIN_COMPUTERS));
    }
    Token::new(token.user(), groups, machine).in_domain(Domain { sid: machine, forest_root: machine })
}

/// Relative identifier of the group of domain computers.
const DOMAIN_COMPUTERS: u32 = 515;
