//! The Authorization header (prometheus: common/config, the round trippers for it). Files are read for every request.

use super::client::exchange::HttpContext;
use super::client::socket::Interrupt;
use super::config::{Config, Secret};
use super::error::Error;
use super::oauth2::Tokens;
use super::source::Source;
use crate::rt::files::Files;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::time::Instant;

/// How requests identify themselves.
#[derive(Debug)]
pub(super) enum Auth {
    None,
    Basic {
        username: Option<Source>,
        password: Option<Source>,
    },
    Header {
        kind: Box<str>,
        credentials: Option<Source>,
    },
    OAuth2(Box<Tokens>),
}

impl Auth {
    pub(super) fn new(config: &Config, context: &HttpContext) -> Result<Self, Error> {
        if let Some(it) = &config.authorization {
            let secret = it.credentials.expose();
            let credentials = Source::choose(
                secret,
                &it.credentials_file,
                &it.credentials_ref,
                "credentials",
            )?;
            return Ok(Self::Header {
                kind: it.kind.clone(),
                credentials,
            });
        }
        if let Some(it) = &config.basic_auth {
            let password = it.password.expose();
            return Ok(Self::Basic {
                username: Source::choose(
                    &it.username,
                    &it.username_file,
                    &it.username_ref,
                    "username",
                )?,
                password: Source::choose(
                    password,
                    &it.password_file,
                    &it.password_ref,
                    "password",
                )?,
            });
        }
        match &config.oauth2 {
            Some(it) => Ok(Self::OAuth2(Box::new(Tokens::new(it, context)?))),
            None => Ok(Self::None),
        }
    }

    /// The header's value, if there is to be one. OAuth2 may ask its server for a token first.
    pub(super) fn header(
        &self,
        files: &dyn Files,
        deadline: Instant,
        interrupt: &Interrupt,
    ) -> Result<Option<Secret>, Error> {
        let read = |source: &Option<Source>, what: &str| match source {
            None => Ok(Secret::default()),
            Some(source) => source
                .read(files)
                .map_err(|e| Error::settings(format!("unable to read {what}: {e}"))),
        };
        match self {
            Self::None => Ok(None),
            Self::Basic { username, password } => {
                let username = read(username, "basic auth username")?;
                let password = read(password, "basic auth password")?;
                let both = format!("{}:{}", username.expose(), password.expose());
                Ok(Some(Secret::new(format!(
                    "Basic {}",
                    STANDARD.encode(both)
                ))))
            }
            Self::Header { kind, credentials } => {
                let credentials = read(credentials, "authorization credentials")?;
                Ok(Some(Secret::new(format!(
                    "{kind} {}",
                    credentials.expose()
                ))))
            }
            Self::OAuth2(tokens) => tokens.header(files, deadline, interrupt).map(Some),
        }
    }
}
