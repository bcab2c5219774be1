#![no_main]

unlearnd_fuzz::target!(text_jsonl);
