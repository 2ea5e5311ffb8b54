# The names of qubes that are known here, and the keywords.
_qfile_qubes() {
    local name file
    printf '%s\n' @default @dispvm
    {
        # The folders of qrexec-loopback.
        for name in ${QREXEC_LOOPBACK_ROOT:+"$QREXEC_LOOPBACK_ROOT"/*/home}; do
            name=${name%/home}
            printf '%s\n' "${name##*/}"
        done
        # Qubes that have sent something.
        for name in "$HOME"/QubesIncoming/*/; do
            name=${name%/}
            printf '%s\n' "${name##*/}"
        done
        # Other machines.
        for file in "${XDG_CONFIG_HOME:-$HOME/.config}/qfile/remotes.conf" /etc/qfile/remotes.conf; do
            [[ ! -f $file ]] || sed -n 's/^[[:blank:]]*\([^#=[:blank:]][^=[:blank:]]*\)[[:blank:]]*=.*/\1/p' -- "$file"
        done
    } 2>/dev/null | LC_ALL=C grep -x '[A-Za-z0-9][A-Za-z0-9._-]*' | LC_ALL=C sort -u
}
