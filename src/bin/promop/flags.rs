//! All flags: which setting each sets, and what its value may be.

use crate::cli::{Args, Output};
use crate::selector;
use Sets::{Argument, Setting};
use log::LevelFilter;
use prometheus_operator_receiver::exporters::Compression;
use prometheus_operator_receiver::receiver::Inherit;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// One flag: its name, the placeholder of its value (empty: a switch), its help, and what it sets.
pub(crate) struct Flag {
    pub(crate) group: Group,
    pub(crate) name: &'static str,
    pub(crate) value: &'static str,
    pub(crate) help: &'static str,
    pub(crate) sets: Sets,
}

/// What a flag sets.
pub(crate) enum Sets {
    /// A setting, by its key in a settings file; a dot leads into a map.
    Setting(&'static str, fn(&str) -> Result<Value, String>),
    /// What is no setting: how the program itself behaves.
    Argument(fn(&mut Args, &str) -> Result<(), String>),
}

impl Flag {
    pub(crate) fn key(&self) -> Option<&'static str> {
        match self.sets {
            Setting(key, _) => Some(key),
            Argument(_) => None,
        }
    }

    /// Puts the flag's value into `args`; lists add up.
    pub(crate) fn apply(&self, args: &mut Args, value: &str) -> Result<(), String> {
        let (key, parse) = match self.sets {
            Setting(key, parse) => (key, parse),
            Argument(set) => return set(args, value),
        };
        match (parse(value)?, args.overrides.get_mut(key)) {
            (Value::Array(more), _) if more.is_empty() => {}
            (Value::Array(more), Some(Value::Array(list))) => list.extend(more),
            (value, _) => {
                args.overrides.insert(key, value);
            }
        }
        Ok(())
    }
}

/// Keys of which flags may set only one, which then takes the place of whichever the file sets.
pub(crate) const EXCLUSIVE: &[&[&str]] = &[
    &["source.kubeconfig.path", "source.folder", "source.none"],
    &["source.kubeconfig.context", "source.folder", "source.none"],
    &["namespaces", "denyNamespaces"],
];

/// Flags that belong together in the help, and to the same commands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    Settings,
    Source,
    Selection,
    Output,
    Generate,
}

impl Group {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Settings => "Settings",
            Self::Source => "From where",
            Self::Selection => "Which monitors",
            Self::Output => "Output and operation",
            Self::Generate => "Generation",
        }
    }
}

pub(crate) const RUN: &[Group] = &[
    Group::Source,
    Group::Selection,
    Group::Output,
    Group::Settings,
];
pub(crate) const GENERATE: &[Group] = &[Group::Generate, Group::Selection, Group::Settings];

