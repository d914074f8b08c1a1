#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Completes lines as the shells would, with the files that the build made: in bash always, in fish where
# it is installed; zsh is asked whether it can read its file.
# Usage: completions.sh BUILD_DIR
set -u
made=$1/manual
command=$1/meshtally
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
mkdir "a directory"
touch "a file" other
failures=0

check() { # WHAT GOT WANTED
	[ "$2" = "$3" ] && return
	printf '%s\n  gave:   %s\n  wanted: %s\n' "$1" "$2" "$3" >&2
	failures=$((failures + 1))
}

# The last word of a line is completed. bash takes "=" for a word of its own.
complete_bash() { # LINE
	local line=$1 separated
	COMP_LINE=$line COMP_POINT=${#line}
	separated=${line//=/ = }
	read -r -a COMP_WORDS <<<"$separated"
	[[ $separated != *' ' || $line == *= ]] || COMP_WORDS+=("")
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	COMPREPLY=()
	_meshtally "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
	printf '%s\n' "${COMPREPLY[@]}" | sort | paste -s -d '|'
}

# shellcheck source=/dev/null
. "$made/bash/meshtally"
complete -p meshtally allocation_server allocation_monitor_client >/dev/null || failures=1

check "verbs" "$(complete_bash "meshtally ")" \
	"$({ "$command" help | sed -n 's/^  \([a-z]\{2,\}\)  .*/\1/p'
		printf '%s\n' --help --version; } | sort | paste -s -d '|')"
for verb in $("$command" help | sed -n 's/^  \([a-z]\{2,\}\)  .*/\1/p'); do
	wanted=$("$command" "$verb" --help | grep -oE '^ {2,6}(-., )?--[a-z-]+' | tr -s ' ,' '\n' |
		grep '^-' | sort | paste -s -d '|')
	check "options of $verb" "$(complete_bash "meshtally $verb -")" "${wanted:-some}"
done
check "a beginning" "$(complete_bash "meshtally le")" "leaks"
check "after an option" "$(complete_bash "meshtally ls --sort ")" "age|device|size|tag"
check "after a letter" "$(complete_bash "meshtally ls -s d")" "device"
check "after =" "$(complete_bash "meshtally ls --sort=")" "age|device|size|tag"
check "after = and a letter" "$(complete_bash "meshtally ls --sort=s")" "size"
check "an open word" "$(complete_bash "meshtally run --at m")" "mark="
check "help" "$(complete_bash "meshtally help pe")" "peak"
check "files" "$(complete_bash "meshtally diff ")" "a directory|a file|other"
check "a file of an option" "$(complete_bash "meshtally ls --from o")" "other"
check "directories" "$(complete_bash "meshtally serve --state-dir ")" "a directory"
check "pids" "$(complete_bash "meshtally ls -p $$" | tr '|' '\n' | grep -x $$)" "$$"
check "an optional file" "$(complete_bash "meshtally run --json=o")" "other"
check "another name" "$(complete_bash "allocation_server --log-level d")" "debug"
check "its path" "$(complete_bash "/x/allocation_monitor_client --on")" "--once"
check "no verb" "$(complete_bash "meshtally nonsense ")" ""
for line in "meshtally run -- meshtall" "meshtally run meshtall" "meshtally run --keep f meshtall" \
	"meshtally run --keep=f -j -- meshtall"; do
	check "$line" "$(PATH=$1:$PATH complete_bash "$line" | tr '|' '\n' | head -n 1)" "meshtally"
done
check "the program's files" "$(complete_bash "meshtally run -- cat -u o")" "other"

if command -v fish >/dev/null; then
	check "fish: syntax" "$(fish -n "$made"/fish/*.fish 2>&1)" ""
	complete_fish() {
		HOME=$work fish --no-config -c "set fish_complete_path $made/fish
			set PATH $(dirname "$command") \$PATH
			complete -C '$1'" | sed 's/\t.*//' | sort | paste -s -d '|'
	}
	check "fish: a verb" "$(complete_fish "meshtally le")" "leaks"
	check "fish: an option" "$(complete_fish "meshtally ls --so")" "--sort"
	check "fish: its words" "$(complete_fish "meshtally ls --sort ")" "age|device|size|tag"
	check "fish: another name" "$(complete_fish "allocation_server --log-level d")" "debug"
	check "fish: files" "$(complete_fish "meshtally ls --from o")" "other"
fi

if command -v zsh >/dev/null; then
	check "zsh: syntax" "$(zsh -n "$made/zsh/_meshtally" 2>&1)" ""
fi
[ "$failures" = 0 ]
