"""Just enough of a Kubernetes client to prepare a cluster: create, change and delete objects as the administrator."""

import base64
import http.client
import json
import re
import ssl
import tempfile
import time
import urllib.parse

# Where the objects live that this test makes; {} is the namespace.
PATHS = {
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "Event": "/apis/events.k8s.io/v1/namespaces/{}/events",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
    "Namespace": "/api/v1/namespaces",
    "Pod": "/api/v1/namespaces/{}/pods",
    "PodMonitor": "/apis/monitoring.coreos.com/v1/namespaces/{}/podmonitors",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "Service": "/api/v1/namespaces/{}/services",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ServiceMonitor": "/apis/monitoring.coreos.com/v1/namespaces/{}/servicemonitors",
}


class Refused(Exception):
    """The server's answer was no success."""

    def __init__(self, status, text):
        super().__init__(f"{status}: {text[:400]}")
        self.status = status


class Cluster:
    """The API server of a kubeconfig with one cluster and one user (`kubectl config view --minify --raw --flatten`)."""

    def __init__(self, kubeconfig):
        with open(kubeconfig, encoding="utf-8") as file:
            text = file.read()

        def value(key):
            found = set(re.findall(rf"\b{key}:\s*\"?([^\s\",}}]+)", text))
            if len(found) > 1:
                raise SystemExit(f"{kubeconfig} has several {key}; reduce it to one cluster and one user")
            return found.pop() if found else None

        def pem(key):
            data, path = value(f"{key}-data"), value(key)
            if data is None:
                return path
            file = tempfile.NamedTemporaryFile(suffix=".pem")
            file.write(base64.b64decode(data))
            file.flush()
            self.kept.append(file)
            return file.name

        self.kept = []
        url = urllib.parse.urlsplit(value("server") or "")
        self.host, self.port = url.hostname, url.port or 443
        self.token = value("token")
        self.ca = pem("certificate-authority")
        self.context = ssl.create_default_context(cafile=self.ca)
        if value("client-certificate") or value("client-certificate-data"):
            self.context.load_cert_chain(pem("client-certificate"), pem("client-key"))

    def request(self, method, path, body=None, content_type="application/json"):
        connection = http.client.HTTPSConnection(self.host, self.port, context=self.context, timeout=30)
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status >= 300:
            raise Refused(answer.status, text)
        return text

    def apply_text(self, text, namespace=None):
        """Server-side apply of one YAML document, whose kind and name stand as promop's own files have them."""
        kind = re.search(r"^kind: (\w+)", text, re.M).group(1)
        metadata = re.search(r"^metadata:.*?(?=^\w)", text, re.M | re.S).group(0)
        name = re.search(r"[{ ]name: ([\w.-]+)", metadata).group(1)
        self.patch(kind, namespace, name, text)

    def patch(self, kind, namespace, name, text):
        path = f"{PATHS[kind].format(namespace)}/{name}?fieldManager=promop-e2e&force=true"
        self.request("PATCH", path, text, "application/apply-patch+yaml")

    def apply(self, kind, name, namespace=None, **rest):
        """Server-side apply of an object given as keyword arguments."""
        path = PATHS[kind].format(namespace)
        version = path.removeprefix("/apis/").split("/namespaces/")[0] if path.startswith("/apis/") else "v1"
        version = "/".join(version.split("/")[:2])
        metadata = {"name": name, "labels": rest.pop("labels", {})}
        if namespace:
            metadata["namespace"] = namespace
        self.patch(kind, namespace, name, json.dumps({"apiVersion": version, "kind": kind, "metadata": metadata, **rest}))

    def status(self, kind, name, namespace, status):
        path = f"{PATHS[kind].format(namespace)}/{name}/status"
        self.request("PATCH", path, json.dumps({"status": status}), "application/merge-patch+json")

    def delete(self, kind, name, namespace=None):
        try:
            self.request("DELETE", f"{PATHS[kind].format(namespace)}/{name}")
        except Refused as refused:
            if refused.status != 404:
                raise

    def items(self, kind, namespace):
        """All objects of a kind in a namespace."""
        return json.loads(self.request("GET", PATHS[kind].format(namespace)))["items"]

    def served(self, kind, namespace, seconds):
        """Waits until a kind is served (a new definition takes a moment)."""
        until = time.monotonic() + seconds
        while True:
            try:
                self.request("GET", PATHS[kind].format(namespace) + "?limit=1")
                return True
            except Refused:
                if time.monotonic() > until:
                    return False
                time.sleep(0.2)

    def service_account_token(self, namespace, name):
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        path = f"{PATHS['ServiceAccount'].format(namespace)}/{name}/token"
        return json.loads(self.request("POST", path, json.dumps(body)))["status"]["token"]
