//! Pools of back-end servers.

use nginx::{Directive, NewDirective, Visited};

use super::Draft;
use crate::engine::marker::{self, MarkerEdit};
use crate::error::WebServerError;
use crate::listen::ListenAddress;
use crate::model::PoolMember;
use crate::nginx_server::configuration::NginxConfiguration;
use crate::nginx_server::sites::head;
use crate::value::{PoolName, UnitName};

impl Draft<'_> {
    /// Creates a pool, or replaces the servers of a pool. Servers that remain keep their other options.
    pub(super) fn put_pool(&mut self, pool: &PoolName, members: &[PoolMember]) -> Result<(), WebServerError> {
        if members.is_empty() {
            let action = format!("set the pool {pool}");
            return Err(WebServerError::Impossible {
                action,
                reason: "a pool needs at least one server".to_owned(),
            });
        }
        let existing = find(self.configuration()?, pool).map(|found| found.file.to_owned());
        if let Some(file) = existing {
            return self.edit(&file, |configuration, editor| {
                let Some(found) = find(configuration, pool) else { return Ok(()) };
                let old: Vec<&Directive> =
                    found.directive.children().iter().filter(|child| child.name() == "server").collect();
                for server in &old {
                    match members.iter().find(|member| is_at(server, member)) {
                        Some(member) => editor.set_words(server, &words(member, Some(server))),
                        None => editor.remove(server),
                    }
                }
                let missing = members.iter().filter(|member| !old.iter().any(|server| is_at(server, member)));
                let missing: Vec<_> =
                    missing.map(|member| NewDirective::simple(&words(member, None))).collect();
                super::add(editor, found, old.last().copied(), &missing);
                Ok(())
            });
        }
        let servers = members.iter().map(|member| NewDirective::simple(&words(member, None)));
        let upstream = NewDirective::with_block(&["upstream", pool.as_str()], servers.collect());
        let path =
            self.configuration()?.patterns().iter().find_map(|pattern| pattern.file(&format!("pool-{pool}")));
        match path {
            Some(path) if self.files.exists(&path) => {
                Err(WebServerError::Exists { kind: "file", name: path })
            }
            path => self.add_block(path.as_deref(), &upstream),
        }
    }

    /// Deletes a pool, and its file if nothing else is in it.
    pub(super) fn delete_pool(&mut self, pool: &PoolName) -> Result<(), WebServerError> {
        let main = self.main.to_owned();
        let configuration = self.configuration()?;
        let file =
            find(configuration, pool).ok_or_else(|| WebServerError::not_found("pool", pool))?.file.to_owned();
        if file != main && super::document(configuration, &file)?.directives().len() == 1 {
            self.delete(&file);
            return Ok(());
        }
        self.edit(&file, |configuration, editor| {
            if let Some(found) = find(configuration, pool) {
                editor.remove(found.directive);
            }
            Ok(())
        })
    }
}

impl Draft<'_> {
    /// Sets or removes the comment with the unit of a pool.
    pub(super) fn set_pool_unit(
        &mut self,
        pool: &PoolName,
        unit: Option<&UnitName>,
    ) -> Result<(), WebServerError> {
        let found = find(self.configuration()?, pool).map(|found| found.file.to_owned());
        let file = found.ok_or_else(|| WebServerError::not_found("pool", pool))?;
        self.edit(&file, |configuration, editor| {
            let Some(found) = find(configuration, pool) else { return Ok(()) };
            let Some((text, range)) = head(configuration, found) else { return Ok(()) };
            match marker::edit(text, range, marker::UNIT, unit.map(UnitName::as_str)) {
                Some(MarkerEdit::Replace(line, new)) => editor.replace(line, new),
                Some(MarkerEdit::Insert(comment)) => {
                    editor.insert_first(found.directive, &NewDirective::comment(&comment));
                }
                None => {}
            }
            Ok(())
        })
    }
}

fn find<'a>(configuration: &'a NginxConfiguration, pool: &PoolName) -> Option<Visited<'a>> {
    let all = configuration.all(&["http"], "upstream");
    all.into_iter().find(|visited| visited.directive.word(1) == Some(pool.as_str()))
}

fn is_at(server: &Directive, member: &PoolMember) -> bool {
    server
        .word(1)
        .and_then(|address| ListenAddress::parse(address).ok())
        .is_some_and(|found| found == member.address)
}

/// Returns the words of a `server` directive, with other options of an existing one.
fn words(member: &PoolMember, existing: Option<&Directive>) -> Vec<String> {
    let address = match (existing.and_then(|server| server.word(1)), &member.address) {
        (Some(address), _) => address.to_owned(),
        // Without a host, nginx would read the port as a name.
        (None, ListenAddress::Tcp { host: crate::listen::ListenHost::Any, port }) => {
            format!("127.0.0.1:{port}")
        }
        (None, address) => address.to_string(),
    };
    let mut words = vec!["server".to_owned(), address];
    words.extend(member.weight.map(|weight| format!("weight={weight}")));
    words.extend(member.backup.then(|| "backup".to_owned()));
    words.extend(member.down.then(|| "down".to_owned()));
    let others =
        existing.map(|server| server.arguments().skip(1).filter(|word| !is_known(word)).map(str::to_owned));
    words.extend(others.into_iter().flatten());
    words
}

/// Returns whether the types represent an option.
fn is_known(option: &str) -> bool {
    option == "backup" || option == "down" || option.starts_with("weight=")
}
