# Sets the physical path of the current directory.
here() { here=$(pwd -P && printf _) && here=${here%?_}; }
# Enters the directory $1, and from there the directories of the path $2, none of which may be a symbolic link. With $3,
# missing ones are created. The check concerns the directory that was entered, so that nothing can replace it after that.
enter() {
  path "$1"
  [ -z "$3" ] || [ -d "$p" ] || e=$(mkdir -- "$p" 2>&1) || fail "cannot create $p: ${e##*: }"
  cd -P -- "$p" 2>/dev/null || fail "$p is not a directory that can be opened"
  here
  r=$(printf '%b_' "$2"); r=${r%_}
  while [ -n "$r" ]; do
    c=${r%%/*}
    case $r in */*) r=${r#*/} ;; *) r= ;; esac
    w=${here%/}/$c
    [ -z "$3" ] || [ -d "./$c" ] || e=$(mkdir "./$c" 2>&1) || fail "cannot create $w: ${e##*: }"
    cd -P "./$c" 2>/dev/null || fail "$w is not a directory that can be opened"
    here
    [ "$here" = "$w" ] || fail "$w is a symbolic link"
  done
}
