#![no_main]

unlearnd_fuzz::parquet_target!(parquet);
