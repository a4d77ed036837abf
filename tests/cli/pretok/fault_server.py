"""fault_server.py ROOT PORTFILE: serves the files below ROOT, and fails as the address says.

/web/FAULT/NAME is ROOT/NAME over plain HTTP; /BUCKET/KEY is ROOT/BUCKET/KEY as S3 has it, ListObjectsV2 included (two
keys a page); /ctl/log is what was asked so far, /ctl/reset forgets it. Of S3 every signature is checked, by an
implementation of its own. What happens to a request of one kind is counted by name, so "the first two" means those of
that address.

  none      as it should be                cut       the connection ends in the middle of every 3rd answer
  busy      503 to 2 requests of 3         tooMany   429 with Retry-After to the first two
  dead      503 to everything              down      503 to everything once the head and the tail were read
  drip      a byte a second                reset     the connection is reset instead of every 2nd answer
  wrongrange  bytes from another place     oncewrong the same, the first time a range is asked for
  etag      another ETag from the 3rd answer on, If-Match ignored     match  the same, If-Match obeyed
  short     fewer bytes than announced     chunked   no length, and fewer bytes
  norange   ranges are ignored             nosize    and no length is told
  noetag    no ETag                        touched   no ETag, and another time from the 3rd answer on
  loop      a redirect to itself           hop       a redirect to "none"
  denied gone   403, 404                   weak      a weak ETag
  stall     no answer at all               query     only with ?key=SECRET, and a redirect to another query
"""

import functools
import hashlib
import hmac
import http.server
import os
import socket
import struct
import sys
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape

ROOT = sys.argv[1]
KEYS = {"AKIDEXAMPLE": ("the/secret+key", None), "ASIATEMP": ("temporary", "to+ken/==")}
PUBLIC = {"open"}
EMPTY = hashlib.sha256(b"").hexdigest()
log, counts, lock = [], {}, threading.Lock()


@functools.lru_cache(maxsize=8)
def content(path, _):
    """The bytes of a file, which is another one when its time is, and their hash."""
    with open(path, "rb") as f:
        data = f.read()
    return data, hashlib.md5(data).hexdigest()


def nth(name):
    with lock:
        counts[name] = counts.get(name, 0) + 1
        return counts[name]


