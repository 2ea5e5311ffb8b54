# The names of qubes that are known here, and the keywords.
_qfile_qubes() {
    setopt local_options null_glob extended_glob
    local -a names
    local file
    names=(@default @dispvm)
    # The folders of qrexec-loopback.
    [[ -z $QREXEC_LOOPBACK_ROOT ]] || names+=($QREXEC_LOOPBACK_ROOT/*/home(N:h:t))
    # Qubes that have sent something.
    names+=($HOME/QubesIncoming/*(N/:t))
    # Other machines.
    for file in ${XDG_CONFIG_HOME:-$HOME/.config}/qfile/remotes.conf /etc/qfile/remotes.conf; do
        [[ ! -f $file ]] || names+=(${(f)"$(sed -n 's/^[[:blank:]]*\([^#=[:blank:]][^=[:blank:]]*\)[[:blank:]]*=.*/\1/p' -- $file)"})
    done
    names=(${(M)names:#(@|)[A-Za-z0-9][A-Za-z0-9._-]#})
    compadd -a names
}
# The same, or a file: without a qube, dom0 asks for it.
_qfile_qubes_or_files() {
    _qfile_qubes
    _files
}
