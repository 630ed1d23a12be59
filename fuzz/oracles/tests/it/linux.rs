use telarch_oracles::linux;

use crate::corpus;

#[test]
fn ipp_corpus_holds_its_properties() {
    mutate("linux_ipp", 60, b"\0\x01\x03\x04\x34\x37\x47\xFF", linux::ipp);
}

#[test]
fn disk_corpus_holds_its_properties() {
    mutate("linux_disk", 60, b"\0\x01\x55\x80\xAA\xEE\xFF", linux::disk);
}

#[test]
fn netlink_corpus_holds_its_properties() {
    mutate("linux_netlink", 60, b"\0\x01\x04\x08\x80\xFF", linux::netlink);
}

#[test]
fn smbios_corpus_holds_its_properties() {
    mutate("linux_smbios", 60, b"\0\x01\x04\x7F\x80\xFF", linux::smbios);
}

#[test]
fn unit_file_corpus_holds_its_properties() {
    mutate("linux_unit_file", 60, b"\"'\\=%$ \n[\xC3", linux::unit_file);
}

#[test]
fn command_line_corpus_holds_its_properties() {
    mutate("linux_command_line", 60, b"\0\"'\\ \n$\x0C\xC3", linux::command_line);
}

#[test]
fn program_output_corpus_holds_its_properties() {
    mutate("linux_printed", 40, b"\"{}[]:,=9-\n\\\x1E\x1F\xC3", linux::printed);
}

/// Runs the oracle over mutations of the corpus.
fn mutate(target: &str, places: usize, octets: &[u8], check: impl Fn(&[u8])) {
    corpus::mutate(&corpus::cases(target, 5), places, octets, check);
}