pub(crate) const FLAGS: &[Flag] = &[
    Flag {
        group: Group::Source,
        name: "kubeconfig",
        value: "FILE",
        help: "Way to the API server [default: KUBECONFIG, ~/.kube/config, then the pod's service account]",
        sets: Setting("source.kubeconfig.path", text),
    },
    Flag {
        group: Group::Source,
        name: "context",
        value: "NAME",
        help: "Context in the kubeconfig [default: its current one]",
        sets: Setting("source.kubeconfig.context", text),
    },
    Flag {
        group: Group::Source,
        name: "from-dir",
        value: "DIR",
        help: "A folder of Kubernetes YAML files plays the API server; changed files are changed objects",
        sets: Setting("source.folder", text),
    },
    Flag {
        group: Group::Source,
        name: "no-kubernetes",
        value: "",
        help: "No API server and no monitors; needs --additional-scrape-configs",
        sets: Setting("source.none", null),
    },
    Flag {
        group: Group::Source,
        name: "additional-scrape-configs",
        value: "FILE",
        help: "A YAML list of Prometheus scrape configs, beside what the monitors give",
        sets: Setting("additionalScrapeConfigs", text),
    },
    Flag {
        group: Group::Source,
        name: "monitor-files",
        value: "DIR,DIR",
        help: "Further folders in which monitors may name files (bearerTokenFile, caFile, ...); any: every file",
        sets: Setting("monitorFiles", list),
    },
    Flag {
        group: Group::Selection,
        name: "namespaces",
        value: "A,B",
        help: "Look only at these namespaces; own is the namespace of the pod",
        sets: Setting("namespaces", list),
    },
    Flag {
        group: Group::Selection,
        name: "deny-namespaces",
        value: "A,B",
        help: "Look at all namespaces but these",
        sets: Setting("denyNamespaces", list),
    },
    Flag {
        group: Group::Selection,
        name: "service-monitor-selector",
        value: "LABELS",
        help: "Only ServiceMonitors with such labels: team=a,env in (x,y),!old",
        sets: Setting("prometheus.serviceMonitorSelector", labels),
    },
    Flag {
        group: Group::Selection,
        name: "service-monitor-namespace-selector",
        value: "LABELS",
        help: "Only ServiceMonitors in namespaces with such labels",
        sets: Setting("prometheus.serviceMonitorNamespaceSelector", labels),
    },
    Flag {
        group: Group::Selection,
        name: "pod-monitor-selector",
        value: "LABELS",
        help: "Only PodMonitors with such labels",
        sets: Setting("prometheus.podMonitorSelector", labels),
    },
    Flag {
        group: Group::Selection,
        name: "pod-monitor-namespace-selector",
        value: "LABELS",
        help: "Only PodMonitors in namespaces with such labels",
        sets: Setting("prometheus.podMonitorNamespaceSelector", labels),
    },
    Flag {
        group: Group::Selection,
        name: "inherit",
        value: "KIND/NS/NAME",
        help: "Settings of this object: prometheus/NS/NAME, prometheusagent/NS/NAME, none [default: none; generate: the only one]",
        sets: Setting("inherit", inherit),
    },
    Flag {
        group: Group::Selection,
        name: "shard",
        value: "N",
        help: "Only the targets of this shard, from 0 [default: SHARD, then the pod's number]",
        sets: Setting("shard", number),
    },
    Flag {
        group: Group::Output,
        name: "output",
        value: "KIND",
        help: "otlp, stdout or stdout:text (a line per sample), stdout:json (OTLP/JSON lines) [default: otlp]",
        sets: Argument(|args, value| set(&mut args.output, output(value))),
    },
    Flag {
        group: Group::Output,
        name: "otlp-endpoint",
        value: "URL",
        help: "OTLP/HTTP endpoint; /v1/metrics is added to its path [default: OTEL_EXPORTER_OTLP_ENDPOINT, then http://localhost:4318]",
        sets: Argument(|args, value| set(&mut args.otlp_endpoint, Ok(Some(value.to_owned())))),
    },
    Flag {
        group: Group::Output,
        name: "otlp-header",
        value: "NAME=VALUE",
        help: "Header of every OTLP request; may be given again",
        sets: Argument(header),
    },
    Flag {
        group: Group::Output,
        name: "otlp-compression",
        value: "KIND",
        help: "gzip or none [default: OTEL_EXPORTER_OTLP_COMPRESSION, then gzip]",
        sets: Argument(|args, value| set(&mut args.otlp_compression, compression(value).map(Some))),
    },
    Flag {
        group: Group::Output,
        name: "web.listen-address",
        value: "HOST:PORT",
        help: "Where health, metrics, configuration and targets are shown [default: 127.0.0.1:9099]",
        sets: Setting("webListenAddress", address),
    },
    Flag {
        group: Group::Output,
        name: "shutdown-timeout",
        value: "DURATION",
        help: "How long queues may drain after SIGTERM [default: 10s]",
        sets: Setting("shutdownTimeout", duration),
    },
    Flag {
        group: Group::Output,
        name: "min-scrape-interval",
        value: "DURATION",
        help: "Monitors and targets that want to be scraped more often are rejected [default: 100ms]",
        sets: Setting("minScrapeInterval", duration),
    },
    Flag {
        group: Group::Output,
        name: "last-good-max-age",
        value: "DURATION",
        help: "How long the last good version of a monitor that became invalid runs on; 0: not at all [default: 1h]",
        sets: Setting("lastGoodMaxAge", duration),
    },
    Flag {
        group: Group::Output,
        name: "events",
        value: "",
        help: "Write Kubernetes Events on rejected monitors; needs the right to create them",
        sets: Setting("events", yes),
    },
    Flag {
        group: Group::Output,
        name: "log-level",
        value: "LEVEL",
        help: "error, warn, info, debug or trace [default: RUST_LOG, then info]",
        sets: Argument(|args, value| set(&mut args.log_level, level(value).map(Some))),
    },
    Flag {
        group: Group::Generate,
        name: "expand",
        value: "",
        help: "Replace $(NAME) as prometheus-operator's config reloader does, for the pod of the shard; POD_NAME and NODE_NAME are the environment's",
        sets: Argument(|args, _| set(&mut args.expand, Ok(true))),
    },
    Flag {
        group: Group::Settings,
        name: "settings",
        value: "FILE",
        help: "Settings as YAML; flags and environment win over it",
        sets: Argument(|args, value| set(&mut args.settings_file, Ok(Some(value.into())))),
    },
];

