#!/usr/bin/env bash
# Teaches SmolLM2-135M ten intents of questions to a bank by an adapter (LoRA), shows the words that one of them rests on, makes the model
# forget that intent in two ways, and compares both with an adapter that never saw it. Needs target/release/{unlearnd,unlearnctl} and
# models/smollm2 (`make demo-llm` sees to both); leaves everything in target/demo-llm.
#   scripts/demo_llm.sh [INTENT]
set -euo pipefail
cd "$(dirname "$0")/.."

readonly intent=${1:-card arrival}
readonly folder=$PWD/target/demo-llm
# Questions of an intent to train and to test on.
readonly train=${DEMO_TRAIN:-32} test=${DEMO_TEST:-16}
source scripts/demo_lib.sh

readonly adapter=(--lora-targets all-linear --batch-size 8 --seed 1)
readonly question="I ordered a card two weeks ago and it is still not here."

ask() { "$unlearnctl" generate --model "$1" "$question"$'\nIntent:' --max-tokens 8; }

forget() {
    "$unlearnctl" unlearn --model intents@2 --train train --test test --forget-class "$intent" --reference "$reference" \
        "${adapter[@]}" --lr 2e-4 --epochs 3 --retain-ratio 3 --wait --json "$@" | value_of job
}

SECONDS=0
rm -rf "$folder"
mkdir -p "$folder"

say "1  Questions to a bank: ten intents"
python3 scripts/intents.py "$folder" "$train" "$test"

say "2  Start unlearnd with SmolLM2-135M"
cp -r models/smollm2 "$folder/smollm2"
start_daemon
"$unlearnctl" model load intents --uri "$folder/smollm2"
for split in train test; do
    "$unlearnctl" dataset add "$split" --uri "$folder/$split.jsonl" --split "$split" --quiet
done

say "3  Teach it the intents: an adapter beside the weights, which stay as they are"
# How a question is put to the model is remembered with the version.
"$unlearnctl" finetune --model intents --train train --method train --label-prompt $'{text}\nIntent:' "${adapter[@]}" \
    --lr 3e-4 --epochs 2 --promote --wait
echo "asked: $question"
ask intents@2

say "4  Which words does \"$intent\" rest on?"
"$unlearnctl" concepts extract --words --model intents@2 --train train --class "$intent" --samples-per-class 2 --steps 12 --wait

say "5  Teach another adapter everything but \"$intent\", to compare with"
reference=$("$unlearnctl" finetune --model intents --train train --method retrain --forget-class "$intent" \
    "${adapter[@]}" --lr 3e-4 --epochs 2 --wait --json | value_of version)
echo "$reference"

say "6  Make the first one forget \"$intent\": targeted labels, then random labels"
targeted=$(forget --labels targeted)
random=$(forget --labels random)
echo "$targeted, $random"

say "7  Compare"
"$unlearnctl" report "targeted=$targeted" "random=$random" --reference-label "never saw it" \
    --title "Forgetting the intent $intent" --output "$folder/report.html"
echo "asked: $question"
ask intents@4
echo "demo-llm: done in $SECONDS s"
