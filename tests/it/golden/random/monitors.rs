//! Random objects: monitors, the workload that selects them, what they refer to.

use super::texts::text;
use super::{Fields, Random};
use serde_json::{Map, Value, json};

const NAMESPACES: [&str; 3] = ["shop", "shop-eu", "lab-2"];

fn any_text(r: &mut Random) -> Value {
    text(r).into()
}

fn word(r: &mut Random) -> Value {
    r.of(&["a", "team", "app.kubernetes.io/name", "b-c", "_x", "Zone"])
        .into()
}

fn flag(r: &mut Random) -> Value {
    r.percent(50).into()
}

fn number(r: &mut Random) -> Value {
    r.of(&[0, 1, 5, 10, 1000, 1_000_000_007, i64::MAX]).into()
}

fn duration(r: &mut Random) -> Value {
    r.of(&[
        "0", "1s", "5s", "10s", "30s", "1m", "1h30m", "250ms", "1d", "", "2w",
    ])
    .into()
}

fn size(r: &mut Random) -> Value {
    r.of(&["0", "1B", "10MB", "10MiB", "1.5KB", "x1B", "2GB"])
        .into()
}

fn protocol(r: &mut Random) -> Value {
    r.of(&[
        "PrometheusProto",
        "OpenMetricsText0.0.1",
        "OpenMetricsText1.0.0",
        "PrometheusText0.0.4",
        "PrometheusText1.0.0",
    ])
    .into()
}

fn protocols(r: &mut Random) -> Value {
    let all = [
        "PrometheusProto",
        "OpenMetricsText1.0.0",
        "PrometheusText0.0.4",
        "PrometheusText1.0.0",
    ];
    all.into_iter()
        .filter(|_| r.percent(50))
        .map(Value::from)
        .collect()
}

/// Mostly one that exists.
fn secret(r: &mut Random) -> Value {
    let (name, key) = if r.percent(96) {
        (
            "creds",
            r.of(&[
                "user", "pass", "token", "binary", "newline", "empty", "long",
            ]),
        )
    } else {
        r.of(&[
            ("absent", "x"),
            ("creds", "absent"),
            ("", "x"),
            ("a/b", "x"),
            ("..", "x"),
        ])
    };
    json!({"name": name, "key": key})
}

fn source(r: &mut Random, key: &str) -> Value {
    let key = if r.percent(96) { key } else { "text" };
    match r.below(20) {
        0 => json!({}),
        1..=9 => json!({"configMap": {"name": "cas", "key": key}}),
        _ => json!({"secret": {"name": "certs", "key": key}}),
    }
}

fn tls(r: &mut Random, with_files: bool) -> Value {
    let pair = r.percent(30);
    let with_files = with_files && r.percent(40);
    let mut tls = Fields::new(r, 40);
    tls.maybe("insecureSkipVerify", flag)
        .maybe("serverName", any_text)
        .maybe("minVersion", |r| r.of(&["TLS10", "TLS11", "TLS12"]).into())
        .maybe("maxVersion", |r| r.of(&["TLS12", "TLS13", "TLS13"]).into());
    if with_files {
        tls.maybe("caFile", any_text);
        if pair {
            tls.always("certFile", |_| "/c".into())
                .always("keyFile", any_text);
        }
    } else {
        tls.maybe("ca", |r| source(r, "ca.crt"));
        if pair {
            tls.always("cert", |r| source(r, "tls.crt"))
                .always("keySecret", |_| json!({"name": "certs", "key": "tls.key"}));
        }
    }
    tls.done()
}

fn proxy(fields: &mut Fields<'_>) {
    match fields.random.below(12) {
        0 => fields.always("proxyFromEnvironment", |_| true.into()),
        1 => fields.always("proxyFromEnvironment", |_| false.into()),
        2..=4 => fields
            .always("proxyUrl", |r| {
                r.of(&[
                    "http://p:1",
                    "socks5://u:p@h",
                    "http://$(PROXY)",
                    "http://x:port",
                    "https://é",
                ])
                .into()
            })
            .maybe("noProxy", any_text)
            .maybe("proxyConnectHeader", |r| {
                let header = text(r);
                let mut headers = Map::new();
                headers.insert(header, json!([secret(r), secret(r)]));
                headers.insert("B".to_owned(), json!([secret(r)]));
                Value::Object(headers)
            }),
        _ => fields,
    };
}

fn oauth2(r: &mut Random) -> Value {
    let mut oauth2 = Fields::new(r, 40);
    oauth2
        .always("clientId", |r| json!({"secret": secret(r)}))
        .always("clientSecret", secret)
        .always("tokenUrl", |r| {
            format!("http://{}", r.of(&["t", "t: x", "é/"])).into()
        })
        .maybe("scopes", |r| r.list(3, any_text))
        .maybe("endpointParams", |r| {
            (0..4)
                .map(|_| (text(r), any_text(r)))
                .collect::<Map<_, _>>()
                .into()
        })
        .maybe("tlsConfig", |r| tls(r, false));
    proxy(&mut oauth2);
    oauth2.done()
}

