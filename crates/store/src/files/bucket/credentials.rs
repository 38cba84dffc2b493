//! Credentials from a file in the format of AWS's tools. Those in variables, of web identities, containers and instances are read by
//! `object_store` itself.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};

use crate::StoreError;

/// The profile that is meant where none is named.
const DEFAULT_PROFILE: &str = "default";
/// Variables that name credentials. The shared file is used only if none of them is set.
const SOURCES: [AmazonS3ConfigKey; 4] = [
    AmazonS3ConfigKey::AccessKeyId,
    AmazonS3ConfigKey::WebIdentityTokenFile,
    AmazonS3ConfigKey::ContainerCredentialsRelativeUri,
    AmazonS3ConfigKey::ContainerCredentialsFullUri,
];

/// Adds the credentials in `file`. Without `file`, adds those in AWS's shared file, unless a
/// variable names credentials.
pub(super) fn add(
    builder: AmazonS3Builder,
    file: Option<&Path>,
) -> Result<AmazonS3Builder, StoreError> {
    if let Some(file) = file {
        let text = std::fs::read_to_string(file).map_err(|error| StoreError::StorageUrl {
            problem: format!("its file of credentials cannot be read: {error}"),
        })?;
        let found = Credentials::read(&text, DEFAULT_PROFILE);
        let found = found.ok_or_else(|| StoreError::StorageUrl {
            problem: "its file of credentials has no aws_access_key_id and aws_secret_access_key \
                      below [default]"
                .to_owned(),
        })?;
        return Ok(found.add_to(builder));
    }

    let has_any = |source| builder.get_config_value(source).is_some();
    if SOURCES.iter().any(has_any) {
        return Ok(builder);
    }
    Ok(match shared()? {
        Some(found) => found.add_to(builder),
        None => builder,
    })
}

/// The credentials of the profile in use in the shared file, if it has any.
#[expect(
    clippy::disallowed_methods,
    reason = "AWS's variables are not settings of Steno"
)]
fn shared() -> Result<Option<Credentials>, StoreError> {
    let named = std::env::var_os("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let Some(path) = named.or(home.map(|home| home.join(".aws/credentials"))) else {
        return Ok(None);
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::file("read", path)(error)),
    };
    let profile = std::env::var("AWS_PROFILE");
    let profile = profile.as_deref().unwrap_or(DEFAULT_PROFILE);
    Ok(Credentials::read(&text, profile))
}

/// One profile of the file.
#[derive(Default)]
struct Credentials {
    key: Option<String>,
    secret: Option<String>,
    token: Option<String>,
}

impl Credentials {
    /// `None` if the profile is not there or has no key.
    fn read(text: &str, profile: &str) -> Option<Self> {
        let mut found = Self::default();
        let mut is_wanted = false;
        for line in text.lines().map(str::trim) {
            if let Some(name) = line
                .strip_prefix('[')
                .and_then(|line| line.strip_suffix(']'))
            {
                is_wanted = name.trim() == profile;
                continue;
            }
            let Some((name, value)) = line.split_once('=').filter(|_| is_wanted) else {
                continue;
            };
            let value = Some(value.trim().to_owned());
            match name.trim() {
                "aws_access_key_id" => found.key = value,
                "aws_secret_access_key" => found.secret = value,
                "aws_session_token" => found.token = value,
                _ => {}
            }
        }
        (found.key.is_some() && found.secret.is_some()).then_some(found)
    }

    fn add_to(self, mut builder: AmazonS3Builder) -> AmazonS3Builder {
        for (name, value) in [
            (AmazonS3ConfigKey::AccessKeyId, self.key),
            (AmazonS3ConfigKey::SecretAccessKey, self.secret),
            (AmazonS3ConfigKey::Token, self.token),
        ] {
            if let Some(value) = value {
                builder = builder.with_config(name, value);
            }
        }
        builder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# of the deployment\n[default]\naws_access_key_id = a\naws_secret_access_key=b=c\n\n\
                        [other]\nregion = eu-1\naws_access_key_id = d\naws_secret_access_key = e\naws_session_token = f\n\
                        [without]\nregion = eu-1\n";

    fn check(profile: &str) -> Option<[Option<String>; 3]> {
        Credentials::read(FILE, profile).map(|found| [found.key, found.secret, found.token])
    }

    #[test]
    fn a_profile_is_found_by_its_name() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(check("default"), Some([some("a"), some("b=c"), None]));
        assert_eq!(check("other"), Some([some("d"), some("e"), some("f")]));
        assert_eq!(check("without"), None);
        assert_eq!(check("absent"), None);
    }
}
