//! Which proxy a request goes through (prometheus: common/config, ProxyConfig; x/net/http/httpproxy).

use super::config::Proxy as Settings;
use super::url::Url;
use std::net::IpAddr;

/// Proxy settings of the environment, as the binary read them: `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY` (or lower case).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// For http targets.
    pub http: Box<str>,
    /// For https targets.
    pub https: Box<str>,
    /// Hosts that are reached directly.
    pub no_proxy: Box<str>,
}

/// The proxy rules of one client.
#[derive(Debug, Default)]
pub struct Rules {
    http: Option<Proxy>,
    https: Option<Proxy>,
    /// `None`: the proxy is for every host, loopback included.
    direct: Option<Vec<Direct>>,
}

/// A proxy's URL, or why it is unusable: upstream notices that only when it is used.
type Proxy = Result<Url, String>;

impl Rules {
    /// The rules that these settings mean.
    pub fn new(settings: &Settings, environment: &Environment) -> Self {
        let url = settings.url.as_deref().unwrap_or_default();
        if settings.from_environment {
            Self {
                http: lenient(&environment.http),
                https: lenient(&environment.https),
                direct: Some(parse_direct(&environment.no_proxy)),
            }
        } else if url.is_empty() {
            Self::default()
        } else if settings.no_proxy.is_empty() {
            let proxy = Some(Url::parse(url));
            Self {
                http: proxy.clone(),
                https: proxy,
                direct: None,
            }
        } else {
            Self {
                http: lenient(url),
                https: lenient(url),
                direct: Some(parse_direct(&settings.no_proxy)),
            }
        }
    }

    /// The proxy for a request, if it needs one.
    ///
    /// # Errors
    /// There is one, but its URL is unusable.
    pub fn choose(&self, url: &Url) -> Result<Option<&Url>, String> {
        let proxy = if url.is_https() {
            &self.https
        } else {
            &self.http
        };
        let is_direct = self
            .direct
            .as_ref()
            .is_some_and(|rules| is_direct(rules, url));
        match proxy {
            Some(proxy) if !is_direct => proxy.as_ref().map(Some).map_err(Clone::clone),
            _ => Ok(None),
        }
    }
}

/// A proxy URL that may lack its scheme.
fn lenient(text: &str) -> Option<Proxy> {
    if text.is_empty() {
        return None;
    }
    let usable = Url::parse(text).ok().filter(|url| !url.host.is_empty());
    Some(usable.map_or_else(|| Url::parse(&format!("http://{text}")), Ok))
}

/// One entry of a `no_proxy` list.
#[derive(Debug, PartialEq, Eq)]
enum Direct {
    All,
    Network(IpAddr, u8),
    Address(IpAddr, String),
    /// `.foo.com`, whether `foo.com` itself belongs to it, and the port if it is for one port only.
    Domain(String, bool, String),
}

fn parse_direct(list: &str) -> Vec<Direct> {
    let entries = list.split(',').map(|entry| entry.trim().to_lowercase());
    entries.filter_map(|entry| parse_entry(&entry)).collect()
}

fn parse_entry(entry: &str) -> Option<Direct> {
    if entry == "*" {
        return Some(Direct::All);
    }
    if let Some((address, bits)) = entry.split_once('/')
        && let (Ok(address), Ok(bits)) = (address.parse::<IpAddr>(), bits.parse::<u8>())
    {
        return Some(Direct::Network(address, bits));
    }
    let (host, port) = match entry.parse::<IpAddr>() {
        Ok(_) => (entry, ""),
        Err(_) => entry.rsplit_once(':').unwrap_or((entry, "")),
    };
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host = bare.unwrap_or(host);
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(Direct::Address(address, port.to_owned()));
    }
    let host = host
        .strip_prefix('*')
        .filter(|h| h.starts_with('.'))
        .unwrap_or(host);
    match host.strip_prefix('.') {
        _ if host.is_empty() => None,
        Some(_) => Some(Direct::Domain(host.to_owned(), false, port.to_owned())),
        None => Some(Direct::Domain(format!(".{host}"), true, port.to_owned())),
    }
}

/// With a `no_proxy` list in play, loopback is always reached directly.
fn is_direct(rules: &[Direct], url: &Url) -> bool {
    let host = url.host.to_lowercase();
    let address = host.parse::<IpAddr>().ok();
    if host == "localhost" || address.is_some_and(|a| a.is_loopback()) {
        return true;
    }
    let port = url
        .port_number()
        .map_or_else(|_| String::new(), |p| p.to_string());
    rules.iter().any(|rule| match (rule, address) {
        (Direct::All, _) => true,
        (Direct::Network(network, bits), Some(address)) => is_within(address, *network, *bits),
        (Direct::Address(want, want_port), Some(address)) => {
            *want == address && (want_port.is_empty() || *want_port == port)
        }
        (Direct::Domain(domain, itself, want_port), None) => {
            let bare = domain.strip_prefix('.').unwrap_or(domain);
            (host.ends_with(domain.as_str()) || (*itself && host == bare))
                && (want_port.is_empty() || *want_port == port)
        }
        _ => false,
    })
}

fn is_within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            a.to_bits() & mask == n.to_bits() & mask
        }
        (IpAddr::V6(a), IpAddr::V6(n)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            a.to_bits() & mask == n.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(no_proxy: &str, url: &str, proxied: bool) {
        let rules = Rules::new(
            &Settings {
                url: Some("http://proxy:3128".into()),
                no_proxy: no_proxy.into(),
                ..Settings::default()
            },
            &Environment::default(),
        );
        let url = Url::parse(url).unwrap();
        assert_eq!(rules.choose(&url).unwrap().is_some(), proxied);
    }

    #[test]
    fn without_a_list_everything_is_proxied() {
        check("", "http://127.0.0.1:1/m", true);
        check("", "https://h/m", true);
    }

    #[test]
    fn lists_as_httpproxy_reads_them() {
        check("x", "http://127.0.0.1:1/m", false);
        check("x", "http://localhost/m", false);
        check("x", "http://[::1]/m", false);
        check("foo.com", "http://foo.com/m", false);
        check("foo.com", "http://bar.foo.com/m", false);
        check("foo.com", "http://barfoo.com/m", true);
        check(".foo.com", "http://foo.com/m", true);
        check("*.foo.com", "http://a.foo.com/m", false);
        check("FOO.com:8080", "http://foo.com:8080/m", false);
        check("foo.com:8080", "http://foo.com/m", true);
        check("10.0.0.0/8, 192.168.1.1", "http://10.2.3.4/m", false);
        check("10.0.0.0/8,192.168.1.1", "http://192.168.1.1/m", false);
        check("10.0.0.1:81", "http://10.0.0.1:80/m", true);
        check("10.0.0.0/0", "http://11.0.0.1/m", false);
        check("fd00::/8", "http://[fd00::1]/m", false);
        check("3.4", "http://1.2.3.4/m", true);
        check("*", "http://h/m", false);
    }

    #[test]
    fn the_environment_may_leave_out_the_scheme() {
        let environment = Environment {
            http: "proxy:3128".into(),
            ..Environment::default()
        };
        let settings = Settings {
            from_environment: true,
            ..Settings::default()
        };
        let rules = Rules::new(&settings, &environment);
        let proxy = rules.choose(&Url::parse("http://h/m").unwrap()).unwrap();
        assert_eq!(proxy.unwrap().host_port(), "proxy:3128");
        let none = rules.choose(&Url::parse("https://h/m").unwrap());
        assert_eq!(none, Ok(None));
    }
}
