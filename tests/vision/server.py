"""A server of files on this machine, which can be told to break off."""

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def serving(files, ranges=True):
    """``files``: path -> bytes, or a function of the request's number -> (bytes, how many to send).

    Yields (url, requests): the server's address, and the (path, Range header) asked for so far.
    """
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers.get("Range")
            requests.append((self.path, wanted))
            content = files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            count = None
            if callable(content):
                content, count = content(len(requests))
            start = int(re.match(r"bytes=(\d+)-", wanted)[1]) if wanted and ranges else 0
            if start >= len(content) and wanted:
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"
                )
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start:] if count is None else content[start : start + count])

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
