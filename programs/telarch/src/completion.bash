
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

# Offers the actions of telarch ipmi, the words each of them takes, and the controllers that the service knows.
_telarch_ipmi() {
    local known=''
    case ${telarch_words[${#telarch_words[@]} - 2]} in
    -H | --host)
        known=$(telarch ipmi host list 2>/dev/null | while read -r name _; do echo "$name"; done)
        _telarch_offer "local $known"
        return ;;
    --level) _telarch_offer 'user operator administrator'; return ;;
    --suite) _telarch_offer '17 3 8 12 16 15 11 7 6 2 1 0'; return ;;
    --ipmi15) _telarch_offer 'md5 md2 password none'; return ;;
    --format) _telarch_offer 'text table json csv prometheus'; return ;;
    esac
    if [[ $telarch_current == -* ]]; then
        _telarch_offer '@IPMI_OPTIONS@'
    elif (( ${#telarch_words[@]} <= 3 )); then
        _telarch_offer '@IPMI_ACTIONS@'
    elif [[ ${telarch_words[2]} == host && ${telarch_words[3]} == remove ]]; then
        known=$(telarch ipmi host list 2>/dev/null | while read -r name _; do echo "$name"; done)
        _telarch_offer "$known"
    else
        case ${telarch_words[2]} in
@IPMI_WORDS@
        *) COMPREPLY=() ;;
        esac
    fi
}

# Offers the actions and options of the other commands; what else they take are files, or names.
_telarch_command() {
    case ${telarch_words[1]} in
    man) actions='winrm winrs telarch' ;;
    completion) actions=bash ;;
    help) actions='@SUBCOMMANDS@' ;;
    esac
    if [[ $telarch_current == -* ]]; then
        _telarch_offer "$options"
    elif (( ${#telarch_words[@]} == 3 )) && [[ -n $actions ]]; then
        _telarch_offer "$actions"
    else
        COMPREPLY=()
        compopt -o default 2>/dev/null
    fi
}

_telarch_telarch() {
    local telarch_words telarch_current typed=${COMP_WORDS[COMP_CWORD]} actions= options=
    _telarch_words
    case ${telarch_words[1]} in
@COMMANDS@
    esac
    if (( ${#telarch_words[@]} <= 2 )); then
        _telarch_offer '@SUBCOMMANDS@ help'
    elif [[ ${telarch_words[1]} == ipmi ]]; then
        _telarch_ipmi
    elif [[ ${telarch_words[1]} != wmi ]]; then
        _telarch_command
    elif [[ $typed == [\"\']*" "* ]]; then
        _telarch_query "${typed:1}"
    elif _telarch_endpoint; then
        :
    elif [[ $telarch_current == --* ]]; then
        _telarch_offer "$options"
    else
        case ${telarch_words[${#telarch_words[@]} - 2]} in
        --format) _telarch_offer 'table list json csv' ;;
        -r) _telarch_offer "$(_telarch_hosts '')" ;;
        wmi) _telarch_offer "$actions $(telarch wmi complete-classes 2>/dev/null)" ;;
        *) _telarch_offer "$(telarch wmi complete-classes 2>/dev/null)" ;;
        esac
    fi
}
complete -F _telarch_telarch telarch
