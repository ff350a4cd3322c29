# SPDX-License-Identifier: MIT
"""What stands between a client and IMDS in tests/bench/peers: msi2imds, nginx, HAProxy, and a loop that only answers."""

import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
os.environ.setdefault("MSI2IMDS_BUILD", str(HERE.parents[1] / "build" / "release"))

from kernel_state import descendants_of
from namespace import IMDS_ADDRESS
from programs import CHECKOUT, clean_environment, program, run_in, start_in, stop
from service import Service
from waiting import wait_until

PEERS = CHECKOUT / "build" / "peers"
OUR_PORT, NGINX_PORT, HAPROXY_PORT, LOOP_PORT = 50342, 50343, 50344, 50345
MANY = 1_000_000
TOKEN_PATH = "/metadata/identity/oauth2/token?api-version=2018-02-01"

NGINX = """
daemon off;
user root;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/nginx.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests {many};
  client_body_temp_path {directory}/body;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  proxy_temp_path {directory}/proxy;
  proxy_cache_path {directory}/cache keys_zone=tokens:1m;
  upstream imds {{ server {imds}:80; keepalive 16; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /oauth2/token {{
      if ($http_metadata != "true") {{ return 400; }}
      proxy_pass http://imds{path}&resource=$arg_resource;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Metadata true;
      {cache}
    }}
  }}
}}
"""
NGINX_CACHE = "proxy_cache tokens; proxy_cache_key $arg_resource; proxy_cache_valid 200 5m;"

# It keeps no answer that does not say for how long, and IMDS's do not.
HAPROXY = """
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
cache tokens
  total-max-size 16
  max-object-size 65536
  max-age 300
frontend legacy
  bind 127.0.0.1:{port} backlog 4096
  http-request deny unless {{ req.hdr(Metadata) -m str true }}
  http-request set-uri {path}&resource=%[url_param(resource)]
  http-request cache-use tokens
  http-response set-header Cache-Control max-age=300
  http-response cache-store tokens
  default_backend imds
backend imds
  server imds {imds}:80
"""


class Peer:
    """Another server, with everything of it in one directory."""

    def __init__(self, name, port, host, command, directory):
        self.name, self.port = name, port
        environment = clean_environment(LD_LIBRARY_PATH=str(PEERS / "usr/lib/x86_64-linux-gnu"))
        self._output = directory / f"{name}.out"
        with self._output.open("w") as output:
            self._process = start_in(host, *command, environment=environment, stdout=output, stderr=output)
        wait_until(lambda: self._listens(host), 10, f"{name} listens")

    def _listens(self, host):
        assert self._process.poll() is None, self._output.read_text()
        return run_in(host, "ss", "-Htln", f"sport = :{self.port}").stdout != ""

    def pids(self):
        return [self._process.pid, *descendants_of(self._process.pid)]

    def stop(self):
        stop(self._process)


class Ours:
    """msi2imds with all that it does by default, an audit line for each request, and the observer."""

    name, port = "msi2imds", OUR_PORT

    def __init__(self, host, settings):
        always = {"redirect.backend": "sk_lookup", "log.level": "info", "audit.max_rate": MANY}
        self._service = Service(host, {**always, **settings}).start()

    def pids(self):
        return [self._service.pid, *descendants_of(self._service.pid)]

    def stop(self):
        self._service.close()


def nginx(host, directory, is_cached=True):
    text = NGINX.format(
        directory=directory,
        port=NGINX_PORT,
        imds=IMDS_ADDRESS,
        path=TOKEN_PATH,
        many=MANY,
        cache=NGINX_CACHE if is_cached else "",
    )
    configuration = directory / "nginx.conf"
    configuration.write_text(text)
    command = [PEERS / "usr/sbin/nginx", "-p", directory, "-e", directory / "nginx.log", "-c", configuration]
    return Peer("nginx", NGINX_PORT, host, command, directory)


def haproxy(host, directory):
    configuration = directory / "haproxy.cfg"
    configuration.write_text(HAPROXY.format(port=HAPROXY_PORT, imds=IMDS_ADDRESS, path=TOKEN_PATH))
    return Peer("HAProxy", HAPROXY_PORT, host, [PEERS / "usr/sbin/haproxy", "-db", "-f", configuration], directory)


def bare_loop(host, directory, size):
    """It answers as many bytes as msi2imds does."""
    return Peer("bare loop", LOOP_PORT, host, [program("bare_loop"), str(LOOP_PORT), str(size)], directory)
