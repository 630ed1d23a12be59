foreach ($e in [IO.Directory]::GetFileSystemEntries($d)) {
$a = [IO.File]::GetAttributes($e)
$k = 'f'
if ($a.HasFlag([IO.FileAttributes]::Directory)) { $k = 'd' }
if ($a.HasFlag([IO.FileAttributes]::ReparsePoint)) { $k = 'o' }
if ($unix -and $k -eq 'f') {
& test -f $e
if ($LASTEXITCODE -ne 0) { $k = 'o' }
}
$n = [IO.Path]::GetFileName($e)
"$k$n"
}
