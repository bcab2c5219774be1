#!/usr/bin/env bash
# Trains a small network on real handwritten digits, makes it forget one of them in two ways, and compares both with a
# network that never saw that digit; says which concepts the digit rests on. Needs target/release/{unlearnd,unlearnctl}; leaves everything in target/demo.
#   scripts/demo.sh [DIGIT]
set -euo pipefail
cd "$(dirname "$0")/.."

readonly digit=${1:-3}
readonly folder=$PWD/target/demo
readonly training=(--scope all --epochs 8 --batch-size 32 --optimizer adamw --lr 0.002 --schedule cosine --seed 1)

[[ "$digit" =~ ^[0-9]$ ]] || { echo "demo: '$digit' is no digit; usage: scripts/demo.sh [0-9]" >&2; exit 2; }
source scripts/demo_lib.sh

forget() {
    "$unlearnctl" unlearn --model digits@2 --train digits --test digits --forget-class "$digit" --reference "$reference" \
        --epochs 20 --lr 0.01 --seed 1 --wait --json "$@" | value_of job
}

SECONDS=0
rm -rf "$folder"
mkdir -p "$folder"

say "1  Fetch the digits (1797 images of 8x8, out of the scikit-learn wheel)"
python3 scripts/digits.py "$folder/digits.npz"

say "2  Start unlearnd"
start_daemon
"$unlearnctl" info

say "3  Register the digits, create a network, train it"
"$unlearnctl" dataset add digits --uri "$folder/digits.npz" --quiet
"$unlearnctl" model create digits --architecture small_cnn --classes 10 --size 8 --channels 1 --mean 0.5 --std 0.5 --seed 1 --quiet
"$unlearnctl" finetune --model digits --train digits --method train "${training[@]}" --promote --wait

say "4  Train another without any $digit, to compare with"
reference=$("$unlearnctl" finetune --model digits --train digits --method retrain --forget-class "$digit" "${training[@]}" \
    --wait --json | value_of version)
echo "$reference"

say "5  What does the $digit rest on? (concepts rendered, none of them labelled by hand)"
"$unlearnctl" concepts learn --bank basic --model digits --wait --quiet
"$unlearnctl" concepts extract --bank basic --model digits --train digits --test digits --class "$digit" --wait

say "6  Make the first one forget $digit: targeted labels, then random labels"
targeted=$(forget --labels targeted)
random=$(forget --labels random)
echo "$targeted, $random"

say "7  Compare"
"$unlearnctl" report "targeted=$targeted" "random=$random" --reference-label retrained \
    --title "Forgetting the digit $digit" --output "$folder/report.html"
echo "demo: done in $SECONDS s"
