$s = [IO.File]::OpenRead($t)
try {
$found = [BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($s)).Replace('-', '').ToLowerInvariant()
} finally { $s.Dispose() }
if ($found -ne $digest) {
[IO.File]::Delete($t)
throw 'the SHA-256 of the received data does not match'
}
$exists = [IO.File]::Exists($f)
if ($unix) {
if ($exists) {
& test -f $f -o -L $f
if ($LASTEXITCODE -ne 0) { throw "$f is not a regular file" }
}
if ($exact -or -not $exists) { & chmod $mode $t } else { & chmod "--reference=$f" $t }
}
if ($time -ge 0) { [IO.File]::SetLastWriteTimeUtc($t, ([DateTime]'1970-01-01').AddSeconds($time)) }
if ($exists) { [IO.File]::Replace($t, $f, [NullString]::Value) } else { [IO.File]::Move($t, $f) }
$f
