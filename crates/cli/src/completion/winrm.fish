# fish completion for winrm, winrs and telarch

# Prints the names of saved hosts (winrm hosts).
function __telarch_hosts
    set -l file $TELARCH_HOSTS
    if test -z "$file"
        set file $HOME/.config/telarch/hosts.toml
        test -n "$XDG_CONFIG_HOME"; and set file $XDG_CONFIG_HOME/telarch/hosts.toml
    end
    sed -n 's/^\["\{0,1\}\([A-Za-z0-9._-]*\)"\{0,1\}\][[:space:]]*\(#.*\)\{0,1\}$/\1/p' $file 2>/dev/null
end

# Prints words, each with a prefix.
function __telarch_behind --argument-names before
    for word in $argv[2..-1]
        printf '%s%s\n' $before $word
    end
end

# Offers saved hosts for switches that take an endpoint, and files for switches that take a file.
function __telarch_value
    set -l current (commandline -ct)
    set -l switch (string match -r -- '^-[^:]*:' "$current")
    or return 1
    if contains -- (string lower -- $switch) -r: -remote: -machine: -hosts:
        __telarch_behind $switch (__telarch_hosts)
    else if contains -- (string lower -- $switch) @FILES@
        __telarch_behind $switch (__fish_complete_path (string sub -s (math (string length -- $switch) + 1) -- $current))
    else
        return 1
    end
end

# Prints the classes of a namespace, if telarch is installed.
function __telarch_classes --argument-names namespace
    telarch wmi -n $namespace complete-classes 2>/dev/null
end

# Offers configuration resources and WMI classes.
function __telarch_resource
    set -l current (commandline -ct)
    if string match -q -- 'winrm/*' $current
        printf '%s\n' @CONFIGURATION@
    else if string match -q -- 'wmicimv2/*' $current
        __telarch_behind wmicimv2/ (__telarch_classes root/cimv2)
    else if set -l namespace (string match -r -- '^wmi/(root/.*)/' $current)
        __telarch_behind $namespace[1] (__telarch_classes $namespace[2])
    else
        printf '%s\n' @RESOURCES@
    end
end

function __telarch_winrm
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l word (string lower -- "$before[2]")
    set -l switches
@CASES@
    if test (count $before) -lt 2
        printf '%s\n' @OPERATIONS@
    else if __telarch_value
        return
    else if string match -q -- '-*' $current
        printf '%s\n' $switches
    else if contains -- $word @HELP@
        printf '%s\n' @TOPICS@
    else
        switch $word
            case doctor
                __fish_print_hostnames
            case hosts trust
                __telarch_hosts
            case shells
            case '*'
                __telarch_resource
        end
    end
end

function __telarch_winrs
    if __telarch_value
        return
    else if string match -q -- '-*' (commandline -ct)
        printf '%s\n' @WINRS@
    end
end

complete -c winrm -f -a '(__telarch_winrm)'
complete -c winrs -f -a '(__telarch_winrs)'
