if ([IO.File]::Exists($t)) {
$s = [IO.File]::OpenRead($t)
try {
$length = $s.Length
$digest = [BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($s)).Replace('-', '').ToLowerInvariant()
"$length $digest"
} finally { $s.Dispose() }
}
