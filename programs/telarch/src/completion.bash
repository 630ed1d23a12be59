
# Offers names of classes inside a query that stands in quotation marks, behind its last blank.
_telarch_query() {
    local word last begin=${1% *}
    last=${1##* }
    COMPREPLY=()
    while IFS= read -r word; do
        [[ ${word,,} == "${last,,}"* ]] && COMPREPLY+=("$begin $word")
    done < <(telarch wmi complete-classes 2>/dev/null)
    compopt -o nospace 2>/dev/null
}

_telarch_telarch() {
    local telarch_words telarch_current typed=${COMP_WORDS[COMP_CWORD]}
    _telarch_words
    if (( ${#telarch_words[@]} <= 2 )); then
        _telarch_offer '@SUBCOMMANDS@'
    elif [[ ${telarch_words[1]} != wmi ]]; then
        COMPREPLY=()
    elif [[ $typed == [\"\']*" "* ]]; then
        _telarch_query "${typed:1}"
    elif _telarch_endpoint; then
        :
    elif [[ $telarch_current == --* ]]; then
        _telarch_offer '--namespace --format --qualifiers --for --every --repository --help'
    else
        case ${telarch_words[${#telarch_words[@]} - 2]} in
        --format) _telarch_offer 'table list json csv' ;;
        -r) _telarch_offer "$(_telarch_hosts '')" ;;
        wmi) _telarch_offer "get call classes describe plot security $(telarch wmi complete-classes 2>/dev/null)" ;;
        *) _telarch_offer "$(telarch wmi complete-classes 2>/dev/null)" ;;
        esac
    fi
}
complete -F _telarch_telarch telarch
