$text = ''
$line = [Console]::In.ReadLine()
while ($line) {
$text = $text + $line
$line = [Console]::In.ReadLine()
}
& ([ScriptBlock]::Create([Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($text))))