fn relabeling(r: &mut Random) -> Value {
    let action = r.of(&[
        "replace",
        "Replace",
        "keep",
        "Drop",
        "hashmod",
        "labelmap",
        "LabelDrop",
        "labelkeep",
        "lowercase",
        "Uppercase",
        "keepequal",
        "DropEqual",
    ]);
    let mut rule = Fields::new(r, 40);
    rule.maybe("action", |_| action.into());
    let lower = action.to_lowercase();
    let action = if rule.fields.contains_key("action") {
        lower.as_str()
    } else {
        "replace"
    };
    if !matches!(action, "labeldrop" | "labelkeep") {
        rule.maybe("sourceLabels", |r| r.list(3, any_text));
    }
    if matches!(
        action,
        "replace" | "hashmod" | "lowercase" | "uppercase" | "keepequal" | "dropequal"
    ) {
        rule.always("targetLabel", |r| {
            r.of(&["a", "job", "${1}_x", "é", "a b: c", "__tmp_hash", "true"])
                .into()
        });
    }
    if !matches!(action, "keepequal" | "dropequal") {
        rule.maybe("regex", |r| {
            const PATTERNS: &[&str] = &[
                "(.*)",
                "a|b",
                "(.+);(.*)",
                "\\d+",
                "[a-z]+: .*",
                "(?i)x",
                "true",
                "8080",
                "^$",
                "(?P<x>y)",
                "{foo}",
                "a{,2}",
                "\\pL",
                "(?s).",
                "a{2,3}?",
                "[[:alpha:]]",
                "x)(y",
                "\\Qa.b\\E",
                "é+",
                "a b  c",
            ];
            if r.percent(97) {
                r.of(PATTERNS).into()
            } else {
                r.of(&["(", "a**", "\\1", "[z-a]", "(?=x)"]).into()
            }
        });
    }
    if action == "hashmod" || rule.random.percent(3) {
        rule.always("modulus", |r| r.of(&[1, 2, 8, 1i64 << 40]).into());
    }
    if matches!(action, "replace" | "keep" | "drop") {
        rule.maybe("replacement", any_text)
            .maybe("separator", any_text);
    }
    rule.done()
}

fn selector(r: &mut Random) -> Value {
    let key = |r: &mut Random| {
        r.of(&["app", "app.kubernetes.io/name", "a-b", "a_b", "x.y/Z"])
            .to_owned()
    };
    let value = |r: &mut Random| {
        r.of(&["cart", "v1.2", "true", "", "8080", "a_b-c.d"])
            .into()
    };
    let mut selector = Fields::new(r, 60);
    selector
        .maybe("matchLabels", |r| {
            (0..r.below(4))
                .map(|_| (key(r), value(r)))
                .collect::<Map<_, _>>()
                .into()
        })
        .maybe("matchExpressions", |r| {
            r.list(4, |r| match r.below(25) {
                0 => json!({"key": "a b", "operator": "Exists"}),
                1..=7 => json!({"key": key(r), "operator": "In", "values": [value(r), value(r)]}),
                8..=14 => json!({"key": key(r), "operator": "NotIn", "values": [value(r)]}),
                15..=19 => json!({"key": key(r), "operator": "Exists"}),
                _ => json!({"key": key(r), "operator": "DoesNotExist"}),
            })
        });
    selector.done()
}

fn endpoint(r: &mut Random, of_service: bool) -> Value {
    let mut endpoint = Fields::new(r, 30);
    endpoint
        .maybe("port", any_text)
        .maybe("targetPort", |r| {
            if r.percent(50) {
                r.of(&[0, 80, 8080]).into()
            } else {
                any_text(r)
            }
        })
        .maybe("path", any_text)
        .maybe("scheme", |r| r.of(&["http", "HTTPS"]).into())
        .maybe("params", |r| {
            (0..r.below(5))
                .map(|_| (text(r), r.list(3, any_text)))
                .collect::<Map<_, _>>()
                .into()
        })
        .maybe("interval", duration)
        .maybe("honorLabels", flag)
        .maybe("honorTimestamps", flag)
        .maybe("trackTimestampsStaleness", flag)
        .maybe("metricRelabelings", |r| r.list(2, relabeling))
        .maybe("relabelings", |r| r.list(2, relabeling))
        .maybe("filterRunning", flag)
        .maybe("followRedirects", flag)
        .maybe("enableHttp2", flag)
        .maybe("tlsConfig", |r| tls(r, of_service));
    if endpoint.random.percent(10) {
        endpoint.always("scrapeTimeout", |r| {
            r.of(&["1s", "250ms", "5s", "0", "1h"]).into()
        });
    }
    proxy(&mut endpoint);
    if of_service {
        endpoint.maybe("bearerTokenFile", any_text);
    } else {
        endpoint.maybe("portNumber", |r| r.of(&[1, 9187, 65535]).into());
    }
    match endpoint.random.below(14) {
        0 | 1 => endpoint.always("authorization", |r| {
            let kind = r.of(&["", "Bearer", " Custom ", "Basic", "a: b"]);
            json!({"type": kind, "credentials": secret(r)})
        }),
        2 | 3 => endpoint.always(
            "basicAuth",
            |r| json!({"username": secret(r), "password": secret(r)}),
        ),
        4 | 5 => endpoint.always("bearerTokenSecret", secret),
        6 | 7 => endpoint.always("oauth2", oauth2),
        8 => endpoint.always("bearerTokenSecret", |_| json!({"key": ""})),
        _ => &mut endpoint,
    };
    endpoint.done()
}

