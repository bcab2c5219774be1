"""Writes ten classes of questions to a bank, as JSON lines: train.jsonl and test.jsonl in the folder given.

    python3 scripts/intents.py FOLDER [TRAIN_OF_CLASS [TEST_OF_CLASS]]

The questions are those of Banking77 (Casanueva et al. 2020; `train.csv` and `test.csv` with the columns text and category) where the
folder named by BANKING77, or data/banking77 beside the project, has them. Otherwise they are put together from phrases below: the same
ten intents, easier to tell apart, and the demo says so.
"""

import csv
import itertools
import json
import os
import random
import sys
from pathlib import Path

INTENTS = [
    "card arrival", "lost or stolen card", "top up failed", "exchange rate", "card not working",
    "change pin", "country support", "terminate account", "age limit", "request refund",
]
OPENINGS = ["", "Hello, ", "Hi there. ", "Please help: ", "Quick question: ", "I have a question. ", "Good morning, ", "Excuse me, "]
ENDINGS = ["", " Thanks!", " Can you help?", " What should I do?", " Please advise."]
PHRASES = {
    "card arrival": [
        "I am still waiting for my new card to arrive.", "When will my card be delivered?", "How long does delivery of the card take?",
        "My card has not come in the mail yet.", "Can I track the delivery of my card?", "It has been a week and the card is not here.",
        "Has my card been shipped?", "The card you sent has not reached me.", "What day does my card get here?",
    ],
    "lost or stolen card": [
        "I lost my card somewhere in town.", "My card was stolen last night.", "Somebody took my card from my bag.",
        "I cannot find my card anywhere.", "My wallet with the card is gone.", "A thief has my card.", "I left my card in a taxi.",
        "My card is missing since yesterday.", "I think somebody stole my bank card.",
    ],
    "top up failed": [
        "My top up did not go through.", "The top up was declined.", "Why did my top up fail?", "I tried to top up and got an error.",
        "Topping up does not work for me.", "The money I topped up never showed.", "Your app refused my top up.",
        "My attempt to top up was rejected.", "Top up from my bank keeps failing.",
    ],
    "exchange rate": [
        "What exchange rate do you use?", "How is the exchange rate set?", "Is the rate for euros a good one?", "Where do your exchange rates come from?",
        "How often do exchange rates change?", "What do I get for one dollar?", "Do you use the market rate for currencies?",
        "Which rate applies when I exchange pounds?", "Show me the current exchange rates.",
    ],
    "card not working": [
        "My card does not work in shops.", "The card reader refuses my card.", "My card stopped working today.", "Why is my card broken?",
        "The chip of my card does nothing.", "No machine accepts my card.", "My card will not work at the till.", "The card I have is not functioning.",
        "Contactless does not work with my card.",
    ],
    "change pin": [
        "How do I change my PIN?", "I want a new PIN.", "Where can I set another PIN?", "Can I pick my own PIN?", "Change of the PIN at a machine, is that possible?",
        "My PIN should be a different number.", "I would like to reset the PIN.", "Is there a way to update my PIN?", "What machine lets me alter the PIN?",
    ],
    "country support": [
        "Which countries do you support?", "Can I open an account in Spain?", "Do you serve customers in Norway?", "In what countries are you available?",
        "Is my country supported?", "Do you operate outside Europe?", "Are people from Canada accepted?", "I live abroad, do you cover my country?",
        "Where in the world do you work?",
    ],
    "terminate account": [
        "I want to close my account.", "How do I delete my account?", "Please cancel my account.", "I am leaving, end my account.",
        "Terminate my account today.", "I do not want this account any more.", "Shut down my account for good.", "What do I do to get rid of the account?",
        "My account shall be closed.",
    ],
    "age limit": [
        "How old must I be for an account?", "What is the minimum age?", "Can my child have an account?", "My son is twelve, may he join?",
        "Is there an age limit?", "Do you have accounts for teenagers?", "At what age can one sign up?", "Is sixteen old enough for you?",
        "My daughter is young, can she register?",
    ],
    "request refund": [
        "I want my money back for a purchase.", "How do I get a refund?", "Please refund my last payment.", "The shop owes me, can you return the money?",
        "I would like to be refunded.", "Can you reverse what I bought?", "I returned the item and need a refund.", "Give back what I paid for the tickets.",
        "I changed my mind about a purchase, refund it.",
    ],
}


def banking77():
    """The folder with the dataset, if there is one."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data" / "banking77"
    folder = Path(os.environ.get("BANKING77", beside))
    return folder if (folder / "train.csv").exists() else None


def real(folder, split):
    by_intent = {intent: [] for intent in INTENTS}
    with open(folder / f"{split}.csv", newline="") as file:
        for row in csv.DictReader(file):
            intent = row["category"].replace("_", " ")
            if intent in by_intent:
                by_intent[intent].append(row["text"])
    return by_intent


def made_up(split):
    """Phrases that training has not seen are kept for the test."""
    chosen = slice(0, 6) if split == "train" else slice(6, None)
    parts = lambda intent: itertools.product(OPENINGS, PHRASES[intent][chosen], ENDINGS)
    return {intent: ["".join(part) for part in parts(intent)] for intent in INTENTS}


def write(path, by_intent, count):
    lines = []
    for intent, texts in by_intent.items():
        order = random.Random(f"{path.stem} {intent}")
        chosen = order.sample(texts, min(count, len(texts)))
        lines += [json.dumps({"text": text, "label": intent}) for text in chosen]
    random.Random(path.stem).shuffle(lines)
    path.write_text("\n".join(lines) + "\n")
    return len(lines)


def main():
    target = Path(sys.argv[1])
    counts = {"train": int(sys.argv[2]) if len(sys.argv) > 2 else 60, "test": int(sys.argv[3]) if len(sys.argv) > 3 else 40}
    target.mkdir(parents=True, exist_ok=True)
    folder = banking77()
    if folder is None:
        print("intents: Banking77 is not here (set BANKING77 to its folder); using made-up questions, which are easier")
    for split, count in counts.items():
        written = write(target / f"{split}.jsonl", real(folder, split) if folder else made_up(split), count)
        print(f"intents: {written} questions in {target / f'{split}.jsonl'}")


if __name__ == "__main__":
    main()
