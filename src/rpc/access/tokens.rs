//! Bearer tokens. Only their SHA-256 is known here: a token is 256 random bits, so that a plain hash can neither be guessed nor inverted.

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::domain::access::{Principal, Scope};

const DIGEST_BYTES: usize = 32;
const MAX_NAME: usize = 63;

/// One token of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    name: String,
    sha256: String,
    scopes: Vec<Scope>,
    #[serde(default)]
    expires: Option<toml::Value>,
}

/// A token that may be presented.
#[derive(Debug)]
pub(super) struct Token {
    digest: [u8; DIGEST_BYTES],
    pub(super) principal: Principal,
    expires: Option<DateTime<Utc>>,
}

impl Token {
    pub(super) fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires.is_some_and(|end| now >= end)
    }
}

impl TryFrom<Entry> for Token {
    type Error = String;

    fn try_from(entry: Entry) -> Result<Self, String> {
        let Entry { name, sha256, scopes, expires } = entry;
        check_name(&name)?;
        let problem = |text: &str| format!("token `{name}`: {text}");
        let digest = digest_of_hex(&sha256).ok_or_else(|| problem("sha256 must be 64 hexadecimal digits"))?;
        let expires = expires.as_ref().map(|value| {
            end(value).ok_or_else(|| problem("expires must be a date (2030-12-31) or a time with its offset"))
        });
        Ok(Self {
            digest,
            principal: Principal::token(&name, scopes.into_iter().collect()),
            expires: expires.transpose()?,
        })
    }
}

/// Finds the token that was presented. Every entry is compared, each in constant time.
pub(super) fn find<'a>(tokens: &'a [Token], presented: &str) -> Option<&'a Token> {
    let digest: [u8; DIGEST_BYTES] = Sha256::digest(presented.as_bytes()).into();
    let mut found = None;
    for token in tokens {
        if bool::from(token.digest.ct_eq(&digest)) {
            found = Some(token);
        }
    }
    found
}

/// Names and tokens stand for one principal each.
pub(super) fn check_distinct(tokens: &[Token]) -> Result<(), String> {
    for (index, token) in tokens.iter().enumerate() {
        for other in &tokens[..index] {
            if token.principal.name == other.principal.name {
                return Err(format!("{} stands twice in the file", token.principal));
            }
            if token.digest == other.digest {
                return Err(format!("{} and {} have the same sha256", other.principal, token.principal));
            }
        }
    }
    Ok(())
}

/// Names go into logs and audit lines as they are.
fn check_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(plain) {
        return Err(format!("token name `{}` must be 1 to {MAX_NAME} of A-Z a-z 0-9 - _ . @", name.escape_debug()));
    }
    Ok(())
}

fn digest_of_hex(text: &str) -> Option<[u8; DIGEST_BYTES]> {
    if text.len() != 2 * DIGEST_BYTES || !text.is_ascii() {
        return None;
    }
    let mut digest = [0; DIGEST_BYTES];
    for (byte, index) in digest.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[index..index + 2], 16).ok()?;
    }
    Some(digest)
}

/// The first moment at which the token is no longer good: a date is good to its end, in UTC.
fn end(value: &toml::Value) -> Option<DateTime<Utc>> {
    let text = value.as_datetime().map(ToString::to_string).or_else(|| value.as_str().map(str::to_owned))?;
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Some(date.checked_add_days(Days::new(1))?.and_time(chrono::NaiveTime::MIN).and_utc());
    }
    DateTime::parse_from_rfc3339(&text).ok().map(|time| time.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, token: &str, more: &str) -> Result<Token, String> {
        let digest: String = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!("name = \"{name}\"\nsha256 = \"{digest}\"\nscopes = [\"job\"]\n{more}");
        toml::from_str::<Entry>(&text).map_err(|error| error.to_string())?.try_into()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn only_the_very_token_is_found() {
        let tokens = [entry("a", "unl_one", "").unwrap(), entry("b", "unl_two", "").unwrap()];
        assert_eq!(&*find(&tokens, "unl_two").unwrap().principal.name, "tokens/b");
        for wrong in ["", "unl_", "unl_twO", "unl_two ", "b"] {
            assert!(find(&tokens, wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_date_is_good_to_its_end() {
        for written in ["expires = 2030-12-31", "expires = \"2030-12-31\"", "expires = 2031-01-01T01:00:00+01:00"] {
            let token = entry("a", "t", written).unwrap();
            assert!(!token.is_expired(at("2030-12-31T23:59:59Z")), "{written}");
            assert!(token.is_expired(at("2031-01-01T00:00:00Z")), "{written}");
        }
        assert!(!entry("a", "t", "").unwrap().is_expired(at("2999-01-01T00:00:00Z")));
    }

    #[test]
    fn entries_that_cannot_be_right_are_refused() {
        for more in ["expires = \"soon\"", "expires = 12", "expires = 2030-12-31T00:00:00", "scope = \"job\""] {
            assert!(entry("a", "t", more).is_err(), "{more}");
        }
        assert!(entry("a b", "t", "").unwrap_err().contains("token name"));
        assert!(digest_of_hex("12").is_none() && digest_of_hex(&"é".repeat(32)).is_none());
        let twice = [entry("a", "t", "").unwrap(), entry("a", "u", "").unwrap()];
        assert!(check_distinct(&twice).unwrap_err().contains("stands twice"));
        let shared = [entry("a", "t", "").unwrap(), entry("b", "t", "").unwrap()];
        assert!(check_distinct(&shared).unwrap_err().contains("same sha256"));
    }
}
