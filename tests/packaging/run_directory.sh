#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Who can do what in /run/meshtally as tmpfiles.d makes it: a program with a umask of 077 writes its
# segment; the server reads and removes it; group meshtally reads it; other users do not see it; and
# nobody takes another user's place. As root, in a mount namespace with a /run of its own.
# Usage: run_directory.sh BUILD_DIR SOURCE_DIR
set -eu
build=$1
server=54021 group=54022 alice=54023 bob=54024

skip() {
	echo "run_directory.sh: $1"
	exit 77
}
if [ "${3:-}" != inside ]; then
	[ "$(id -u)" = 0 ] || skip "not root"
	for tool in systemd-tmpfiles setpriv unshare; do
		command -v "$tool" >/dev/null || skip "no $tool"
	done
	unshare --mount true 2>/dev/null || skip "no mount namespaces"
	exec unshare --mount "$0" "$1" "$2" inside
fi

fail() {
	echo "run_directory.sh: $1" >&2
	exit 1
}
as() { # UID COMMAND... (of a group that all the users share)
	id=$1
	shift
	setpriv --reuid="$id" --regid=54099 --clear-groups -- env -u MESHTALLY_DIR MESHTALLY=1 "$@"
}
member() {
	setpriv --reuid=$bob --regid=54099 --groups=$group -- env -u MESHTALLY_DIR "$@"
}
sees() { # WHO...
	"$@" /run/command ls --json | grep -q '"pid": *'"$pid"'\b'
}

mount -t tmpfs tmpfs /run
cp "$build/meshtally" /run/command
cp "$build/tests/e2e/e2e_reporter" /run/reporter
cp -P "$build"/libmeshtally.so* /run/
chmod -R a+rX /run
export LD_LIBRARY_PATH=/run
# Names of users would be looked up in this machine's own files.
sed -e "s/user:meshtally:/user:$server:/; s/group:meshtally:/group:$group:/" \
	"$2/packaging/tmpfiles/meshtally.conf" >/run/meshtally.conf
systemd-tmpfiles --create /run/meshtally.conf

mkfifo /run/calls /run/answers
as $alice sh -c 'umask 077; exec /run/reporter' </run/calls >/run/answers &
program=$!
exec 3>/run/calls 4</run/answers
echo 'device 1 0 0 -' >&3
read -r space <&4 || fail "the program has ended"
echo "alloc $space 1 0 4096 4096 0 0 - 0" >&3
read -r answer <&4
[ "$answer" = 0 ] || fail "the program cannot report"
segment=$(echo /run/meshtally/$alice/*.seg)
pid=${segment##*/} pid=${pid%%-*}
[ -f "$segment" ] || fail "no segment: $(ls -laR /run/meshtally)"

sees as $alice || fail "she does not see her own program"
sees as $server || fail "the server does not see it: $(getfacl "$segment" 2>&1)"
sees member || fail "group meshtally does not see it"
! sees as $bob || fail "another user sees it"
! as $bob cat "$segment" >/dev/null 2>&1 || fail "another user reads it"
! member rm -f "$segment" 2>/dev/null || fail "group meshtally can remove it"
# shellcheck disable=SC2016 # expanded by the inner shell
! as $server sh -c ': >>"$1"' sh "$segment" 2>/dev/null || fail "the server can write into it"
! as $bob mv /run/meshtally/$alice /run/meshtally/away 2>/dev/null || fail "another user moves it away"
as $server rm "$segment" || fail "the server cannot remove it"

exec 3>&-
wait $program
# A place that somebody else has taken is not used.
as $bob mkdir /run/meshtally/$server
as $server sh -c 'exec /run/reporter' </dev/null
[ -z "$(ls /run/meshtally/$server)" ] || fail "a segment in another user's directory"
