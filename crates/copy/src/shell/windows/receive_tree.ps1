if (-not [IO.Directory]::Exists($root)) { $null = [IO.Directory]::CreateDirectory($root) }
$line = [Console]::In.ReadLine()
while ($line) {
$word = $line.Split(' ')
$folder = $word[1]
$leaf = ''
$size = ''
$part = ''
$open = $word[0] -eq 'f'
if ($open) { $leaf = $word[2] }
try {
$d = $root
foreach ($c in $e.GetString([Convert]::FromBase64String($folder)).Split('/')) {
if ($c) {
$d = [IO.Path]::Combine($d, $c)
if (-not [IO.Directory]::Exists($d)) { $null = [IO.Directory]::CreateDirectory($d) }
if ([IO.File]::GetAttributes($d).HasFlag([IO.FileAttributes]::ReparsePoint)) { throw "$d is a symbolic link" }
}
}
if ($open) {
$key = $word[3]
$size = $word[4]
$f = [IO.Path]::Combine($d, $e.GetString([Convert]::FromBase64String($leaf)))
if ([IO.Directory]::Exists($f)) { throw "$f is a directory" }
$t = [IO.Path]::Combine($d, ".telarch-$key.part")
$to = [IO.File]::Open($t, 'CreateNew', 'Write', 'None')
$part = $t
try {
$l = [Console]::In.ReadLine()
while ($l) {
if ($l -eq '!') { throw '!' }
$b = [Convert]::FromBase64String($l)
$to.Write($b, 0, $b.Length)
$l = [Console]::In.ReadLine()
}
$open = $false
} finally { $to.Dispose() }
$s = [IO.File]::OpenRead($t)
try {
$found = [BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($s)).Replace('-', '').ToLowerInvariant()
} finally { $s.Dispose() }
if ($found -ne $word[5]) { throw 'the SHA-256 of the received data does not match' }
if ($word[6] -ne '-') { [IO.File]::SetLastWriteTimeUtc($t, ([DateTime]'1970-01-01').AddSeconds([long]$word[6])) }
if ([IO.File]::Exists($f)) { [IO.File]::Replace($t, $f, [NullString]::Value) } else { [IO.File]::Move($t, $f) }
$part = ''
}
[Console]::Out.WriteLine("+ $size")
} catch {
$m = [Convert]::ToBase64String($e.GetBytes($_.Exception.Message))
[Console]::Out.WriteLine("- $folder $leaf $m")
}
while ($open) {
$l = [Console]::In.ReadLine()
if (-not $l) { $open = $false }
}
if ($part) { [IO.File]::Delete($part) }
$line = [Console]::In.ReadLine()
}