def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=(), length=True):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def error(self, status, code, message="as the test wants it", headers=()):
        self.answer(status, f"<?xml version='1.0'?>\n<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>".encode(),
                    headers)

    def do_GET(self):
        path, _, query = self.path.partition("?")
        parts = path.split("/")
        with lock:
            if parts[1] != "ctl":
                log.append(f"{self.command} {path} {self.headers.get('Range', '-')} {self.headers.get('If-Match', '-')}")
        if parts[1] == "ctl":
            body = "\n".join(log).encode()
            if parts[2] == "reset":
                log.clear()
                counts.clear()
            return self.answer(200, body)
        if parts[1] == "web":
            return self.web(parts[2], urllib.parse.unquote("/".join(parts[3:])), path, query)
        return self.s3(parts[1], urllib.parse.unquote("/".join(parts[2:])), path, query)

    # ---- S3 ----

    def s3(self, bucket, key, path, query):
        if not self.signed(bucket, path, query):
            return
        if bucket == "elsewhere":
            return self.error(301, "PermanentRedirect", "", [("x-amz-bucket-region", "west-9")])
        folder = os.path.join(ROOT, bucket)
        if not os.path.isdir(folder):
            return self.error(404, "NoSuchBucket")
        if key:
            return self.file(os.path.join(folder, key), "none", path)
        asked = dict(urllib.parse.parse_qsl(query))
        if asked.get("list-type") != "2":
            return self.error(400, "InvalidArgument")
        if nth("list") % 3 == 2:
            return self.error(503, "SlowDown")
        names = []
        for at, _, files in os.walk(folder):
            names += [os.path.relpath(os.path.join(at, f), folder) for f in files]
        names += [n + "/" for n in {os.path.dirname(n) for n in names} if n]
        names = sorted((n for n in names if n.startswith(asked.get("prefix", ""))), key=lambda n: n.encode())
        start = 0
        if "continuation-token" in asked:
            start = int(asked["continuation-token"].split("+/=& ")[1])
        page = names[start : start + 2]
        more = start + 2 < len(names)
        out = "<?xml version='1.0' encoding='UTF-8'?>\n<ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>"
        out += f"<Name>{bucket}</Name><EncodingType>url</EncodingType><KeyCount>{len(page)}</KeyCount>"
        out += f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        if more:
            out += f"<NextContinuationToken>{escape('token+/=& ' + str(start + 2))}</NextContinuationToken>"
        for name in page:
            data = b"" if name.endswith("/") else open(os.path.join(folder, name), "rb").read()
            out += f"<Contents><Key>{urllib.parse.quote_plus(name, safe='/')}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>"
            out += f"<ETag>{escape(self.etag(data))}</ETag><Size>{len(data)}</Size><Owner><ID>x</ID></Owner></Contents>"
        self.answer(200, (out + "</ListBucketResult>").encode())

    def signed(self, bucket, path, query):
        header = self.headers.get("Authorization")
        if not header:
            if bucket in PUBLIC:
                return True
            self.error(403, "AccessDenied")
            return False
        given = dict(p.strip().split("=", 1) for p in header.replace("AWS4-HMAC-SHA256", "").split(","))
        key_id, day, region, service, end = given["Credential"].split("/")
        if key_id not in KEYS:
            self.error(403, "InvalidAccessKeyId", f"no key {key_id}")
            return False
        secret, token = KEYS[key_id]
        if self.headers.get("x-amz-security-token") != token:
            self.error(400, "ExpiredToken", "the token is " + str(self.headers.get("x-amz-security-token")))
            return False
        names = given["SignedHeaders"].split(";")
        needed = ["host", "x-amz-content-sha256", "x-amz-date"] + (["x-amz-security-token"] if token else [])
        canonical_query = "&".join(sorted(
            "=".join(urllib.parse.quote(urllib.parse.unquote(x), safe="-._~") for x in part.split("=", 1))
            for part in query.split("&") if part))
        canonical_path = urllib.parse.quote(urllib.parse.unquote(path), safe="/-._~")
        canonical = "\n".join([self.command, canonical_path, canonical_query]
                              + [f"{n}:{self.headers[n].strip()}" for n in names] + ["", ";".join(names),
                                                                                     self.headers["x-amz-content-sha256"]])
        date = self.headers["x-amz-date"]
        to_sign = "\n".join(["AWS4-HMAC-SHA256", date, f"{day}/{region}/{service}/{end}",
                             hashlib.sha256(canonical.encode()).hexdigest()])
        k = sign(sign(sign(sign(b"AWS4" + secret.encode(), day), region), service), end)
        good = (hmac.new(k, to_sign.encode(), hashlib.sha256).hexdigest() == given["Signature"]
                and self.headers["x-amz-content-sha256"] == EMPTY and date.startswith(day) and service == "s3"
                and region == "eu-test-1" and sorted(names) == names and set(needed) <= set(names))
        if not good:
            self.error(403, "SignatureDoesNotMatch", f"secret {secret}")
        return good

    # ---- plain HTTP ----

    def web(self, fault, name, path, query):
        n = nth(path)
        if fault == "busy" and n % 3:
            return self.answer(503, b"<Error><Code>SlowDown</Code></Error>")
        if fault == "dead" or (fault == "down" and n > 2):
            return self.answer(503, b"later")
        if fault == "tooMany" and n <= 2:
            return self.answer(429, b"", [("Retry-After", "1")])
        if fault == "reset" and n % 2:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return None
        if fault == "stall":
            time.sleep(30)
            self.close_connection = True
            return None
        if fault == "loop":
            return self.answer(302, b"", [("Location", path)])
        if fault == "hop":
            return self.answer(302, b"", [("Location", "../none/" + urllib.parse.quote(name))])
        if fault == "denied":
            return self.answer(403, b"no")
        if fault == "query":
            if query == "key=SECRET":
                return self.answer(307, b"", [("Location", path + "?other=SECRET2")])
            if query != "other=SECRET2":
                return self.answer(403, b"no")
        return self.file(os.path.join(ROOT, name), fault, path)

    def etag(self, data):
        return '"' + hashlib.md5(data).hexdigest() + '"'

    def file(self, path, fault, address):
        try:
            data, md5 = content(path, os.stat(path).st_mtime_ns)
        except (FileNotFoundError, IsADirectoryError):
            return self.error(404, "NoSuchKey")
        n = nth("answer " + address)
        changed = fault in ("etag", "match", "touched") and n >= 3
        etag = '"' + md5 + "x" * changed + '"'
        if fault == "weak":
            etag = "W/" + etag
        when = "Mon, 01 Jan 2024 00:00:0%d GMT" % (1 + changed)
        headers = [("Last-Modified", when), ("Content-Type", "application/octet-stream")]
        if fault not in ("noetag", "touched"):
            headers.append(("ETag", etag))
        want = self.headers.get("If-Match")
        if want and want != etag and fault != "etag":
            return self.error(412, "PreconditionFailed")
        asked = self.headers.get("Range")
        if fault in ("norange", "nosize") or not asked:
            if fault == "nosize":
                self.send_response(200)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True
                return self.write(data)
            if fault == "norange" and n == 3 and len(data) > 1000:
                return self.cut(200, data, headers, len(data) // 2)
            return self.answer(200, data, headers)
        first, last = (int(x) for x in asked.split("=")[1].split("-"))
        if first >= len(data):
            return self.error(416, "InvalidRange", "", [("Content-Range", f"bytes */{len(data)}")])
        last = min(last, len(data) - 1)
        part = data[first : last + 1]
        told = first
        if fault == "wrongrange" or (fault == "oncewrong" and nth("wrong " + address + asked) == 1):
            told = first + 1 if first == 0 else first - 1
            part = data[told : last + 1]
        headers.append(("Content-Range", f"bytes {told}-{told + len(part) - 1}/{len(data)}"))
        if fault == "cut" and n % 3 == 0:
            return self.cut(206, part, headers, len(part) // 2)
        if fault == "short" and len(part) > 10:
            part = part[: len(part) * 2 // 3]
            return self.cut(206, part + b"." * 10, headers, len(part))
        if fault == "chunked":
            self.send_response(206)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            part = part[: (len(part) + 1) // 2]
            return self.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(part), part))
        if fault == "drip" and n > 2:
            self.send_response(206)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            for byte in part:
                if not self.write(bytes([byte])):
                    return None
                time.sleep(1)
            return None
        return self.answer(206, part, headers)

    def write(self, data):
        try:
            self.wfile.write(data)
            return True
        except OSError:
            self.close_connection = True
            return False

    def cut(self, status, part, headers, after):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.write(part[:after])
        self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        pass  # clients that go away


server = Server(("127.0.0.1", 0), Handler)
if len(sys.argv) > 3:  # CERTIFICATE, with its key: https
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
with open(sys.argv[2] + ".tmp", "w") as f:
    f.write(str(server.server_address[1]))
os.rename(sys.argv[2] + ".tmp", sys.argv[2])
server.serve_forever()
