
# Prints the names of the management controllers that the service knows.
_telarch_controllers() {
    telarch ipmi host list 2>/dev/null | sed 's/[[:space:]].*//'
}

_telarch_telarch() {
    local telarch_count telarch_first telarch_second telarch_third telarch_current telarch_before telarch_query
    local telarch_key telarch_words= telarch_files= actions= options=
    _telarch_line
    case $telarch_first in
@COMMANDS@
    help) actions='@COMMAND_NAMES@' ;;
    esac
    telarch_key="$telarch_first $telarch_second"
    case $telarch_key in
@PARAMETERS@
    esac
    telarch_key="$telarch_first $telarch_before"
    case $telarch_key in
    'ipmi -H' | 'ipmi --host') telarch_words="local $(_telarch_controllers)" ;;
    'wmi -r') telarch_words=$(_telarch_hosts '') ;;
@VALUES@
    esac
    if (( telarch_count <= 2 )); then
        _telarch_offer '@COMMAND_NAMES@ help'
    elif [[ $telarch_first == wmi && -n $telarch_query ]]; then
        _telarch_offer_in_query "$(_telarch_classes root/cimv2 '')"
    elif [[ -n $telarch_files ]]; then
        _telarch_offer_files
    elif [[ $telarch_before == -* && -n $telarch_words ]]; then
        _telarch_offer "$telarch_words"
    elif [[ $telarch_first == wmi ]] && _telarch_value; then
        :
    elif [[ $telarch_current == -* ]]; then
        _telarch_offer "$options"
    elif [[ "$telarch_first $telarch_second $telarch_third" == 'ipmi host remove' ]]; then
        _telarch_offer "$(_telarch_controllers)"
    elif [[ $telarch_first == wmi ]]; then
        (( telarch_count == 3 )) || actions=
        _telarch_offer "$actions $(_telarch_classes root/cimv2 '')"
    elif (( telarch_count == 3 )) && [[ -n $actions ]]; then
        _telarch_offer "$actions"
    elif [[ -n $telarch_words ]]; then
        _telarch_offer "$telarch_words"
    elif [[ $telarch_first != ipmi ]]; then
        _telarch_offer_files
    fi
}

_telarch_register telarch