pub(super) fn monitor(r: &mut Random, index: usize) -> Value {
    let of_service = r.percent(50);
    let namespace = r.of(&NAMESPACES);
    let mut spec = Fields::new(r, 25);
    let endpoints = if of_service {
        "endpoints"
    } else {
        "podMetricsEndpoints"
    };
    spec.always("selector", selector)
        .always(endpoints, |r| r.list(3, |r| endpoint(r, of_service)))
        .maybe("jobLabel", any_text)
        .maybe("podTargetLabels", |r| r.list(3, any_text))
        .maybe("selectorMechanism", |r| {
            r.of(&["RelabelConfig", "RoleSelector"]).into()
        })
        .maybe("namespaceSelector", |r| match r.below(3) {
            0 => json!({"any": true, "matchNames": ["x"]}),
            1 => json!({"matchNames": [word(r), "true", "8080"]}),
            _ => json!({}),
        })
        .maybe("sampleLimit", number)
        .maybe("targetLimit", number)
        .maybe("labelLimit", number)
        .maybe("labelNameLengthLimit", number)
        .maybe("labelValueLengthLimit", number)
        .maybe("keepDroppedTargets", number)
        .maybe("bodySizeLimit", size)
        .maybe("scrapeProtocols", protocols)
        .maybe("fallbackScrapeProtocol", protocol)
        .maybe("scrapeNativeHistograms", flag)
        .maybe("scrapeClassicHistograms", flag)
        .maybe("nativeHistogramBucketLimit", number)
        .maybe("nativeHistogramMinBucketFactor", |r| {
            r.of(&[
                json!("1.1"),
                json!("1.2"),
                json!(2),
                json!("1100m"),
                json!("1.0905077326652577"),
                json!("1e-3"),
                json!("2Ki"),
                json!("0.5"),
            ])
        })
        .maybe("convertClassicHistogramsToNHCB", flag)
        .maybe("attachMetadata", |r| {
            r.of(&[json!({}), json!({"node": true}), json!({"node": false})])
        });
    if spec.random.percent(10) {
        spec.always("scrapeClass", |r| r.of(&["a", "b", "c", "absent"]).into());
    }
    if of_service {
        spec.maybe("targetLabels", |r| r.list(3, any_text))
            .maybe("serviceDiscoveryRole", |r| {
                r.of(&["Endpoints", "EndpointSlice"]).into()
            });
    }
    json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": if of_service { "ServiceMonitor" } else { "PodMonitor" },
        "metadata": {"namespace": namespace, "name": format!("m-{index}")},
        "spec": spec.done(),
    })
}

fn scrape_class(r: &mut Random, name: &str, default: bool) -> Value {
    let mut class = Fields::new(r, 40);
    class
        .always("name", |_| name.into())
        .always("default", |_| default.into())
        .maybe("fallbackScrapeProtocol", protocol)
        .maybe("attachMetadata", |_| json!({"node": true}))
        .maybe(
            "tlsConfig",
            |_| json!({"caFile": "/ca", "certFile": "/c", "keyFile": "/k", "serverName": "s"}),
        )
        .maybe("authorization", |r| {
            if r.percent(50) {
                json!({"credentialsFile": "/f"})
            } else {
                json!({"type": "X", "credentials": secret(r)})
            }
        })
        .maybe("relabelings", |r| {
            r.list(1, |r| json!({"targetLabel": "c", "replacement": text(r)}))
        })
        .maybe("metricRelabelings", |r| {
            r.list(
                1,
                |r| json!({"regex": "x", "action": "drop", "separator": text(r)}),
            )
        });
    class.done()
}

