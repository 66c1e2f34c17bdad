"""What is the same in each shell's completion script; `pybus.cli.shells` fills in the rest."""

BASH = r"""# shellcheck shell=bash

_pybus_ask() {
    @PROGRAM@ complete "$@" 2>/dev/null </dev/null
}

# Set, for command $1: options, slots and repeats; and values, the slots that follow option $2.
_pybus_grammar() {
    options=() slots=() values=() repeats=''
    case $1 in
@GRAMMAR@
    esac
}

# Set plain, the word $1 without its quotes, and quote, the quote that is still open at its end.
_pybus_unquote() {
    local raw=$1 one
    plain='' quote=''
    while [[ -n $raw ]]; do
        one=${raw:0:1} raw=${raw:1}
        case $quote$one in
            "''" | '""') quote='' ;;
            "'" | '"') quote=$one ;;
            '\' | '"\') plain+=${raw:0:1} raw=${raw:1} ;;
            *) plain+=$one ;;
        esac
    done
}

# Set words, as the shell itself would split them, up to the cursor; readline splits at : and = as well.
_pybus_split() {
    local line=${COMP_LINE:0:COMP_POINT} rest word index
    words=()
    for ((index = 0; index <= COMP_CWORD; index++)); do
        rest=${line#"${line%%[![:blank:]]*}"} word=${COMP_WORDS[index]}
        if ((index == COMP_CWORD)); then word=$rest; fi
        if ((index > 0)) && [[ $rest == "$line" ]]; then
            words[${#words[@]}-1]+=$word
        else
            words+=("$word")
        fi
        line=${rest:${#word}}
    done
}

# Offer those of the words that begin as the current one does, quoted as it is, without what stands before it.
_pybus_offer() {
    local one text
    for one in "$@"; do
        [[ $one == "$plain"* ]] || continue
        case $quote in
            "'") text="'${one//"'"/"'\\''"}" ;;
            '"')
                [[ $one != *'!'* ]] || continue
                text=${one//'\'/'\\'} text=${text//'"'/'\"'} text=${text//'$'/'\$'} text=\"${text//'`'/'\`'}
                ;;
            *) printf -v text %q "$one" ;;
        esac
        # Readline closes the quote, unless the word seems to end with it.
        if [[ -n $quote && $text == *"$quote" ]]; then text+=$quote; fi
        [[ $text == "$before"* ]] && COMPREPLY+=("${text:${#before}}")
    done
}

# Offer what may stand in the slot with the tokens "$@".
_pybus_fill() {
    local token found
    for token in "$@"; do
        found=()
        case $token in
            +*) found=("${token#+}") ;;
            files) compopt -o default 2>/dev/null ;;
            programs) mapfile -t found < <(compgen -c -- "$plain" | sort -u) ;;
            methods | actions) mapfile -t found < <(_pybus_ask "$token" "$previous" "$plain") ;;
            *) mapfile -t found < <(_pybus_ask "$token" "$plain") ;;
        esac
        _pybus_offer "${found[@]}"
    done
}

_pybus() {
    local words options slots values repeats plain quote before previous='' command pending=() place=0 index=1 slot
    COMPREPLY=()
    _pybus_split
    local last=$((${#words[@]} - 1))
    local current=${words[last]}
    before=${current%"${2-$current}"}
    case ${words[0]##*/} in
        pybus-*) command=${words[0]##*/pybus-} command=${command#pybus-} ;;
        *)
            command=${words[1]} index=2
            if ((last < 2)); then
                _pybus_unquote "$current"
                _pybus_offer @COMMANDS@
                return
            fi
            ;;
    esac
    for (( ; index < last; index++)); do
        _pybus_unquote "${words[index]}"
        previous=$plain
        if ((${#pending[@]})); then
            pending=("${pending[@]:1}")
        elif [[ $plain == -* ]]; then
            _pybus_grammar "$command" "$plain"
            pending=("${values[@]}")
        else
            place=$((place + 1))
        fi
    done
    _pybus_grammar "$command" ''
    _pybus_unquote "$current"
    if [[ -n $repeats ]] && ((place >= ${#slots[@]})); then place=$((${#slots[@]} - 1)); fi
    slot=${slots[place]-}
    if ((${#pending[@]})); then
        slot=${pending[0]}
    elif [[ $plain == -* ]]; then
        _pybus_offer "${options[@]}"
        return
    fi
    local tokens
    read -ra tokens <<<"$slot"
    _pybus_fill "${tokens[@]}"
}

complete -F _pybus pybus pybus-send pybus-listen
"""

ZSH = r"""#compdef pybus pybus-send pybus-listen

_pybus_ask() {
    @PROGRAM@ complete "$@" 2>/dev/null </dev/null
}

# Offer what may stand in the slot with the tokens "$@".
_pybus_slot() {
    local token expl code=1
    local -a found
    for token in "$@"; do
        case $token in
            +*) found+=("${token#+}") ;;
            files) _files && code=0 ;;
            programs) _command_names -e && code=0 ;;
            methods|actions) found+=(${(f)"$(_pybus_ask $token "${(Q)words[CURRENT-1]}" '')"}) ;;
            *) found+=(${(f)"$(_pybus_ask "$token" '')"}) ;;
        esac
    done
    (( $#found )) && _wanted values expl 'value' compadd -a found && code=0
    return code
}

_pybus_command() {
    case $1 in
@GRAMMAR@
    esac
    return 1
}

_pybus_commands() {
    local -a commands=(
@COMMANDS@
    )
    _describe -t commands 'command' commands
}

_pybus() {
    local curcontext=$curcontext state line
    typeset -A opt_args
    case $service in
        pybus-*) _pybus_command "${service#pybus-}" && return ;;
        *)
            _arguments -C '1:command:_pybus_commands' '*::argument:->argument' && return
            [[ $state == argument ]] && _pybus_command "$words[1]" && return
            ;;
    esac
    return 1
}

_pybus "$@"
"""

FISH = r"""# What begins as fish likes: it chooses by itself.
function __pybus_ask
    set -l words (commandline -opc)
    set -l name
    contains $argv[1] methods actions; and set name $words[-1]
    @PROGRAM@ complete $argv[1] $name '' 2>/dev/null </dev/null
end

# Whether command $argv[1] is being completed, and the cursor is at $argv[2]: N for its Nth argument, N+ for that and
# those after it, OPTION.N for the Nth value of an option. The rest are options with a value, named once for each value.
function __pybus_at
    set -l words (commandline -opc)
    set -l command (string replace -r '^.*/' '' -- $words[1] | string replace -r '^pybus-?' '')
    set -e words[1]
    if test -z "$command"; and set -q words[1]
        set command $words[1]
        set -e words[1]
    end
    test "$command" = "$argv[1]"; or return 1
    set -q argv[2]; or return 0
    set -l place 1
    set -l number 0
    set -l option
    set -l left
    for word in $words
        if set -q left[1]
            set -e left[1]
            set number (math $number + 1)
        else if string match -q -- '-*' $word
            set left
            for one in $argv[3..]
                test $one = $word; and set -a left $one
            end
            set option $word
            set number 1
        else
            set place (math $place + 1)
        end
    end
    if set -q left[1]
        test "$option.$number" = $argv[2]
    else if string match -q -- '*+' $argv[2]
        test $place -ge (string replace + '' -- $argv[2])
    else
        test $place = $argv[2]
    end
end

@COMPLETIONS@
"""
