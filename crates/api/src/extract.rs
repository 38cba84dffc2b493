//! Extractors: what handlers take from a call's address, with errors that name the parameter.
//!
//! Parameters of one call alone are read in its own file, from [`QueryPairs`].

use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::web::Query;
use actix_web::{FromRequest, HttpRequest};
use steno_models::{JobId, ProblemCode};

use crate::problem::ApiError;

/// The job that the address names. A text that is no id names no job.
pub(crate) struct JobPath(pub(crate) JobId);

/// The query as pairs of name and value, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct QueryPairs(Vec<(String, String)>);

impl FromRequest for JobPath {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().query("job_id").parse();
        ready(id.map(Self).map_err(|_| ApiError::no_such_job()))
    }
}

impl FromRequest for QueryPairs {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

impl Deref for QueryPairs {
    type Target = [(String, String)];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl QueryPairs {
    /// Of a call.
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let query = request.query_string();
        let malformed = || {
            ApiError::new(
                ProblemCode::Malformed,
                "the query is not valid UTF-8 in percent encoding",
            )
        };
        // The parser would replace invalid bytes with U+FFFD and take a stray percent sign as it is.
        if !is_percent_encoded(query) {
            return Err(malformed());
        }
        Query::<Vec<(String, String)>>::from_query(query)
            .map(|pairs| Self(pairs.into_inner()))
            .map_err(|_| malformed())
    }

    /// Of a call whose parameters are given once at most.
    pub(crate) fn distinct(request: &HttpRequest) -> Result<Self, ApiError> {
        let pairs = Self::of(request)?;
        for (index, (name, _)) in pairs.iter().enumerate() {
            if pairs[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(ApiError::invalid_option(
                    "query",
                    "a parameter is given more than once",
                ));
            }
        }
        Ok(pairs)
    }
}

fn is_percent_encoded(query: &str) -> bool {
    let mut bytes = query.bytes();
    let mut decoded = Vec::with_capacity(query.len());

    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
            let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else {
                return false;
            };
            decoded.push((high * 16 + low) as u8);
        } else {
            decoded.push(byte);
        }
    }
    str::from_utf8(&decoded).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_percent_encoded_utf_8() {
        for (query, expected) in [
            ("a=%C3%A9+b", true),
            ("a=é", true),
            ("a=%ff%fe", false),
            ("a=%zz", false),
            ("a=%4", false),
            ("", true),
        ] {
            assert_eq!(is_percent_encoded(query), expected, "{query}");
        }
    }
}
