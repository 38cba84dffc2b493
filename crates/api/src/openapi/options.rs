//! The options of a submission in the description: as query parameters, and as fields of a form.
//!
//! Made of the table `steno_models::OPTIONS`, so that what is read is what is described.

use steno_models::{OPTIONS, OptionKind, OptionSpec, Task};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{
    KnownFormat, Object, ObjectBuilder, OneOfBuilder, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{RefOr, Required};
use utoipa::{IntoParams, PartialSchema, ToSchema};

/// Options of a submission, as query parameters.
pub(crate) struct SubmitQuery;

/// A submission as a form. The parts come in any order.
pub(crate) struct RecordingForm;

/// A submission of a recording by its address, as JSON.
pub(crate) struct SubmissionByUrl;

impl IntoParams for SubmitQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameters = OPTIONS.iter().map(|option| {
            let schema = match option.kind {
                OptionKind::Task => Task::schema(),
                kind => schema(kind, &[]).build().into(),
            };
            ParameterBuilder::new()
                .name(option.name)
                .parameter_in(ParameterIn::Query)
                .description(Some(option.description))
                .required(Required::False)
                .schema(Some(schema))
                .example(option.example())
                .build()
        });
        parameters.collect()
    }
}

impl PartialSchema for RecordingForm {
    fn schema() -> RefOr<Schema> {
        let recording = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .description(Some("The recording."))
            .build();
        let form = ObjectBuilder::new()
            .description(Some(
                "A submission as a form, with either `file` or `url`. The parts come in any order.",
            ))
            .property("file", recording)
            .property("url", address());
        with_options(form)
    }
}

impl PartialSchema for SubmissionByUrl {
    fn schema() -> RefOr<Schema> {
        let document = ObjectBuilder::new()
            .description(Some("A submission of a recording by its address."))
            .property("url", address())
            .required("url");
        with_options(document)
    }
}

impl ToSchema for SubmissionByUrl {}

fn with_options(object: ObjectBuilder) -> RefOr<Schema> {
    let with_fields = OPTIONS.iter().fold(object, |object, option| {
        object.property(option.name, field(option))
    });
    with_fields.build().into()
}

/// The address of a recording.
fn address() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(2048))
        .pattern(Some("^https?://[^\\s@]+$"))
        .description(Some(
            "Address of the recording, http or https. The courier fetches it; without one the job waits.",
        ))
}

impl ToSchema for RecordingForm {}

/// An option as a form field that may be left out.
fn field(option: &OptionSpec) -> RefOr<Schema> {
    if option.kind == OptionKind::Task {
        let task_or_null = OneOfBuilder::new()
            .item(Task::schema())
            .item(Object::with_type(Type::Null))
            .description(Some(option.description))
            .build();
        return RefOr::T(Schema::OneOf(task_or_null));
    }
    #[expect(
        deprecated,
        reason = "tools that read the document know `example`, and few `examples`"
    )]
    schema(option.kind, &[Type::Null])
        .description(Some(option.description))
        .example(option.example())
        .build()
        .into()
}

fn schema(kind: OptionKind, or: &[Type]) -> ObjectBuilder {
    let object = |own: Type| {
        let types: Vec<_> = [own].into_iter().chain(or.iter().cloned()).collect();
        let schema_type = match types.as_slice() {
            [one] => SchemaType::Type(one.clone()),
            _ => SchemaType::Array(types),
        };
        ObjectBuilder::new().schema_type(schema_type)
    };
    match kind {
        OptionKind::Text {
            max_length,
            pattern,
        } => object(Type::String).max_length(max_length).pattern(pattern),
        OptionKind::Number { min, max } => object(Type::Number)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Float)))
            .minimum(Some(min))
            .maximum(Some(max)),
        OptionKind::Integer { min, max } => object(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
            .minimum(Some(min))
            .maximum(Some(max)),
        OptionKind::Flag | OptionKind::Task => object(Type::Boolean),
    }
}
