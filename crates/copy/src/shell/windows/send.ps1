if ([IO.Directory]::Exists($f)) { throw "$f is a directory" }
$digest = Digest $f
$i = New-Object IO.FileInfo $f
$time = [long][Math]::Floor(($i.LastWriteTimeUtc - $epoch).TotalSeconds)
[Console]::Out.WriteLine("$($i.Length) - $time $digest 0")
$from = [IO.File]::OpenRead($f); $b = New-Object byte[] 49152
try { while (($count = $from.Read($b, 0, $b.Length)) -gt 0) {
[Console]::Out.WriteLine([Convert]::ToBase64String($b, 0, $count)) } } finally { $from.Dispose() }
