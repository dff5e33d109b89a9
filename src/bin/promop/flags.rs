//! All flags, and what their values may be.

use crate::cli::{Args, Output};
use crate::selector;
use log::LevelFilter;
use prometheus_operator_receiver::exporters::Compression;
use prometheus_operator_receiver::receiver::Inherit;
use std::net::SocketAddr;
use std::time::Duration;

/// One flag: its name, the placeholder of its value (empty: a switch), its help, and what it does.
pub(crate) struct Flag {
    pub(crate) group: Group,
    pub(crate) name: &'static str,
    pub(crate) value: &'static str,
    pub(crate) help: &'static str,
    pub(crate) set: fn(&mut Args, String) -> Result<(), String>,
}

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
        set: |a, v| some(&mut a.kubeconfig, v),
    },
    Flag {
        group: Group::Source,
        name: "context",
        value: "NAME",
        help: "Context in the kubeconfig [default: its current one]",
        set: |a, v| some(&mut a.context, v),
    },
    Flag {
        group: Group::Source,
        name: "from-dir",
        value: "DIR",
        help: "A folder of Kubernetes YAML files plays the API server; changed files are changed objects",
        set: |a, v| some(&mut a.from_dir, v.into()),
    },
    Flag {
        group: Group::Source,
        name: "no-kubernetes",
        value: "",
        help: "No API server and no monitors; needs --additional-scrape-configs",
        set: |a, _| yes(&mut a.no_kubernetes),
    },
    Flag {
        group: Group::Source,
        name: "additional-scrape-configs",
        value: "FILE",
        help: "A YAML list of Prometheus scrape configs, beside what the monitors give",
        set: |a, v| some(&mut a.additional_scrape_configs, v.into()),
    },
    Flag {
        group: Group::Source,
        name: "monitor-files",
        value: "DIR,DIR",
        help: "Further folders in which monitors may name files (bearerTokenFile, caFile, ...); any: every file",
        set: |a, v| list(&mut a.monitor_files, &v),
    },
    Flag {
        group: Group::Selection,
        name: "namespaces",
        value: "A,B",
        help: "Look only at these namespaces; own is the namespace of the pod",
        set: |a, v| list(&mut a.namespaces, &v),
    },
    Flag {
        group: Group::Selection,
        name: "deny-namespaces",
        value: "A,B",
        help: "Look at all namespaces but these",
        set: |a, v| list(&mut a.deny_namespaces, &v),
    },
    Flag {
        group: Group::Selection,
        name: "service-monitor-selector",
        value: "LABELS",
        help: "Only ServiceMonitors with such labels: team=a,env in (x,y),!old",
        set: |a, v| {
            parse(&mut a.service_monitors, &v, |v| {
                selector::parse(v).map(Some)
            })
        },
    },
    Flag {
        group: Group::Selection,
        name: "service-monitor-namespace-selector",
        value: "LABELS",
        help: "Only ServiceMonitors in namespaces with such labels",
        set: |a, v| {
            parse(&mut a.service_monitor_namespaces, &v, |v| {
                selector::parse(v).map(Some)
            })
        },
    },
    Flag {
        group: Group::Selection,
        name: "pod-monitor-selector",
        value: "LABELS",
        help: "Only PodMonitors with such labels",
        set: |a, v| parse(&mut a.pod_monitors, &v, |v| selector::parse(v).map(Some)),
    },
    Flag {
        group: Group::Selection,
        name: "pod-monitor-namespace-selector",
        value: "LABELS",
        help: "Only PodMonitors in namespaces with such labels",
        set: |a, v| {
            parse(&mut a.pod_monitor_namespaces, &v, |v| {
                selector::parse(v).map(Some)
            })
        },
    },
    Flag {
        group: Group::Selection,
        name: "inherit",
        value: "KIND/NS/NAME",
        help: "Settings of this object: prometheus/NS/NAME, prometheusagent/NS/NAME, none [default: none; generate: the only one]",
        set: |a, v| parse(&mut a.inherit, &v, |v| inherit(v).map(Some)),
    },
    Flag {
        group: Group::Selection,
        name: "shard",
        value: "N",
        help: "Only the targets of this shard, from 0 [default: SHARD, then the pod's number]",
        set: |a, v| parse(&mut a.shard, &v, |v| number(v).map(Some)),
    },
    Flag {
        group: Group::Output,
        name: "output",
        value: "KIND",
        help: "otlp, stdout or stdout:text (a line per sample), stdout:json (OTLP/JSON lines) [default: otlp]",
        set: |a, v| parse(&mut a.output, &v, output),
    },
    Flag {
        group: Group::Output,
        name: "otlp-endpoint",
        value: "URL",
        help: "OTLP/HTTP endpoint; /v1/metrics is added to its path [default: http://localhost:4318]",
        set: |a, v| some(&mut a.otlp_endpoint, v),
    },
    Flag {
        group: Group::Output,
        name: "otlp-header",
        value: "NAME=VALUE",
        help: "Header of every OTLP request; may be given again",
        set: |a, v| header(&mut a.otlp_headers, &v),
    },
    Flag {
        group: Group::Output,
        name: "otlp-compression",
        value: "KIND",
        help: "gzip or none [default: gzip]",
        set: |a, v| parse(&mut a.otlp_compression, &v, |v| compression(v).map(Some)),
    },
    Flag {
        group: Group::Output,
        name: "web.listen-address",
        value: "HOST:PORT",
        help: "Where health, metrics, configuration and targets are shown [default: 127.0.0.1:9099]",
        set: |a, v| parse(&mut a.listen, &v, |v| address(v).map(Some)),
    },
    Flag {
        group: Group::Output,
        name: "shutdown-timeout",
        value: "DURATION",
        help: "How long queues may drain after SIGTERM [default: 10s]",
        set: |a, v| parse(&mut a.shutdown_timeout, &v, |v| duration(v).map(Some)),
    },
    Flag {
        group: Group::Output,
        name: "min-scrape-interval",
        value: "DURATION",
        help: "Monitors and targets that want to be scraped more often are rejected [default: 100ms]",
        set: |a, v| parse(&mut a.min_scrape_interval, &v, |v| duration(v).map(Some)),
    },
    Flag {
        group: Group::Output,
        name: "last-good-max-age",
        value: "DURATION",
        help: "How long the last good version of a monitor that became invalid runs on; 0: not at all [default: 1h]",
        set: |a, v| parse(&mut a.last_good_max_age, &v, |v| duration(v).map(Some)),
    },
    Flag {
        group: Group::Output,
        name: "events",
        value: "",
        help: "Write Kubernetes Events on rejected monitors; needs the right to create them",
        set: |a, _| yes(&mut a.events),
    },
    Flag {
        group: Group::Output,
        name: "log-level",
        value: "LEVEL",
        help: "error, warn, info, debug or trace [default: RUST_LOG, then info]",
        set: |a, v| parse(&mut a.log_level, &v, |v| level(v).map(Some)),
    },
    Flag {
        group: Group::Generate,
        name: "expand",
        value: "",
        help: "Replace $(NAME) as prometheus-operator's config reloader does, for the pod of the shard; POD_NAME and NODE_NAME are the environment's",
        set: |a, _| yes(&mut a.expand),
    },
    Flag {
        group: Group::Settings,
        name: "settings",
        value: "FILE",
        help: "Settings as YAML; flags and environment win over it",
        set: |a, v| some(&mut a.settings, v.into()),
    },
];

