//! From the URIs of clients to files of this machine: only inside configured roots, never by `..` or a link out of them.
//!
//! `file://` URIs (percent-decoded) and plain paths (taken literally; a relative one is looked up below each root). Outside
//! the roots nothing is touched, so nobody learns what exists there. Messages show the URI as the client gave it, never the
//! path it resolves to. The check holds for the moment it is made: whoever can write inside a root is trusted not to swap
//! links behind it.

use std::io;
use std::path::{Component, Path, PathBuf};

use url::Url;

use crate::domain::{Error, ErrorKind, Result};

const MAX_URI_CHARS: usize = 4096;
const SHOWN_CHARS: usize = 200;

/// The folders that clients may read from and export to.
#[derive(Debug, Clone, Default)]
pub struct Roots {
    folders: Vec<PathBuf>,
}

impl Roots {
    /// Folders need not exist yet; relative ones are taken from the working directory.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        let absolute = |folder: PathBuf| std::path::absolute(&folder).unwrap_or(folder);
        Self { folders: folders.into_iter().map(absolute).collect() }
    }

    /// The canonical path of an existing file or folder. `field` is the request field that holds `uri`.
    pub fn resolve(&self, uri: &str, field: &str) -> Result<PathBuf> {
        let asked = Asked { uri, field };
        let mut refusal = asked.outside();
        for path in self.candidates(&asked)? {
            match self.existing(&path, &asked).and_then(|found| self.check_entries(&found, &asked).map(|()| found)) {
                Ok(resolved) => return Ok(resolved),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    /// A path to write to: its folder exists inside a root; an existing file of that name is inside a root too.
    pub fn resolve_for_writing(&self, uri: &str, field: &str) -> Result<PathBuf> {
        let asked = Asked { uri, field };
        let Some(path) = self.candidates(&asked)?.into_iter().next() else { return Err(asked.outside()) };
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(asked.outside()) };
        if self.folders.contains(&path) {
            return Err(asked.invalid("names a root itself; name a file or folder inside it"));
        }
        let target = self.existing(parent, &asked)?.join(name);
        match target.symlink_metadata() {
            Ok(_) => self.existing(&target, &asked),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(target),
            Err(error) => Err(asked.unreadable(error)),
        }
    }

    /// Absolute paths that `asked` may mean, all of them below a root by name.
    fn candidates(&self, asked: &Asked<'_>) -> Result<Vec<PathBuf>> {
        let path = asked.path()?;
        if path.is_relative() {
            return Ok(self.folders.iter().map(|root| root.join(&path)).collect());
        }
        Ok(if self.names_inside(&path) { vec![path] } else { Vec::new() })
    }

    fn names_inside(&self, path: &Path) -> bool {
        self.folders.iter().any(|root| path.starts_with(root)) || self.holds(path)
    }

    /// Whether the canonical path `path` is inside a root.
    fn holds(&self, path: &Path) -> bool {
        self.folders.iter().filter_map(|root| root.canonicalize().ok()).any(|root| path.starts_with(root))
    }

    /// What lies in a folder is read by name later: no link may lead out of the roots, and no pipe may be waited for.
    fn check_entries(&self, folder: &Path, asked: &Asked<'_>) -> Result<()> {
        if !folder.is_dir() {
            return Ok(());
        }
        for entry in folder.read_dir().map_err(|error| asked.unreadable(error))? {
            let entry = entry.map_err(|error| asked.unreadable(error))?;
            let kind = entry.file_type().map_err(|error| asked.unreadable(error))?;
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if kind.is_file() || kind.is_dir() || is_hidden {
                continue;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            if !kind.is_symlink() {
                return Err(
                    asked.invalid(&format!("holds `{name}`, which is neither a file nor a folder; take it out"))
                );
            }
            if self.existing(&entry.path(), asked).is_err() {
                let why = format!(
                    "`{name}` is a symbolic link that leads out of the roots, or nowhere; put the file itself there"
                );
                return Err(Error::invalid("SYMBOLIC_LINK", asked.field, why));
            }
        }
        Ok(())
    }

    fn existing(&self, path: &Path, asked: &Asked<'_>) -> Result<PathBuf> {
        let canonical = path.canonicalize().map_err(|error| asked.unreadable(error))?;
        if !self.holds(&canonical) {
            return Err(asked.outside());
        }
        // Opening a pipe would wait for its other end.
        let kind = canonical.metadata().map_err(|error| asked.unreadable(error))?.file_type();
        match kind.is_file() || kind.is_dir() {
            true => Ok(canonical),
            false => Err(asked.invalid("is neither a file nor a folder")),
        }
    }
}

/// What the client asked for: the URI as given, and where it stood in the request.
struct Asked<'a> {
    uri: &'a str,
    field: &'a str,
}

impl Asked<'_> {
    fn path(&self) -> Result<PathBuf> {
        if self.uri.is_empty() {
            return Err(Error::invalid("INVALID_URI", self.field, "must not be empty"));
        }
        if self.uri.len() > MAX_URI_CHARS {
            return Err(self.invalid(&format!("is longer than {MAX_URI_CHARS} characters")));
        }
        let path = match scheme(self.uri) {
            None => PathBuf::from(self.uri),
            Some(scheme) if scheme.eq_ignore_ascii_case("file") => self.file_path()?,
            Some(scheme) => return Err(self.unsupported(scheme)),
        };
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(self.invalid("contains `..`; write the path without it"));
        }
        if path.as_os_str().as_encoded_bytes().contains(&0) {
            return Err(self.invalid("contains a NUL byte"));
        }
        Ok(path)
    }

    /// The decoded path of a `file:` URI. `Url` would resolve `..` silently, so that is looked for in the raw text first.
    fn file_path(&self) -> Result<PathBuf> {
        let written = &self.uri["file:".len()..];
        if !written.starts_with('/') {
            return Err(self.invalid("is not absolute; write `file:///folder/file`"));
        }
        if has_parent_segment(written) {
            return Err(self.invalid("contains `..`; write the path without it"));
        }
        let url = Url::parse(self.uri).map_err(|error| self.invalid("is not a URI").with_source(error))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(self.invalid("has a query or fragment; write `?` as %3F and `#` as %23"));
        }
        url.to_file_path().map_err(|()| self.invalid("names another host; write `file:///folder/file`"))
    }

    fn shown(&self) -> String {
        self.uri.chars().take(SHOWN_CHARS).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
    }

    fn invalid(&self, why: &str) -> Error {
        Error::invalid("INVALID_URI", self.field, format!("`{}` {why}", self.shown()))
    }

    fn refused(&self, kind: ErrorKind, reason: &'static str, description: String) -> Error {
        let mut error = Error::invalid(reason, self.field, description);
        error.kind = kind;
        error
    }

    fn unsupported(&self, scheme: &str) -> Error {
        let scheme: String = scheme.chars().take(32).collect();
        let why = format!("the scheme `{scheme}:` is not supported; copy the data to the server and use `file://`");
        self.refused(ErrorKind::Unimplemented, "UNSUPPORTED_URI_SCHEME", why)
    }

    fn outside(&self) -> Error {
        let why = format!(
            "`{}` is outside the folders that the daemon may use; start it with `--root FOLDER` that contains it",
            self.shown()
        );
        self.refused(ErrorKind::PermissionDenied, "URI_OUTSIDE_ROOTS", why)
    }

    fn unreadable(&self, error: io::Error) -> Error {
        use io::ErrorKind as Io;
        #[expect(clippy::wildcard_enum_match_arm, reason = "a non-exhaustive enum of the standard library")]
        let (kind, reason, why) = match error.kind() {
            Io::PermissionDenied => {
                (ErrorKind::PermissionDenied, "URI_UNREADABLE", "cannot be read by the daemon's user")
            }
            Io::NotFound | Io::NotADirectory => (ErrorKind::NotFound, "URI_NOT_FOUND", "does not exist on the server"),
            _ => return self.invalid("cannot be resolved").with_source(error),
        };
        self.refused(kind, reason, format!("`{}` {why}", self.shown())).with_source(error)
    }
}

