#compdef winrm winrs telarch
# zsh completion for winrm, winrs and telarch

# Says what is on the line before the cursor, for the functions that decide what is offered.
_telarch_line() {
    telarch_count=$CURRENT
    telarch_first=${words[2]-} telarch_second=${words[3]-} telarch_third=${words[4]-}
    telarch_current=$PREFIX telarch_before=
    (( CURRENT > 1 )) && telarch_before=${words[CURRENT - 1]}
    telarch_query=
    if [[ -n $compstate[quote] && $PREFIX == *' '* ]]; then telarch_query=$PREFIX; fi
}

_telarch_lower() {
    printf '%s' "${(L)1}"
}

# Offers words; behind a colon or a slash more follows.
_telarch_offer() {
    local -a open whole
    whole=(${=1})
    open=(${(M)whole:#*[:/]})
    whole=(${whole:#*[:/]})
    compadd -M 'm:{a-zA-Z}={A-Za-z}' -a whole
    compadd -M 'm:{a-zA-Z}={A-Za-z}' -S '' -a open
}

# Offers words behind the last blank of a query that stands in quotation marks.
_telarch_offer_in_query() {
    compset -P '* '
    compadd -M 'm:{a-zA-Z}={A-Za-z}' -S '' -- ${=1}
}

# Offers files behind the colon of a switch.
_telarch_offer_files_of_switch() {
    compset -P '[^:]#:'
    _files
}

_telarch_offer_files() {
    _files
}

_telarch_offer_machines() {
    _hosts
}

# A file of this name in a folder of $fpath is read when one of the programs is completed for the first time.
_telarch_register() {
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
    compdef "_telarch_$1" "$1"
    if [[ ${funcstack[2]-} == _telarch && ${service-} == "$1" ]]; then "_telarch_$1"; fi
}
