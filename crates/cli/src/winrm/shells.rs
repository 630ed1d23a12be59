//! `winrm shells`: lists and closes shells of a service.

use client::Item;
use xml::Element;

use super::service_command::Run;
use super::streams::Streams;
use super::{Intent, ShellAction, ShellSelection};
use crate::failure::{Failure, Kind};
use crate::format::Format;
use crate::locator::Locator;
use crate::program::Stop;
use crate::screen::{Screen, Table};

pub(super) async fn run(
    run: &Run,
    selection: ShellSelection,
    action: ShellAction,
    screen: &Screen,
    streams: &mut Streams<'_>,
) -> Result<(), Stop> {
    let selected = select(run, &selection).await?;
    match action {
        ShellAction::List => list(run.format(), &selected, screen, streams),
        ShellAction::Close if run.intent() == Intent::Preview => {
            list(run.format(), &selected, screen, streams)?;
            Ok(writeln!(streams.errors, "winrm: these shells would be closed")?)
        }
        ShellAction::Close => close(run, &selected, streams).await,
    }
}

/// Returns the selected shells. A shell selected by ID must exist.
async fn select(run: &Run, selection: &ShellSelection) -> Result<Vec<Item>, Stop> {
    let shells = run.list(&Locator::parse(SHELL)?).await?;
    match selection {
        ShellSelection::All => Ok(shells),
        ShellSelection::Mine => {
            let Some(user) = run.user() else {
                let failure =
                    Failure::here(Kind::Usage, "cannot select your shells: the user name is not known");
                return Err(failure.advise("add -username:NAME, or write winrm shells ID").into());
            };
            Ok(shells
                .into_iter()
                .filter(|shell| is_same_user(&text(shell.element(), "Owner"), user))
                .collect())
        }
        ShellSelection::One(id) => {
            let found: Vec<Item> = shells
                .into_iter()
                .filter(|shell| text(shell.element(), "ShellId").eq_ignore_ascii_case(id))
                .collect();
            if found.is_empty() {
                let failure = Failure::here(Kind::Usage, format!("unknown shell '{id}'"));
                return Err(failure.advise("run winrm shells for a list of shells").into());
            }
            Ok(found)
        }
    }
}

fn list(format: Format, shells: &[Item], screen: &Screen, streams: &mut Streams<'_>) -> Result<(), Stop> {
    if format == Format::Text
        && let Some(width) = screen.table_width()
    {
        let mut table = Table::new(["ShellId", "Owner", "ClientIP", "Processes", "Running", "Idle"]);
        for shell in shells {
            let shell = shell.element();
            table.row([
                text(shell, "ShellId"),
                text(shell, "Owner"),
                text(shell, "ClientIP"),
                text(shell, "ChildProcesses"),
                duration(&text(shell, "ShellRunTime")),
                duration(&text(shell, "ShellInactivity")),
            ]);
        }
        return Ok(streams.out.write_all(table.print(width, screen).as_bytes())?);
    }
    let mut results = format.results();
    streams.out.write_all(results.open().as_bytes())?;
    for shell in shells {
        streams.out.write_all(results.item(shell.element()).as_bytes())?;
    }
    Ok(streams.out.write_all(results.close().as_bytes())?)
}

/// Closes shells one by one. A shell that has ended in the meantime is not an error.
async fn close(run: &Run, shells: &[Item], streams: &mut Streams<'_>) -> Result<(), Stop> {
    for shell in shells {
        let id = text(shell.element(), "ShellId");
        // Windows accepts the delete request only with the resource URI of the shell.
        let uri = text(shell.element(), "ResourceUri");
        let mut locator = Locator::parse(if uri.is_empty() { CMD } else { &uri })?;
        locator.select(&format!("ShellId={id}"))?;
        match run.delete(&locator).await {
            Err(Stop::Failed(failure)) if failure.kind() == Kind::Fault && !run.lists_shell(&id).await? => {}
            ended => ended?,
        }
        writeln!(streams.errors, "winrm: closed shell {id} of {}", text(shell.element(), "Owner"))?;
    }
    if shells.is_empty() {
        writeln!(streams.errors, "winrm: no shells to close")?;
    }
    Ok(())
}

impl Run {
    /// Returns whether the service lists a shell.
    async fn lists_shell(&self, id: &str) -> Result<bool, Stop> {
        let shells = self.list(&Locator::parse(SHELL)?).await?;
        Ok(shells.iter().any(|shell| text(shell.element(), "ShellId").eq_ignore_ascii_case(id)))
    }
}

/// Returns whether the owner of a shell is the user as typed. If both names include a domain, the domains must match,
/// because another user may have the same name in another domain.
fn is_same_user(owner: &str, user: &str) -> bool {
    let (owner_domain, owner) = parts(owner);
    let (user_domain, user) = parts(user);
    let is_same_domain = match (owner_domain, user_domain) {
        (Some(owner), Some(user)) => user == "." || short(owner).eq_ignore_ascii_case(short(user)),
        _ => true,
    };
    is_same_domain && owner.eq_ignore_ascii_case(user)
}

/// Splits `DOMAIN\NAME` or `NAME@DOMAIN` into domain and name.
fn parts(name: &str) -> (Option<&str>, &str) {
    match (name.split_once('\\'), name.rsplit_once('@')) {
        (Some((domain, name)), _) => (Some(domain), name),
        (None, Some((name, realm))) => (Some(realm), name),
        (None, None) => (None, name),
    }
}

/// Returns the first label of a domain: `corp` for `corp.example.com`.
fn short(domain: &str) -> &str {
    domain.split('.').next().unwrap_or_default()
}

fn text(shell: Element<'_>, name: &str) -> String {
    let child = shell.children().find(|child| child.name() == name);
    child.map(|child| child.text().trim().to_owned()).unwrap_or_default()
}

/// Returns an ISO 8601 duration such as `P0DT0H1M12.345S` as `1m12s`; other text is returned unchanged.
fn duration(text: &str) -> String {
    short_duration(text).unwrap_or_else(|| text.to_owned())
}

fn short_duration(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut number = String::new();
    for c in text.strip_prefix('P')?.chars() {
        match c {
            '0'..='9' | '.' => number.push(c),
            'T' => {}
            'D' | 'H' | 'M' | 'S' => {
                let whole: u64 = number.split('.').next()?.parse().ok()?;
                if whole > 0 {
                    out.push_str(&format!("{whole}{}", c.to_ascii_lowercase()));
                }
                number.clear();
            }
            _ => return None,
        }
    }
    Some(if out.is_empty() { "0s".to_owned() } else { out })
}

const SHELL: &str = "shell";
const CMD: &str = "shell/cmd";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_match_users_in_every_notation() {
        for (owner, user, is_same) in [
            ("ada", "ada", true),
            ("NODE7\\Ada", "ada", true),
            ("NODE7\\ada", ".\\ada", true),
            ("CORP\\ada", "ada@corp.example.com", true),
            ("CORP\\ada", "OTHER\\ada", false),
            ("ada@CORP.EXAMPLE", "CORP\\ada", true),
            ("CORP\\adam", "ada", false),
            ("", "ada", false),
        ] {
            assert_eq!(is_same_user(owner, user), is_same, "{owner} {user}");
        }
    }

    #[test]
    fn durations_are_short() {
        for (text, short) in [
            ("P0DT0H1M12.345S", "1m12s"),
            ("P1DT2H0M0S", "1d2h"),
            ("PT0.5S", "0s"),
            ("P0DT0H0M0S", "0s"),
            ("", ""),
            ("soon", "soon"),
        ] {
            assert_eq!(duration(text), short, "{text}");
        }
    }
}
