#!/bin/sh
# Menu entries of file managers start this script:
#   qvm-actions.sh copy|move|openvm|opendvm|viewdvm FILE...
# Several files are copied or moved in one call. Each file is opened in a separate call, all at the
# same time, so that the user can see the second file before the edit of the first is finished.

usage() {
    echo 'usage: qvm-actions.sh copy|move|openvm|opendvm|viewdvm FILE...'
}

case ${1-} in
-h | --help)
    usage
    exit
    ;;
esac
if [ $# -lt 2 ]; then
    usage >&2
    exit 2
fi
action=$1
shift

open_each() {
    calls=
    for file; do
        # A relative name must not look like a URL or an option.
        case $file in
        /*) ;;
        *) file=./$file ;;
        esac
        case $action in
        openvm) qvm-open-in-vm --gui -- @default "$file" & ;;
        opendvm) qvm-open-in-dvm --gui -- "$file" & ;;
        viewdvm) qvm-open-in-dvm --gui --view-only -- "$file" & ;;
        esac
        calls="$calls $!"
    done
    status=0
    for call in $calls; do
        wait "$call" || status=$?
    done
    exit "$status"
}

case $action in
copy | move) exec "qvm-$action" --gui -- "$@" ;;
openvm | opendvm | viewdvm) open_each "$@" ;;
*)
    usage >&2
    exit 2
    ;;
esac
