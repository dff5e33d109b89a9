//! What can go wrong with a request, in words that say what to do.

use crate::kube::types::kind::Kind;
use serde::Deserialize;
use std::fmt;
use std::time::Duration;

/// A request to the API server failed.
#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// The server answered with an error.
    Status(Status),
    /// No answer, or the connection broke. The text names the server, as those of the next two do.
    Transport(String),
    /// An answer that is no list, object or event.
    Decode(String),
    /// Credentials cannot be had: a token file, a certificate, an exec plugin.
    Credentials(String),
    /// The client was told to stop.
    Stopped,
}

/// An error answer of the API server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Status {
    /// Which server it was, and where we have it from; empty for the folder that plays one.
    pub at: String,
    /// The HTTP status, or the code of an ERROR event.
    pub code: u16,
    /// Kubernetes' one word for it, maybe empty.
    pub reason: String,
    /// The server's message, cut to 2 KiB.
    pub message: String,
    /// When the server wants to be asked again.
    pub retry_after: Option<Duration>,
    /// The requested resource version is newer than the server's.
    pub too_large: bool,
}

/// The permission that a 403 was about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rule {
    /// `list` and `watch`, or `get`.
    pub verbs: Vec<&'static str>,
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Plural name of the kind.
    pub resource: &'static str,
    /// The namespace; `None` means the whole cluster.
    pub namespace: Option<String>,
}

impl Rule {
    /// Listing and watching a kind.
    pub fn watch(kind: Kind, namespace: Option<&str>) -> Self {
        Self::new(vec!["list", "watch"], kind, namespace)
    }

    /// Reading an object by name.
    pub fn get(kind: Kind, namespace: &str) -> Self {
        Self::new(vec!["get"], kind, Some(namespace))
    }

