# Completes each line of standard input as bash would its words, and prints what it would offer. Readline is played:
# it parts words at = and, where a function asks for that, completes files by itself.
. "$COMPLETIONS/pmem.bash"
compopt() { [[ $2 != default ]] || files=1; }

while IFS= read -r line; do
  IFS=' ' read -ra COMP_WORDS <<<"${line//=/ = }"
  [[ $line != *[\ =] ]] || COMP_WORDS+=('')
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  COMPREPLY=() files=
  command=${COMP_WORDS[0]}
  function=$(complete -p "$command") && function=${function#*-F } && function=${function%% *}
  "$function" "$command" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
  [[ -z $files ]] || IFS=$'\n' COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
  printf '? %s\n' "$line"
  printf '%s\n' "${COMPREPLY[@]}"
done
