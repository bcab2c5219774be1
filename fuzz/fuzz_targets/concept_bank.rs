#![no_main]

unlearnd_fuzz::target!(concept_bank);
