fail() { printf '%s\n' "$1" >&2; exit 1; }
# Decodes a path; a relative one begins with ./, so that it is no option.
path() { p=$(printf '%b_' "$1"); p=${p%_}; case $p in /*|./*|../*) ;; *) p=./$p ;; esac; }
digest() { digest=$(sha256sum) && digest=${digest%% *}; }
# Sets the file f and its temporary file t from a path, a name for directories, and a key.
target() {
  path "$1"; f=$p
  if [ -d "$f" ]; then
    [ -n "$2" ] || fail "$f is a directory"
    n=$(printf '%b_' "$2"); f=${f%/}/${n%_}
  fi
  [ ! -d "$f" ] || fail "$f is a directory"
  case $f in */) fail "$f does not exist" ;; esac
  [ ! -e "$f" ] || [ -f "$f" ] || fail "$f is not a regular file"
  d=${f%/*}/; t=$d.telarch-$3.part
}
is_own() { [ -f "$t" ] && [ ! -L "$t" ] && [ -O "$t" ]; }
