# SPDX-License-Identifier: Apache-2.0
# Completion of turnery's commands, flags and files; it asks the command itself, so it knows what that knows.
_turnery() {
    local cur=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} words
    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        words=$("${COMP_WORDS[0]}" --help 2>/dev/null | awk '/^  [a-z]+ / { print $1 }')
        mapfile -t COMPREPLY < <(compgen -W "$words --help --version" -- "$cur")
    elif [[ $cur == -* ]]; then
        words=$("${COMP_WORDS[0]}" "$command" --help 2>/dev/null | awk '/^  --/ { print $1 }' | sed 's/=.*/=/')
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
        [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        compopt -o filenames
    fi
}
complete -F _turnery turnery
