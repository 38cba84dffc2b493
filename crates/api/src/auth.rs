//! API keys: who may call, and whose a job is.
//!
//! The file has a line for each key, `name sha256:<64 hex digits>`, as `steno keys add` writes it. Without a file nobody is asked
//! for a key. The middleware authenticates every call but those about the server itself.

use std::fs;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpMessage as _, HttpRequest};
use anyhow::{Context, bail};
use sha2::{Digest, Sha256};
use steno_models::ProblemCode;
use subtle::{Choice, ConstantTimeEq as _};

use crate::problem::ApiError;

/// The keys of a file.
#[derive(Debug, Default)]
pub(crate) struct ApiKeys {
    path: Option<PathBuf>,
    known: RwLock<Vec<ApiKey>>,
}

#[derive(Debug, PartialEq, Eq)]
struct ApiKey {
    name: String,
    sha256: [u8; 32],
}

/// Whose jobs a call is about: those of a key, or everybody's where no keys are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner(Option<String>);

impl Owner {
    /// Of a call that came through the middleware.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        request.extensions().get::<Self>().cloned().unwrap_or_default()
    }

    /// What the store is to look for.
    pub(crate) fn filter(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// What a new job is marked with.
    pub(crate) fn into_name(self) -> String {
        self.0.unwrap_or_default()
    }
}

impl ApiKeys {
    /// Reads the file, if one is named.
    pub(crate) fn load(path: Option<PathBuf>) -> anyhow::Result<Self> {
        let known = match &path {
            Some(path) => {
                let text = fs::read_to_string(path);
                let text = text.with_context(|| format!("cannot read {} (STENO_API_KEYS_FILE)", path.display()))?;
                parse(&text).with_context(|| format!("in {} (STENO_API_KEYS_FILE)", path.display()))?
            }
            None => Vec::new(),
        };
        Ok(Self { path, known: RwLock::new(known) })
    }

    /// Reads the file again. If it cannot be read the keys stay as they are.
    pub(crate) fn reload(&self) {
        if self.path.is_none() {
            return;
        }
        match Self::load(self.path.clone()) {
            Ok(new) => {
                let new = new.known.into_inner().unwrap_or_else(PoisonError::into_inner);
                tracing::info!(keys = new.len(), "read the API keys again");
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = new;
            }
            Err(error) => tracing::error!("the API keys stay as they were: {error:#}"),
        }
    }

    /// Whose call this is.
    pub(crate) fn authenticate(&self, headers: &HeaderMap) -> Result<Owner, ApiError> {
        if self.path.is_none() {
            return Ok(Owner(None));
        }
        let presented = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token =
            presented.and_then(|value| value.split_once(' ')).filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = token else {
            return Err(ApiError::new(ProblemCode::Unauthorized, "send an API key: Authorization: Bearer <key>"));
        };
        let presented: [u8; 32] = Sha256::digest(token.trim()).into();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        // Every key is compared to its end: how long it takes tells nothing.
        let mut owner = None;
        for key in &*known {
            let is_equal: Choice = key.sha256.ct_eq(&presented);
            if bool::from(is_equal) {
                owner = Some(key.name.clone());
            }
        }
        match owner {
            Some(name) => Ok(Owner(Some(name))),
            None => Err(ApiError::new(
                ProblemCode::Unauthorized,
                "this API key is not known here; ask the operator for one",
            )),
        }
    }
}

fn parse(text: &str) -> anyhow::Result<Vec<ApiKey>> {
    let mut keys: Vec<ApiKey> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // The line itself is not shown: somebody may have written a key into it.
        let number = index + 1;
        let key = parse_line(line).with_context(|| format!("line {number} is not `name sha256:<64 hex digits>`"))?;
        if keys.iter().any(|known| known.name == key.name) {
            bail!("line {number} has a name that is taken");
        }
        keys.push(key);
    }
    Ok(keys)
}

fn parse_line(line: &str) -> Option<ApiKey> {
    let (name, hash) = line.split_once(char::is_whitespace)?;
    let hex = hash.trim().strip_prefix("sha256:").filter(|hex| hex.len() == 64 && hex.is_ascii())?;
    let mut sha256 = [0; 32];
    for (byte, digits) in sha256.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(ApiKey { name: name.to_owned(), sha256 })
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    /// SHA-256 of `secret`.
    const SECRET: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

    fn check(text: &str, authorization: Option<&str>) -> Result<Owner, String> {
        let keys =
            ApiKeys { path: Some(PathBuf::new()), known: RwLock::new(parse(text).map_err(|e| format!("{e:#}"))?) };
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        keys.authenticate(&headers).map_err(|error| error.to_string())
    }

    #[test]
    fn a_key_names_its_owner() {
        let file = format!("# people\n\nalice sha256:{SECRET}\n");
        let alice = Owner(Some("alice".to_owned()));
        assert_eq!(check(&file, Some("Bearer secret")), Ok(alice.clone()));
        assert_eq!(check(&file, Some("bearer  secret ")), Ok(alice));
        for wrong in [None, Some("Bearer Secret"), Some("Bearer"), Some("Basic secret"), Some("secret")] {
            assert!(check(&file, wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(ApiKeys::default().authenticate(&HeaderMap::new()).ok(), Some(Owner(None)));
    }

    #[test]
    fn a_file_that_is_wrong_says_where_and_shows_no_key() {
        for text in ["alice secret", "alice sha256:12", "alice", &format!("a sha256:{SECRET}\na sha256:{SECRET}")] {
            let error = check(text, None).unwrap_err();
            assert!(error.contains("line ") && !error.contains("secret"), "{error}");
        }
    }
}
