if (-not [IO.Path]::IsPathRooted($root)) { $root = [IO.Path]::Combine($HOME, $root) }
$d = [IO.Path]::GetFullPath($root)
if ($make -and -not [IO.Directory]::Exists($d)) { $null = [IO.Directory]::CreateDirectory($d) }
foreach ($c in $below.Split('/')) {
if ($c) {
$d = [IO.Path]::Combine($d, $c)
if ($make -and -not [IO.Directory]::Exists($d)) { $null = [IO.Directory]::CreateDirectory($d) }
if ([IO.File]::GetAttributes($d).HasFlag([IO.FileAttributes]::ReparsePoint)) { throw "$d is a symbolic link" }
}
}
if (-not [IO.Directory]::Exists($d)) { throw "$d is not a directory" }
$path = [IO.Path]::Combine($d, $leaf)
