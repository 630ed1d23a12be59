//! Advice for denied requests: groups that have the right, and the command that grants it.

use config::{DescriptorOrigin, EffectiveDescriptor, Groups, Membership, State};
use sddl::{AccessMask, DomainSid, Guard, Sid, Token, linux, well_known};

/// Returns the lines after the reason of a denial, each indented.
pub(super) fn lines(
    descriptor: &EffectiveDescriptor<'_>,
    state: &State,
    machine: DomainSid,
    account: &str,
    desired: AccessMask,
) -> String {
    let target = match descriptor.origin {
        DescriptorOrigin::Plugin { uri, .. } => uri,
        _ => "default",
    };
    let grant = format!("winrm configSDDL {target}");
    let can_be_member =
        |group| descriptor.guard.access_check(&member_of(group, machine), desired).is_granted();
    let first = match state.membership {
        Membership::AllAdministrators => {
            return format!(
                "\n  all accounts of this service are administrators, which is not sufficient here; grant the right: {grant}"
            );
        }
        Membership::AccountFile if can_be_member(well_known::ADMINISTRATORS) => format!(
            "make {account} an administrator of this service: telarch account remove {account}, then \
             telarch account add {account} --admin; or grant the right: {grant}"
        ),
        Membership::LocalGroups => {
            let sufficient = sufficient_groups(descriptor.guard, &state.groups, machine, desired);
            match sufficient.is_empty() {
                true => format!("grant the right: {grant}"),
                false => {
                    format!(
                        "add {account} to the group {}, or grant the right: {grant}",
                        sufficient.join(" or ")
                    )
                }
            }
        }
        _ => format!("grant the right: {grant}"),
    };
    format!("\n  {first}\n  every check on the way: telarch access show {account}")
}

/// Returns the local groups whose members have the rights, those with the fewest rights first.
fn sufficient_groups<'g>(
    guard: &Guard,
    groups: &'g Groups,
    machine: DomainSid,
    desired: AccessMask,
) -> Vec<&'g str> {
    let candidates = [
        (machine.account(linux::REMOTE_WMI_USERS), &groups.remote_wmi_users),
        (well_known::REMOTE_MANAGEMENT_USERS, &groups.remote_management_users),
        (well_known::ADMINISTRATORS, &groups.administrators),
    ];
    let sufficient = candidates.into_iter().filter(|(sid, _)| {
        let member = member_of(*sid, machine);
        guard.access_check(&member, desired).is_granted()
    });
    sufficient.filter_map(|(_, names)| names.first()).map(String::as_str).collect()
}

/// Returns the token of a network user that is a member of one group.
fn member_of(group: Sid, machine: DomainSid) -> Token {
    let everyone = [well_known::EVERYONE, well_known::AUTHENTICATED_USERS, well_known::NETWORK];
    Token::new(group, everyone.into_iter().chain([group]), machine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_that_a_descriptor_names_are_listed() {
        let machine = DomainSid::new([1, 2, 3]);
        let groups = Groups::default();
        for (sddl, desired, expected) in [
            (
                "O:NSG:BAD:P(A;;GA;;;BA)(A;;GA;;;RM)",
                AccessMask::GENERIC_EXECUTE,
                &["winrm-users", "winrm-admins"][..],
            ),
            ("O:NSG:BAD:P(A;;GA;;;BA)(A;;GR;;;RM)", AccessMask::GENERIC_EXECUTE, &["winrm-admins"]),
            ("O:NSG:BAD:P(D;;GA;;;WD)(A;;GA;;;BA)", AccessMask::GENERIC_READ, &[]),
        ] {
            let guard = Guard::parse(sddl).unwrap();
            assert_eq!(sufficient_groups(&guard, &groups, machine, desired), expected, "{sddl}");
        }
    }

    #[test]
    fn the_command_names_the_descriptor_that_decided() {
        let machine = DomainSid::new([1, 2, 3]);
        let guard = std::sync::Arc::new(Guard::parse("O:NSG:BAD:P(A;;GA;;;BA)").unwrap());
        let lines_for = |origin| {
            let descriptor = EffectiveDescriptor { guard: &guard, origin };
            lines(&descriptor, &State::default(), machine, "ann", AccessMask::GENERIC_READ)
        };
        assert_eq!(
            lines_for(DescriptorOrigin::Root),
            "\n  add ann to the group winrm-admins, or grant the right: winrm configSDDL default\
             \n  every check on the way: telarch access show ann"
        );
        let plugin = lines_for(DescriptorOrigin::Plugin { plugin: "Shell", uri: "http://x/shell" });
        assert!(plugin.contains("winrm configSDDL http://x/shell\n"), "{plugin}");
    }

    #[test]
    fn groups_without_effect_are_not_named() {
        let machine = DomainSid::new([1, 2, 3]);
        for (membership, sddl, expected) in [
            (
                Membership::AccountFile,
                "O:NSG:BAD:P(A;;GA;;;BA)(A;;GA;;;RM)",
                "\n  make ann an administrator of this service: telarch account remove ann, then telarch account add ann \
                 --admin; or grant the right: winrm configSDDL default\n  every check on the way: telarch access show ann",
            ),
            (
                Membership::AccountFile,
                "O:NSG:BAD:P(D;;GA;;;WD)(A;;GA;;;BA)",
                "\n  grant the right: winrm configSDDL default\n  every check on the way: telarch access show ann",
            ),
            (
                Membership::AllAdministrators,
                "O:NSG:BAD:P(A;;GA;;;RM)",
                "\n  all accounts of this service are administrators, which is not sufficient here; grant the right: \
                 winrm configSDDL default",
            ),
        ] {
            let guard = std::sync::Arc::new(Guard::parse(sddl).unwrap());
            let descriptor = EffectiveDescriptor { guard: &guard, origin: DescriptorOrigin::Root };
            let mut state = State::default();
            state.membership = membership;
            assert_eq!(lines(&descriptor, &state, machine, "ann", AccessMask::GENERIC_READ), expected);
        }
    }
}
