//! Error numbers in every spelling, and their symbolic names.

use std::fmt;

/// An error number as WS-Management carries it: a WSMan code, another HRESULT, or a Win32 code.
///
/// The same number is written unsigned on the wire (2150858770), signed by scripts (-2144108526),
/// hexadecimal in documentation (0x80338012) and by name in the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(pub u32);

impl Code {
    /// Reads any spelling: decimal with or without sign, hexadecimal with or without `0x`, or a symbol
    /// with or without `ERROR_` and `ERROR_WSMAN_`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            return parse_hex(hex);
        }
        if let Ok(unsigned) = text.parse::<u32>() {
            return Some(Self(unsigned));
        }
        if let Ok(signed) = text.parse::<i32>() {
            return Some(Self(signed.cast_unsigned()));
        }
        let bare_hex = || (text.len() == 8).then(|| parse_hex(text)).flatten();
        find_symbol(text).or_else(bare_hex)
    }

    /// The number as scripts know it: negative for an HRESULT.
    #[must_use]
    pub fn signed(self) -> i32 {
        self.0.cast_signed()
    }

    /// The name of the number in the Windows headers, if it is known here.
    #[must_use]
    pub fn symbol(self) -> Option<&'static str> {
        let numbered = |code: u32| all().find(|(number, _)| *number == code).map(|(_, name)| name);
        numbered(self.0).or_else(|| numbered(self.win32()?))
    }

    /// The Win32 code inside an HRESULT of the Win32 facility (0x8007xxxx), or the code itself if small.
    #[must_use]
    pub fn win32(self) -> Option<u32> {
        match self.0 >> 16 {
            0 => Some(self.0),
            0x8007 => Some(self.0 & 0xFFFF),
            _ => None,
        }
    }
}

impl fmt::Display for Code {
    /// `2150858770, 0x80338012, ERROR_WSMAN_DESTINATION_UNREACHABLE`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, 0x{:X}", self.0, self.0)?;
        self.symbol().map_or(Ok(()), |symbol| write!(f, ", {symbol}"))
    }
}

fn parse_hex(digits: &str) -> Option<Code> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u32::from_str_radix(digits, 16).ok().map(Code)).flatten()
}

fn find_symbol(text: &str) -> Option<Code> {
    let is = |name: &str| {
        [Some(name), name.strip_prefix("ERROR_"), name.strip_prefix("ERROR_WSMAN_")]
            .into_iter()
            .flatten()
            .any(|spelling| spelling.eq_ignore_ascii_case(text))
    };
    all().find(|(_, name)| is(name)).map(|(number, _)| Code(number))
}

/// Every number with its name. A failure is looked up once, so the table stays text.
fn all() -> impl Iterator<Item = (u32, &'static str)> {
    let wsman = WSMAN.lines().filter_map(|line| {
        let mut columns = line.split('\t');
        Some((columns.next()?.parse().ok()?, columns.nth(1)?))
    });
    wsman.chain(WIN32.iter().copied())
}

/// Decimal, hexadecimal, name; the first line is a heading.
const WSMAN: &str = include_str!("codes.tsv");

/// The numbers of other components that services report.
const WIN32: &[(u32, &str)] = &[
    (2, "ERROR_FILE_NOT_FOUND"),
    (5, "ERROR_ACCESS_DENIED"),
    (14, "ERROR_OUTOFMEMORY"),
    (50, "ERROR_NOT_SUPPORTED"),
    (87, "ERROR_INVALID_PARAMETER"),
    (170, "ERROR_BUSY"),
    (267, "ERROR_DIRECTORY"),
    (206, "ERROR_FILENAME_EXCED_RANGE"),
    (995, "ERROR_OPERATION_ABORTED"),
    (1018, "ERROR_KEY_DELETED"),
    (1326, "ERROR_LOGON_FAILURE"),
    (1327, "ERROR_ACCOUNT_RESTRICTION"),
    (1460, "ERROR_TIMEOUT"),
    (12_175, "ERROR_WINHTTP_SECURE_FAILURE"),
    (0x8009_0303, "SEC_E_TARGET_UNKNOWN"),
    (0x8009_0305, "SEC_E_SECPKG_NOT_FOUND"),
    (0x8009_030E, "SEC_E_NO_CREDENTIALS"),
    (0x8009_0311, "SEC_E_NO_AUTHENTICATING_AUTHORITY"),
    (0x8009_0317, "SEC_E_CONTEXT_EXPIRED"),
    (0x8009_0322, "SEC_E_WRONG_PRINCIPAL"),
    (0x8009_0324, "SEC_E_TIME_SKEW"),
    (0x8009_0345, "SEC_E_DELEGATION_REQUIRED"),
    (0x800B_0101, "CERT_E_EXPIRED"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_number_is_the_same_code() {
        let unreachable = Some(Code(2_150_858_770));
        for text in [
            "2150858770",
            "-2144108526",
            "0x80338012",
            "0X80338012",
            "ERROR_WSMAN_DESTINATION_UNREACHABLE",
            "error_wsman_destination_unreachable",
            "WSMAN_DESTINATION_UNREACHABLE",
            "Destination_Unreachable",
        ] {
            assert_eq!(Code::parse(text), unreachable, "of {text}");
        }
        assert_eq!(Code::parse("803380FA"), Some(Code(0x8033_80FA)));
        assert_eq!(Code::parse("5"), Some(Code(5)));
        for text in ["", "0x", "0x1FFFFFFFF", "4294967296", "-2147483649", "nonsense", "0x+5", "--5"] {
            assert_eq!(Code::parse(text), None, "of {text}");
        }
    }

    #[test]
    fn a_code_shows_all_its_spellings() {
        let shown = Code(2_150_858_770).to_string();
        assert_eq!(shown, "2150858770, 0x80338012, ERROR_WSMAN_DESTINATION_UNREACHABLE");
        assert_eq!(Code(0x8007_0005).symbol(), Some("ERROR_ACCESS_DENIED"));
        assert_eq!(Code(0xFFFF_FFFF).to_string(), "4294967295, 0xFFFFFFFF");
    }

    #[test]
    fn the_table_is_whole_and_in_order() {
        let rows: Vec<(u32, &str)> = all().collect();
        assert_eq!(rows.len(), 474 + WIN32.len());
        assert_eq!(WSMAN.lines().count(), 475);
        let wsman: Vec<u32> = rows.iter().take(474).map(|(number, _)| *number).collect();
        assert!(wsman.is_sorted_by(|a, b| a < b), "a number stands twice or out of order");
        let is_symbol =
            |name: &str| ["ERROR_", "SEC_E_", "CERT_E_"].iter().any(|start| name.starts_with(start));
        assert!(rows.iter().all(|(_, name)| is_symbol(name)));
    }
}
