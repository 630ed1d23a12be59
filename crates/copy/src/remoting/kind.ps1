if ([IO.Directory]::Exists($f)) { 'directory' } else { if ([IO.File]::Exists($f)) { 'file' } }
