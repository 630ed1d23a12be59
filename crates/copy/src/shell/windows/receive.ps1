if ([IO.Directory]::Exists($f)) {
if (-not $name) { throw "$f is a directory" }
$f = [IO.Path]::Combine($f, $name) }
$t = [IO.Path]::Combine([IO.Path]::GetDirectoryName($f), ".telarch-$key.part")
$to = [IO.File]::Open($t, 'CreateNew', 'Write', 'None')
try {
try { while ($line = [Console]::In.ReadLine()) { $b = [Convert]::FromBase64String($line); $to.Write($b, 0, $b.Length) } }
finally { $to.Dispose() }
if ((Digest $t) -ne $digest) { throw 'the SHA-256 of the received data does not match' }
if ($time -ge 0) { [IO.File]::SetLastWriteTimeUtc($t, $epoch.AddSeconds($time)) }
if ([IO.File]::Exists($f)) { [IO.File]::Replace($t, $f, [NullString]::Value) } else { [IO.File]::Move($t, $f) }
[Console]::Out.WriteLine($f)
} finally { [IO.File]::Delete($t) }