fn some<T>(place: &mut Option<T>, value: T) -> Result<(), String> {
    *place = Some(value);
    Ok(())
}

fn yes(place: &mut bool) -> Result<(), String> {
    *place = true;
    Ok(())
}

fn list(place: &mut Vec<String>, value: &str) -> Result<(), String> {
    let parts = value
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    place.extend(parts.map(str::to_owned));
    Ok(())
}

fn parse<T>(
    place: &mut T,
    value: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<(), String> {
    *place = parse(value)?;
    Ok(())
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
fn inherit(value: &str) -> Result<String, String> {
    if value != "none" {
        value.parse::<Inherit>()?;
    }
    Ok(value.to_owned())
}

fn number(value: &str) -> Result<u32, String> {
    value
        .parse()
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

fn header(place: &mut Vec<(String, String)>, value: &str) -> Result<(), String> {
    // The value may be a secret: it is not repeated.
    let (name, value) = value.split_once('=').ok_or("NAME=VALUE is expected")?;
    place.push((name.trim().to_owned(), value.trim().to_owned()));
    Ok(())
}

/// `:9099` means every address, as for Prometheus.
fn address(value: &str) -> Result<SocketAddr, String> {
    let (host, full) = match value.strip_prefix(':') {
        // All addresses of both families; without IPv6 those of IPv4 (receiver: start.rs).
        Some(port) => ("", format!("[::]:{port}")),
        None => (value, value.replacen("localhost:", "127.0.0.1:", 1)),
    };
    let parsed = full.parse();
    parsed.map_err(|_| match host {
        "" => format!("{value}: not a port"),
        _ => format!("{value}: an IP address and a port are expected, as 127.0.0.1:9099"),
    })
}

fn duration(value: &str) -> Result<Duration, String> {
    humantime::parse_duration(value)
        .map_err(|_| format!("{value}: a duration such as 10s is expected"))
}

fn level(value: &str) -> Result<LevelFilter, String> {
    let level = value.parse();
    level.map_err(|_| format!("{value} is none of error, warn, info, debug, trace"))
}
