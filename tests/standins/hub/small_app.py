"""Stands in for app.py where a test is about deploying: the same API in milliseconds, without gradio and a model.

On ZeroGPU it reports its start, as `spaces` does for an app with a decorated function, unless SILENT is set.
"""

import json
import os
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REPLY = f"Hello from {os.environ.get('SPACE_CONFIG')}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/config":
            self.send(b"{}")
        elif self.path == "/gradio_api/info":
            self.send(b'{"named_endpoints": {"/chat": {}}}')
        else:
            steps = [("generating", REPLY[:5]), ("generating", REPLY), ("complete", REPLY)]
            self.send("".join(f"event: {name}\ndata: {json.dumps([text])}\n\n" for name, text in steps).encode())

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send(b'{"event_id": "1"}')

    def send(self, content):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


if os.environ.get("SPACES_ZERO_GPU") == "true" and not os.environ.get("SILENT"):
    address = f"{os.environ['SPACES_ZERO_DEVICE_API_URL']}/startup-report"
    urllib.request.urlopen(urllib.request.Request(address, method="POST"))
print("serving", flush=True)
ThreadingHTTPServer((os.environ["GRADIO_SERVER_NAME"], int(os.environ["GRADIO_SERVER_PORT"])), Handler).serve_forever()
