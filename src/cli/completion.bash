# shellcheck shell=bash
# Completion for bash: what the tables of verbs and options do not say. The functions that are missing
# here are made from them; the tool that does it puts this text behind them.

_meshtally_reply() # WHAT CURRENT
{
	case $1 in
	@FILE)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
	@DIR)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -d -- "$2") ;;
	@PID)
		mapfile -t COMPREPLY < <(cd /proc && compgen -G "$2*" | grep -x '[0-9]*') ;;
	@*) ;;
	*)
		mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
		[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace 2>/dev/null ;;
	esac
}

# Where the program is that a verb starts; -1: not there yet.
_meshtally_program() # VERB FIRST
{
	local i
	for ((i = $2; i <= COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--)
			((i < COMP_CWORD)) && echo $((i + 1)) || echo -1
			return ;;
		-*)
			if [[ ${COMP_WORDS[i + 1]-} == = ]]; then
				((i += 2))
			elif [[ -n $(_meshtally_wants "$1" "${COMP_WORDS[i]}") ]]; then
				((i += 1))
			fi ;;
		*)
			echo "$i"
			return ;;
		esac
	done
	echo -1
}

_meshtally_start() # PROGRAM'S PLACE
{
	if declare -F _command_offset >/dev/null; then
		_command_offset "$1"
	elif (($1 == COMP_CWORD)); then
		mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")
	else
		_meshtally_reply @FILE "${COMP_WORDS[COMP_CWORD]}"
	fi
}

# bash hands --option=word over as three words.
_meshtally()
{
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local verb first=1 operand wants program
	COMPREPLY=()
	verb=$(_meshtally_alias "${1##*/}")
	if [[ -z $verb ]]; then
		if ((COMP_CWORD == 1)); then
			_meshtally_reply "$(_meshtally_verbs) --help --version" "$current"
			return
		fi
		verb=${COMP_WORDS[1]} first=2
	fi
	operand=$(_meshtally_operand "$verb")
	if [[ $operand == @PROGRAM ]]; then
		program=$(_meshtally_program "$verb" "$first")
		if ((program >= 0)); then
			_meshtally_start "$program"
			return
		fi
	fi
	if [[ $current == = || $previous == = ]]; then
		[[ $previous != = ]] || previous=${COMP_WORDS[COMP_CWORD - 2]}
		[[ $current != = ]] || current=''
		wants=$(_meshtally_after_equals "$verb" "$previous")
	fi
	wants=${wants:-$(_meshtally_wants "$verb" "$previous")}
	if [[ -n $wants ]]; then
		_meshtally_reply "$wants" "$current"
	elif [[ $current == -* || -z $operand ]]; then
		_meshtally_reply "$(_meshtally_options "$verb")" "$current"
	else
		_meshtally_reply "$operand" "$current"
	fi
}
