
# Prints the names of the management controllers that the service knows.
function __telarch_controllers
    telarch ipmi host list 2>/dev/null | sed 's/[[:space:]].*//'
end

function __telarch_telarch
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l word "$before[2]"
    set -l actions
    set -l options
    set -l telarch_words
    set -l telarch_files
@COMMANDS@
    if test "$word" = help
        set actions @COMMAND_NAMES@
    end
    set -l telarch_key "$before[2] $before[3]"
@PARAMETERS@
    set telarch_key "$before[2] $before[-1]"
    switch $telarch_key
        case 'ipmi -H' 'ipmi --host'
            set telarch_words local (__telarch_controllers)
        case 'wmi -r'
            set telarch_words (__telarch_hosts)
    end
@VALUES@
    if test (count $before) -lt 2
        printf '%s\n' @COMMAND_NAMES@ help
        return
    end
    if test $word = wmi
        # A query stands in quotation marks, and what is offered behind its last blank contains the text before it.
        if set -l query (string match -r -- '^["\'](.* )' $current)
            __telarch_behind $query[2] (__telarch_classes root/cimv2)
            return
        end
        if __telarch_value
            return
        end
    end
    if test -n "$telarch_files"
        __fish_complete_path $current
    else if string match -q -- '-*' $before[-1]; and set -q telarch_words[1]
        printf '%s\n' $telarch_words
    else if string match -q -- '-*' $current
        __telarch_behind '' $options
    else if test "$before[2] $before[3] $before[4]" = 'ipmi host remove'
        __telarch_controllers
    else if test $word = wmi
        if test (count $before) -eq 2
            __telarch_behind '' $actions
        end
        __telarch_classes root/cimv2
    else if test (count $before) -eq 2; and set -q actions[1]
        printf '%s\n' $actions
    else if set -q telarch_words[1]
        printf '%s\n' $telarch_words
    else if test $word != ipmi
        __fish_complete_path $current
    end
end

complete -c telarch -f -a '(__telarch_telarch)'
