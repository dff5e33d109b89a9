//! Tokens by OAuth2: client credentials, or a signed assertion (prometheus: common/config, oauth2RoundTripper;
//! x/oauth2). One token per client, fetched by whoever needs it first; the others wait for it.
//!
//! Unlike upstream a token request is bound by the time of the scrape that needs it: nothing here outlives its deadline.

use super::client::exchange::{Buffers, Exchange, Failure, HttpContext, Outgoing};
use super::client::socket::Interrupt;
use super::client::transport::Transport;
use super::config::{OAuth2 as Settings, Secret};
use super::error::Error;
use super::source::Source;
use super::url::Url;
use super::{assertion, body};
use crate::model::url::{encode_query, escape_parameter};
use crate::rt::clock::{Clock, SystemClock};
use crate::rt::files::Files;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::{Condvar, Mutex};
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// x/oauth2: defaultExpiryDelta. A token is not used in its last seconds.
const EXPIRY_MARGIN: Duration = Duration::from_secs(10);

/// x/oauth2: internal/token.go. The most bytes of an answer.
const MAX_ANSWER: u64 = 1 << 20;

/// The token of a client, and how to get the next one.
#[derive(Debug)]
pub(super) struct Tokens {
    settings: Settings,
    /// The client's secret, or its key for assertions.
    credential: Option<Source>,
    context: HttpContext,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The credential that everything else here belongs to.
    secret: Secret,
    token: Option<Token>,
    /// How the server wants to be told who the client is, once that is known.
    style: Option<Style>,
    is_fetching: bool,
}

#[derive(Debug, Clone)]
struct Token {
    header: Secret,
    expires: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Header,
    Body,
}

impl Tokens {
    pub(super) fn new(settings: &Settings, context: &HttpContext) -> Result<Self, Error> {
        let it = settings;
        let credential = if &*it.grant_type == JWT_BEARER {
            let key = it.client_certificate_key.expose();
            let (file, reference) = (
                &it.client_certificate_key_file,
                &it.client_certificate_key_ref,
            );
            Source::choose(key, file, reference, "client certificate")?
        } else {
            let (file, reference) = (&it.client_secret_file, &it.client_secret_ref);
            Source::choose(it.client_secret.expose(), file, reference, "client secret")?
        };
        Ok(Self {
            settings: it.clone(),
            credential,
            context: context.clone(),
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// `Bearer …`, fetched if there is none that will last.
    pub(super) fn header(
        &self,
        files: &dyn Files,
        deadline: Instant,
        interrupt: &Interrupt,
    ) -> Result<Secret, Error> {
        let secret = match &self.credential {
            None => Secret::default(),
            Some(source) => source.read(files).map_err(|e| {
                Error::settings(format!("unable to read oauth2 client secret: {e}"))
            })?,
        };
        let style = {
            let mut state = self.state.lock();
            loop {
                if state.secret != secret && !state.is_fetching {
                    *state = State {
                        secret: secret.clone(),
                        ..State::default()
                    };
                }
                if let Some(token) = state.token.as_ref().filter(|t| t.lasts()) {
                    return Ok(token.header.clone());
                }
                if !state.is_fetching {
                    state.is_fetching = true;
                    break state.style;
                }
                if self.changed.wait_until(&mut state, deadline).timed_out() {
                    return Err(Error::timeout());
                }
            }
        };
        let fetching = Fetching(self);
        let (token, style) = self.fetch(&secret, style, deadline, interrupt)?;
        let header = token.header.clone();
        {
            let mut state = self.state.lock();
            state.token = Some(token);
            state.style = style;
        }
        drop(fetching);
        Ok(header)
    }

    fn fetch(
        &self,
        secret: &Secret,
        style: Option<Style>,
        deadline: Instant,
        interrupt: &Interrupt,
    ) -> Result<(Token, Option<Style>), Error> {
        let send = |style| self.ask(secret, style, deadline, interrupt);
        if &*self.settings.grant_type == JWT_BEARER {
            return Ok((send(None)?, None));
        }
        match style {
            Some(style) => Ok((send(Some(style))?, Some(style))),
            None => match send(Some(Style::Header)) {
                Ok(token) => Ok((token, Some(Style::Header))),
                Err(_) => Ok((send(Some(Style::Body))?, Some(Style::Body))),
            },
        }
    }

    fn ask(
        &self,
        secret: &Secret,
        style: Option<Style>,
        deadline: Instant,
        interrupt: &Interrupt,
    ) -> Result<Token, Error> {
        let it = &self.settings;
        let failed = |why: &str| Error::failed(format!("oauth2: cannot fetch token: {why}"));
        let url = Url::parse(&it.token_url).map_err(|e| failed(&e))?;
        let form = self.form(secret, style)?;
        let length = form.len().to_string();
        let id = escape_parameter(&it.client_id);
        let login = STANDARD.encode(format!("{id}:{}", escape_parameter(secret.expose())));
        let login = format!("Basic {login}");
        let mut headers = vec![
            ("Accept-Encoding", "gzip"),
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Content-Length", length.as_str()),
        ];
        if style == Some(Style::Header) {
            headers.push(("Authorization", &login));
        }
        let outgoing = Outgoing {
            method: "POST",
            url: &url,
            headers: &headers,
            body: form.as_bytes(),
        };
        let mut buffers = Buffers::default();
        let mut exchange = Exchange {
            slot: &mut None,
            deadline,
            interrupt,
            buffers: &mut buffers,
        };
        // As upstream bad TLS settings of the token endpoint show when a token is needed, not when the client is built.
        let head = Transport::new(&it.tls, &it.proxy, &self.context)?
            .round_trip(&mut exchange, outgoing, |_| Some(MAX_ANSWER))
            .map_err(|failure| {
                let (Failure::NoResponse(error) | Failure::Body(error)) = failure;
                Error::new(
                    error.kind,
                    failed(&format!("Post \"{url}\": {error}")).message,
                )
            })?;
        let mut answer = buffers.body;
        if head.gzip {
            let mut inflated = Vec::new();
            body::Inflater::default().inflate(&answer, Some(MAX_ANSWER), &mut inflated)?;
            answer = inflated;
        }
        if !(200..300).contains(&head.status) {
            return Err(failed(&head.status_text));
        }
        read_token(&head.content_type, &answer).map_err(|e| failed(&e))
    }

    /// The form to post, keys in order as Go writes them.
    fn form(&self, secret: &Secret, style: Option<Style>) -> Result<String, Error> {
        let it = &self.settings;
        let mut form: BTreeMap<&str, String> = BTreeMap::new();
        form.insert("grant_type", "client_credentials".to_owned());
        if style.is_none() {
            form.insert("grant_type", JWT_BEARER.to_owned());
            form.insert("assertion", assertion::sign(it, secret)?);
        }
        if !it.scopes.is_empty() {
            form.insert("scope", it.scopes.join(" "));
        }
        for (name, value) in &it.endpoint_params {
            if form.contains_key(&**name) && &**name != "grant_type" {
                return Err(Error::failed(format!(
                    "oauth2: cannot overwrite parameter {name:?}"
                )));
            }
            form.insert(name, value.to_string());
        }
        if style == Some(Style::Body) {
            form.insert("client_id", it.client_id.to_string());
            if !secret.is_empty() {
                form.insert("client_secret", secret.expose().to_owned());
            }
        }
        Ok(encode_query(form.iter().map(|(k, v)| (*k, v.as_str()))))
    }
}

/// Lets the next one fetch, whatever happened to this one.
struct Fetching<'a>(&'a Tokens);

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        self.0.state.lock().is_fetching = false;
        self.0.changed.notify_all();
    }
}