fn set<T>(place: &mut T, value: Result<T, String>) -> Result<(), String> {
    *place = value?;
    Ok(())
}

fn text(value: &str) -> Result<Value, String> {
    Ok(value.into())
}

fn null(_: &str) -> Result<Value, String> {
    Ok(Value::Null)
}

fn yes(_: &str) -> Result<Value, String> {
    Ok(true.into())
}

fn list(value: &str) -> Result<Value, String> {
    let parts = value.split(',').map(str::trim);
    Ok(parts.filter(|part| !part.is_empty()).collect())
}

fn labels(value: &str) -> Result<Value, String> {
    selector::parse(value).map(|selector| json!(selector))
}

fn output(value: &str) -> Result<Output, String> {
    match value {
        "otlp" => Ok(Output::Otlp),
        "stdout" | "stdout:text" => Ok(Output::StdoutText),
        "stdout:json" => Ok(Output::StdoutJson),
        _ => Err(format!(
            "{value} is none of otlp, stdout, stdout:text, stdout:json"
        )),
    }
}

/// `none`, or an object.
fn inherit(value: &str) -> Result<Value, String> {
    if value == "none" {
        return Ok(Value::Null);
    }
    value.parse::<Inherit>()?;
    text(value)
}

fn number(value: &str) -> Result<Value, String> {
    let number = value.parse::<u32>();
    number
        .map(Value::from)
        .map_err(|_| format!("{value} is no number from 0"))
}

/// `gzip` or `none`; the environment's variable has the same values.
pub(crate) fn compression(value: &str) -> Result<Compression, String> {
    match value {
        "none" => Ok(Compression::None),
        "gzip" => Ok(Compression::Gzip),
        _ => Err(format!("{value} is neither gzip nor none")),
    }
}

fn header(args: &mut Args, value: &str) -> Result<(), String> {
    // The value may be a secret: it is not repeated.
    let (name, value) = value.split_once('=').ok_or("NAME=VALUE is expected")?;
    let header = (name.trim().to_owned(), value.trim().to_owned());
    args.otlp_headers.push(header);
    Ok(())
}

/// `:9099` means every address, as for Prometheus.
fn address(value: &str) -> Result<Value, String> {
    let (host, full) = match value.strip_prefix(':') {
        // All addresses of both families; without IPv6 those of IPv4 (receiver: start.rs).
        Some(port) => ("", format!("[::]:{port}")),
        None => (value, value.replacen("localhost:", "127.0.0.1:", 1)),
    };
    let parsed = full.parse::<SocketAddr>();
    parsed
        .map(|address| json!(address))
        .map_err(|_| match host {
            "" => format!("{value}: not a port"),
            _ => format!("{value}: an IP address and a port are expected, as 127.0.0.1:9099"),
        })
}

/// Written as a settings file has it.
fn duration(value: &str) -> Result<Value, String> {
    humantime::parse_duration(value)
        .map(|duration| format!("{}ms", duration.as_millis()).into())
        .map_err(|_| format!("{value}: a duration such as 10s is expected"))
}

fn level(value: &str) -> Result<LevelFilter, String> {
    let level = value.parse();
    level.map_err(|_| format!("{value} is none of error, warn, info, debug, trace"))
}
