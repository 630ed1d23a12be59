# bash completion for winrm, winrs and telarch

# Sets variables that describe the command line before the cursor.
# Readline splits words at colons; this function joins them again.
_telarch_line() {
    local line=${COMP_LINE:0:COMP_POINT} words typed=${COMP_WORDS[COMP_CWORD]}
    read -r -a words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    telarch_count=${#words[@]}
    telarch_first=${words[1]} telarch_second=${words[2]} telarch_third=${words[3]}
    telarch_current=${words[telarch_count - 1]} telarch_before=
    (( telarch_count > 1 )) && telarch_before=${words[telarch_count - 2]}
    telarch_query=
    [[ $typed == [\"\']*" "* ]] && telarch_query=${typed:1}
    COMPREPLY=()
}

# Prints its argument in lower case.
_telarch_lower() {
    printf '%s' "${1,,}"
}

# Offers words. The part before the last colon is already on the line and is omitted.
_telarch_offer() {
    local IFS=$' \t\n' word before=
    [[ $telarch_current == *:* && $COMP_WORDBREAKS == *:* ]] && before=${telarch_current%:*}:
    for word in $1; do
        [[ ${word,,} == "${telarch_current,,}"* ]] && COMPREPLY+=("${word:${#before}}")
    done
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[:/] ]]; then compopt -o nospace 2>/dev/null; fi
}

# Offers words after the last space of a quoted query.
_telarch_offer_in_query() {
    local IFS=$' \t\n' word begin=${telarch_query% *} last=${telarch_query##* }
    for word in $1; do
        [[ ${word,,} == "${last,,}"* ]] && COMPREPLY+=("$begin $word")
    done
    compopt -o nospace 2>/dev/null
}

# Offers files after the colon of a switch.
_telarch_offer_files_of_switch() {
    local word
    compopt -o filenames 2>/dev/null
    while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "${telarch_current#*:}")
}

_telarch_offer_files() {
    compopt -o default 2>/dev/null
}

_telarch_offer_machines() {
    _telarch_offer "$(compgen -A hostname)"
}

_telarch_register() {
    complete -F "_telarch_$1" "$1"
}
