# ROOT: prints an empty record and the entries below a directory, each with a letter for its kind.
enter "$1" "" ""
printf '\0'
find . -exec sh -c 'for p; do
  [ "$p" != . ] || continue
  if [ -L "$p" ]; then k=o; elif [ -d "$p" ]; then k=d; elif [ -f "$p" ]; then k=f; else k=o; fi
  printf "%s%s\\0" "$k" "${p#./}"
done' sh {} +