impl Token {
    fn lasts(&self) -> bool {
        let now = SystemClock.now();
        self.expires
            .is_none_or(|expires| now + EXPIRY_MARGIN < expires)
    }
}

fn read_token(content_type: &str, answer: &[u8]) -> Result<Token, String> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let is_form = ["application/x-www-form-urlencoded", "text/plain"]
        .iter()
        .any(|t| media_type.eq_ignore_ascii_case(t));
    let fields: BTreeMap<String, String> = if is_form {
        read_form(&String::from_utf8_lossy(answer))
    } else {
        let object: BTreeMap<String, serde_json::Value> =
            serde_json::from_slice(answer).map_err(|e| format!("cannot parse json: {e}"))?;
        let text = |value| match value {
            serde_json::Value::String(text) => text,
            serde_json::Value::Null => String::new(),
            other => other.to_string(),
        };
        object.into_iter().map(|(k, v)| (k, text(v))).collect()
    };
    let field = |name: &str| fields.get(name).map_or("", String::as_str);
    if !field("error").is_empty() {
        return Err(format!("{} {}", field("error"), field("error_description")));
    }
    if field("access_token").is_empty() {
        return Err("server response missing access_token".to_owned());
    }
    let seconds = match field("expires_in") {
        "" => 0.0,
        text => text
            .parse::<f64>()
            .map_err(|_| format!("expires_in: {text:?} is not a number"))?,
    };
    let seconds = seconds.clamp(0.0, f64::from(i32::MAX));
    let kind = match field("token_type") {
        "" => "Bearer",
        kind if kind.eq_ignore_ascii_case("bearer") => "Bearer",
        kind if kind.eq_ignore_ascii_case("mac") => "MAC",
        kind if kind.eq_ignore_ascii_case("basic") => "Basic",
        other => other,
    };
    Ok(Token {
        header: Secret::new(format!("{kind} {}", field("access_token"))),
        expires: (seconds > 0.0).then(|| SystemClock.now() + Duration::from_secs_f64(seconds)),
    })
}

fn read_form(text: &str) -> BTreeMap<String, String> {
    let unescape = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    let pairs = text
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(k, v)| (unescape(k), unescape(v))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content_type: &str, answer: &str, want: Result<(&str, bool), &str>) {
        let token = read_token(content_type, answer.as_bytes());
        let shown = token
            .as_ref()
            .map(|t| (t.header.expose(), t.expires.is_some()))
            .map_err(String::as_str);
        assert_eq!(shown, want);
    }

    #[test]
    fn answers() {
        let json = "application/json; charset=utf-8";
        check(
            json,
            r#"{"access_token":"t","expires_in":60}"#,
            Ok(("Bearer t", true)),
        );
        check(
            json,
            r#"{"access_token":"t","token_type":"MAC"}"#,
            Ok(("MAC t", false)),
        );
        check(
            "",
            r#"{"access_token":"t","expires_in":"60"}"#,
            Ok(("Bearer t", true)),
        );
        check(
            json,
            r#"{"access_token":"t","token_type":"Odd"}"#,
            Ok(("Odd t", false)),
        );
        check(json, r#"{"error":"denied"}"#, Err("denied "));
        check(json, "{}", Err("server response missing access_token"));
        check(
            "text/plain",
            "access_token=a+b%21&expires_in=0",
            Ok(("Bearer a b!", false)),
        );
    }
}
