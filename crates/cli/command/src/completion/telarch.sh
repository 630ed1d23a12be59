
# Offers the actions of telarch ipmi, the words each of them takes, and the controllers that the service knows.
_telarch_ipmi() {
    local words=
    case $telarch_before in
    -H | --host) _telarch_offer "local $(_telarch_controllers)"; return ;;
    --level) _telarch_offer 'user operator administrator'; return ;;
    --suite) _telarch_offer '17 3 8 12 16 15 11 7 6 2 1 0'; return ;;
    --ipmi15) _telarch_offer 'md5 md2 password none'; return ;;
    --format) _telarch_offer 'text table json csv prometheus'; return ;;
    esac
    if [[ $telarch_current == -* ]]; then
        _telarch_offer '@IPMI_OPTIONS@'
    elif (( telarch_count <= 3 )); then
        _telarch_offer '@IPMI_ACTIONS@'
    elif [[ $telarch_second == host && $telarch_third == remove ]]; then
        _telarch_offer "$(_telarch_controllers)"
    else
        case $telarch_second in
@IPMI_WORDS@
        esac
        _telarch_offer "$words"
    fi
}

_telarch_controllers() {
    telarch ipmi host list 2>/dev/null | sed 's/[[:space:]].*//'
}

# Offers the actions and options of the other commands; what else they take are files, or names.
_telarch_command() {
    case $telarch_first in
    man) actions='winrm winrs telarch' ;;
    completion) actions='@SHELLS@' ;;
    help) actions='@SUBCOMMANDS@' ;;
    esac
    if [[ $telarch_current == -* ]]; then
        _telarch_offer "$options"
    elif (( telarch_count == 3 )) && [[ -n $actions ]]; then
        _telarch_offer "$actions"
    else
        _telarch_offer_files
    fi
}

_telarch_telarch() {
    local telarch_count telarch_first telarch_second telarch_third telarch_current telarch_before telarch_query
    local actions= options=
    _telarch_line
    case $telarch_first in
@COMMANDS@
    esac
    if (( telarch_count <= 2 )); then
        _telarch_offer '@SUBCOMMANDS@ help'
    elif [[ $telarch_first == ipmi ]]; then
        _telarch_ipmi
    elif [[ $telarch_first != wmi ]]; then
        _telarch_command
    elif [[ -n $telarch_query ]]; then
        _telarch_offer_in_query "$(_telarch_classes root/cimv2 '')"
    elif _telarch_value; then
        :
    elif [[ $telarch_current == --* ]]; then
        _telarch_offer "$options"
    else
        case $telarch_before in
        --format) _telarch_offer 'table list json csv' ;;
        -r) _telarch_offer "$(_telarch_hosts '')" ;;
        wmi) _telarch_offer "$actions $(_telarch_classes root/cimv2 '')" ;;
        *) _telarch_offer "$(_telarch_classes root/cimv2 '')" ;;
        esac
    fi
}

_telarch_register telarch
