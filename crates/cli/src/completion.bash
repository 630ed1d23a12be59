# bash completion for winrm and winrs

# A colon ends a word for readline, but not for us: puts the words together again.
_telarch_words() {
    local line=${COMP_LINE:0:COMP_POINT}
    read -r -a telarch_words <<<"$line"
    [[ $line == *[[:space:]] ]] && telarch_words+=("")
    telarch_current=${telarch_words[${#telarch_words[@]} - 1]}
}

# Offers words; what stands before the last colon is on the line already.
_telarch_offer() {
    local IFS=$' \t\n' word
    COMPREPLY=()
    if [[ $telarch_current == -*file:* || $telarch_current == -ca:* ||
        $telarch_current == -config:* || $telarch_current == -state:* ]]; then
        compopt -o filenames 2>/dev/null
        while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "${telarch_current#*:}")
        return
    fi
    local before=
    [[ $telarch_current == *:* && $COMP_WORDBREAKS == *:* ]] && before=${telarch_current%:*}:
    for word in $1; do
        [[ ${word,,} == "${telarch_current,,}"* ]] && COMPREPLY+=("${word:${#before}}")
    done
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[:/] ]]; then compopt -o nospace 2>/dev/null; fi
}

# The names of saved hosts (winrm hosts), behind what stands before a name on the line.
_telarch_hosts() {
    local file=${TELARCH_HOSTS:-${XDG_CONFIG_HOME:-$HOME/.config}/telarch/hosts.toml}
    sed -n "s/^\[\"\{0,1\}\([A-Za-z0-9._-]*\)\"\{0,1\}\][[:space:]]*\(#.*\)\{0,1\}$/$1\1/p" "$file" 2>/dev/null
}

# Offers saved hosts where an endpoint is being typed.
_telarch_endpoint() {
    case ${telarch_current,,} in
    -r:* | -remote:* | -machine:* | -hosts:*) _telarch_offer "$(_telarch_hosts "${telarch_current%%:*}:")" ;;
    *) return 1 ;;
    esac
}

# Offers what is in the configuration, and classes of WMI where telarch is there to tell them.
_telarch_resource() {
    local namespace
    case $telarch_current in
    winrm/*) _telarch_offer '@CONFIGURATION@' ;;
    wmicimv2/*) _telarch_offer "$(telarch wmi complete-classes 2>/dev/null | sed 's|^|wmicimv2/|')" ;;
    wmi/root/*/*)
        namespace=${telarch_current%/*}
        _telarch_offer "$(telarch wmi -n "${namespace#wmi/}" complete-classes 2>/dev/null | sed "s|^|$namespace/|")"
        ;;
    *) _telarch_offer '@RESOURCES@' ;;
    esac
}

_telarch_winrm() {
    local telarch_words telarch_current switches=
    _telarch_words
    case ${telarch_words[1],,} in
@CASES@
    esac
    if (( ${#telarch_words[@]} <= 2 )); then
        _telarch_offer '@OPERATIONS@'
    elif _telarch_endpoint; then
        :
    elif [[ $telarch_current == -* ]]; then
        _telarch_offer "$switches"
    else
        case ${telarch_words[1],,} in
        @HELP@) _telarch_offer '@TOPICS@' ;;
        doctor) _telarch_offer "$(compgen -A hostname)" ;;
        hosts | trust) _telarch_offer "$(_telarch_hosts '')" ;;
        shells) COMPREPLY=() ;;
        *) _telarch_resource ;;
        esac
    fi
}

_telarch_winrs() {
    local telarch_words telarch_current
    _telarch_words
    _telarch_endpoint && return
    [[ $telarch_current == -* ]] && _telarch_offer '@WINRS@'
}

complete -F _telarch_winrm winrm
complete -F _telarch_winrs winrs
