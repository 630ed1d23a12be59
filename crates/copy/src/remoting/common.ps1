$ErrorActionPreference = 'Stop'
if (-not [IO.Path]::IsPathRooted($path)) { $path = [IO.Path]::Combine($HOME, $path) }
$f = [IO.Path]::GetFullPath($path)
$unix = [IO.Path]::DirectorySeparatorChar -eq '/'
$buffer = [Array]::CreateInstance([byte], 196608)
