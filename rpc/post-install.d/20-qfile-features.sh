#!/bin/sh
# Tells dom0 which services this qube has, and which system it is. qubes.PostInstall runs it in a
# template or standalone, where /etc is kept, and in a qube that keeps /usr/local.

persistence=$(qubesdb-read /qubes-vm-persistence) || exit 1
case $persistence in
full) services=/etc/qubes-rpc ;;
rw-only) services=/usr/local/etc/qubes-rpc ;;
*) exit 0 ;;
esac

# os-release(5) is made to be read by a shell. Its variables stay in the brackets.
os_release() (
    eval "$1="
    if [ -r /etc/os-release ]; then . /etc/os-release; else . /usr/lib/os-release; fi 2>/dev/null
    eval "printf %s \"\$$1\""
)

set -- os=Linux "os-distribution=$(os_release ID)" "os-version=$(os_release VERSION_ID)"
for service in "$services"/*; do
    [ ! -d "$service" ] || continue
    [ -x "$service" ] || [ -S "$service" ] || continue
    name=${service##*/}
    name=${name%%+*}
    case $name in
    '' | *[!A-Za-z0-9._-]*) continue ;;
    qubes.VMExec) set -- "$@" vmexec=1 ;;
    esac
    # The key in QubesDB may have 63 bytes.
    if [ "${#name}" -gt 31 ]; then
        echo "dom0 is not told of the service $name: the name is longer than 31 bytes" >&2
        continue
    fi
    set -- "$@" "supported-rpc.$name=1"
done
exec qvm-features-request --commit "$@"