pub(super) fn workload(r: &mut Random) -> Value {
    let server = r.percent(50);
    let everything = |_: &mut Random| json!({});
    let mut spec = Fields::new(r, 20);
    spec.always("serviceMonitorSelector", everything)
        .always("serviceMonitorNamespaceSelector", everything)
        .always("podMonitorSelector", everything)
        .always("podMonitorNamespaceSelector", everything)
        .maybe("version", |r| {
            r.of(&["v3.13.2", "3.8.0", "v3.4.0", "v3.0.0", "v3.0.0-rc.1", "v2.55.1", "2.47.2", "v2.45.0", "v2.41.0", "v2.36.0", "v2.28.0"]).into()
        })
        .maybe("scrapeInterval", |r| r.of(&["10s", "1m", "5s"]).into())
        .maybe("scrapeProtocols", |r| json!([protocol(r)]))
        .maybe("externalLabels", |r| (0..3).map(|_| (text(r), any_text(r))).collect::<Map<_, _>>().into())
        .maybe("prometheusExternalLabelName", |r| r.of(&["", "p", "true"]).into())
        .maybe("replicaExternalLabelName", |r| r.of(&["", "r"]).into())
        .maybe("enforcedNamespaceLabel", |r| r.of(&["ns", "tenant: x"]).into())
        .maybe("excludedFromEnforcement", |r| json!([{"resource": r.of(&["servicemonitors", "podmonitors"]), "namespace": r.of(&NAMESPACES)}]))
        .maybe("enforcedBodySizeLimit", size)
        .maybe("bodySizeLimit", size)
        .maybe("overrideHonorLabels", flag)
        .maybe("overrideHonorTimestamps", flag)
        .maybe("ignoreNamespaceSelectors", flag)
        .maybe("arbitraryFSAccessThroughSMs", |r| json!({"deny": r.percent(30)}))
        .maybe("podTargetLabels", |r| r.list(2, any_text))
        .maybe("scrapeClasses", |r| json!([scrape_class(r, "a", true), scrape_class(r, "b", false), scrape_class(r, "c", false)]))
        .maybe("serviceDiscoveryRole", |r| r.of(&["Endpoints", "EndpointSlice"]).into())
        .maybe("nameValidationScheme", |r| r.of(&["UTF8", "Legacy"]).into())
        .maybe("nameEscapingScheme", |r| r.of(&["AllowUTF8", "Underscores", "Dots", "Values"]).into())
        .maybe("convertClassicHistogramsToNHCB", flag)
        .maybe("scrapeClassicHistograms", flag)
        .maybe("scrapeNativeHistograms", flag)
        .maybe("scrapeFailureLogFile", |r| r.of(&["f.log", "/x/f.log", "a: b"]).into())
        .maybe("shards", |r| r.of(&[0, 1, 2, 5]).into())
        .maybe("apiserverConfig", |r| json!({"host": text(r), "authorization": {"credentials": {"name": "creds", "key": "token"}}}));
    for limit in [
        "sampleLimit",
        "targetLimit",
        "labelLimit",
        "labelNameLengthLimit",
        "labelValueLengthLimit",
        "keepDroppedTargets",
    ] {
        let (first, rest) = limit.split_at(1);
        spec.maybe(limit, number);
        spec.maybe(&format!("enforced{}{rest}", first.to_uppercase()), number);
    }
    if spec.random.percent(15) {
        spec.always("shards", |_| 4.into()).always(
            "shardingStrategy",
            |_| json!({"mode": "Topology", "topology": {"values": ["a", "b"]}}),
        );
    }
    let (version, kind) = if server {
        ("v1", "Prometheus")
    } else {
        ("v1alpha1", "PrometheusAgent")
    };
    if server {
        spec.maybe("evaluationInterval", |_| "1m".into())
            .maybe("queryLogFile", |_| "q.log".into())
            .maybe("ruleQueryOffset", |_| "1m".into())
            .maybe("retention", |_| "2d".into())
            .maybe("retentionSize", |_| "1GB".into());
    }
    json!({
        "apiVersion": format!("monitoring.coreos.com/{version}"), "kind": kind,
        "metadata": {"namespace": NAMESPACES[0], "name": "main"},
        "spec": spec.done(),
    })
}

/// The Secrets and ConfigMaps that monitors refer to, in each namespace.
pub(super) fn assets_of(r: &mut Random) -> Vec<Value> {
    let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let files = json!({"ca.crt": cert, "tls.crt": cert, "tls.key": key, "text": "no certificate"});
    let mut objects = Vec::new();
    for namespace in NAMESPACES {
        objects.push(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": namespace, "name": "creds"},
            "data": {"binary": "/wBhYg=="},
            "stringData": {"user": text(r), "pass": text(r), "token": text(r), "newline": "t\n", "empty": "", "long": "x".repeat(300)},
        }));
        let metadata = |name: &str| json!({"namespace": namespace, "name": name});
        objects.push(json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata("certs"), "stringData": files}));
        objects.push(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("cas"), "data": files}));
    }
    objects
}
