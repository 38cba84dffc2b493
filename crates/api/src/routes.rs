//! Every address of the api. What is not here is a 404 problem, what is here with another method a 405 problem.
//!
//! Each file below registers the addresses of one subject with their group (`group.rs`), and names the handlers that
//! `openapi.rs` describes. To add an address: a handler, a line in `configure` and, if it is described, one in
//! `#[openapi(paths(…))]` of its file. A new subject is a file with these two, named in [`configure`] here and in
//! `openapi.rs`.

pub(crate) mod asr;
pub(crate) mod docs;
pub(crate) mod jobs;
pub(crate) mod page;
pub(crate) mod server;
pub(crate) mod v1;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{Error, HttpMessage as _, HttpRequest, Resource, Route, guard, web};
use steno_models::ProblemCode;

use crate::group::{Group, NATIVE};
use crate::middleware::UnknownAddress;
use crate::problem::ApiError;
use crate::{address, admission};

/// Registers the addresses; those of the description only if `has_docs`.
pub(crate) fn configure(app: &mut web::ServiceConfig, has_docs: bool) {
    if has_docs {
        app.configure(docs::configure);
    }
    app.configure(jobs::configure)
        .configure(v1::configure)
        .configure(asr::configure)
        .configure(server::configure)
        .configure(page::configure)
        .default_service(web::to(no_such_address).wrap(from_fn(|request, next| {
            admission::admit(&NATIVE, request, next)
        })));
}

/// An address of a group. It answers methods without a route with a 405 problem that names `allow`.
fn resource(
    path: &'static str,
    allow: &'static str,
    group: &'static Group,
) -> Resource<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    web::resource(path)
        .default_service(web::to(move || async move {
            Err::<&str, _>(ApiError::method_not_allowed(allow))
        }))
        .wrap(from_fn(move |request, next| {
            admission::admit(group, request, next)
        }))
}

/// A route of `GET` that `HEAD` takes as well. The server leaves out the body by itself.
fn get_or_head() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn no_such_address(request: HttpRequest) -> Result<&'static str, ApiError> {
    request.extensions_mut().insert(UnknownAddress);
    Err(ApiError::new(
        ProblemCode::NotFound,
        address::hint(request.path()),
    ))
}
