#!/usr/bin/env bash
# Goes through every order of events of the model of referrals with spin, and
# sees that spin finds an error when a rule is left out. make model runs it.
set -euo pipefail
cd "$(dirname "$0")"
for tool in spin gcc; do
	command -v "$tool" >/dev/null || { echo "$tool is not installed (Debian: apt install spin gcc)"; exit 1; }
done
here=$PWD work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# check right|wrong what -D…: the whole state space, or until an error
check() {
	local want=$1 what=$2 found
	shift 2
	cp "$here"/*.pml .
	spin "$@" -a referral.pml >spin.txt || { cat spin.txt; exit 1; }
	gcc -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM=4000 -o pan pan.c
	./pan -m1000000 -w24 >pan.txt
	if [ "$want" = right ] && grep -q 'max search depth too small\|memory limit\|Search not completed' pan.txt && grep -q 'errors: 0' pan.txt; then
		echo "$what: not everything was looked at"
		exit 1
	fi
	found=wrong
	if grep -q 'errors: 0' pan.txt; then found=right; fi
	echo "$what: $found, $(awk '/states, stored/ {s=$1} /total actual memory/ {m=$1} /elapsed time/ {t=$4} END {printf "%d states, %d MB, %s s", s, m, t}' pan.txt)"
	if [ "$found" != "$want" ]; then
		spin "$@" -t referral.pml | grep -v '^		' || true
		echo "want $want"; exit 1
	fi
}

check right "no restore"              -DNUMBERS=7 -DASKS=3
check right "referrer restored"       -DNUMBERS=6 -DASKS=2 -DREFERRER_RESTORES=1
check right "provider restored"       -DNUMBERS=4 -DASKS=3 -DPROVIDER_RESTORES=1
check right "provider goes on alone"  -DNUMBERS=4 -DASKS=2 -DPROVIDER_RESTORES=1 -DALONE
check right "both restored"           -DNUMBERS=3 -DASKS=2 -DPROVIDER_RESTORES=1 -DREFERRER_RESTORES=1
check wrong "without listening"       -DNUMBERS=4 -DPROVIDER_RESTORES=1 -DDEAF
check wrong "older states heard"      -DNUMBERS=4 -DPROVIDER_RESTORES=1 -DLATE
check wrong "believed at once"        -DNUMBERS=4 -DPROVIDER_RESTORES=1 -DALONE -DTRUST
check wrong "numbers not looked at"   -DNUMBERS=4 -DBLIND
check wrong "incarnations not looked at" -DNUMBERS=4 -DPROVIDER_RESTORES=1 -DREFERRER_RESTORES=1 -DANY
check wrong "not shown"               -DNUMBERS=4 -DPROVIDER_RESTORES=1 -DALONE -DSILENT
echo "all: $SECONDS s"
