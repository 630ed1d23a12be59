function Full($p) { $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($p) }
function Digest($p) {
$s = [IO.File]::OpenRead($p)
try { -join ([Security.Cryptography.SHA256]::Create().ComputeHash($s) | % { $_.ToString('x2') }) } finally { $s.Dispose() } }
$epoch = [DateTime]'1970-01-01'
$f = Full $path
