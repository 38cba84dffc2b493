//! A submission without a recording: a JSON document with the address of one, and the options.

use actix_web::HttpRequest;
use actix_web::web::{self, BytesMut};
use serde_json::{Map, Value};
use steno_models::ProblemCode;

use super::pace::Pace;
use super::{FieldValue, Form};
use crate::connection::{Connection, broken_body};
use crate::problem::ApiError;
use crate::state::ApiState;

/// Largest document in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// Reads the body into a form without a recording, as if each member were a field.
pub(crate) async fn receive_json(
    request: &HttpRequest,
    mut payload: web::Payload,
    state: &ApiState,
) -> Result<Form, ApiError> {
    let mut pace = Pace::new(&state.config);
    let mut body = BytesMut::new();
    while let Some(chunk) = pace.next(&mut payload).await? {
        let chunk = chunk.map_err(|_| broken_body(&Connection::of(request)))?;
        pace.note(chunk.len())?;
        if body.len() + chunk.len() > MAX_BYTES {
            let detail = format!("a JSON body may have at most {MAX_BYTES} bytes");
            return Err(ApiError::new(ProblemCode::UploadTooLarge, detail));
        }
        body.extend_from_slice(&chunk);
    }

    let members: Map<String, Value> = serde_json::from_slice(&body).map_err(|error| {
        let detail = format!(
            "the body is not a JSON object (line {}, column {})",
            error.line(),
            error.column()
        );
        ApiError::new(ProblemCode::Malformed, detail)
    })?;
    // A list would be joined with commas into a different address.
    if members.get("url").is_some_and(|url| !url.is_string()) {
        return Err(ApiError::invalid_option("url", "not a text"));
    }
    let fields = members
        .into_iter()
        .filter_map(|(name, value)| Some((name, FieldValue::Text(as_field(value)?))));

    Ok(Form {
        fields: fields.collect(),
        ..Form::default()
    })
}

/// A member as the text of a form field; `None` for null, which means the default. A list is written with commas.
fn as_field(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        Value::Array(items) => {
            let texts = items.into_iter().filter_map(as_field);
            Some(texts.collect::<Vec<_>>().join(","))
        }
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => Some(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_read_like_form_fields() {
        let check = |value, expected: Option<&str>| {
            assert_eq!(as_field(value).as_deref(), expected);
        };
        check(json!("fr"), Some("fr"));
        check(json!(true), Some("true"));
        check(json!(-3), Some("-3"));
        check(json!(0.5), Some("0.5"));
        check(json!(null), None);
        check(json!(["en", "fr"]), Some("en,fr"));
        check(json!({"a": [1]}), Some(r#"{"a":[1]}"#));
    }
}
