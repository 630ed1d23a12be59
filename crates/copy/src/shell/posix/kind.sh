# PATH: prints the kind of a file.
path "$1"
if [ -d "$p" ]; then echo directory; elif [ -f "$p" ]; then echo file; elif [ -e "$p" ] || [ -L "$p" ]; then echo other; fi
