# Bash completion of glass: commands, their options and values, and the names of models.
_glass_files() { # [GLOB]: files that fit it, and folders
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f ${1:+-X "!$1"} -- "$cur"; [ -n "$1" ] && compgen -d -- "$cur")
}
_glass() {
    local cur prev words cword line
    if declare -F _init_completion >/dev/null; then
        # Names hold colons (user/model:Q4_K_M), which must not cut words.
        _init_completion -n ':=' || return
    else
        cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
        words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
    fi
    local glass=${words[0]} command=${words[1]} first=2
    COMPREPLY=()
    if [ "$cword" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$("$glass" --help 2>/dev/null |
            awk '/^  [a-z]+ /{print $1}' | grep -v '^glass$') feedback sign help --help --version" -- "$cur")
        return
    fi
    if [ "$command" = help ] && [ "$cword" -gt 2 ]; then
        local parts=
        case ${words[2]} in
        tokenizer) parts="encode decode show train" ;;
        data) parts="add show list clean why pack card prove check" ;;
        inspect) parts="tensors diff logits layers attention activations" ;;
        eval) parts="perplexity loglik kl" ;;
        esac
        [ "$cword" -eq 3 ] && mapfile -t COMPREPLY < <(compgen -W "$parts" -- "$cur")
        return
    fi
    if [ "$command" = help ]; then
        mapfile -t COMPREPLY < <(compgen -W "$("$glass" --help 2>/dev/null |
            awk '/^  [a-z]+ /{print $1}' | grep -v '^glass$') feedback sign" -- "$cur")
        return
    fi
    local help=("$command")
    if [ "$command" = tokenizer ]; then
        if [ "$cword" -eq 2 ]; then
            mapfile -t COMPREPLY < <(compgen -W "encode decode show train" -- "$cur")
            return
        fi
        help+=("${words[2]}")
        first=3
        # A new file and texts, no models.
        if [ "${words[2]}" = train ] && [[ $cur != -* ]]; then
            case $prev in
            --pre)
                mapfile -t COMPREPLY < <(compgen -W "gpt-2 llama3 qwen2 smollm gpt-4o tekken deepseek-v3" -- "$cur")
                ;;
            -v | --vocab | -t | --threads | --min-count | --memory | --special) ;;
            *)
                compopt -o filenames 2>/dev/null
                mapfile -t COMPREPLY < <(compgen -f -- "$cur")
                ;;
            esac
            return
        fi
    fi
    if [ "$command" = feedback ] && [ "$cword" -eq 2 ]; then
        mapfile -t COMPREPLY < <(compgen -W "list export stats forget" -- "$cur")
        return
    fi
    if [ "$command" = data ]; then
        if [ "$cword" -eq 2 ]; then
            mapfile -t COMPREPLY < <(compgen -W "add show list clean why pack card prove check" -- "$cur")
            return
        fi
        help+=("${words[2]}")
        # Folders and files, no models.
        if [[ $cur != -* ]]; then
            case $prev in
            -p | --policy)
                mapfile -t COMPREPLY < <(compgen -W "known dfsg osi permissive public-domain no-share-alike commercial any" -- "$cur")
                ;;
            -r | --rules)
                compopt -o nospace 2>/dev/null
                mapfile -t COMPREPLY < <(compgen -W "encoding boilerplate mask c4 gopher repetition fineweb language= exact near" \
                    -P "$([[ $cur == *,* ]] && printf '%s' "${cur%,*},")" -- "${cur##*,}")
                ;;
            --made-by)
                mapfile -t COMPREPLY < <(compgen -W "person model:" -- "$cur")
                ;;
            *)
                _glass_files
                ;;
            esac
            return
        fi
    fi
    if [ "$command" = inspect ]; then
        if [ "$cword" -eq 2 ]; then
            mapfile -t COMPREPLY < <(compgen -W "tensors diff logits layers attention activations" -- "$cur")
            return
        fi
        help+=("${words[2]}")
        first=3
        case $prev in
        -o | --out | --svg)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
            ;;
        --at | --layers | --heads | --ids | --top | --memory | --what) return ;;
        esac
    fi
    if [ "$command" = eval ]; then
        if [ "$cword" -eq 2 ]; then
            mapfile -t COMPREPLY < <(compgen -W "perplexity loglik kl" -- "$cur")
            return
        fi
        help+=("${words[2]}")
        first=3
        # After the models, a text.
        if [[ $cur != -* ]] && [ "$cword" -ge 4 ] && { [ "${words[2]}" != kl ] || [ "$cword" -ge 5 ]; }; then
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
            return
        fi
    fi
    case $prev in
    --cache-type)
        mapfile -t COMPREPLY < <(compgen -W "f32 f16 q8_0" -- "$cur")
        return
        ;;
    --to)
        mapfile -t COMPREPLY < <(compgen -W "gguf safetensors" -- "$cur")
        return
        ;;
    --type)
        mapfile -t COMPREPLY < <(compgen -W "auto f32 f16 bf16" -- "$cur")
        return
        ;;
    --mirostat)
        mapfile -t COMPREPLY < <(compgen -W "0 1 2" -- "$cur")
        return
        ;;
    --log)
        mapfile -t COMPREPLY < <(compgen -W "text json none" -- "$cur")
        return
        ;;
    --emit)
        mapfile -t COMPREPLY < <(compgen -W "spdx cyclonedx croissant mof slsa card datasheet" -- "$cur")
        return
        ;;
    --infill-order)
        mapfile -t COMPREPLY < <(compgen -W "psm spm" -- "$cur")
        return
        ;;
    --may)
        compopt -o nospace 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -W "use commercial redistribute modify relicense train-other-models serve: revenue: field: name: territory:" -- "$cur")
        return
        ;;
    --emit)
        mapfile -t COMPREPLY < <(compgen -W "spdx cyclonedx croissant mof slsa card datasheet" -- "$cur")
        return
        ;;
    -f | --file | --prefix | --suffix | --grammar | --json-schema | --adapter | --license | --data | --base | --against | --signature | --key | --certificate | --chain | --password-file | --tls-cert | --tls-key | --api-key-file | --prefix-dir | --trace | --html | -o | --out | --resume | --status | --texts | --vocabulary | --without | --ignore)
        _glass_files
        return
        ;;
    --answer | --steps | --sample | --from | --processes | --date | --replay | --count | --ngrams | -p | --prompt | -n | -c | -t | -b | -s | -r | --seed | --temp | --stop | --host | --port | -np | --api-key | --sha256 | --name | --prefix-text | --suffix-text)
        return
        ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$("$glass" "${help[@]}" --help 2>/dev/null |
            grep -oE '^ +(-[a-zA-Z], )?--[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+')" -- "$cur")
        return
    fi
    case $command in
    train)
        _glass_files '*.y*ml'
        return
        ;;
    verify | trace | sign)
        _glass_files
        return
        ;;
    esac
    if [ "$cword" -eq "$first" ] || [ "$command" = serve ] || [ "$command" = audit ] || { [ "$command" = eval ] && [ "$cword" -eq 4 ]; } || { [ "$command" = inspect ] && [ "${words[2]}" = diff ] && [ "$cword" -eq 4 ]; } || [ "$prev" = -m ] || [ "$prev" = --model ] || [ "$prev" = --draft ]; then
        [ "$command" = list ] && return
        # Names by any case: "smol" finds SmolLM2.
        while IFS= read -r line; do
            [[ ${line,,} == "${cur,,}"* ]] && COMPREPLY+=("$line")
        done < <("$glass" list --json 2>/dev/null | grep -oE '"name":"[^"\\]*"' | cut -d'"' -f4)
        if [ "$command" != pull ]; then
            mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -X '!*.[gG][gG][uU][fF]' -- "$cur"
                compgen -d -S / -- "$cur")
            [ ${#COMPREPLY[@]} -eq 1 ] && [[ ${COMPREPLY[0]} == */ ]] && compopt -o nospace 2>/dev/null
        fi
        declare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions "$cur"
    fi
}
complete -F _glass glass
