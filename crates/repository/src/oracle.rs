//! What must hold for any text that is compiled: the fuzz target runs this, and the tests run it over the stored
//! corpus.

use std::path::Path;

use cim::Namespace;

use crate::{Compiler, Contents, text};

/// Holds for any octets, read as a text of MOF that includes no others.
///
/// What a text makes of a repository is kept: the file that is written reads back, is written the same again, and
/// compiles to nothing new.
///
/// # Panics
/// If one of this does not hold.
pub fn mofcomp(octets: &[u8]) {
    let path = Path::new("site.mof");
    // Reading files is not what is looked at here.
    if octets.windows(7).any(|word| word.eq_ignore_ascii_case(b"include")) {
        return;
    }
    let mut compiler = Compiler::new(Namespace::cimv2());
    let mut contents = Contents::default();
    if compiler.octets(path, octets).is_err() || compiler.apply(&mut contents).is_err() {
        return;
    }
    let written = text::write(&contents, None);
    let again = text::read(path, &written).unwrap_or_else(|error| panic!("{error}\n{written}"));
    assert_eq!(text::write(&again, None), written, "it is written in another way");
    let mut compiler = Compiler::new(Namespace::cimv2());
    let read = compiler.text(path, &written);
    read.unwrap_or_else(|error| panic!("{error}\n{written}"));
    // Compilers of others make no namespaces of their own accord, so they are there already.
    let mut same = contents.clone();
    let report = compiler.apply(&mut same).unwrap_or_else(|error| panic!("{error}\n{written}"));
    assert_eq!((report.classes, report.instances), (0, 0), "it was not the same\n{written}");
}
