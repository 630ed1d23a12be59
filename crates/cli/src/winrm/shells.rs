//! `winrm shells`: the shells of a service, and an end to those that nobody closed.

use client::Item;
use xml::Element;

use super::run::{Run, Streams};
use super::{Fate, Intent, ShellChoice};
use crate::failure::{Failure, Kind};
use crate::format::Format;
use crate::locator::Locator;
use crate::program::Stop;
use crate::screen::{Screen, Table};

pub(super) async fn run(
    run: &Run,
    choice: ShellChoice,
    fate: Fate,
    screen: &Screen,
    streams: &mut Streams<'_>,
) -> Result<(), Stop> {
    let chosen = choose(run, &choice).await?;
    match fate {
        Fate::Listed => list(run.format(), &chosen, screen, streams),
        Fate::Ended if run.intent() == Intent::Show => {
            list(run.format(), &chosen, screen, streams)?;
            Ok(writeln!(streams.errors, "winrm: these would be ended")?)
        }
        Fate::Ended => end(run, &chosen, streams).await,
    }
}

/// The shells that are meant; one that was named must be there.
async fn choose(run: &Run, choice: &ShellChoice) -> Result<Vec<Item>, Stop> {
    let shells = run.list(&Locator::parse(SHELL)?).await?;
    match choice {
        ShellChoice::All => Ok(shells),
        ShellChoice::Mine => {
            let Some(user) = run.user() else {
                let failure =
                    Failure::here(Kind::Usage, "who asks is not known here, so no shell can be told apart");
                return Err(failure
                    .advise("name the user: -username:NAME; or the shell: winrm shells ID")
                    .into());
            };
            Ok(shells.into_iter().filter(|shell| is_of(&text(shell.element(), "Owner"), user)).collect())
        }
        ShellChoice::One(id) => {
            let found: Vec<Item> = shells
                .into_iter()
                .filter(|shell| text(shell.element(), "ShellId").eq_ignore_ascii_case(id))
                .collect();
            if found.is_empty() {
                let failure = Failure::here(Kind::Usage, format!("there is no shell {id}"));
                return Err(failure.advise("winrm shells lists those there are").into());
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
            let cell = |name: &str| text(shell.element(), name);
            let spent = |name: &str| duration(&cell(name));
            table.row([
                cell("ShellId"),
                cell("Owner"),
                cell("ClientIP"),
                cell("ChildProcesses"),
                spent("ShellRunTime"),
                spent("ShellInactivity"),
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

/// Ends one after the other; one that has ended by itself meanwhile is as good.
async fn end(run: &Run, shells: &[Item], streams: &mut Streams<'_>) -> Result<(), Stop> {
    for shell in shells {
        let id = text(shell.element(), "ShellId");
        // Windows takes a shell under the URI of its kind only.
        let uri = text(shell.element(), "ResourceUri");
        let mut locator = Locator::parse(if uri.is_empty() { CMD } else { &uri })?;
        locator.select(&format!("ShellId={id}"))?;
        match run.delete(&locator).await {
            Err(Stop::Failed(failure)) if failure.kind() == Kind::Fault && run.is_gone(&id).await? => {}
            ended => ended?,
        }
        writeln!(streams.errors, "winrm: ended shell {id} of {}", text(shell.element(), "Owner"))?;
    }
    if shells.is_empty() {
        writeln!(streams.errors, "winrm: there was no shell to end")?;
    }
    Ok(())
}

impl Run {
    /// Whether a shell is not listed any more.
    async fn is_gone(&self, id: &str) -> Result<bool, Stop> {
        let shells = self.list(&Locator::parse(SHELL)?).await?;
        Ok(!shells.iter().any(|shell| text(shell.element(), "ShellId").eq_ignore_ascii_case(id)))
    }
}

/// Whether the owner of a shell is the user as it was typed. Where both name a domain, it must be the same, because
/// somebody else may have the same name in another one.
fn is_of(owner: &str, user: &str) -> bool {
    let (owner_domain, owner) = parts(owner);
    let (user_domain, user) = parts(user);
    let is_same_domain = match (owner_domain, user_domain) {
        (Some(owner), Some(user)) => user == "." || short(owner).eq_ignore_ascii_case(short(user)),
        _ => true,
    };
    is_same_domain && owner.eq_ignore_ascii_case(user)
}

/// Domain and name of `DOMAIN\NAME` or `NAME@DOMAIN`.
fn parts(name: &str) -> (Option<&str>, &str) {
    match (name.split_once('\\'), name.rsplit_once('@')) {
        (Some((domain, name)), _) => (Some(domain), name),
        (None, Some((name, realm))) => (Some(realm), name),
        (None, None) => (None, name),
    }
}

/// `CORP` of `corp.example.com`.
fn short(domain: &str) -> &str {
    domain.split('.').next().unwrap_or_default()
}

fn text(shell: Element<'_>, name: &str) -> String {
    let child = shell.children().find(|child| child.name() == name);
    child.map(|child| child.text().trim().to_owned()).unwrap_or_default()
}

/// `P0DT0H1M12.345S` as `1m12s`; what is no duration stays as it is.
fn duration(text: &str) -> String {
    let parts = || {
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
    };
    parts().unwrap_or_else(|| text.to_owned())
}

const SHELL: &str = "shell";
const CMD: &str = "shell/cmd";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_known_by_every_way_to_write_a_user() {
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
            assert_eq!(is_of(owner, user), is_same, "{owner} {user}");
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
