//! Code pages of shell streams.

use encoding_rs::{EncoderResult, Encoding};
use plugin_shell::CodePage;

/// Checks that input and output are converted independently of how they are split, character by character as in the
/// page's table, and that output never grows.
///
/// The first byte selects the page, the second the size of the pieces; the rest is the data.
///
/// # Panics
/// If the property does not hold.
pub fn code_page(octets: &[u8]) {
    let [number, cut, octets @ ..] = octets else { return };
    let (number, table) = PAGES[usize::from(*number) % PAGES.len()];
    let Ok(page) = CodePage::from_number(number) else { panic!("{number} is a page") };
    let pieces = || octets.chunks(usize::from(*cut) + 1);
    match page.output() {
        Some(mut output) => {
            let mut written = Vec::new();
            pieces().for_each(|piece| output.convert(piece, &mut written));
            output.finish(&mut written);
            assert!(written.len() <= octets.len(), "{number}: {} bytes of {}", written.len(), octets.len());
            let whole = String::from_utf8_lossy(octets);
            let expected: Vec<u8> = whole.chars().flat_map(|letter| alone(table, letter)).collect();
            assert_eq!(written, expected, "{number}");
        }
        None => assert!(page.input().is_none(), "{number} is converted in one direction only"),
    }
    if let Some(mut input) = page.input() {
        let mut sent: Vec<u8> = pieces().flat_map(|piece| input.convert(piece)).collect();
        sent.extend(input.finish());
        let expected = match table {
            Some(table) => table.decode_without_bom_handling(octets).0.into_owned(),
            None => octets.iter().copied().map(char::from).collect(),
        };
        assert_eq!(String::from_utf8(sent).as_ref(), Ok(&expected), "{number}");
    }
}

/// Encodes one character in a page; `None` stands for Latin-1.
fn alone(table: Option<&'static Encoding>, letter: char) -> Vec<u8> {
    let Some(table) = table else { return vec![u8::try_from(letter).unwrap_or(UNMAPPABLE)] };
    let mut written = Vec::with_capacity(16);
    let (result, _) = table.new_encoder().encode_from_utf8_to_vec_without_replacement(
        letter.encode_utf8(&mut [0; 4]),
        &mut written,
        true,
    );
    if result == EncoderResult::InputEmpty { written } else { vec![UNMAPPABLE] }
}

/// Page numbers to test, with their tables: one of each kind, and all with multi-byte characters. Pages without a table
/// leave bytes unchanged, or are Latin-1.
static PAGES: [(u32, Option<&Encoding>); 12] = [
    (65001, None),
    (437, None),
    (28591, None),
    (866, Some(encoding_rs::IBM866)),
    (874, Some(encoding_rs::WINDOWS_874)),
    (932, Some(encoding_rs::SHIFT_JIS)),
    (936, Some(encoding_rs::GBK)),
    (949, Some(encoding_rs::EUC_KR)),
    (950, Some(encoding_rs::BIG5)),
    (1252, Some(encoding_rs::WINDOWS_1252)),
    (1255, Some(encoding_rs::WINDOWS_1255)),
    (28605, Some(encoding_rs::ISO_8859_15)),
];

/// Replacement for characters that a page cannot represent.
const UNMAPPABLE: u8 = b'?';