/// The scheme before the first `:`, if that is one; a single letter is not (`C:`), nor is anything after a `/`.
fn scheme(uri: &str) -> Option<&str> {
    let (scheme, _) = uri.split_once(':')?;
    let wellformed = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    (wellformed && scheme.len() > 1).then_some(scheme)
}

/// Whether a segment is `..`, also when the dots or slashes are percent-encoded.
fn has_parent_segment(path: &str) -> bool {
    let mut plain = path.to_ascii_lowercase();
    for (code, character) in [("%2e", "."), ("%2f", "/"), ("%5c", "/"), ("\\", "/")] {
        plain = plain.replace(code, character);
    }
    plain.split('/').any(|segment| segment == "..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    struct World {
        folder: tempfile::TempDir,
        roots: Roots,
    }

    /// `root/a b.txt`, `root/in/x`, `outside/secret` and links between them.
    fn world() -> World {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("root/in")).unwrap();
        fs::create_dir_all(at("outside")).unwrap();
        for name in ["root/a b.txt", "root/in/x", "root/100%25", "outside/secret"] {
            fs::write(at(name), "x").unwrap();
        }
        symlink(at("outside/secret"), at("root/link")).unwrap();
        symlink(at("outside"), at("root/door")).unwrap();
        symlink(at("root/in"), at("root/alias")).unwrap();
        symlink(at("outside/new"), at("root/dangling")).unwrap();
        World { roots: Roots::new(vec![at("root")]), folder }
    }

    impl World {
        fn uri(&self, name: &str) -> String {
            format!("file://{}/{name}", self.folder.path().display())
        }

        fn reason(&self, uri: &str) -> &'static str {
            let error = self.roots.resolve(uri, "uri").expect_err(uri);
            assert_eq!(error.violations[0].field, "uri");
            error.reason
        }
    }

    #[test]
    fn files_inside_a_root_are_found() {
        let world = world();
        let inside = world.folder.path().canonicalize().unwrap().join("root");
        for uri in [world.uri("root/a%20b.txt"), world.uri("root/a b.txt"), "a b.txt".into()] {
            assert_eq!(world.roots.resolve(&uri, "uri").unwrap(), inside.join("a b.txt"), "{uri}");
        }
        assert_eq!(world.roots.resolve(&world.uri("root/alias/x"), "uri").unwrap(), inside.join("in/x"));
        assert_eq!(world.roots.resolve(&world.uri("root/100%2525"), "uri").unwrap(), inside.join("100%25"));
        assert_eq!(world.roots.resolve(&world.uri("root/in/"), "uri").unwrap(), inside.join("in"));
    }

    #[test]
    fn hostile_uris_are_refused() {
        let world = world();
        for name in ["outside/secret", "root/link", "root/door/secret", "outside/missing", "rootless", "root%2flink"] {
            assert_eq!(world.reason(&world.uri(name)), "URI_OUTSIDE_ROOTS", "{name}");
        }
        for name in
            ["root/../outside/secret", "root/%2e%2e/outside/secret", "root/in%2f..%2fx", "root/.%2E/x", "root/x%00y"]
        {
            assert_eq!(world.reason(&world.uri(name)), "INVALID_URI", "{name}");
        }
        for uri in ["", "file:relative", "file://host/etc/passwd", "file:///a?b", "../x", "in/../../x", "a\0b"] {
            assert_eq!(world.reason(uri), "INVALID_URI", "{uri:?}");
        }
        for uri in ["s3://bucket/x", "https://example.org/x", "hf:x", "data:,x"] {
            assert_eq!(world.reason(uri), "UNSUPPORTED_URI_SCHEME", "{uri}");
        }
        for uri in [
            "/etc/passwd",
            "file:///etc/passwd",
            "file:/etc/passwd",
            "FILE:///etc/passwd",
            "file://localhost/etc/passwd",
        ] {
            assert_eq!(world.reason(uri), "URI_OUTSIDE_ROOTS", "{uri}");
        }
        assert_eq!(world.reason(&world.uri("root/missing")), "URI_NOT_FOUND");
        assert_eq!(world.reason(&world.uri("root/in/x/y")), "URI_NOT_FOUND");
    }

    #[test]
    fn without_roots_everything_is_outside() {
        assert_eq!(Roots::default().resolve("x", "uri").unwrap_err().reason, "URI_OUTSIDE_ROOTS");
    }

    #[test]
    fn writing_stays_inside_too() {
        let world = world();
        let write = |name: &str| world.roots.resolve_for_writing(&world.uri(name), "uri").map_err(|error| error.reason);
        assert!(write("root/new.pt").unwrap().ends_with("root/new.pt"));
        assert!(write("root/alias/new.pt").unwrap().ends_with("root/in/new.pt"));
        assert!(write("root/in/x").is_ok());
        assert_eq!(write("root"), Err("INVALID_URI"));
        assert_eq!(write("root/none/new"), Err("URI_NOT_FOUND"));
        for name in ["root/link", "root/door/new", "outside/new"] {
            assert_eq!(write(name), Err("URI_OUTSIDE_ROOTS"), "{name}");
        }
        assert!(write("root/dangling").is_err());
    }

    #[test]
    fn messages_show_the_uri_and_not_the_path() {
        let world = world();
        let error = world.roots.resolve("missing.parquet", "uri").unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert!(error.message.contains("`missing.parquet`"));
        assert!(!error.message.contains(&*world.folder.path().to_string_lossy()));
    }

    proptest! {
        #[test]
        fn whatever_resolves_lies_inside(tail in "[a-z./%2ef\\\\ ]{0,24}", encoded in any::<bool>()) {
            let world = world();
            let inside = world.folder.path().canonicalize().unwrap().join("root");
            let uri = if encoded { world.uri(&format!("root/{tail}")) } else { tail };
            if let Ok(path) = world.roots.resolve(&uri, "uri") {
                prop_assert!(path.starts_with(&inside), "{} -> {}", uri, path.display());
            }
            if let Ok(path) = world.roots.resolve_for_writing(&uri, "uri") {
                prop_assert!(path.starts_with(&inside), "{} -> {}", uri, path.display());
            }
        }
    }
}
