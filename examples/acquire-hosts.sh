#!/usr/bin/env bash
# Acquires the memory of many hosts over ssh, four at a time, into an AFF4 volume each:
#
#     acquire-hosts.sh HOSTS FOLDER
#
# HOSTS lists them, one a line, as ssh knows them. FOLDER/joblog notes which are done; the same command again goes on
# with those that are not, and tries those that failed once more. A link that breaks leaves FOLDER/HOST.partial.aff4,
# with what came, which the next attempt replaces.
# Exit status: 0 all are acquired, 3 some are not, and the joblog says which.
set -u
[ $# -eq 2 ] || { echo "usage: ${0##*/} HOSTS FOLDER" >&2; exit 64; }
hosts=$1
export FOLDER=${2%/}
mkdir -p "$FOLDER" || exit 73

acquire() {
  ssh -o BatchMode=yes "$1" 'pmem-read | pmem-hash sha256 | pmem-compress snappy' | aff4-sink -t "$FOLDER/$1.aff4"
  local status=$?
  # Complete, with pages that could not be read: each is recorded, and no other attempt would read them.
  [ $status -eq 2 ] && status=0
  [ $status -eq 0 ] && aff4-verify "$FOLDER/$1.aff4" >"$FOLDER/$1.aff4.verified"
  return $status
}
export -f acquire

SHELL=$(command -v bash) parallel --jobs 4 --joblog "$FOLDER/joblog" --resume --resume-failed acquire {} <"$hosts" || exit 3
