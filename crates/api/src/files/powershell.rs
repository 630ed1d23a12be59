//! File transfer commands for Windows PowerShell, encoded as base64 of UTF-16LE so that no shell interprets them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Dialect, End};

/// Machine with Windows PowerShell.
pub(super) struct Windows;

impl Dialect for Windows {
    fn receive(&self, path: &str, digest: &str) -> String {
        encoded(&format!(
            "$f = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath({path})\n\
             if (Test-Path -LiteralPath $f -PathType Container) {{ throw \"$f is a directory\" }}\n\
             $t = \"$f.{part}.part\"\n\
             $to = [IO.File]::Open($t, 'Create', 'Write', 'None')\n\
             try {{ while ($line = [Console]::In.ReadLine()) {{\n\
             $octets = [Convert]::FromBase64String($line); $to.Write($octets, 0, $octets.Length) }} }}\n\
             finally {{ $to.Dispose() }}\n\
             {DIGEST}\n\
             if ((Digest $t) -ne '{digest}') {{ Remove-Item -LiteralPath $t -Force\n\
             throw 'the SHA-256 of the received data does not match' }}\n\
             Move-Item -LiteralPath $t -Destination $f -Force\n\
             [Console]::Out.WriteLine($f)",
            path = quoted(path),
            part = digest.get(..16).unwrap_or(digest),
        ))
    }

    fn send(&self, path: &str) -> String {
        encoded(&format!(
            "$f = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath({path})\n\
             {DIGEST}\n\
             $digest = Digest $f\n\
             $from = [IO.File]::OpenRead($f); $octets = New-Object byte[] 49152\n\
             try {{ while (($count = $from.Read($octets, 0, $octets.Length)) -gt 0) {{\n\
             [Console]::Out.WriteLine([Convert]::ToBase64String($octets, 0, $count)) }} }}\n\
             finally {{ $from.Dispose() }}\n\
             [Console]::Error.WriteLine($digest)",
            path = quoted(path),
        ))
    }

    fn encode(&self, octets: &[u8]) -> Vec<u8> {
        let mut lines = Vec::with_capacity(octets.len() * 4 / 3 + 64);
        for piece in octets.chunks(LINE) {
            lines.extend_from_slice(STANDARD.encode(piece).as_bytes());
            lines.extend_from_slice(b"\r\n");
        }
        lines
    }

    fn decode(&self, text: &mut Vec<u8>, end: End) -> Result<Vec<u8>, String> {
        let whole = match (text.iter().rposition(|octet| *octet == b'\n'), end) {
            (_, End::Here) => text.len(),
            (Some(at), End::Open) => at + 1,
            (None, End::Open) => 0,
        };
        let rest = text.split_off(whole);
        let lines = std::mem::replace(text, rest);
        let mut octets = Vec::with_capacity(lines.len());
        for line in
            lines.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
        {
            STANDARD
                .decode_vec(line, &mut octets)
                .map_err(|error| format!("the received data is not base64: {error}"))?;
        }
        Ok(octets)
    }
}

/// Computes a SHA-256; Windows has no cmdlet for it before PowerShell 4.
const DIGEST: &str = "function Digest($path) { $s = [IO.File]::OpenRead($path)\n\
     try { -join ([Security.Cryptography.SHA256]::Create().ComputeHash($s) | ForEach-Object { $_.ToString('x2') }) }\n\
     finally { $s.Dispose() } }";

/// Number of bytes per line, short enough for the console reader.
const LINE: usize = 3_072;

/// Quotes a text for PowerShell.
fn quoted(text: &str) -> String {
    // PowerShell accepts typographic quotation marks, too.
    let doubled: String = text
        .chars()
        .flat_map(|c| std::iter::repeat_n(c, if matches!(c, '\'' | '\u{2018}'..='\u{201B}') { 2 } else { 1 }))
        .collect();
    format!("'{doubled}'")
}

/// Returns the command line that runs a script and fails if the script fails.
fn encoded(script: &str) -> String {
    let script = format!(
        "$ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue'\n\
         try {{\n{script}\n}} catch {{ [Console]::Error.WriteLine($_.Exception.Message); exit 1 }}"
    );
    crate::powershell::command_line("powershell", &script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_split_across_reads_are_reassembled() {
        let text = Windows.encode(&(0..=255).cycle().take(10_000).collect::<Vec<u8>>());
        for cut in [1, 3, 4_000, 4_098, text.len() - 1] {
            let (mut buffer, mut octets) = (Vec::new(), Vec::new());
            let (first, second) = text.split_at(cut);
            for (piece, end) in [(first, End::Open), (second, End::Here)] {
                buffer.extend_from_slice(piece);
                octets.extend(Windows.decode(&mut buffer, end).expect("base64"));
            }
            assert_eq!(octets, (0..=255).cycle().take(10_000).collect::<Vec<u8>>(), "cut at {cut}");
        }
    }

    #[test]
    fn any_path_is_quoted_as_one_text() {
        assert_eq!(quoted("C:\\it's $x"), "'C:\\it''s $x'");
        assert_eq!(quoted("a\u{2019}b"), "'a\u{2019}\u{2019}b'");
    }

    #[test]
    fn commands_fit_the_limit_of_cmd() {
        let longest = "C:\\".to_owned() + &"a".repeat(257);
        assert!(Windows.receive(&longest, &"0".repeat(64)).len() < 8_191);
        assert!(Windows.send(&longest).len() < 8_191);
    }
}
