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
    /// with or without what many begin with, such as `ERROR_WSMAN_` and `SEC_E_`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            return parse_hex(hex);
        }
        let bare_hex = || (text.len() == 8).then(|| parse_hex(text)).flatten();
        if let Ok(unsigned) = text.parse::<u32>() {
            // 80338012 is a number of its own, which nobody knows, and a known one without its 0x.
            let named = |code: &Self| code.symbol().is_some();
            let hex = bare_hex().filter(|hex| named(hex) && !named(&Self(unsigned)));
            return Some(hex.unwrap_or(Self(unsigned)));
        }
        if let Ok(signed) = text.parse::<i32>() {
            return Some(Self(signed.cast_unsigned()));
        }
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
        // E_ACCESSDENIED is ERROR_ACCESS_DENIED, which says more about where it comes from.
        let inner = self.win32().or_else(|| self.status());
        inner.and_then(numbered).or_else(|| numbered(self.0))
    }

    /// What the name says, in small letters: `sharing violation`.
    #[must_use]
    pub fn words(self) -> Option<String> {
        let name = self.symbol()?;
        let short = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
        Some(short.replace('_', " ").to_lowercase())
    }

    /// Which part of a system the number is of, as far as its form tells.
    #[must_use]
    pub fn layer(self) -> &'static str {
        match (self.0 >> 16, self.0) {
            (0, 10_000..=11_999) => "sockets of Windows",
            (0, 12_000..=12_999) => "HTTP client of Windows (WinHTTP)",
            (0, 2_100..=2_999) => "Windows networking",
            (0, 9_000..=9_999) => "DNS",
            (0, _) => "Win32",
            (0x8007, _) => "Win32, as an HRESULT",
            (0x8033, _) => "WS-Management",
            (0x8004, 0x8004_1000..=0x8004_2FFF) => "WMI",
            (0x8000..=0x8004, _) => "COM",
            (0x8009, 0x8009_0300..=0x8009_03FF) => "sign-in of Windows (SSPI)",
            (0x8009, _) => "cryptography of Windows",
            (0x800B, _) => "certificates",
            (0xC000.., _) => "NTSTATUS",
            _ => "an HRESULT of another layer",
        }
    }

    /// Names that contain a text, for somebody who does not have the whole one; the first `most` of them.
    #[must_use]
    pub fn search(text: &str, most: usize) -> Vec<(Self, &'static str)> {
        let wanted = text.trim().to_uppercase().replace([' ', '-'], "_");
        if wanted.len() < SHORTEST_SEARCH {
            return Vec::new();
        }
        let found = all().filter(|(_, name)| name.to_uppercase().contains(&wanted));
        found.map(|(number, name)| (Self(number), name)).take(most).collect()
    }

    /// The NTSTATUS inside an HRESULT (`HRESULT_FROM_NT`), or the status itself.
    fn status(self) -> Option<u32> {
        const FACILITY_NT_BIT: u32 = 0x1000_0000;
        let inner = self.0 & !FACILITY_NT_BIT;
        (inner >= 0xC000_0000).then_some(inner)
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

/// Shorter texts are in too many names.
const SHORTEST_SEARCH: usize = 3;

fn parse_hex(digits: &str) -> Option<Code> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u32::from_str_radix(digits, 16).ok().map(Code)).flatten()
}

fn find_symbol(text: &str) -> Option<Code> {
    let is = |name: &str| spellings(name).any(|spelling| spelling.eq_ignore_ascii_case(text));
    all().find(|(_, name)| is(name)).map(|(number, _)| Code(number))
}

/// The name, and what is left of it without the words that it shares with many.
fn spellings(name: &str) -> impl Iterator<Item = &str> {
    std::iter::once(name).chain(PREFIXES.iter().filter_map(|prefix| name.strip_prefix(prefix)))
}

