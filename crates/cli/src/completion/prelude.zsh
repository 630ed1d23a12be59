#compdef winrm winrs telarch
# zsh completion for winrm, winrs and telarch

# Sets variables that describe the command line before the cursor.
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

# Offers words. No space is added after a colon or a slash, because more text follows.
_telarch_offer() {
    local -a open whole
    whole=(${=1})
    open=(${(M)whole:#*[:/]})
    whole=(${whole:#*[:/]})
    compadd -M 'm:{a-zA-Z}={A-Za-z}' -a whole
    compadd -M 'm:{a-zA-Z}={A-Za-z}' -S '' -a open
}

# Offers words after the last space of a quoted query.
_telarch_offer_in_query() {
    compset -P '* '
    compadd -M 'm:{a-zA-Z}={A-Za-z}' -S '' -- ${=1}
}

# Offers files after the colon of a switch.
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

# zsh reads this file from a directory of $fpath when it first completes one of the programs.
_telarch_register() {
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
    compdef "_telarch_$1" "$1"
    if [[ ${funcstack[2]-} == _telarch && ${service-} == "$1" ]]; then "_telarch_$1"; fi
}
