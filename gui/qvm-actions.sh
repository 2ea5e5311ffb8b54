#!/bin/sh
# What the entries of file managers call: qvm-actions.sh copy|move|openvm|opendvm|viewdvm FILE...
# Several files go into one copy, but each is opened in a call of its own, all at the same time:
# whoever edits the first must not wait for it to see the second.

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
        # A relative name must be taken neither for an address nor for an option.
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
