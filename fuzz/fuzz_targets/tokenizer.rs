#![no_main]

unlearnd_fuzz::target!(tokenizer);
