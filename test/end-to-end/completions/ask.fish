# Completes each line of standard input, and prints what fish offers, without descriptions.
source $COMPLETIONS/pmem.fish
while read -l line
    echo "? $line"
    complete -C "$line" | string replace -r '\t.*' ''
end
exit 0
