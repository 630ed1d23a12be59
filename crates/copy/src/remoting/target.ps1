if ([IO.Directory]::Exists($f)) {
if (-not $name) { throw "$f is a directory" }
$f = [IO.Path]::Combine($f, $name)
}
$t = [IO.Path]::Combine([IO.Path]::GetDirectoryName($f), ".telarch-$key.part")
