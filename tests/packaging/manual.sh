#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Man pages: there is one for every verb and every name of the command, groff has nothing to warn of,
# and each tells every option that --help tells. Usage: manual.sh BUILD_DIR
set -eu
pages=$1/manual/man1
command=$1/meshtally
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! command -v groff >/dev/null; then
	echo "manual.sh: groff is not installed (groff-base)"
	exit 77
fi
fail() {
	echo "manual.sh: $1" >&2
	exit 1
}

verbs=$("$command" help | sed -n 's/^  \([a-z]\{2,\}\)  .*/\1/p')
[ -n "$verbs" ] || fail "no verbs"
# shellcheck disable=SC2086 # words
for page in meshtally allocation_server allocation_monitor_client $(printf 'meshtally-%s ' $verbs); do
	[ -s "$pages/$page.1" ] || fail "no page $page.1"
	(cd "$pages/.." && groff -ww -b -z -man -s -Tutf8 "man1/$page.1") 2>"$work/warnings" || true
	[ ! -s "$work/warnings" ] || fail "$page.1: $(cat "$work/warnings")"
done
for verb in $verbs; do
	groff -man -Tascii -P-cbou "$pages/meshtally-$verb.1" >"$work/page"
	grep -q "meshtally-$verb - " "$work/page" || fail "meshtally-$verb.1 does not begin with its name"
	"$command" "$verb" --help | grep -oE '^ {2,6}(-., )?--[a-z-]+' | grep -oE -e '--[a-z-]+' |
		while read -r option; do
			grep -q -e "$option" "$work/page" || fail "meshtally-$verb.1 does not tell $option"
		done
	grep -q "meshtally.-$verb" "$pages/meshtally.1" || fail "meshtally.1 does not tell $verb"
done
