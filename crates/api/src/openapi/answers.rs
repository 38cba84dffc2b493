//! Answers that every call of a group can have, in the description.

use utoipa::openapi::path::Operation;
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, Response, ResponseBuilder};

use crate::group::{Access, ErrorShape, Group};

/// Adds the refusals of admission to every call.
pub(super) fn add_common(document: &mut OpenApi, group: &Group) {
    let items = document.paths.paths.values_mut();
    let operations = items.flat_map(|item| {
        [
            &mut item.get,
            &mut item.head,
            &mut item.post,
            &mut item.delete,
        ]
    });
    for operation in operations.flatten() {
        let origin = "A page of another origin, or a name that is not the server's";
        replace(operation, "403", error(group.errors, origin));
        if group.access == Access::Key {
            let key = "No API key, or one that is not known";
            replace(operation, "401", error(group.errors, key));
            for (status, code) in [
                ("429", "`rate_limited`"),
                ("503", "`too_many_connections`, `not_ready`"),
            ] {
                let answers = &mut operation.responses.responses;
                answers
                    .entry(status.to_owned())
                    .or_insert_with(|| error(group.errors, code).into());
            }
        }
    }
}

/// A translation is answered as a transcription is.
pub(super) fn copy_to_translations(document: &mut OpenApi) {
    let paths = &mut document.paths.paths;
    let source = paths
        .get("/v1/audio/transcriptions")
        .and_then(|item| item.post.as_ref())
        .map(|operation| operation.responses.clone());
    let target = paths
        .get_mut("/v1/audio/translations")
        .and_then(|item| item.post.as_mut());
    if let (Some(answers), Some(operation)) = (source, target) {
        operation.responses = answers;
    }
}

fn replace(operation: &mut Operation, status: &str, answer: Response) {
    let answers = &mut operation.responses.responses;
    answers.insert(status.to_owned(), answer.into());
}

fn error(shape: ErrorShape, description: &str) -> Response {
    let (schema, media_type) = match shape {
        ErrorShape::OpenAi => ("ErrorBody", "application/json"),
        ErrorShape::Problem => ("Problem", "application/problem+json"),
    };
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(schema)))
        .build();
    ResponseBuilder::new()
        .description(description)
        .content(media_type, content)
        .build()
}
