"""An OTLP/HTTP sink with a decoder of its own: protobuf read field by field, sharing nothing with promop's encoder."""

import gzip
import http.server
import struct
import threading
import time


def varint(buf, at):
    value = shift = 0
    while True:
        byte = buf[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def fields(buf):
    """Field number and value of each field of a message; numbers stay raw."""
    at = 0
    while at < len(buf):
        key, at = varint(buf, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(buf, at)
        elif kind == 1:
            value, at = buf[at:at + 8], at + 8
        elif kind == 2:
            size, at = varint(buf, at)
            if at + size > len(buf):
                raise ValueError("a field is longer than its message")
            value, at = buf[at:at + size], at + size
        elif kind == 5:
            value, at = buf[at:at + 4], at + 4
        else:
            raise ValueError(f"wire type {kind}")
        yield key >> 3, value


def all_of(buf, number):
    return [value for found, value in fields(buf) if found == number]


def first(buf, number, default=b""):
    return next(iter(all_of(buf, number)), default)


def double(raw):
    return struct.unpack("<d", raw)[0]


def attribute(buf):
    """A KeyValue whose value is text, or else None."""
    text = all_of(first(buf, 2), 1)
    return first(buf, 1).decode(), text[0].decode() if text else None


# Field of Metric -> fields of its data point: attributes, flags.
POINTS = {5: (7, 8), 7: (7, 8), 9: (9, 10), 10: (1, 10), 11: (7, 8)}


def points(request):
    """Every data point of an ExportMetricsServiceRequest as a dict."""
    for resource_metrics in all_of(request, 1):
        resource = dict(map(attribute, all_of(first(resource_metrics, 1), 1)))
        for scope_metrics in all_of(resource_metrics, 2):
            for metric in all_of(scope_metrics, 2):
                name = first(metric, 1).decode()
                for kind, data in fields(metric):
                    if kind not in POINTS:
                        continue
                    attributes, flags = POINTS[kind]
                    for point in all_of(data, 1):
                        value = None
                        if kind in (5, 7):
                            values = all_of(point, 4)
                            integers = all_of(point, 6)
                            if values:
                                value = double(values[0])
                            elif integers:
                                value = struct.unpack("<q", integers[0])[0]
                        yield {
                            "name": name,
                            "resource": resource,
                            "attributes": dict(map(attribute, all_of(point, attributes))),
                            "value": value,
                            "time": struct.unpack("<Q", first(point, 3, bytes(8)))[0] / 1e9,
                            "stale": bool(first(point, flags, 0) & 1),
                        }


class Sink:
    """Keeps every point that arrives at /v1/metrics."""

    def __init__(self):
        self.lock = threading.Lock()
        self.points = []
        self.errors = []
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = 200 if sink.take(self.path, self.headers, body) else 400
                self.send_response(status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, path, headers, body):
        try:
            if path != "/v1/metrics" or headers["Content-Type"] != "application/x-protobuf":
                raise ValueError(f"POST {path} {headers['Content-Type']}")
            if headers["Content-Encoding"] == "gzip":
                body = gzip.decompress(body)
            found = list(points(body))
        except Exception as err:  # whatever is wrong with a request, the test must say so
            self.errors.append(repr(err))
            return False
        arrived = time.time()
        for point in found:
            point["arrived"] = arrived
        with self.lock:
            self.points.extend(found)
        return True

    def find(self, name, since=0.0, stale=False, **attributes):
        """Points of a metric that arrived since then; attributes are looked for on point and resource, _ standing for a dot."""
        with self.lock:
            snapshot = list(self.points)
        wanted = {key.replace("_", "."): value for key, value in attributes.items()}
        return [
            point for point in snapshot
            if point["name"] == name and point["arrived"] >= since and point["stale"] == stale
            and all(value in (point["attributes"].get(key), point["resource"].get(key)) for key, value in wanted.items())
        ]
