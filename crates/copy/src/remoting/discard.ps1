[IO.File]::Delete($t)
