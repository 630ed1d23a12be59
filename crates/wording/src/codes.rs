//! Error numbers in every notation, and their symbols in the Windows headers.

use std::fmt;

/// Error number as WS-Management carries it: a WSMan code, another HRESULT, or a Win32 code.
///
/// The same number is unsigned on the wire (2150858770), signed in scripts (-2144108526), hexadecimal in
/// documentation (0x80338012) and a symbol in the Windows headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(pub u32);

impl Code {
    /// Parses any notation: decimal with or without sign, hexadecimal with or without `0x`, or a symbol with or without
    /// a common prefix such as `ERROR_WSMAN_` or `SEC_E_`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            return parse_hex(hex);
        }
        if let Ok(unsigned) = text.parse::<u32>() {
            // 80338012 is an unassigned decimal number and a known hexadecimal one.
            let hex = parse_bare_hex(text)
                .filter(|hex| hex.symbol().is_some() && Self(unsigned).symbol().is_none());
            return Some(hex.unwrap_or(Self(unsigned)));
        }
        if let Ok(signed) = text.parse::<i32>() {
            return Some(Self(signed.cast_unsigned()));
        }
        find_symbol(text).or_else(|| parse_bare_hex(text))
    }

    /// Returns the number as scripts use it: negative for an HRESULT.
    #[must_use]
    pub fn signed(self) -> i32 {
        self.0.cast_signed()
    }

    /// Returns the symbol of the number in the Windows headers, if the tables contain it.
    #[must_use]
    pub fn symbol(self) -> Option<&'static str> {
        // E_ACCESSDENIED is the HRESULT of ERROR_ACCESS_DENIED, which is the more common symbol.
        let inner = self.win32().or_else(|| self.status());
        inner.and_then(symbol_of).or_else(|| symbol_of(self.0))
    }

    /// Returns the symbol as words without its prefix: `sharing violation`.
    #[must_use]
    pub fn words(self) -> Option<String> {
        let name = self.symbol()?;
        let short = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
        Some(short.replace('_', " ").to_lowercase())
    }

    /// Returns the component that defines the number, as far as its value shows.
    #[must_use]
    pub fn layer(self) -> &'static str {
        match (self.0 >> 16, self.0) {
            (0, 10_000..=11_999) => "Windows Sockets",
            (0, 12_000..=12_999) => "Windows HTTP client (WinHTTP)",
            (0, 2_100..=2_999) => "Windows networking",
            (0, 9_000..=9_999) => "DNS",
            (0, _) => "Win32",
            (0x8007, _) => "Win32, as an HRESULT",
            (0x8033, _) => "WS-Management",
            (0x8004, 0x8004_1000..=0x8004_2FFF) => "WMI",
            (0x8000..=0x8004, _) => "COM",
            (0x8009, 0x8009_0300..=0x8009_03FF) => "Windows authentication (SSPI)",
            (0x8009, _) => "Windows cryptography",
            (0x800B, _) => "certificates",
            (0xC000.., _) => "NTSTATUS",
            _ => "another HRESULT facility",
        }
    }

    /// Searches symbols for a text of at least three characters; returns at most `most` of them.
    #[must_use]
    pub fn search(text: &str, most: usize) -> Vec<(Self, &'static str)> {
        let wanted = text.trim().to_uppercase().replace([' ', '-'], "_");
        if wanted.len() < SHORTEST_SEARCH {
            return Vec::new();
        }
        let found = all().filter(|(_, name)| name.to_uppercase().contains(&wanted));
        found.map(|(number, name)| (Self(number), name)).take(most).collect()
    }

    /// Returns the NTSTATUS inside an HRESULT (`HRESULT_FROM_NT`), or the status itself.
    fn status(self) -> Option<u32> {
        const FACILITY_NT_BIT: u32 = 0x1000_0000;
        let inner = self.0 & !FACILITY_NT_BIT;
        (inner >= 0xC000_0000).then_some(inner)
    }

    /// Returns the Win32 code inside an HRESULT of the Win32 facility (0x8007xxxx), or the code itself if it is below 65536.
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

/// Minimum length of a search; shorter texts match too many symbols.
const SHORTEST_SEARCH: usize = 3;

fn parse_hex(digits: &str) -> Option<Code> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u32::from_str_radix(digits, 16).ok().map(Code)).flatten()
}

/// Parses eight hexadecimal digits without `0x`.
fn parse_bare_hex(text: &str) -> Option<Code> {
    (text.len() == 8).then(|| parse_hex(text)).flatten()
}

fn symbol_of(code: u32) -> Option<&'static str> {
    all().find(|(number, _)| *number == code).map(|(_, name)| name)
}

fn find_symbol(text: &str) -> Option<Code> {
    all()
        .find(|(_, name)| spellings(name).any(|spelling| spelling.eq_ignore_ascii_case(text)))
        .map(|(number, _)| Code(number))
}

/// Returns the symbol, with and without its prefix.
fn spellings(name: &str) -> impl Iterator<Item = &str> {
    std::iter::once(name).chain(PREFIXES.iter().filter_map(|prefix| name.strip_prefix(prefix)))
}

/// All numbers with their symbols. The tables are parsed on each lookup, because a failure is looked up once.
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

/// WS-Management numbers: decimal, hexadecimal, symbol; the first line is a heading (MS-WSMV 2.2.5).
const WSMAN: &str = include_str!("codes/wsman.tsv");

/// Win32, sockets, WinHTTP, RPC, logon, certificates, COM, WMI and NTSTATUS numbers: hexadecimal, symbol.
/// Sorted by number; if a number has several symbols, the most common one is first.
const WINDOWS: &str = include_str!("codes/windows.tsv");

/// Prefixes that users omit, the longest first.
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
            ("0x8009030c", "SEC_E_LOGON_DENIED", "Windows authentication (SSPI)"),
            ("10061", "WSAECONNREFUSED", "Windows Sockets"),
            ("econnrefused", "WSAECONNREFUSED", "Windows Sockets"),
            ("12175", "ERROR_WINHTTP_SECURE_FAILURE", "Windows HTTP client (WinHTTP)"),
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
