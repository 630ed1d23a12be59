//! Code pages of shell streams (option `WINRS_CODEPAGE`).

use encoding_rs::{Decoder, Encoder, EncoderResult, Encoding};

use crate::error::CommandError;

/// Code page of a shell's streams (MS-WSMV 3.1.4.5.2, option `WINRS_CODEPAGE`).
///
/// Linux programs read and write UTF-8, so code pages fall into three groups:
///
/// * 65001 (UTF-8), 20127 (ASCII) and the **OEM pages** of Western, Greek, Turkish, Hebrew and Arabic consoles
///   (437, 850, 852, …) leave the bytes unchanged. pywinrm requests 437 by default but decodes the output as UTF-8;
///   other clients send the page of their own console.
/// * 28591 (Latin-1), the ANSI pages (1250 to 1258), the ISO pages, KOI8, 866 and the East Asian pages
///   (932, 936, 949, 950) are converted, because clients that request them decode them. Characters that a page cannot
///   represent become `?`.
/// * All other pages are errors, UTF-16 (1200) included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodePage {
    number: u32,
    charset: Charset,
}

impl CodePage {
    /// Code page 65001, the encoding of Linux programs.
    pub const UTF_8: Self = Self { number: 65001, charset: Charset::Unchanged };

    /// Returns the code page with a Windows number, or [`CommandError::UnknownCodePage`].
    pub fn from_number(number: u32) -> Result<Self, CommandError> {
        let charset = match number {
            65001 | 20127 => Charset::Unchanged,
            437 | 720 | 737 | 775 | 850 | 852 | 855 | 857 | 858 | 860..=865 | 869 => Charset::Unchanged,
            28591 => Charset::Latin1,
            866 => Charset::Table(encoding_rs::IBM866),
            874 => Charset::Table(encoding_rs::WINDOWS_874),
            932 => Charset::Table(encoding_rs::SHIFT_JIS),
            936 => Charset::Table(encoding_rs::GBK),
            949 => Charset::Table(encoding_rs::EUC_KR),
            950 => Charset::Table(encoding_rs::BIG5),
            1250 => Charset::Table(encoding_rs::WINDOWS_1250),
            1251 => Charset::Table(encoding_rs::WINDOWS_1251),
            1252 => Charset::Table(encoding_rs::WINDOWS_1252),
            1253 => Charset::Table(encoding_rs::WINDOWS_1253),
            1254 => Charset::Table(encoding_rs::WINDOWS_1254),
            1255 => Charset::Table(encoding_rs::WINDOWS_1255),
            1256 => Charset::Table(encoding_rs::WINDOWS_1256),
            1257 => Charset::Table(encoding_rs::WINDOWS_1257),
            1258 => Charset::Table(encoding_rs::WINDOWS_1258),
            20866 => Charset::Table(encoding_rs::KOI8_R),
            21866 => Charset::Table(encoding_rs::KOI8_U),
            28592 => Charset::Table(encoding_rs::ISO_8859_2),
            28593 => Charset::Table(encoding_rs::ISO_8859_3),
            28594 => Charset::Table(encoding_rs::ISO_8859_4),
            28595 => Charset::Table(encoding_rs::ISO_8859_5),
            28596 => Charset::Table(encoding_rs::ISO_8859_6),
            28597 => Charset::Table(encoding_rs::ISO_8859_7),
            28598 => Charset::Table(encoding_rs::ISO_8859_8),
            28603 => Charset::Table(encoding_rs::ISO_8859_13),
            28605 => Charset::Table(encoding_rs::ISO_8859_15),
            _ => return Err(CommandError::UnknownCodePage { number }),
        };
        Ok(Self { number, charset })
    }

    /// Returns the Windows number.
    pub fn number(self) -> u32 {
        self.number
    }

    /// Returns a converter from UTF-8 to this page; `None` if bytes stay unchanged.
    pub fn output(self) -> Option<PageEncoder> {
        let target = match self.charset {
            Charset::Unchanged => return None,
            Charset::Latin1 => Target::Latin1,
            Charset::Table(encoding) => Target::Table(encoding.new_encoder()),
        };
        Some(PageEncoder { target, cut: Vec::new() })
    }

