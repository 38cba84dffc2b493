//! What `steno doctor` finds about the database server of a queue on many machines.

use steno_store::{DatabaseAddress, Place, ServerReport};

use super::{DoctorArguments, Finding};

/// `None` if the rows are in the data folder.
pub(super) fn database(arguments: &DoctorArguments) -> Option<Finding> {
    let settings = &arguments.database;
    let password_file = settings.password_file();
    let place = Place::new(
        &arguments.data,
        settings.url(),
        password_file.as_deref(),
        settings.ca_file(),
    );
    match place {
        Ok(place) => place.database.as_ref().map(inspect),
        Err(error) => Some(Finding::fail(
            "database",
            error.to_string(),
            "correct STENO_DATABASE_URL, or the file that STENO_DATABASE_PASSWORD_FILE names",
        )),
    }
}

fn inspect(address: &DatabaseAddress) -> Finding {
    match address.inspect() {
        Ok(report) => describe(&report),
        Err(error) => {
            let error = anyhow::Error::from(error);
            Finding::fail(
                "database",
                format!("{error:#}"),
                "check that the server runs, STENO_DATABASE_URL, and the password",
            )
        }
    }
}

fn describe(report: &ServerReport) -> Finding {
    let found = format!("{} has PostgreSQL {}", report.place, report.version);
    let known = report.known_migrations;
    match report.applied_migrations {
        Some(applied) if applied > known => Finding::fail(
            "database",
            format!(
                "{found} and the schema of a newer release ({applied}, this one knows {known})"
            ),
            "run the newer release",
        ),
        _ if !report.unsafe_settings.is_empty() => Finding::warn(
            "database",
            format!(
                "{found} with {} = off",
                report.unsafe_settings.join(" and ")
            ),
            "a crash of its machine loses accepted jobs or damages the database: switch it on",
        ),
        None => Finding::ok(
            "database",
            format!("{found}, and no queue yet; steno init makes it"),
        ),
        Some(_) => Finding::ok("database", found),
    }
}
