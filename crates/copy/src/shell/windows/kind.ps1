if ([IO.Directory]::Exists($root)) { [Console]::Out.WriteLine('directory') } else {
if ([IO.File]::Exists($root)) { [Console]::Out.WriteLine('file') }
}
