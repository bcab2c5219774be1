//! What Jinja templates expect of Python: functions, methods, and how values are written.

use std::fmt::Write;

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, escape_formatter};

use super::Moment;

const MAX_INDENT: usize = 16;
const MAX_DEPTH: usize = 32;

pub(super) fn add_to(environment: &mut Environment<'static>) {
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_formatter(print);
    environment.add_filter("tojson", to_json);
    environment.add_function("raise_exception", |message: &str| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message.to_owned()))
    });
}

/// `{{ value }}`: `None`, `True` and `False` with capitals.
fn print(out: &mut Output<'_>, state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    let kind = value.kind();
    if kind == ValueKind::None {
        return out.write_str("None").map_err(Error::from);
    }
    if kind == ValueKind::Bool {
        return out.write_str(if value.is_true() { "True" } else { "False" }).map_err(Error::from);
    }
    escape_formatter(out, state, value)
}

/// `json.dumps(value, ensure_ascii=False)`, with `indent`.
fn to_json(value: &Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let _: Option<bool> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    let mut json = Json { text: String::new(), indent: indent.map(|indent| indent.min(MAX_INDENT)) };
    json.write(value, 0)?;
    Ok(json.text)
}

struct Json {
    text: String,
    indent: Option<usize>,
}

impl Json {
    fn write(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::new(ErrorKind::InvalidOperation, "tojson: nested too deeply"));
        }
        let kind = value.kind();
        if kind == ValueKind::Map {
            return self.map(value, depth);
        }
        if kind == ValueKind::Seq || kind == ValueKind::Iterable {
            return self.list(value, depth);
        }
        let written = serde_json::to_string(value);
        self.text.push_str(&written.map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?);
        Ok(())
    }

    fn map(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        self.text.push('{');
        let mut empty = true;
        for key in value.try_iter()? {
            self.separate(&mut empty, depth + 1);
            let name = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
            self.write(&Value::from(name), depth + 1)?;
            self.text.push_str(": ");
            self.write(&value.get_item(&key)?, depth + 1)?;
        }
        self.close('}', empty, depth);
        Ok(())
    }

    fn list(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        self.text.push('[');
        let mut empty = true;
        for item in value.try_iter()? {
            self.separate(&mut empty, depth + 1);
            self.write(&item, depth + 1)?;
        }
        self.close(']', empty, depth);
        Ok(())
    }

    fn separate(&mut self, first: &mut bool, depth: usize) {
        if !std::mem::take(first) {
            self.text.push_str(if self.indent.is_some() { "," } else { ", " });
        }
        self.newline(depth);
    }

    fn close(&mut self, bracket: char, empty: bool, depth: usize) {
        if !empty {
            self.newline(depth);
        }
        self.text.push(bracket);
    }

    fn newline(&mut self, depth: usize) {
        if let Some(indent) = self.indent {
            self.text.push('\n');
            self.text.extend(std::iter::repeat_n(' ', indent * depth));
        }
    }
}

pub(super) fn strftime(now: Moment, format: &str) -> Result<String, Error> {
    let mut text = String::new();
    write!(text, "{}", now.format(format))
        .map_err(|_| Error::new(ErrorKind::InvalidOperation, format!("strftime_now: `{format}` is no date format")))?;
    Ok(text)
}

/// `{% generation %}` marks what the assistant says and prints nothing; a condition that holds stands in its place, so that
/// whitespace around it is treated alike.
pub(super) fn without_generation_tags(source: &str) -> String {
    let mut result = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, tag)) = rest.split_once("{%") {
        result.push_str(before);
        result.push_str("{%");
        let Some((inside, after)) = tag.split_once("%}") else {
            rest = tag;
            break;
        };
        let word = inside.trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim();
        result.push_str(&match word {
            "generation" => inside.replace("generation", "if true"),
            "endgeneration" => inside.replace("endgeneration", "endif"),
            _ => inside.to_owned(),
        });
        result.push_str("%}");
        rest = after;
    }
    result.push_str(rest);
    result
}
