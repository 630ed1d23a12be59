$to = [IO.File]::Open($t, $how, 'Write', 'None')
try {
if ($to.Length -lt $offset) { throw 'the partial file was changed while it was copied' }
$to.SetLength($offset)
$null = $to.Seek($offset, 'Begin')
foreach ($piece in $input) { $to.Write($piece, 0, $piece.Length) }
} finally { $to.Dispose() }
