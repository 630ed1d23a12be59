use telarch_oracles::plugin_shell;

use crate::corpus::cases;

#[test]
fn code_pages_of_the_corpus_satisfy_the_oracle() {
    for octets in cases("shell_code_page", 5) {
        for page in 0..12 {
            for cut in [0, 1, 2, 6, 255] {
                plugin_shell::code_page(&[&[page, cut], octets.get(2..).unwrap_or_default()].concat());
            }
        }
        for at in 0..octets.len() {
            plugin_shell::code_page(&octets[..at]);
            for octet in *b"\x00\x80\x8E\xC3\xE2\xF0\xFF\x3F" {
                plugin_shell::code_page(&[&octets[..at], &[octet], &octets[at + 1..]].concat());
            }
        }
    }
}
