# PATH NAME KEY: prints size and digest of the partial file.
target "$1" "$2" "$3"
if is_own; then digest <"$t" && printf '%s %s\n' "$(wc -c <"$t")" "$digest"; fi
