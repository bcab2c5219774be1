#![no_main]

unlearnd_fuzz::target!(language_config);