    /// A line that gives this right to the user whom the message of a 403 names.
    pub fn kubectl(&self, message: &str) -> String {
        let user = message
            .split_once("User \"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .map_or("USER", |(user, _)| user);
        let to = match user.strip_prefix("system:serviceaccount:") {
            Some(account) => format!("--serviceaccount={account}"),
            None => format!("--user='{user}'"),
        };
        let resource = match self.group {
            "" => self.resource.to_owned(),
            group => format!("{}.{group}", self.resource),
        };
        let (scope, role) = match &self.namespace {
            Some(namespace) => (format!(" -n {namespace}"), "role"),
            None => (String::new(), "clusterrole"),
        };
        let (verbs, name) = (self.verbs.join(","), format!("promop-{}", self.resource));
        format!(
            "kubectl create{scope} {role} {name} --verb={verbs} --resource={resource} && \
             kubectl create{scope} {role}binding {name} --{role}={name} {to}"
        )
    }

    fn new(verbs: Vec<&'static str>, kind: Kind, namespace: Option<&str>) -> Self {
        Self {
            verbs,
            group: kind.group(),
            resource: kind.plural(),
            namespace: namespace.map(str::to_owned),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verbs.join(", "), self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => f.write_str(" in all namespaces"),
        }
    }
}

const MAX_MESSAGE: usize = 2048;
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusJson {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Option<Details>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Details {
    retry_after_seconds: u64,
    causes: Option<Vec<Cause>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Cause {
    reason: String,
}

impl Status {
    /// From a body, which may be a `Status` object or any text, and the `Retry-After` header.
    pub fn parse(code: u16, retry_after: Option<&str>, body: &[u8]) -> Self {
        // Only whole seconds count, as in client-go: dates are not used by API servers.
        let header = retry_after
            .and_then(|text| text.trim().parse().ok())
            .map(Duration::from_secs);
        let mut status = match serde_json::from_slice::<StatusJson>(body) {
            Ok(json) => Self::from_json(json),
            Err(_) => Self {
                message: cut(String::from_utf8_lossy(body).trim()),
                ..Self::default()
            },
        };
        if code != 200 || status.code == 0 {
            status.code = code;
        }
        status.retry_after = status
            .retry_after
            .max(header)
            .map(|after| after.min(MAX_RETRY_AFTER));
        status
    }

    fn from_json(json: StatusJson) -> Self {
        let details = json.details.unwrap_or_default();
        let causes = details.causes.unwrap_or_default();
        Self {
            at: String::new(),
            code: json.code,
            too_large: causes.iter().any(|c| c.reason == "ResourceVersionTooLarge")
                || json.message.contains("Too large resource version"),
            reason: json.reason,
            message: cut(&json.message),
            retry_after: (details.retry_after_seconds > 0)
                .then(|| Duration::from_secs(details.retry_after_seconds)),
        }
    }

    /// The resource version is too old to go on from.
    pub fn is_expired(&self) -> bool {
        matches!(self.reason.as_str(), "Expired" | "Gone") || self.code == 410
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_MESSAGE).collect()
}

impl Error {
    fn code(&self) -> Option<u16> {
        match self {
            Self::Status(status) => Some(status.code),
            _ => None,
        }
    }

    /// The object, or the kind, isn't there.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// A permission is missing.
    pub fn is_forbidden(&self) -> bool {
        self.code() == Some(403)
    }

    /// The credentials were not accepted.
    pub fn is_unauthorized(&self) -> bool {
        self.code() == Some(401)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => {
                match status.at.as_str() {
                    "" => f.write_str("the API server")?,
                    at => write!(f, "{at}")?,
                }
                // An ERROR event may have no code.
                match status.code {
                    200 => f.write_str(" answered")?,
                    code => write!(f, " answered {code}")?,
                }
                if !status.reason.is_empty() {
                    write!(f, " {}", status.reason)?;
                }
                if !status.message.is_empty() {
                    write!(f, ": {}", status.message)?;
                }
                Ok(())
            }
            Self::Transport(text) | Self::Decode(text) | Self::Credentials(text) => {
                f.write_str(text)
            }
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_of_all_sorts() {
        let expired = Status::parse(
            200,
            None,
            br#"{"kind":"Status","code":410,"reason":"Expired"}"#,
        );
        assert!(expired.is_expired());
        let plain = Status::parse(
            429,
            Some("1"),
            b"Too many requests, please try again later.\n",
        );
        assert_eq!(plain.retry_after, Some(Duration::from_secs(1)));
        assert_eq!(plain.message, "Too many requests, please try again later.");
        let text = r#"{"code":504,"reason":"Timeout","message":"Timeout: Too large resource version: 9, current: 1",
            "details":{"retryAfterSeconds":1,"causes":[{"reason":"ResourceVersionTooLarge"}]}}"#;
        assert!(Status::parse(504, None, text.as_bytes()).too_large);
        assert_eq!(
            Error::Status(Status::parse(404, None, b"404 page not found\n")).to_string(),
            "the API server answered 404: 404 page not found"
        );
        let forbidden =
            r#"services is forbidden: User "system:serviceaccount:m:promop" cannot list resource"#;
        assert_eq!(
            Rule::watch(Kind::EndpointSlice, None).kubectl(forbidden),
            "kubectl create clusterrole promop-endpointslices --verb=list,watch --resource=endpointslices.discovery.k8s.io && \
             kubectl create clusterrolebinding promop-endpointslices --clusterrole=promop-endpointslices --serviceaccount=m:promop"
        );
        assert_eq!(
            Rule::watch(Kind::Pod, Some("shop")).kubectl(r#"User "me" cannot"#),
            "kubectl create -n shop role promop-pods --verb=list,watch --resource=pods && \
             kubectl create -n shop rolebinding promop-pods --role=promop-pods --user='me'"
        );
        assert_eq!(
            Rule::watch(Kind::EndpointSlice, Some("shop")).to_string(),
            "list, watch endpointslices.discovery.k8s.io in namespace shop"
        );
    }
}
