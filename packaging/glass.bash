# Bash completion of glass: commands, long options of the command, model names.
_glass() {
    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(glass --help | awk '/^  [a-z]/{print $1}')" -- "$word")
    elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(glass "$command" --help |
            grep -oE -- '--[a-z-]+' | sort -u)" -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$word"
            compgen -W "$(glass list 2>/dev/null | awk '{print $1}')" -- "$word")
    fi
}
complete -F _glass glass