/// Every number with its names. A failure is looked up once, so the tables stay text.
fn all() -> impl Iterator<Item = (u32, &'static str)> {
    let wsman = WSMAN.lines().filter_map(|line| {
        let mut columns = line.split('\t');
        Some((columns.next()?.parse().ok()?, columns.nth(1)?))
    });
    let windows = WINDOWS.lines().filter_map(|line| {
        let (number, name) = line.split_once('\t')?;
        Some((u32::from_str_radix(number.strip_prefix("0x")?, 16).ok()?, name))
    });
    wsman.chain(windows)
}

/// The numbers of WS-Management: decimal, hexadecimal, name; the first line is a heading.
const WSMAN: &str = include_str!("codes/wsman.tsv");

/// Those of the layers below and beside it: Win32, sockets, WinHTTP, RPC, sign-in, certificates, COM, WMI and NTSTATUS.
/// In order, and of several names for a number the usual one first.
const WINDOWS: &str = include_str!("codes/windows.tsv");

/// What names begin with and people leave out, the longest first.
const PREFIXES: &[&str] = &[
    "ERROR_WSMAN_",
    "ERROR_WINHTTP_",
    "ERROR_",
    "SEC_E_",
    "CERT_E_",
    "TRUST_E_",
    "CRYPT_E_",
    "WBEM_E_",
    "STATUS_",
    "RPC_S_",
    "WSA",
    "NERR_",
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
    fn the_tables_are_whole_and_in_order() {
        let wsman: Vec<u32> = all().map(|(number, _)| number).take(474).collect();
        assert_eq!(WSMAN.lines().count(), 475);
        assert!(wsman.is_sorted_by(|a, b| a < b), "a number stands twice or out of order");
        let windows: Vec<(u32, &str)> = all().skip(474).collect();
        assert_eq!(windows.len(), WINDOWS.lines().count() - 1, "a line is not read");
        assert!(windows.is_sorted_by(|a, b| a.0 <= b.0), "a number stands out of order");
        let mut names: Vec<&str> = all().map(|(_, name)| name).collect();
        let fits = |name: &&str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        assert!(names.iter().all(fits));
        names.sort_unstable();
        assert!(names.is_sorted_by(|a, b| a < b), "a name stands twice");
    }

    #[test]
    fn numbers_of_other_layers_have_names_too() {
        for (text, symbol, layer) in [
            ("0x80041003", "WBEM_E_ACCESS_DENIED", "WMI"),
            ("-2147217405", "WBEM_E_ACCESS_DENIED", "WMI"),
            ("1326", "ERROR_LOGON_FAILURE", "Win32"),
            ("0x8007052e", "ERROR_LOGON_FAILURE", "Win32, as an HRESULT"),
            ("0x80070005", "ERROR_ACCESS_DENIED", "Win32, as an HRESULT"),
            ("E_ACCESSDENIED", "ERROR_ACCESS_DENIED", "Win32, as an HRESULT"),
            ("0xC000006D", "STATUS_LOGON_FAILURE", "NTSTATUS"),
            ("0xD000006D", "STATUS_LOGON_FAILURE", "NTSTATUS"),
            ("0x8009030c", "SEC_E_LOGON_DENIED", "sign-in of Windows (SSPI)"),
            ("10061", "WSAECONNREFUSED", "sockets of Windows"),
            ("econnrefused", "WSAECONNREFUSED", "sockets of Windows"),
            ("12175", "ERROR_WINHTTP_SECURE_FAILURE", "HTTP client of Windows (WinHTTP)"),
            ("CERT_E_EXPIRED", "CERT_E_EXPIRED", "certificates"),
            ("2150859173", "ERROR_WSMAN_QUOTA_MAX_SHELLS", "WS-Management"),
        ] {
            let code = Code::parse(text).expect(text);
            assert_eq!((code.symbol(), code.layer()), (Some(symbol), layer), "of {text}");
        }
        assert_eq!(Code(32).words().as_deref(), Some("sharing violation"));
        let found = Code::search("max shells", 3);
        assert!(found.iter().any(|(code, _)| *code == Code(2_150_859_173)), "{found:?}");
        assert!(Code::search("e", 3).is_empty());
    }
}
