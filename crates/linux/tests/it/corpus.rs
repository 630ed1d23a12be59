//! Runs the oracles over the stored corpora of the fuzz targets, prefixes of their cases and mutations of
//! them.

use telarch_linux::oracle;

#[test]
fn ipp_corpus_holds_its_properties() {
    mutate("linux_ipp", 60, b"\0\x01\x03\x04\x34\x37\x47\xFF", oracle::ipp);
}

#[test]
fn disk_corpus_holds_its_properties() {
    mutate("linux_disk", 60, b"\0\x01\x55\x80\xAA\xEE\xFF", oracle::disk);
}

#[test]
fn netlink_corpus_holds_its_properties() {
    mutate("linux_netlink", 60, b"\0\x01\x04\x08\x80\xFF", oracle::netlink);
}

#[test]
fn smbios_corpus_holds_its_properties() {
    mutate("linux_smbios", 60, b"\0\x01\x04\x7F\x80\xFF", oracle::smbios);
}

#[test]
fn unit_file_corpus_holds_its_properties() {
    mutate("linux_unit_file", 60, b"\"'\\=%$ \n[\xC3", oracle::unit_file);
}

#[test]
fn command_line_corpus_holds_its_properties() {
    mutate("linux_command_line", 60, b"\0\"'\\ \n$\x0C\xC3", oracle::command_line);
}

#[test]
fn program_output_corpus_holds_its_properties() {
    mutate("linux_printed", 40, b"\"{}[]:,=9-\n\\\x1E\x1F\xC3", oracle::printed);
}

/// Runs the oracle over mutations of the seeds.
fn mutate(target: &str, places: usize, octets: &[u8], oracle: impl Fn(&[u8])) {
    let seeds = telarch_corpus::cases(target, 5);
    telarch_corpus::mutate(&seeds, places, octets, oracle);
}
