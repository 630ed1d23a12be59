# PATH OFFSET DIGEST: prints a line about a file, and the file from the offset if its beginning has the digest.
path "$1"; f=$p
[ -e "$f" ] || fail "$f does not exist"
[ ! -d "$f" ] || fail "$f is a directory"
[ -f "$f" ] || fail "$f is not a regular file"
[ -r "$f" ] || fail "$f cannot be read: permission denied"
exec 3<"$f"
o=0
if [ "$2" -gt 0 ]; then
  head -c "$2" <"$f" | { digest; [ "$digest" = "$3" ]; } && o=$2
fi
digest <"$f" || exit 1
i=$(stat -L -c '%s %a %Y' -- "$f") || exit 1
printf '%s %s %s\n' "$i" "$digest" "$o"
tail -c "+$((o + 1))" <&3
