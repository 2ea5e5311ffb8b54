# The names of qubes that are known here, and the keywords.
function __qfile_qubes
    printf '%s\n' @default @dispvm
    begin
        # The folders of qrexec-loopback.
        if test -n "$QREXEC_LOOPBACK_ROOT"
            for folder in $QREXEC_LOOPBACK_ROOT/*/home
                string replace -r '^.*/([^/]*)/home$' '$1' -- $folder
            end
        end
        # Qubes that have sent something.
        for folder in $HOME/QubesIncoming/*/
            string replace -r '^.*/([^/]*)/$' '$1' -- $folder
        end
        # Other machines.
        set -l config $HOME/.config
        set -q XDG_CONFIG_HOME; and set config $XDG_CONFIG_HOME
        for file in $config/qfile/remotes.conf /etc/qfile/remotes.conf
            test -f $file; and string replace -rf '^\s*([^#=\s][^=\s]*)\s*=.*$' '$1' <$file
        end
    end | string match -r '^[A-Za-z0-9][A-Za-z0-9._-]*$' | sort -u
end

# True if no word before this one is anything but an option or its value. The arguments are the options
# that have a value.
function __qfile_is_first
    set -l words (commandline -opc)
    set -e words[1]
    set -l is_value no
    for word in $words
        if test $is_value = yes
            set is_value no
        else if contains -- $word $argv
            set is_value yes
        else if not string match -qr '^-' -- $word
            return 1
        end
    end
    test $is_value = no
end

