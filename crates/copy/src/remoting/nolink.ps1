if ([IO.File]::GetAttributes($path).HasFlag([IO.FileAttributes]::ReparsePoint)) { throw "$path is a symbolic link" }
