if (-not [IO.Directory]::Exists($root)) { throw "$root is not a directory" }
$buffer = [Array]::CreateInstance([byte], 49152)
$queue = [Activator]::CreateInstance([Collections.Queue])
$queue.Enqueue('')
while ($queue.Count -gt 0) {
$below = $queue.Dequeue()
$name = [Convert]::ToBase64String($e.GetBytes($below))
try {
foreach ($p in [IO.Directory]::GetFileSystemEntries([IO.Path]::Combine($root, $below))) {
$path = [IO.Path]::GetFileName($p)
if ($below) { $path = "$below/$path" }
$name = [Convert]::ToBase64String($e.GetBytes($path))
$begun = $false
try {
$a = [IO.File]::GetAttributes($p)
$kind = 'f'
if ($a.HasFlag([IO.FileAttributes]::Directory)) { $kind = 'd' }
if ($a.HasFlag([IO.FileAttributes]::ReparsePoint)) { $kind = 'o' }
if ($kind -eq 'd') { $queue.Enqueue($path) }
if ($kind -ne 'f') { [Console]::Out.WriteLine("$kind $name") } else {
$s = [IO.File]::OpenRead($p)
try {
$size = $s.Length
$digest = [BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($s)).Replace('-', '').ToLowerInvariant()
$time = [long][Math]::Floor(([IO.File]::GetLastWriteTimeUtc($p) - [DateTime]'1970-01-01').TotalSeconds)
[Console]::Out.WriteLine("f $name $size $time $digest")
$begun = $true
$null = $s.Seek(0, 'Begin')
$count = $s.Read($buffer, 0, $buffer.Length)
while ($count -gt 0) {
[Console]::Out.WriteLine([Convert]::ToBase64String($buffer, 0, $count))
$count = $s.Read($buffer, 0, $buffer.Length)
}
} finally { $s.Dispose() }
[Console]::Out.WriteLine('')
}
} catch {
if ($begun) { [Console]::Out.WriteLine('!') }
$m = [Convert]::ToBase64String($e.GetBytes($_.Exception.Message))
[Console]::Out.WriteLine("- $name $m")
}
}
} catch {
$m = [Convert]::ToBase64String($e.GetBytes($_.Exception.Message))
[Console]::Out.WriteLine("- $name $m")
}
}
[Console]::Out.WriteLine('.')
