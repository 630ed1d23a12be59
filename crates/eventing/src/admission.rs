//! Access of sources to subscriptions.

use sddl::{AccessMask, Domain, Guard, Sid, Token, well_known};
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

/// Returns a token for the check of a subscription's descriptor, in which `DC` is the group of domain computers.
///
/// The groups of a computer are in its Kerberos ticket if a domain controller has issued it. Otherwise every computer
/// account that may sign in to this service counts as a domain computer.
fn domain_token(token: &Token, is_computer: bool) -> Token {
    let machine = token.machine();
    let directory: Vec<Sid> =
        token.groups().filter(|group| group.domain().is_some_and(|domain| domain != machine)).collect();
    let is_domain_computer = match directory.as_slice() {
        [] => is_computer,
        groups => groups.iter().any(|group| group.sub_authorities().last() == Some(&DOMAIN_COMPUTERS)),
    };
    let mut groups = vec![well_known::AUTHENTICATED_USERS];
    if is_domain_computer {
        groups.push(machine.account(DOMAIN_COMPUTERS));
    }
    token.clone().with_groups(groups).in_domain(Domain { sid: machine, forest_root: machine })
}

/// Relative identifier of the group of domain computers.
const DOMAIN_COMPUTERS: u32 = 515;

#[cfg(test)]
mod tests {
    use sddl::DomainSid;

    use super::*;

    const MACHINE: DomainSid = DomainSid::new([1, 2, 3]);
    const DOMAIN: DomainSid = DomainSid::new([11, 22, 33]);

    /// Returns whether a descriptor admits a computer account with these groups of the domain.
    fn admits(descriptor: &str, groups: &[u32]) -> bool {
        let token =
            Token::new(MACHINE.account(3_000), groups.iter().map(|rid| DOMAIN.account(*rid)), MACHINE);
        let guard = Guard::parse(descriptor).unwrap();
        guard.access_check(&domain_token(&token, true), AccessMask::GENERIC_EXECUTE).is_granted()
    }

    #[test]
    fn groups_of_the_ticket_match_entries_of_the_descriptor() {
        let collectors = "O:NSG:NSD:(A;;GA;;;S-1-5-21-11-22-33-1234)";
        assert!(admits(collectors, &[515, 1_234]));
        assert!(!admits(collectors, &[515, 1_235]));
        assert!(!admits(collectors, &[]), "a ticket without groups");
        let except = "O:NSG:NSD:(D;;GA;;;S-1-5-21-11-22-33-666)(A;;GA;;;DC)";
        assert!(admits(except, &[515]));
        assert!(!admits(except, &[515, 666]), "an entry that denies wins");
    }

    #[test]
    fn domain_computers_are_those_of_the_ticket_or_else_all_computer_accounts() {
        let default = winevent::subscription::DEFAULT_DOMAIN_SOURCES;
        assert!(admits(default, &[515]));
        assert!(admits(default, &[]), "a ticket without groups");
        assert!(!admits(default, &[516]), "a domain controller is no domain computer");
        assert!(!admits("O:NSG:NSD:(A;;GA;;;BA)", &[515, 544]), "544 of the domain is not BUILTIN");
    }
}
