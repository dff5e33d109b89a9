"""The end-to-end test; scripts/e2e.sh says what it needs. Read it from `main` downwards: one step after the other."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from kube import Cluster, Refused
from otlp import Sink
from peers import Forwarder, Target

ROOT = pathlib.Path(__file__).resolve().parents[2]
A, B, C, OWN = "promop-e2e-a", "promop-e2e-b", "promop-e2e-c", "monitoring"
NODE = "10.244.0.10"
NODE_MOVED = "10.244.0.11"
APP = "10.244.0.20"
ELSEWHERE = "10.244.0.30"
API = "10.244.0.40"
INTERVAL = 1.0
PAGE = "# HELP app_requests Requests.\n# TYPE app_requests counter\napp_requests_total{code=\"200\"} 42\n# TYPE app_temperature gauge\napp_temperature 21.5\n"

counts = {"passed": 0, "failed": 0}
promops = []


def check(name, holds, detail=""):
    counts["passed" if holds else "failed"] += 1
    print(f"{'ok  ' if holds else 'FAIL'} {name}" + ("" if holds or not detail else f": {detail}"), flush=True)
    return holds


def within(seconds, condition):
    """The first true value of a condition, asked until then; else its last value."""
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > until:
            return value
        time.sleep(0.05)


class Promop:
    """A running promop with its own sink for metrics and a file for its log."""

    def __init__(self, program, args, port, environment=None, before=()):
        self.sink = Sink()
        self.base = f"http://127.0.0.1:{port}"
        self.log_file = tempfile.NamedTemporaryFile(prefix="promop-", suffix=".log", delete=False)
        variables = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "RUST_BACKTRACE": "1"}
        variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{self.sink.port}"
        variables |= environment or {}
        command = [*before, program, *args]
        self.process = subprocess.Popen(command, env=variables, stdin=subprocess.DEVNULL, stdout=self.log_file, stderr=self.log_file)
        promops.append(self)

    def get(self, path):
        """Status and text; status 0 if there is no answer."""
        try:
            with urllib.request.urlopen(self.base + path, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as err:
            return err.code, err.read().decode()
        except OSError as err:
            return 0, str(err)

    def ready(self):
        return self.get("/-/ready")[0] == 200

    def targets(self):
        """Active targets by address: job and health."""
        status, text = self.get("/api/v1/targets?state=active")
        if status != 200:
            return {}
        active = json.loads(text)["data"]["activeTargets"]
        return {target["labels"]["instance"]: (target["scrapePool"], target["health"]) for target in active}

    def log(self):
        with open(self.log_file.name, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self, seconds):
        """The exit code after SIGTERM; None if it did not end in time."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return None


def curl(url, metric):
    """The value of an unlabelled metric as curl reads it."""
    page = subprocess.run(["curl", "-sS", "--max-time", "5", url], check=True, capture_output=True, text=True).stdout
    return float(re.search(rf"^{metric} (\S+)", page, re.M).group(1))


def install_crds(cluster):
    for kind in ("servicemonitors", "podmonitors"):
        cluster.apply_text((ROOT / f"vendor-crds/monitoring.coreos.com_{kind}.yaml").read_text())
    served = all(cluster.served(kind, "default", 30) for kind in ("ServiceMonitor", "PodMonitor"))
    check("the vendored CRDs are applied and served", served)
    try:
        monitor(cluster, "default", "bad", port="metrics", interval="soon")
        refused = "it was accepted"
    except Refused as answer:
        refused = answer.status
    check("the API server validates by them", refused == 422, refused)


