//! NFS exports of the kernel (exports(5)).

use super::{Kind, Origin, Share};
use crate::Machine;
use crate::listing::{Listing, if_present};

/// Returns the exports; the name of each share is its path, the description lists its clients.
///
/// The failure is that of a file or folder that exists and cannot be read.
pub fn exports(machine: &Machine) -> Listing<Share> {
    let mut shares: Listing<Share> = Listing::default();
    let mut more = if_present(MORE, machine.names(MORE)).unwrap_or_else(|error| {
        shares.fail(error);
        Vec::new()
    });
    more.sort_unstable();
    let more = more.into_iter().filter_map(|name| name.into_string().ok());
    let files = more.filter(|name| name.ends_with(".exports") && !name.starts_with('.'));
    for file in std::iter::once("etc/exports".to_owned()).chain(files.map(|name| format!("{MORE}/{name}"))) {
        match if_present(&file, machine.text(&file)) {
            Ok(text) => parse(&text).into_iter().for_each(|export| add(&mut shares.found, export)),
            Err(error) => shares.fail(error),
        }
    }
    shares
}

/// Folder of further files.
const MORE: &str = "etc/exports.d";

/// Adds a path with its clients, which may be exported already.
fn add(shares: &mut Vec<Share>, (path, clients): (String, String)) {
    match shares.iter_mut().find(|share| share.path == path) {
        Some(share) => share.remark = format!("{} {clients}", share.remark),
        None => shares.push(Share {
            name: path.clone(),
            path,
            remark: format!("NFS: {clients}"),
            kind: Kind::Folder,
            limit: 0,
            origin: Origin::Nfs,
        }),
    }
}

/// Parses export files to paths and their clients.
pub fn parse(text: &str) -> Vec<(String, String)> {
    text.replace("\\\n", " ").lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<(String, String)> {
    let line = line.trim_start();
    let (path, rest) = match line.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?,
        None => line.split_once([' ', '\t']).unwrap_or((line, "")),
    };
    let clients: Vec<&str> =
        rest.split_ascii_whitespace().take_while(|word| !word.starts_with('#')).collect();
    path.starts_with('/').then(|| (unescaped(path), clients.join(" ")))
}

/// Decodes a path in which some characters are a backslash and three octal digits.
fn unescaped(path: &str) -> String {
    let mut parts = path.split('\\');
    let mut octets = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(octet) => {
                octets.push(octet);
                octets.extend(part.bytes().skip(3));
            }
            None => {
                octets.push(b'\\');
                octets.extend(part.bytes());
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_are_read_as_exportfs_reads_them() {
        let text = "# comment\n/srv node1(rw,sync) \\\n  node2(ro) # more\n\"/srv/a b\" *(ro)\n/srv/c\\040d\n\nrelative x\n\t/tab\t*\n";
        let expected =
            [("/srv", "node1(rw,sync) node2(ro)"), ("/srv/a b", "*(ro)"), ("/srv/c d", ""), ("/tab", "*")];
        let expected = expected.map(|(path, clients)| (path.to_owned(), clients.to_owned()));
        assert_eq!(parse(text), expected);
        assert_eq!(unescaped("a\\x\\\\101"), "a\\x\\A");
    }
}
