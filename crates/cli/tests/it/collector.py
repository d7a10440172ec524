"""A collector of OpenTelemetry: takes OTLP over HTTP, reads it with the published protobuf classes, and writes each span as
a line of JSON into the file that it is given. Prints its port. The first request is answered with 503."""
import json, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

lock, asked = threading.Lock(), 0


def value(said):
    return getattr(said, said.WhichOneof('value'))


def attributes(found):
    names = [pair.key for pair in found]
    assert len(names) == len(set(names)), names
    return {pair.key: value(pair.value) for pair in found}


def told(resource, span, headers):
    return {
        'resource': attributes(resource.attributes),
        'trace': span.trace_id.hex(),
        'span': span.span_id.hex(),
        'parent': span.parent_span_id.hex(),
        'name': span.name,
        'kind': Span.SpanKind.Name(span.kind),
        'nanos': span.end_time_unix_nano - span.start_time_unix_nano,
        'began': span.start_time_unix_nano,
        'attributes': attributes(span.attributes),
        'status': Status.StatusCode.Name(span.status.code),
        'events': [{'name': event.name, **attributes(event.attributes)} for event in span.events],
        'key': headers.get('x-key'),
    }


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        global asked
        body = self.rfile.read(int(self.headers['content-length']))
        with lock:
            asked += 1
            is_first = asked == 1
        if is_first or self.path != '/v1/traces' or self.headers['content-type'] != 'application/x-protobuf':
            self.send_response(503 if is_first else 400)
            self.send_header('retry-after', '0')
            self.send_header('content-length', '0')
            self.end_headers()
            return
        request = ExportTraceServiceRequest.FromString(body)
        with lock, open(sys.argv[1], 'a') as out:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    assert scope.scope.name == 'baton', scope
                    for span in scope.spans:
                        out.write(json.dumps(told(resource.resource, span, self.headers)) + '\n')
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header('content-type', 'application/x-protobuf')
        self.send_header('content-length', str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(('127.0.0.1', 0), Collector)
print(server.server_address[1], flush=True)
server.serve_forever()
