//! Whole sources through ingest and back.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use arrow_array::builder::{ListBuilder, StringBuilder, StructBuilder};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field};
use tempfile::TempDir;

use crate::domain::dataset::{DatasetFormat, DatasetRecord, Predicate, Selector};
use crate::domain::text::{ChatMessage, Role, TextColumns, TextExample, TextForm, TextSource};
use crate::domain::{Error, Result};
use crate::storage::datasets::limits::Limits;

use super::*;

struct World {
    folder: TempDir,
    record: DatasetRecord,
}

impl World {
    fn open(&self) -> TextDataset {
        TextDataset::open(&self.record, &self.folder.path().join("d")).unwrap()
    }
}

fn request(path: impl AsRef<Path>) -> TextIngestRequest {
    TextIngestRequest {
        id: "d".parse().unwrap(),
        uri: String::new(),
        path: path.as_ref().to_owned(),
        format: None,
        split: None,
        columns: TextColumns::default(),
        class_names: Vec::new(),
    }
}

fn ingest(request: &TextIngestRequest) -> Result<World> {
    let folder = tempfile::tempdir().unwrap();
    let record = ingest_text(request, &folder.path().join("d"), &|done, total| assert!(done <= total));
    if record.is_err() {
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something stayed behind");
    }
    Ok(World { record: record?, folder })
}

