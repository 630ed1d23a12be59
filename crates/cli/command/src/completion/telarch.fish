
function __telarch_controllers
    telarch ipmi host list 2>/dev/null | sed 's/[[:space:]].*//'
end

# Offers the actions of telarch ipmi, the words each of them takes, and the controllers that the service knows.
function __telarch_ipmi
    set -l before (commandline -opc)
    set -l word "$before[3]"
    set -l words
    switch $before[-1]
        case -H --host
            printf '%s\n' local (__telarch_controllers)
            return
        case --level
            printf '%s\n' user operator administrator
            return
        case --suite
            printf '%s\n' 17 3 8 12 16 15 11 7 6 2 1 0
            return
        case --ipmi15
            printf '%s\n' md5 md2 password none
            return
        case --format
            printf '%s\n' text table json csv prometheus
            return
    end
    if string match -q -- '-*' (commandline -ct)
        printf '%s\n' @IPMI_OPTIONS@
    else if test (count $before) -lt 3
        printf '%s\n' @IPMI_ACTIONS@
    else if test "$before[3] $before[4]" = 'host remove'
        __telarch_controllers
    else
@IPMI_WORDS@
        __telarch_behind '' $words
    end
end

function __telarch_telarch
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l word "$before[2]"
    set -l actions
    set -l options
@COMMANDS@
    switch $word
        case man
            set actions winrm winrs telarch
        case completion
            set actions @SHELLS@
        case help
            set actions @SUBCOMMANDS@
    end
    if test (count $before) -lt 2
        printf '%s\n' @SUBCOMMANDS@ help
    else if test $word = ipmi
        __telarch_ipmi
    else if test $word = wmi
        __telarch_wmi $actions -- $options
    else if string match -q -- '-*' $current
        __telarch_behind '' $options
    else if test (count $before) -eq 2 -a (count $actions) -gt 0
        printf '%s\n' $actions
    else
        __fish_complete_path $current
    end
end

# Offers what goes into telarch wmi: its actions, behind a double hyphen its options, and classes, also in a query.
function __telarch_wmi
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l middle (contains -i -- -- $argv)
    # A query stands in quotation marks, and what is offered behind its last blank has it all before.
    if set -l query (string match -r -- '^["\'](.* )' $current)
        __telarch_behind $query[2] (__telarch_classes root/cimv2)
    else if __telarch_value
        return
    else if string match -q -- '--*' $current
        __telarch_behind '' $argv[(math $middle + 1)..-1]
    else
        switch $before[-1]
            case --format
                printf '%s\n' table list json csv
            case -r
                __telarch_hosts
            case wmi
                __telarch_behind '' $argv[1..(math $middle - 1)] (__telarch_classes root/cimv2)
            case '*'
                __telarch_classes root/cimv2
        end
    end
end

complete -c telarch -f -a '(__telarch_telarch)'
