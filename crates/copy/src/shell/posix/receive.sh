# PATH NAME KEY DIGEST MODE EXACT SECONDS OFFSET: writes standard input to a file.
target "$1" "$2" "$3"
u=$(umask); umask 077
if [ "$8" -gt 0 ]; then
  is_own && [ "$(wc -c <"$t")" -eq "$8" ] || fail "the partial file of $f has changed; copy again"
else
  rm -f -- "$t"
  # The file is created exclusively, so that no other user can prepare it.
  e=$( { set -C; : >"$t"; } 2>&1 ) || fail "cannot create a file in $d: ${e##*: }"
fi
keep=$9
trap '[ -n "$keep" ] || rm -f -- "$t"' EXIT
trap 'exit 1' HUP INT TERM
cat >>"$t" || fail "cannot write $f"
digest <"$t"
[ "$digest" = "$4" ] || { keep=; fail "the SHA-256 of the received data does not match"; }
if [ "$6" = exact ]; then m=$5
elif [ -f "$f" ]; then m=$(stat -L -c %a -- "$f") || exit 1
else m=$(printf %o $((0$5 & ~0$u)))
fi
chmod "$(printf %o $((0$m & 0777)))" "$t" || exit 1
[ -z "$7" ] || touch -d "@$7" "$t" || exit 1
mv -f "$t" "$f" || exit 1
trap - EXIT
d=$(cd "$d" && pwd -P) && printf '%s/%s\n' "${d%/}" "${f##*/}"
