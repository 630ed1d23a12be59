$word = [Console]::In.ReadLine().Split(' ')
$name = $e.GetString([Convert]::FromBase64String($word[0]))
$key = $word[1]
$f = $root
if ([IO.Directory]::Exists($f)) {
if (-not $name) { throw "$f is a directory" }
$f = [IO.Path]::Combine($f, $name)
}
$t = [IO.Path]::Combine([IO.Path]::GetDirectoryName($f), ".telarch-$key.part")
$to = [IO.File]::Open($t, 'CreateNew', 'Write', 'None')
try {
try {
$line = [Console]::In.ReadLine()
while ($line) {
$b = [Convert]::FromBase64String($line)
$to.Write($b, 0, $b.Length)
$line = [Console]::In.ReadLine()
}
} finally { $to.Dispose() }
$s = [IO.File]::OpenRead($t)
try {
$found = [BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($s)).Replace('-', '').ToLowerInvariant()
} finally { $s.Dispose() }
if ($found -ne $word[2]) { throw 'the SHA-256 of the received data does not match' }
if ($word[3] -ne '-') { [IO.File]::SetLastWriteTimeUtc($t, ([DateTime]'1970-01-01').AddSeconds([long]$word[3])) }
if ([IO.File]::Exists($f)) { [IO.File]::Replace($t, $f, [NullString]::Value) } else { [IO.File]::Move($t, $f) }
[Console]::Out.WriteLine($f)
} finally { [IO.File]::Delete($t) }
