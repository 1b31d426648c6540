#!/usr/bin/env bash
# Converts every image below a folder, whatever its format, into an AFF4 volume of its own, with a digest:
#
#     convert-all.sh EVIDENCE CONVERTED
#
# A volume that is newer than its image and verifies is left alone; one that is partial, damaged or older is made again.
# Exit status: 0 all is converted; 2 all is, some with ranges that could not be read, each recorded; 3 something is
# not, and another attempt may help (its input broke off, input/output error); 65 what is not converted never will be
# as it is.
set -u
shopt -s nullglob
[ $# -eq 2 ] || { echo "usage: ${0##*/} EVIDENCE CONVERTED" >&2; exit 64; }
evidence=${1%/} converted=${2%/}
[ -d "$evidence" ] || { echo "${0##*/}: $evidence: no such folder" >&2; exit 66; }

# What goes with an image beside it: its map, digests and notes, further segments, the description of a suspended guest.
belongs() {
  local first=()
  case $1 in
    *.map | *.md5 | *.sha1 | *.sha256 | *.sha512 | *.txt) [ -e "${1%.*}" ] ;;
    *.vmss | *.vmsn) [ -e "${1%.*}.vmem" ] ;;
    *.[EeSsLl]01 | *.[Ee]x01) return 1 ;;
    *.[Ee]x[0-9A-Z][0-9A-Z]) first=("${1%.*}".[Ee]x01) && [ ${#first[@]} -gt 0 ] ;;
    *.[EeSsLl][0-9][0-9] | *.[E-Z][A-Z][A-Z]) first=("${1%.*}".[EeSsLl]01) && [ ${#first[@]} -gt 0 ] ;;
    *) return 1 ;;
  esac
}

convert() {
  image-cat "$1" | pmem-hash sha256 | pmem-compress zlib | aff4-sink --deterministic -t "$2"
  local status=("${PIPESTATUS[@]}") worst=0 one
  # The sink tells whether all came; why not, and whether that will ever change, is told by who failed first.
  for one in "${status[@]}"; do
    case $one in
      0) ;;
      2) [ $worst -ne 0 ] || worst=2 ;;
      3 | 74 | 1[2-9][0-9]) [ $worst -eq 65 ] || worst=3 ;;
      *) worst=65 ;;
    esac
  done
  return $worst
}

retry=0 never=0 unreadable=0
images=$(mktemp) || exit 74
trap 'rm -f "$images"' EXIT
find -L "$evidence" -type f -print0 >"$images" || never=1
while IFS= read -r -d '' image; do
  if belongs "$image"; then
    echo "$image: goes with another"
    continue
  fi
  volume=$converted/${image#"$evidence"/}.aff4
  if [ "$volume" -nt "$image" ] && aff4-verify -q "$volume" >/dev/null 2>&1; then
    echo "$image: is converted"
    continue
  fi
  status=65
  mkdir -p "${volume%/*}" && { convert "$image" "$volume"; status=$?; }
  case $status in
    0) echo "$image: converted" ;;
    2) unreadable=1 && echo "$image: converted, with ranges that could not be read" ;;
    3) retry=1 && echo "$image: failed, another attempt may help" ;;
    *) never=1 && echo "$image: cannot be converted" ;;
  esac
done < <(LC_ALL=C sort -z "$images")

[ $retry -eq 0 ] || exit 3
[ $never -eq 0 ] || exit 65
[ $unreadable -eq 0 ] || exit 2