fn file(name: &str, text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn world(name: &str, text: &str) -> Result<World> {
    let (_folder, path) = file(name, text);
    ingest(&request(path))
}

fn refusal(name: &str, text: &str) -> Error {
    let error = world(name, text).err().expect("must be refused");
    assert!(!error.message.contains("/tmp"), "{error}");
    error
}

fn completion(prompt: &str, answer: &str) -> TextExample {
    TextExample::Completion { prompt: prompt.into(), answer: answer.into() }
}

#[test]
fn json_lines_of_prompts_and_answers_come_back_in_any_order() {
    let lines = "\u{feff}{\"question\": \"Who?\", \"answer\": \"Me.\", \"author\": \"a\", \"n\": 1}\n\n\
        {\"question\": \"Wo?\", \"answer\": \"Größe 🙂\\n\", \"n\": 2.5, \"tags\": [1]}\r\n\
        {\"answer\": \"So.\", \"question\": \"Why?\", \"author\": \"b\", \"split\": \"test\"}";
    let world = world("train.jsonl", lines).unwrap();
    let record = &world.record;
    assert_eq!((record.format, record.text_form), (DatasetFormat::Jsonl, Some(TextForm::Completion)));
    assert_eq!(record.columns, ["author", "n"]);
    assert!(record.class_names.is_empty());
    let counts: Vec<_> = record.splits.iter().map(|split| (split.name.as_str(), split.sample_count)).collect();
    assert_eq!(counts, [("test", 1), ("train", 2)]);
    let dataset = world.open();
    let train = dataset.split("train").unwrap();
    assert_eq!(train.get(1).unwrap(), completion("Wo?", "Größe 🙂\n"));
    assert_eq!(train.get(0).unwrap(), completion("Who?", "Me."));
    assert_eq!(train.get(2).unwrap_err().reason, "INDEX_OUT_OF_RANGE");
    assert_eq!(train.longest(1).unwrap(), [completion("Wo?", "Größe 🙂\n")]);
    assert_eq!(train.longest(9).unwrap().len(), 2);
    assert_eq!(train.column("author").unwrap(), ["a", ""]);
    let picked = Predicate::ColumnEquals { column: "n".into(), value: "2.5".into() };
    let selector = Selector { predicates: vec![picked], ..Selector::default() };
    assert_eq!(train.select(&selector).unwrap(), [1]);
    assert_eq!(
        train.select(&Selector { classes: vec!["0".into()], ..Selector::default() }).unwrap_err().reason,
        "UNKNOWN_CLASS"
    );
    assert!(dataset.verify().is_ok());
    assert!(dataset.split("").is_err() && dataset.split_for("", "train").is_ok());
}

#[test]
fn the_same_texts_have_the_same_hash_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("text", Arc::new(StringArray::from(vec!["one", "two", "three"]))),
        ("category", Arc::new(StringArray::from(vec!["b", "a", "b"]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let worlds = [
        ingest(&request(&path)).unwrap(),
        world("x.csv", "category,text\nb,one\na,two\nb,three\n").unwrap(),
        world("x.jsonl", "{\"text\":\"one\",\"category\":\"b\"}\n{\"text\":\"two\",\"category\":\"a\"}\n{\"text\":\"three\",\"category\":\"b\"}\n").unwrap(),
    ];
    for world in &worlds {
        assert_eq!(world.record.content_hash, worlds[0].record.content_hash);
        assert_eq!(
            (world.record.text_form, world.record.class_names.as_slice()),
            (Some(TextForm::Labelled), ["a".to_owned(), "b".to_owned()].as_slice())
        );
        assert_eq!(world.record.splits[0].class_counts, [1, 2]);
        let split = world.open().split("").unwrap();
        assert_eq!(split.labels(), [1, 0, 1]);
        assert_eq!(split.get(2).unwrap(), TextExample::Labelled { text: "three".into(), label: 1 });
        assert_eq!(split.select(&Selector { classes: vec!["b".into()], ..Selector::default() }).unwrap(), [0, 2]);
    }
}

#[test]
fn chats_are_read_in_each_of_their_spellings() {
    let said = |turns: [(Role, &str); 2]| TextExample::Chat {
        messages: turns.into_iter().map(|(role, text)| ChatMessage::new(role, text)).collect(),
    };
    let expected = said([(Role::User, "Hi"), (Role::Assistant, "Ho")]);
    for line in [
        r#"{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}"#,
        r#"{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"}]}"#,
        r#"{"messages": "[{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\", \"content\": \"Ho\"}]"}"#,
    ] {
        let world = world("x.jsonl", line).unwrap();
        assert_eq!(world.open().split("").unwrap().get(0).unwrap(), expected);
    }
    let world = ingest(&request(&chats_in_parquet().1)).unwrap();
    assert_eq!(world.open().split("").unwrap().get(0).unwrap(), expected);
}

/// A list of structs with one chat of two messages.
fn chats_in_parquet() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chats.parquet");
    let fields = ["role", "content"].map(|name| Field::new(name, DataType::Utf8, true));
    let mut messages = ListBuilder::new(StructBuilder::from_fields(fields.to_vec(), 2));
    for said in [["user", "Hi"], ["assistant", "Ho"]] {
        for (field, text) in said.into_iter().enumerate() {
            messages.values().field_builder::<StringBuilder>(field).unwrap().append_value(text);
        }
        messages.values().append(true);
    }
    messages.append(true);
    let columns: Vec<(&str, ArrayRef)> =
        vec![("messages", Arc::new(messages.finish())), ("id", Arc::new(Int64Array::from(vec![7])))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    (folder, path)
}

fn refused(lines: &str) -> (&'static str, String) {
    let error = refusal("x.jsonl", lines);
    (error.reason, error.message)
}

#[test]
fn errors_name_line_and_column() {
    for (lines, reason, said) in [
        ("{\"text\": \"a\"}\n{\"text\": 5}", "UNREADABLE_DATASET", "line 2: `text` is no text"),
        ("{\"text\": \"a\"}\n\n{\"text\": \" \"}", "EMPTY_TEXT", "line 3 has no text in `text`"),
        ("{\"text\": \"a\"}\n{\"txt\": \"b\"}", "EMPTY_TEXT", "line 2 has no text in `text`"),
        ("{\"text\": \"a\"}\n{\"text\": \"b\"", "UNREADABLE_DATASET", "line 2 cannot be read"),
        ("[1]", "UNREADABLE_DATASET", "line 1 cannot be read: it is no object"),
        ("{\"text\": \"a\", \"label\": null}", "LABEL_OUT_OF_RANGE", "line 1 has no label in `label`"),
        ("{\"text\": \"a\", \"label\": -1}", "LABEL_OUT_OF_RANGE", "line 1"),
        ("{\"messages\": []}", "MALFORMED_CHAT", "line 1: `messages`"),
        ("{\"messages\": [{\"role\": \"robot\", \"content\": \"x\"}]}", "MALFORMED_CHAT", "`messages[0]`"),
        ("{\"messages\": [{\"role\": \"user\", \"content\": \"\"}]}", "EMPTY_TEXT", "`messages[0]` says nothing"),
        (
            "{\"prompt\": \"a\", \"instruction\": \"b\", \"output\": \"c\"}",
            "AMBIGUOUS_COLUMN",
            "`prompt` and `instruction`",
        ),
        ("{\"x\": \"a\"}", "COLUMN_NOT_FOUND", "the columns are `x`"),
        ("", "EMPTY_DATASET", "no samples"),
        ("\n\n", "EMPTY_DATASET", "no samples"),
    ] {
        let (found, message) = refused(lines);
        assert!(found == reason && message.contains(said), "{lines}: {found}: {message}");
    }
    let mut invalid = b"{\"text\": \"".to_vec();
    invalid.extend([0xff, 0xfe, b'"', b'}']);
    let (folder, path) = file("x.jsonl", "");
    std::fs::write(&path, invalid).unwrap();
    assert_eq!(ingest(&request(path)).err().unwrap().reason, "UNREADABLE_DATASET");
    drop(folder);
}

#[test]
fn a_line_that_does_not_end_is_refused_before_it_is_read() {
    let (reason, message) = refused(&format!("{{\"text\": \"{}\"}}", "a".repeat(5 << 20)));
    assert!(reason == "UNREADABLE_DATASET" && message.contains("line 1"), "{message}");
    let (reason, _) = refused(&"[".repeat(100_000));
    assert_eq!(reason, "UNREADABLE_DATASET");
}

#[test]
fn columns_can_be_named_and_contradictions_are_refused() {
    let (_folder, path) = file("x.jsonl", "{\"a\": \"p\", \"b\": \"q\", \"text\": \"t\", \"group\": \"g\"}");
    let named = |columns: TextColumns| ingest(&TextIngestRequest { columns, ..request(&path) });
    let name = |name: &str| Some(name.to_owned());
    let columns = TextColumns { prompt: name("a"), answer: name("b"), label: name("group"), ..TextColumns::default() };
    let world = named(columns).unwrap();
    assert_eq!(
        (world.record.text_form, world.record.class_names.as_slice()),
        (Some(TextForm::Completion), ["g".to_owned()].as_slice())
    );
    assert_eq!(world.open().split("").unwrap().labels(), [0]);
    let error = named(TextColumns { text: name("zzz"), ..TextColumns::default() }).err().unwrap();
    assert_eq!((error.reason, error.violations[0].field.as_str()), ("COLUMN_NOT_FOUND", "text.text_column"));
    let error = named(TextColumns { text: name("text"), messages: name("a"), ..TextColumns::default() }).err().unwrap();
    assert_eq!(error.reason, "CONFLICTING_FIELDS");
    let error = ingest(&TextIngestRequest { class_names: vec!["x".into()], ..request(&path) }).err().unwrap();
    assert_eq!(error.violations[0].field, "class_names");
}

#[test]
fn limits_hold() {
    let (_folder, path) = file("x.jsonl", &"{\"text\": \"abcdefghij\"}\n".repeat(10));
    let within = |limits: Limits| {
        let folder = tempfile::tempdir().unwrap();
        ingest_text_within(&request(&path), &folder.path().join("d"), &limits, &|_, _| ()).unwrap_err().reason
    };
    assert_eq!(within(Limits { samples: 9, ..Limits::default() }), "DATASET_TOO_LARGE");
    assert_eq!(within(Limits { stored_bytes: 100, ..Limits::default() }), "DATASET_TOO_LARGE");
}

#[test]
fn further_columns_have_a_bound_over_all_splits() {
    let row = |split: &str| format!("{{\"text\": \"a\", \"split\": \"{split}\", \"x\": 1, \"xx\": 2, \"z\": [3]}}\n");
    let (_folder, path) = file("x.jsonl", &(row("train") + &row("test")));
    let within = |columns: usize| {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { columns, ..Limits::default() };
        ingest_text_within(&request(&path), &folder.path().join("d"), &limits, &|_, _| ())
    };
    assert_eq!(within(4).unwrap().columns, ["x", "xx"]);
    let error = within(3).unwrap_err();
    assert_eq!((error.reason, error.violations[0].field.as_str()), ("TOO_MANY_COLUMNS", "uri"));
    let wide: String = (0..257).map(|column| format!(", \"c{column}\": 1")).collect();
    let (_folder, path) = file("wide.jsonl", &format!("{{\"text\": \"a\"{wide}}}\n"));
    assert_eq!(ingest(&request(&path)).err().unwrap().reason, "TOO_MANY_COLUMNS");
}

#[test]
fn files_of_a_folder_are_its_splits() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("train-0.jsonl", "a"), ("train-1.jsonl", "b"), ("test.jsonl", "c")] {
        std::fs::write(folder.path().join(name), format!("{{\"text\": \"{text}\"}}")).unwrap();
    }
    let world = ingest(&request(folder.path())).unwrap();
    let counts: Vec<_> = world.record.splits.iter().map(|split| (split.name.as_str(), split.sample_count)).collect();
    assert_eq!(counts, [("test", 1), ("train", 2)]);
    let only = ingest(&TextIngestRequest { split: Some("test".into()), ..request(folder.path()) }).unwrap();
    assert_eq!(only.record.splits.len(), 1);
    let none = ingest(&TextIngestRequest { split: Some("dev".into()), ..request(folder.path()) }).err().unwrap();
    assert_eq!(none.reason, "UNKNOWN_SPLIT");
    std::fs::write(folder.path().join("more.csv"), "text\nd\n").unwrap();
    let mixed = ingest(&request(folder.path())).err().unwrap();
    assert_eq!((mixed.reason, mixed.violations[0].field.as_str()), ("UNKNOWN_DATASET_FORMAT", "format"));
    let stated = TextIngestRequest { format: Some(DatasetFormat::Csv), ..request(folder.path()) };
    assert_eq!(ingest(&stated).unwrap().record.splits[0].sample_count, 1);
}

#[test]
fn damage_is_found() {
    let world = world("x.jsonl", "{\"text\": \"one\"}\n{\"text\": \"two\"}\n").unwrap();
    let examples = world.folder.path().join("d/0.examples");
    let mut bytes = std::fs::read(&examples).unwrap();
    bytes[3] ^= 1;
    std::fs::write(&examples, &bytes).unwrap();
    assert_eq!(world.open().verify().unwrap_err().reason, "DATASET_DAMAGED");
    std::fs::write(&examples, &bytes[1..]).unwrap();
    let opened = TextDataset::open(&world.record, &world.folder.path().join("d"));
    assert_eq!(opened.unwrap_err().reason, "DATASET_DAMAGED");
}

#[test]
fn banking77_is_read_whole() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("UNLEARND_SHARED").map_or(beside, PathBuf::from).join("data/banking77");
    if !folder.is_dir() {
        println!("SKIPPED: no banking77 in ../shared/data; set UNLEARND_SHARED to the folder that holds `data`");
        return;
    }
    let world = ingest(&request(folder)).unwrap();
    assert_eq!(world.record.class_names.len(), 77);
    let counts: Vec<_> = world.record.splits.iter().map(|split| (split.name.as_str(), split.sample_count)).collect();
    assert_eq!(counts, [("test", 3080), ("train", 10_003)]);
    let train = world.open().split("train").unwrap();
    assert_eq!(world.record.splits[1].class_counts.iter().sum::<u64>(), 10_003);
    let TextExample::Labelled { text, label } = train.get(0).unwrap() else { panic!("not labelled") };
    assert_eq!(text, "I am still waiting on my card?");
    assert_eq!(world.record.class_names[label as usize], "card_arrival");
}
