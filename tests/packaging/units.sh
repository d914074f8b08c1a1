#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The files of the service, installed below a root of their own: systemd takes the units without a
# complaint, the sandbox is as tight as it was, and the user comes out right.
# Usage: units.sh BUILD_DIR
set -eu
build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

fail() {
	echo "units.sh: $1" >&2
	exit 1
}
for tool in systemd-analyze systemd-sysusers; do
	if ! command -v "$tool" >/dev/null; then
		echo "units.sh: $tool is not installed (systemd)"
		exit 77
	fi
done
DESTDIR=$root cmake --install "$build" --prefix /usr >"$work/log" || fail "cmake --install failed"
# What units name must be there.
sed -i "s#^ExecStart=[^ ]*/meshtally#ExecStart=$build/meshtally#" "$root"/usr/lib/systemd/*/meshtally.service

verify() { # FOLDER UNIT...
	folder=$root/usr/lib/systemd/$1
	shift
	XDG_RUNTIME_DIR=$work SYSTEMD_UNIT_PATH=$folder: systemd-analyze verify --man=no "$@" >"$work/said" 2>&1 || true
	grep -e meshtally -e "Failed to initialize" "$work/said" >"$work/complaints" || true
	[ ! -s "$work/complaints" ] || fail "systemd-analyze verify $*: $(cat "$work/complaints")"
}
verify system meshtally.service meshtally.socket meshtally-http.socket
verify user --user meshtally.service
systemd-analyze security --offline=yes --threshold=10 "$root/usr/lib/systemd/system/meshtally.service" \
	>"$work/security" || fail "the sandbox has holes: $(cat "$work/security")"
tail -n 1 "$work/security"

mkdir -p "$root/etc"
systemd-sysusers --root="$root" meshtally.conf 2>"$work/said" || fail "sysusers: $(cat "$work/said")"
grep -q '^meshtally:.*:/var/lib/meshtally:/usr/sbin/nologin$' "$root/etc/passwd" || fail "no user meshtally"
grep -q '^meshtally:' "$root/etc/group" || fail "no group meshtally"
