
# Shared by bash and zsh.

# Prints the names of saved hosts (winrm hosts), each with the prefix $1.
_telarch_hosts() {
    local file=${TELARCH_HOSTS:-${XDG_CONFIG_HOME:-$HOME/.config}/telarch/hosts.toml}
    sed -n "s/^\[\"\{0,1\}\([A-Za-z0-9._-]*\)\"\{0,1\}\][[:space:]]*\(#.*\)\{0,1\}$/$1\1/p" "$file" 2>/dev/null
}

# Offers saved hosts for switches that take an endpoint, and files for switches that take a file.
_telarch_value() {
    case $(_telarch_lower "$telarch_current") in
    -r:* | -remote:* | -machine:* | -hosts:*) _telarch_offer "$(_telarch_hosts "${telarch_current%%:*}:")" ;;
    @FILES@) _telarch_offer_files_of_switch ;;
    *) return 1 ;;
    esac
}

# Prints the classes of namespace $1, each with the prefix $2, if telarch is installed.
_telarch_classes() {
    telarch wmi -n "$1" complete-classes 2>/dev/null | sed "s|^|$2|"
}

# Offers configuration resources and WMI classes.
_telarch_resource() {
    local namespace
    case $telarch_current in
    winrm/*) _telarch_offer '@CONFIGURATION@' ;;
    wmicimv2/*) _telarch_offer "$(_telarch_classes root/cimv2 wmicimv2/)" ;;
    wmi/root/*/*)
        namespace=${telarch_current%/*}
        _telarch_offer "$(_telarch_classes "${namespace#wmi/}" "$namespace/")"
        ;;
    *) _telarch_offer '@RESOURCES@' ;;
    esac
}

_telarch_winrm() {
    local telarch_count telarch_first telarch_second telarch_third telarch_current telarch_before telarch_query
    local operation switches=
    _telarch_line
    operation=$(_telarch_lower "$telarch_first")
    case $operation in
@CASES@
    esac
    if (( telarch_count <= 2 )); then
        _telarch_offer '@OPERATIONS@'
    elif _telarch_value; then
        :
    elif [[ $telarch_current == -* ]]; then
        _telarch_offer "$switches"
    else
        case $operation in
        @HELP@) _telarch_offer '@TOPICS@' ;;
        doctor) _telarch_offer_machines ;;
        hosts | trust) _telarch_offer "$(_telarch_hosts '')" ;;
        shells) ;;
        *) _telarch_resource ;;
        esac
    fi
}

_telarch_winrs() {
    local telarch_count telarch_first telarch_second telarch_third telarch_current telarch_before telarch_query
    _telarch_line
    if _telarch_value; then
        :
    elif [[ $telarch_current == -* ]]; then
        _telarch_offer '@WINRS@'
    fi
}

_telarch_register winrm
_telarch_register winrs
