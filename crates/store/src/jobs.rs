//! Jobs: what clients submit, read, retrieve and delete.

pub(crate) mod delete;
pub(crate) mod end;
pub(crate) mod follow;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod position;
pub(crate) mod quota;
pub(crate) mod retrieve;
pub(crate) mod submit;