def prepare(cluster):
    """Namespaces, the service account with rights in two of them, and what runs there."""
    for namespace in (A, B, C, OWN):
        cluster.apply("Namespace", namespace)
    cluster.apply("ServiceAccount", "promop", OWN)
    for document in (ROOT / "scripts/rbac/namespace.yaml").read_text().split("---\n"):
        for namespace in (A, B):
            cluster.apply_text(document, namespace)
    # A pod gets its address from its status: nobody else runs it here.
    for namespace, name, address, port in ((A, "node-exporter-0", NODE, 9100), (B, "app-0", APP, 8080), (C, "app-0", ELSEWHERE, 8080)):
        app = name.removesuffix("-0")
        container = {"name": app, "image": app, "ports": [{"name": "metrics", "containerPort": port}]}
        cluster.apply("Pod", name, namespace, labels={"app": app}, spec={"nodeName": "node-1", "containers": [container]})
        ready = [{"type": "Ready", "status": "True"}]
        cluster.status("Pod", name, namespace, {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": ready})
    ports = [{"name": "metrics", "port": 9100}]
    cluster.apply("Service", "node-exporter", A, labels={"app": "node-exporter"}, spec={"ports": ports})
    slice_at(cluster, NODE)
    cluster.apply("Secret", "login", B, stringData={"user": "promop", "password": "open sesame"})


def slice_at(cluster, address):
    pod = {"kind": "Pod", "name": "node-exporter-0", "namespace": A}
    cluster.apply(
        "EndpointSlice", "node-exporter-1", A,
        labels={"kubernetes.io/service-name": "node-exporter", "app": "node-exporter"},
        addressType="IPv4",
        endpoints=[{"addresses": [address], "conditions": {"ready": True}, "targetRef": pod}],
        ports=[{"name": "metrics", "port": 9100, "protocol": "TCP"}],
    )


def monitor(cluster, namespace, name, **endpoint):
    endpoint = {"interval": "1s", "scrapeTimeout": "1s"} | endpoint
    cluster.apply(
        "ServiceMonitor", name, namespace,
        spec={"selector": {"matchLabels": {"app": "node-exporter"}}, "endpoints": [endpoint]},
    )


def pod_monitor(cluster, namespace, name):
    login = {"username": {"name": "login", "key": "user"}, "password": {"name": "login", "key": "password"}}
    endpoint = {"port": "metrics", "interval": "1s", "scrapeTimeout": "1s", "basicAuth": login}
    cluster.apply(
        "PodMonitor", name, namespace,
        spec={"selector": {"matchLabels": {"app": "app"}}, "podMetricsEndpoints": [endpoint]},
    )


def clean(cluster):
    for kind, name in (("ClusterRole", "promop"), ("ClusterRoleBinding", "promop")):
        cluster.delete(kind, name)
    for namespace, kind, name in (
        (A, "ServiceMonitor", "node-exporter"), (A, "ServiceMonitor", "broken"), (A, "ServiceMonitor", "outside"),
        (B, "PodMonitor", "app"), (C, "PodMonitor", "app"), (C, "ServiceMonitor", "api"), (C, "ServiceMonitor", "broken"),
    ):
        try:
            cluster.delete(kind, name, namespace)
        except Refused:
            pass
    for namespace in (A, B, C):
        cluster.delete("Namespace", namespace)


def monitors_arrive(cluster, promop, node, app):
    """Monitors are created; what they describe arrives, complete and right."""
    began = time.time()
    monitor(cluster, A, "node-exporter", port="metrics")
    find = lambda: promop.sink.find("node_boot_time_seconds", began, server_address=NODE)
    found = within(5, find)
    took = time.time() - began
    if check("a node-exporter series arrives within 5 s of its ServiceMonitor", found, promop.log()[-2000:]):
        point = found[0]
        print(f"     it took {took:.1f} s")
        value = curl(f"http://{NODE}:9100/metrics", "node_boot_time_seconds")
        check("with the value that curl reads", point["value"] == value, (point["value"], value))
        wanted = {
            "namespace": A, "pod": "node-exporter-0", "service": "node-exporter", "endpoint": "metrics", "container": "node-exporter",
        }
        labels = {key: point["attributes"].get(key) for key in wanted}
        check("with the labels that prometheus-operator gives", labels == wanted, point["attributes"])
        wanted = {
            "service.name": "node-exporter", "service.instance.id": f"{NODE}:9100",
            "server.address": NODE, "server.port": "9100", "url.scheme": "http",
        }
        resource = {key: point["resource"].get(key) for key in wanted}
        check("with the resource attributes that the collector gives", resource == wanted, point["resource"])
    up = within(5, lambda: promop.sink.find("up", began, server_address=NODE))
    check("up is 1", up and up[0]["value"] == 1, up[:1])

    began = time.time()
    pod_monitor(cluster, B, "app")
    found = within(5, lambda: promop.sink.find("app_temperature", began, server_address=APP))
    check("a series arrives within 5 s of its PodMonitor", found, promop.log()[-2000:])
    check("with its value", found and found[0]["value"] == 21.5, found[:1])
    wanted = {"namespace": B, "pod": "app-0", "container": "app", "endpoint": "metrics"}
    labels = {key: found[0]["attributes"].get(key) for key in wanted} if found else {}
    check("with its labels", labels == wanted, found[:1])
    check("scraped with the password of the Secret", app.log and app.refused == 0, app.refused)
    wanted = {
        f"{NODE}:9100": (f"serviceMonitor/{A}/node-exporter/0", "up"),
        f"{APP}:8080": (f"podMonitor/{B}/app/0", "up"),
    }
    targets = within(5, lambda: promop.targets() if promop.targets() == wanted else None)
    check("/api/v1/targets shows both up", targets, promop.targets())
    config = promop.get("/config")[1]
    check("/config shows their jobs", all(job in config for job, _ in wanted.values()), config[:500])
    check("but not the password", "<secret>" in config and "open sesame" not in config + promop.log())


def a_broken_monitor_harms_nobody(cluster, promop, node, app):
    began = time.monotonic()
    monitor(cluster, A, "broken", port="metrics", scrapeTimeout="10s")
    told = within(8, lambda: [line for line in promop.log().splitlines() if "broken" in line and " warn " in line])
    check("a broken monitor is rejected in the log", told, promop.log()[-1000:])
    if told:
        print(f"     {told[0]}")
    time.sleep(3)
    ended = time.monotonic()
    for name, target in (("ServiceMonitor", node), ("PodMonitor", app)):
        gap = target.longest_gap(began, ended)
        check(f"the other {name}'s target misses nothing", gap <= 1.5 * INTERVAL, f"{gap:.2f} s")
    check("and no target comes of it", len(promop.targets()) == 2, promop.targets())
    cluster.delete("ServiceMonitor", "broken", A)


def endpoints_change(cluster, promop, node, moved):
    began, began_wall = time.monotonic(), time.time()
    slice_at(cluster, NODE_MOVED)
    check("a changed address is scraped within 5 s", within(5, lambda: moved.requests(began)))
    both = {f"{NODE_MOVED}:9100", f"{APP}:8080"}
    gone = within(5, lambda: promop.targets().keys() == both)
    check("the old target is gone", gone, promop.targets())
    since = time.monotonic() + 0.5
    stale = within(8, lambda: promop.sink.find("up", began_wall, stale=True, server_address=NODE))
    check("its series end with stale markers, as upstream's do", stale)
    time.sleep(max(0, since + 2 - time.monotonic()))
    check("and it is not asked again", gone and not node.requests(since), node.requests(since))


def a_monitor_is_deleted(cluster, promop, app):
    began_wall = time.time()
    cluster.delete("PodMonitor", "app", B)
    gone = within(5, lambda: promop.targets().keys() == {f"{NODE_MOVED}:9100"})
    check("the target of a deleted monitor leaves /api/v1/targets", gone, promop.targets())
    since = time.monotonic() + 0.5
    time.sleep(4)
    check("and is scraped no more", gone and not app.requests(since), app.requests(since))
    stale = promop.sink.find("up", began_wall, stale=True, server_address=APP)
    check("without stale markers, as upstream", gone and not stale, stale[:1])


def a_monitor_looks_outside_the_scope(cluster, promop):
    """Its namespaceSelector names a namespace that --namespaces does not: said, and nobody waits for it."""
    cluster.apply(
        "ServiceMonitor", "outside", A,
        spec={"selector": {}, "namespaceSelector": {"matchNames": [C]}, "endpoints": [{"port": "metrics"}]},
    )
    told = within(8, lambda: f"namespace {C} is not read" in promop.get("/api/v1/monitors")[1])
    check("a monitor that selects a namespace outside the scope says so", told, promop.get("/api/v1/monitors")[1][-1000:])
    check("and does not hold up readiness", promop.ready(), promop.get("/-/ready"))
    check("the log has it once", promop.log().count(f"namespace {C} is not read") == 1, promop.log()[-2000:])
    cluster.delete("ServiceMonitor", "outside", A)


def the_api_server_is_away(cluster, promop, forwarder, moved, app):
    began = time.monotonic()
    forwarder.cut()
    time.sleep(10)
    pod_monitor(cluster, B, "app")
    time.sleep(10)
    check("healthy without the API server", promop.get("/-/healthy")[0] == 200, promop.get("/-/healthy"))
    forwarder.heal()
    healed = time.monotonic()
    caught_up = within(35, lambda: app.requests(healed))
    check("a monitor of the time without it is scraped within 35 s", caught_up)
    if caught_up:
        print(f"     it took {caught_up[0] - healed:.1f} s")
    gap = moved.longest_gap(began, time.monotonic())
    check("no gap in the target's request log over 1.5 intervals", gap <= 1.5 * INTERVAL, f"{gap:.2f} s")
    print(f"     longest gap {gap:.2f} s")
    check("ready again", within(10, promop.ready), promop.get("/-/ready"))


def audit(began):
    """What the service account asked of Secrets, from the cluster's audit log."""
    folder = os.environ.get("PROMOP_CLUSTER")
    if not folder:
        print("     audit log not read: PROMOP_CLUSTER is not set")
        return
    user = f"system:serviceaccount:{OWN}:promop"
    verbs = set()
    for line in (pathlib.Path(folder) / "log/audit.log").read_text().splitlines():
        event = json.loads(line)
        ours = event["user"]["username"] == user and event["requestReceivedTimestamp"] >= began
        if ours and event.get("objectRef", {}).get("resource") == "secrets":
            verbs.add(event["verb"])
    check("the audit log has no list or watch of Secrets", verbs == {"get"}, verbs)


def the_api_server_is_scraped(cluster, promop):
    """The API server's own metrics, with the rights and the token of promop's service account."""
    Forwarder(cluster.host, cluster.port, API, 6443)
    cluster.apply("Service", "api", C, labels={"app": "api"}, spec={"ports": [{"name": "https", "port": 6443}]})
    cluster.apply(
        "EndpointSlice", "api-1", C, labels={"kubernetes.io/service-name": "api", "app": "api"}, addressType="IPv4",
        endpoints=[{"addresses": [API], "conditions": {"ready": True}}], ports=[{"name": "https", "port": 6443, "protocol": "TCP"}],
    )
    mounted = "/var/run/secrets/kubernetes.io/serviceaccount"
    endpoint = {
        "port": "https", "scheme": "https", "interval": "5s", "scrapeTimeout": "5s", "bearerTokenFile": f"{mounted}/token",
        "tlsConfig": {"caFile": f"{mounted}/ca.crt", "serverName": cluster.host},
    }
    cluster.apply("ServiceMonitor", "api", C, spec={"selector": {"matchLabels": {"app": "api"}}, "endpoints": [endpoint]})
    found = within(20, lambda: promop.sink.find("process_start_time_seconds", server_address=API))
    check("the API server's /metrics are scraped with the rights of cluster.yaml", found, (promop.targets(), promop.log()[-2000:]))


def events_arrive(cluster, promop):
    monitor(cluster, C, "broken", port="metrics", scrapeTimeout="10s")
    about = lambda event: event["regarding"]["name"] == "broken" and event["reason"] == "InvalidConfiguration"
    found = within(10, lambda: [event for event in cluster.items("Event", C) if about(event)])
    check("a rejected monitor gets its Event", found, promop.log()[-2000:])
    if found:
        print(f"     {found[0]['note']}")


def in_cluster(cluster, program, forwarder, folder, elsewhere):
    """As a pod runs it, with --events: the service account's files stand where the kubelet puts them."""
    # A mount namespace with an empty /run, so that nothing of this machine is touched.
    script = """mount -t tmpfs tmpfs "$(readlink -f /var/run)" && mkdir -p /var/run/secrets/kubernetes.io &&
        cp -r "$1" /var/run/secrets/kubernetes.io/serviceaccount && shift && exec "$@" """
    before = ["unshare", "-m", "sh", "-c", script, "sh", str(folder)]
    environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(forwarder.port)}
    promop = Promop(program, ["run", "--events"], 9099, environment, before)
    missing = within(20, lambda: next(iter(re.findall(r"servicemonitors", promop.get("/-/ready")[1])), None))
    check("in-cluster, without the right to list: not ready, and the reason is named", missing, promop.get("/-/ready"))
    pod_monitor(cluster, C, "app")
    cluster.apply("Secret", "login", C, stringData={"user": "promop", "password": "open sesame"})
    for document in (ROOT / "scripts/rbac/cluster.yaml").read_text().split("---\n"):
        cluster.apply_text(document)
    check("it heals once the right is there", within(60, promop.ready), promop.get("/-/ready"))
    found = within(10, lambda: promop.sink.find("app_temperature", server_address=ELSEWHERE))
    check("without a flag it scrapes every namespace", found, promop.targets())
    the_api_server_is_scraped(cluster, promop)
    events_arrive(cluster, promop)
    check("and ends with 0", promop.stop(14) == 0)


def service_account(cluster, folder):
    """The files of the service account promop, as the kubelet lays them out."""
    folder.mkdir()
    (folder / "token").write_text(cluster.service_account_token(OWN, "promop"))
    (folder / "ca.crt").write_bytes(pathlib.Path(cluster.ca).read_bytes())
    (folder / "namespace").write_text(OWN)


def kubeconfig(folder, forwarder, host):
    """The way of that service account to the API server, through the forwarder."""
    path = folder.parent / "kubeconfig"
    path.write_text(f"""apiVersion: v1
kind: Config
current-context: e2e
contexts: [{{name: e2e, context: {{cluster: e2e, user: promop}}}}]
clusters:
- name: e2e
  cluster: {{server: "https://127.0.0.1:{forwarder.port}", certificate-authority: "{folder}/ca.crt", tls-server-name: "{host}"}}
users:
- name: promop
  user: {{tokenFile: "{folder}/token"}}
""")
    return path


def main():
    program = sys.argv[1]
    began = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    cluster = Cluster(os.environ["KUBECONFIG"])
    exporter = subprocess.Popen(
        ["prometheus-node-exporter", "--web.listen-address=127.0.0.1:9101"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    scratch = tempfile.TemporaryDirectory(prefix="promop-e2e.")
    try:
        node = Target(NODE, 9100, "http://127.0.0.1:9101/metrics")
        moved = Target(NODE_MOVED, 9100, "http://127.0.0.1:9101/metrics")
        app = Target(APP, 8080, PAGE, "promop:open sesame")
        elsewhere = Target(ELSEWHERE, 8080, PAGE, "promop:open sesame")
        forwarder = Forwarder(cluster.host, cluster.port)
        install_crds(cluster)
        prepare(cluster)
        folder = pathlib.Path(scratch.name) / "serviceaccount"
        service_account(cluster, folder)

        way = str(kubeconfig(folder, forwarder, cluster.host))
        args = ["run", "--kubeconfig", way, "--namespaces", f"{A},{B}", "--web.listen-address", "127.0.0.1:9090"]
        promop = Promop(program, args, 9090)
        check("ready with rights in two namespaces", within(10, promop.ready), (promop.get("/-/ready"), promop.log()[-2000:]))
        monitors_arrive(cluster, promop, node, app)
        a_broken_monitor_harms_nobody(cluster, promop, node, app)
        endpoints_change(cluster, promop, node, moved)
        a_monitor_is_deleted(cluster, promop, app)
        a_monitor_looks_outside_the_scope(cluster, promop)
        the_api_server_is_away(cluster, promop, forwarder, moved, app)
        check("a namespace without rights is left alone", not elsewhere.log, elsewhere.log)
        check("ends with 0 after SIGTERM", promop.stop(14) == 0)
        check("the decoder understood every request", promop.sink.points and not promop.sink.errors, promop.sink.errors[:3])

        in_cluster(cluster, program, forwarder, folder, elsewhere)
        audit(began)
    finally:
        for promop in promops:
            if promop.process.poll() is None:
                promop.process.kill()
            if counts["failed"]:
                print(f"     log of promop: {promop.log_file.name}")
            else:
                os.unlink(promop.log_file.name)
        exporter.kill()
        clean(cluster)
        scratch.cleanup()
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
