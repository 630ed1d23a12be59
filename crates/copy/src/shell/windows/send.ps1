if ([IO.Directory]::Exists($root)) { throw "$root is a directory" }
$buffer = [Array]::CreateInstance([byte], 49152)
$s = [IO.File]::OpenRead($root)
try {
$size = $s.Length
$digest = [BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($s)).Replace('-', '').ToLowerInvariant()
$time = [long][Math]::Floor(([IO.File]::GetLastWriteTimeUtc($root) - [DateTime]'1970-01-01').TotalSeconds)
[Console]::Out.WriteLine("$size - $time $digest 0")
$null = $s.Seek(0, 'Begin')
$count = $s.Read($buffer, 0, $buffer.Length)
while ($count -gt 0) {
[Console]::Out.WriteLine([Convert]::ToBase64String($buffer, 0, $count))
$count = $s.Read($buffer, 0, $buffer.Length)
}
} finally { $s.Dispose() }
