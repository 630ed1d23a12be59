if ([IO.Directory]::Exists($f)) { throw "$f is a directory" }
$mode = '-'
if ($unix -and [IO.File]::Exists($f)) {
& test -f $f
if ($LASTEXITCODE -ne 0) { throw "$f is not a regular file" }
$mode = & stat -L -c '%a' $f
}
$s = [IO.File]::OpenRead($f)
try {
$size = $s.Length
$start = 0
if ($begun -gt 0 -and $begun -le $size) {
$hash = [Security.Cryptography.SHA256]::Create()
$left = $begun
while ($left -gt 0) {
$count = $s.Read($buffer, 0, [Math]::Min($left, $buffer.Length))
if ($count -eq 0) { break }
$null = $hash.TransformBlock($buffer, 0, $count, $buffer, 0)
$left = $left - $count
}
$null = $hash.TransformFinalBlock($buffer, 0, 0)
if ([BitConverter]::ToString($hash.Hash).Replace('-', '').ToLowerInvariant() -eq $digest) { $start = $begun }
$null = $s.Seek(0, 'Begin')
}
$digest = [BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($s)).Replace('-', '').ToLowerInvariant()
$time = [long][Math]::Floor(([IO.File]::GetLastWriteTimeUtc($f) - [DateTime]'1970-01-01').TotalSeconds)
"$size $mode $time $digest $start"
$null = $s.Seek($start, 'Begin')
while ($true) {
$count = $s.Read($buffer, 0, $buffer.Length)
if ($count -eq 0) { break }
$piece = [Array]::CreateInstance([byte], $count)
[Array]::Copy($buffer, $piece, $count)
,$piece
}
} finally { $s.Dispose() }