    /// Returns a converter from this page to UTF-8; `None` if bytes stay unchanged.
    pub fn input(self) -> Option<PageDecoder> {
        match self.charset {
            Charset::Unchanged => None,
            Charset::Latin1 => Some(PageDecoder(Source::Latin1)),
            Charset::Table(encoding) => {
                Some(PageDecoder(Source::Table(encoding.new_decoder_without_bom_handling())))
            }
        }
    }
}

impl Default for CodePage {
    fn default() -> Self {
        Self::UTF_8
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charset {
    Unchanged,
    /// ISO 8859-1 with the control characters 80 to 9F, unlike the web's `latin1`, which is windows-1252.
    Latin1,
    Table(&'static Encoding),
}

/// Incremental converter from UTF-8 to a code page.
///
/// No supported page needs more bytes for a character than UTF-8, so the output is never longer than the input.
pub struct PageEncoder {
    target: Target,
    /// Incomplete character at the end of the previous input: at most three bytes.
    cut: Vec<u8>,
}

enum Target {
    Latin1,
    Table(Encoder),
}

impl PageEncoder {
    /// Appends the converted input to `page`. An incomplete character at the end is kept for the next call.
    pub fn convert(&mut self, utf8: &[u8], page: &mut Vec<u8>) {
        if self.cut.is_empty() {
            return self.convert_joined(utf8, page);
        }
        let mut joined = std::mem::take(&mut self.cut);
        joined.extend_from_slice(utf8);
        self.convert_joined(&joined, page);
    }

    /// Ends the stream. An incomplete character becomes `?`.
    pub fn finish(&mut self, page: &mut Vec<u8>) {
        if !self.cut.is_empty() {
            self.cut.clear();
            page.push(UNMAPPABLE);
        }
    }

    fn convert_joined(&mut self, mut utf8: &[u8], page: &mut Vec<u8>) {
        loop {
            let (valid, invalid) = match str::from_utf8(utf8) {
                Ok(text) => return self.target.append(text, page),
                Err(error) => (error.valid_up_to(), error.error_len()),
            };
            let (text, rest) = utf8.split_at_checked(valid).unwrap_or((utf8, &[]));
            self.target.append(str::from_utf8(text).unwrap_or_default(), page);
            let Some(invalid) = invalid else {
                self.cut = rest.to_vec();
                return;
            };
            page.push(UNMAPPABLE);
            utf8 = rest.get(invalid..).unwrap_or_default();
        }
    }
}

impl Target {
    fn append(&mut self, mut text: &str, page: &mut Vec<u8>) {
        match self {
            Self::Latin1 => {
                page.extend(text.chars().map(|character| u8::try_from(character).unwrap_or(UNMAPPABLE)));
            }
            Self::Table(encoder) => loop {
                let room = encoder.max_buffer_length_from_utf8_without_replacement(text.len());
                page.reserve(room.unwrap_or(text.len()));
                let (result, read) = encoder.encode_from_utf8_to_vec_without_replacement(text, page, false);
                text = text.get(read..).unwrap_or_default();
                match result {
                    EncoderResult::InputEmpty => return,
                    EncoderResult::OutputFull => {}
                    EncoderResult::Unmappable(_) => page.push(UNMAPPABLE),
                }
            },
        }
    }
}

/// Incremental converter from a code page to UTF-8.
pub struct PageDecoder(Source);

enum Source {
    Latin1,
    Table(Decoder),
}

impl PageDecoder {
    /// Converts the next input. An incomplete character at the end is kept for the next call.
    pub fn convert(&mut self, page: &[u8]) -> Vec<u8> {
        match &mut self.0 {
            Source::Latin1 => page.iter().copied().map(char::from).collect::<String>().into_bytes(),
            Source::Table(decoder) => {
                let room = decoder.max_utf8_buffer_length(page.len()).unwrap_or(page.len());
                let mut text = String::with_capacity(room);
                // The capacity suffices for the worst case, so the decoder reads everything.
                let _ = decoder.decode_to_string(page, &mut text, false);
                text.into_bytes()
            }
        }
    }

    /// Ends the input, and returns a replacement character if the last character is incomplete.
    pub fn finish(self) -> Vec<u8> {
        let mut text = String::with_capacity(char::REPLACEMENT_CHARACTER.len_utf8());
        if let Source::Table(mut decoder) = self.0 {
            let _ = decoder.decode_to_string(&[], &mut text, true);
        }
        text.into_bytes()
    }
}

/// Replacement for characters that a page cannot represent, as on Windows.
const UNMAPPABLE: u8 = b'?';

#[cfg(test)]
mod tests {
    use super::*;

    fn to_page(number: u32, pieces: &[&[u8]]) -> Vec<u8> {
        let mut conversion = CodePage::from_number(number).unwrap().output().unwrap();
        let mut page = Vec::new();
        for piece in pieces {
            conversion.convert(piece, &mut page);
        }
        conversion.finish(&mut page);
        page
    }

    #[test]
    fn ascii_compatible_pages_leave_bytes_unchanged() {
        for number in [65001, 437, 20127, 850] {
            let page = CodePage::from_number(number).unwrap();
            assert!(page.output().is_none() && page.input().is_none(), "{number}");
        }
    }

    #[test]
    fn an_unknown_page_is_an_error_with_its_number() {
        for number in [0, 1, 1200, 65000, 4_294_967_295] {
            let error = CodePage::from_number(number).unwrap_err();
            assert!(
                matches!(error, CommandError::UnknownCodePage { number: reported } if reported == number)
            );
        }
    }

    #[test]
    fn output_is_converted_to_the_requested_page() {
        let table: [(u32, &str, &[u8]); 7] = [
            (1252, "Grüße €5", b"Gr\xFC\xDFe \x805"),
            (28591, "Grüße €5", b"Gr\xFC\xDFe ?5"),
            (28605, "€", b"\xA4"),
            (1251, "Привет", b"\xCF\xF0\xE8\xE2\xE5\xF2"),
            (866, "Привет", b"\x8F\xE0\xA8\xA2\xA5\xE2"),
            (932, "日本", b"\x93\xFA\x96\x7B"),
            (936, "中文, é😀", b"\xD6\xD0\xCE\xC4, \xA8\xA6?"),
        ];
        for (number, text, page) in table {
            assert_eq!(to_page(number, &[text.as_bytes()]), page, "{number} {text}");
        }
    }

    #[test]
    fn a_character_split_between_two_inputs_is_converted_once() {
        let text = "a€ü😀日z".as_bytes();
        for number in [1252, 28591, 932, 936] {
            let whole = to_page(number, &[text]);
            for at in 0..=text.len() {
                let (first, second) = text.split_at(at);
                assert_eq!(to_page(number, &[first, second]), whole, "{number} cut at {at}");
            }
            let bytes: Vec<&[u8]> = text.chunks(1).collect();
            assert_eq!(to_page(number, &bytes), whole, "{number} byte by byte");
        }
    }

    #[test]
    fn invalid_utf_8_becomes_question_marks() {
        assert_eq!(to_page(1252, &[b"a\xFF\xFEb"]), b"a??b");
        assert_eq!(to_page(1252, &[b"a\xE2\x82"]), b"a?");
        assert_eq!(to_page(1252, &[b"a\xE2", b"b"]), b"a?b");
    }

    #[test]
    fn no_page_needs_more_bytes_than_utf_8() {
        let numbers = (0..70_000).filter_map(|number| CodePage::from_number(number).ok());
        for page in numbers.filter(|page| page.output().is_some()) {
            for character in (1..=0x10_FFFF).step_by(7).filter_map(char::from_u32) {
                let mut utf8 = [0; 4];
                let utf8 = character.encode_utf8(&mut utf8);
                assert!(
                    to_page(page.number(), &[utf8.as_bytes()]).len() <= utf8.len(),
                    "{page:?} {character:?}"
                );
            }
        }
    }

    #[test]
    fn input_is_converted_to_utf_8() {
        fn read(number: u32, pieces: &[&[u8]]) -> String {
            let mut conversion = CodePage::from_number(number).unwrap().input().unwrap();
            let mut utf8: Vec<u8> = pieces.iter().flat_map(|piece| conversion.convert(piece)).collect();
            utf8.extend(conversion.finish());
            String::from_utf8(utf8).unwrap()
        }
        assert_eq!(read(1252, &[b"Gr\xFC\xDFe \x80"]), "Grüße €");
        assert_eq!(read(28591, &[b"Gr\xFC\xDFe \x80"]), "Grüße \u{80}");
        assert_eq!(read(932, &[b"\x93", b"\xFA\x96", b"\x7B"]), "日本");
        assert_eq!(read(932, &[b"a", b"\x93"]), "a\u{FFFD}");
        assert_eq!(read(1252, &[b"\xEF\xBB\xBFa"]), "ï»¿a");
    }
}
