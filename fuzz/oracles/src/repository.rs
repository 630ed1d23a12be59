//! MOF compiled into the repository.

use std::path::Path;

use cim::Namespace;

use repository::{Compiler, Contents, text};

/// Checks any bytes, read as a MOF text without includes.
///
/// The resulting contents survive writing and reading; writing them again gives the same text, and compiling
/// the text changes nothing.
///
/// # Panics
/// If one of these properties does not hold.
pub fn mofcomp(octets: &[u8]) {
    let path = Path::new("site.mof");
    // Includes would read files, which is not part of this check.
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
    // Compiling does not create namespaces implicitly, so they must already exist.
    let mut same = contents.clone();
    let report = compiler.apply(&mut same).unwrap_or_else(|error| panic!("{error}\n{written}"));
    assert_eq!((report.classes, report.instances), (0, 0), "it was not the same\n{written}");
}
