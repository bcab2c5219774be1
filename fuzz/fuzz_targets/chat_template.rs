#![no_main]

unlearnd_fuzz::target!(chat_template);
