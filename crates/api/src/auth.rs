//! API keys: who may call, how often, and whose a job is.
//!
//! Without a keys file, no key is required. The middleware authenticates every request except those about the server itself.

mod file;

use std::convert::Infallible;
use std::fs;
use std::future::{Ready, ready};
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use anyhow::Context;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, RateLimiter};
use sha2::{Digest, Sha256};
use steno_models::ProblemCode;
use steno_store::Quota;
use subtle::{Choice, ConstantTimeEq as _};

pub(crate) use file::KeyLimits;

use crate::problem::ApiError;

/// The keys of a file.
#[derive(Default)]
pub(crate) struct ApiKeys {
    path: Option<PathBuf>,
    /// Of keys for which the file names none.
    limits: KeyLimits,
    known: RwLock<Vec<ApiKey>>,
}

struct ApiKey {
    name: String,
    sha256: [u8; 32],
    quota: Quota,
    limiter: Option<DefaultDirectRateLimiter>,
}

/// Who makes a call: the owner of an API key, or, where no keys are configured, the one owner without a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The key's name, with which its jobs are marked. Empty without keys, as in the store: a server that lost its keys
    /// file must not show jobs that were submitted with a key.
    name: String,
    quota: Quota,
}

impl Owner {
    /// Of a call that was admitted.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        request
            .extensions()
            .get::<Self>()
            .cloned()
            .unwrap_or_default()
    }

    /// The key's name; empty where no keys are configured.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the call came with an API key.
    pub(crate) fn has_key(&self) -> bool {
        !self.name.is_empty()
    }

    /// What it may have in the queue.
    pub(crate) fn quota(&self) -> Quota {
        self.quota
    }
}

impl FromRequest for Owner {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

impl ApiKeys {
    /// Reads the file, if one is named.
    pub(crate) fn load(path: Option<PathBuf>, limits: KeyLimits) -> anyhow::Result<Self> {
        let known = match &path {
            Some(path) => {
                let text = fs::read_to_string(path);
                let text = text.with_context(|| {
                    format!("cannot read {} (STENO_API_KEYS_FILE)", path.display())
                })?;
                let entries = file::parse(&text, limits);
                entries.with_context(|| format!("in {} (STENO_API_KEYS_FILE)", path.display()))?
            }
            None => Vec::new(),
        };

        let known: Vec<_> = known.into_iter().map(ApiKey::from).collect();
        match (&path, known.len()) {
            (Some(path), 0) => {
                tracing::warn!(
                    "there is no API key in {}: every call is refused until you add one (steno keys add NAME)",
                    path.display()
                );
            }
            (Some(path), count) => {
                tracing::info!("API keys are asked for: {count} in {}", path.display());
            }
            (None, _) => tracing::warn!(
                "API keys are off: every client that reaches this server can read and delete all jobs (set STENO_API_KEYS_FILE)"
            ),
        }

        Ok(Self {
            path,
            limits,
            known: RwLock::new(known),
        })
    }

    /// Reads the file again. If it cannot be read the keys stay as they are.
    pub(crate) fn reload(&self) {
        if self.path.is_none() {
            return;
        }
        match Self::load(self.path.clone(), self.limits) {
            Ok(new) => {
                let new = new
                    .known
                    .into_inner()
                    .unwrap_or_else(PoisonError::into_inner);
                tracing::info!(keys = new.len(), "read the API keys again");
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = new;
            }
            Err(error) => tracing::error!("the API keys stay as they were: {error:#}"),
        }
    }

    /// Whose call this is.
    pub(crate) fn authenticate(&self, headers: &HeaderMap) -> Result<Owner, ApiError> {
        if self.path.is_none() {
            return Ok(Owner::default());
        }
        let presented = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let token = presented
            .and_then(|value| value.split_once(' '))
            .filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = token else {
            return Err(ApiError::new(
                ProblemCode::Unauthorized,
                "send an API key: Authorization: Bearer <key>",
            ));
        };

        let presented: [u8; 32] = Sha256::digest(token.trim()).into();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        // Every key is compared to its end, so that the duration reveals nothing.
        let mut owner = None;
        for key in &*known {
            let is_equal: Choice = key.sha256.ct_eq(&presented);
            if bool::from(is_equal) {
                owner = Some(key);
            }
        }

        let Some(key) = owner else {
            let detail = "this API key is not known here; ask the operator for one";
            return Err(ApiError::new(ProblemCode::Unauthorized, detail));
        };

        Ok(Owner {
            name: key.name.clone(),
            quota: key.quota,
        })
    }
}

impl ApiKeys {
    /// Counts a call of an owner, and refuses it if there were too many.
    pub(crate) fn check_rate(&self, owner: &Owner) -> Result<(), ApiError> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let key = known.iter().find(|key| key.name == owner.name());
        key.map_or(Ok(()), ApiKey::check_rate)
    }
}

impl ApiKey {
    fn check_rate(&self) -> Result<(), ApiError> {
        let Some(Err(refused)) = self.limiter.as_ref().map(RateLimiter::check) else {
            return Ok(());
        };
        let wait = refused.wait_time_from(DefaultClock::default().now());
        let detail = "this API key has made too many calls (STENO_KEY_REQUESTS_PER_SECOND); slow down, or wait for jobs \
                      with ?wait= instead of asking often";
        Err(ApiError::new(ProblemCode::RateLimited, detail).retry_after(wait.as_secs() as u32 + 1))
    }
}

impl From<file::Entry> for ApiKey {
    fn from(entry: file::Entry) -> Self {
        let rate = entry.limits.requests_per_second;
        let limiter = rate.map(|rate| {
            let burst = rate.saturating_add(rate.get());
            RateLimiter::direct(governor::Quota::per_second(rate).allow_burst(burst))
        });
        Self {
            name: entry.name,
            sha256: entry.sha256,
            quota: entry.limits.quota,
            limiter,
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    /// SHA-256 of `secret`.
    const SECRET: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

    fn check(text: &str, authorization: Option<&str>) -> Result<Owner, String> {
        let entries = file::parse(text, KeyLimits::default()).unwrap();
        let known = RwLock::new(entries.into_iter().map(ApiKey::from).collect());
        let keys = ApiKeys {
            path: Some(PathBuf::new()),
            known,
            ..ApiKeys::default()
        };
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        keys.authenticate(&headers)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_key_names_its_owner() {
        let file = format!("# people\n\nalice sha256:{SECRET}\n");
        let alice = Owner {
            name: "alice".to_owned(),
            ..Owner::default()
        };
        assert_eq!(check(&file, Some("Bearer secret")), Ok(alice.clone()));
        assert_eq!(check(&file, Some("bearer  secret ")), Ok(alice));
        for wrong in [
            None,
            Some("Bearer Secret"),
            Some("Bearer"),
            Some("Basic secret"),
            Some("secret"),
        ] {
            assert!(check(&file, wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(
            ApiKeys::default().authenticate(&HeaderMap::new()).ok(),
            Some(Owner::default())
        );
    }

    #[test]
    fn a_key_over_its_rate_gets_retry_after() {
        let file = format!("alice sha256:{SECRET} requests_per_second=2\n");
        let entries = file::parse(&file, KeyLimits::default()).unwrap();
        let key = ApiKey::from(entries.into_iter().next().unwrap());
        let allowed = (0..10).filter(|_| key.check_rate().is_ok()).count();
        assert!(
            (4..=5).contains(&allowed),
            "{allowed}: a burst is two seconds' worth"
        );
    }
}
