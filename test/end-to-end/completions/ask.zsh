# Has an interactive zsh on a terminal of its own complete each line of standard input, and prints what it offers.
zmodload zsh/zpty
queries=$(mktemp) answers=$(mktemp)
cat >$queries
zpty shell zsh -f -i
zpty -w shell "
PS1= LISTMAX=1000000 queries=$queries answers=$answers fpath=(${(q)COMPLETIONS} \$fpath)
autoload -Uz compinit && compinit -D -u
compadd() {
  if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd \"\$@\"; return; fi
  local -a words
  builtin compadd -A words \"\$@\"
  print -rl -- \$words >>\$answers
  builtin compadd \"\$@\"
}
complete-all() {
  local line
  while IFS= read -r line; do
    print -r -- \"? \$line\" >>\$answers
    BUFFER=\$line
    CURSOR=\$#BUFFER
    zle list-choices
  done <\$queries
  BUFFER=
  print -r -- '! done' >>\$answers
}
zle -N complete-all
bindkey '^T' complete-all
print ready >\$answers.ready"
until [[ -e $answers.ready ]]; do zpty -rt shell >/dev/null || sleep 0.05; done
zpty -wn shell $'\x14'
until [[ $(tail -n 1 $answers) == '! done' ]]; do zpty -rt shell >/dev/null || sleep 0.05; done
zpty -d shell
sed '$d' $answers
rm -f $queries $answers $answers.ready
