$e = [Text.Encoding]::UTF8
$root = $e.GetString([Convert]::FromBase64String([Console]::In.ReadLine()))
if (-not [IO.Path]::IsPathRooted($root)) { $root = [IO.Path]::Combine($HOME, $root) }
$root = [IO.Path]::GetFullPath($root)
