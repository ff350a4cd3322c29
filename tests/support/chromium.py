# SPDX-License-Identifier: MIT
"""A headless Chromium in a namespace without a way out, spoken to over its debugging pipe."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

from programs import clean_environment, stop
from waiting import wait_until

DEADLINE_SECONDS = 60


class Page:
    """One page. `scheme` is "light" or "dark"; `requested` and `complaints` tell what it fetched and logged."""

    def __init__(self, namespace, width=1080, height=800, scheme="light"):
        self.profile = tempfile.mkdtemp(prefix="msi2imds-chromium-", dir="/tmp")
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        self._buffer = b""
        self._number = 0
        self._events = []
        self.requested = []
        self.complaints = []
        self._process = subprocess.Popen(
            # The browser reads descriptor 3 and writes descriptor 4.
            ["bash", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "bash"]
            + namespace.command(
                "chromium",
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--host-resolver-rules=MAP * ~NOTFOUND",
                "--remote-debugging-pipe",
                f"--user-data-dir={self.profile}",
                "about:blank",
            ),
            env=clean_environment(HOME=self.profile),
            pass_fds=(to_browser, from_browser),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._session = None
        try:
            self._attach(width, height, scheme)
        except BaseException:
            self.close()
            raise

    def _attach(self, width, height, scheme):
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._call(f"{domain}.enable")
        self.resize(width, height)
        self.prefer(scheme)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        os.close(self._out)
        os.close(self._in)
        stop(self._process)
        # Its children end a little later, and write until then.
        wait_until(self._remove_profile, 20, f"{self.profile} is gone")

    def _remove_profile(self):
        shutil.rmtree(self.profile, ignore_errors=True)
        return not os.path.exists(self.profile)

    def _receive(self, deadline):
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0, deadline - time.monotonic()))
            assert ready, "Chromium does not answer"
            received = os.read(self._in, 1 << 20)
            assert received, "Chromium has ended"
            self._buffer += received
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def _note(self, event):
        self._events.append(event.get("method"))
        parameters = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            self.requested.append(parameters["request"]["url"])
        elif event.get("method") == "Log.entryAdded":
            self.complaints.append(parameters["entry"]["text"])
        elif event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(parameters["exceptionDetails"]))

    def _call(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self._note(answer)

    def open(self, path):
        self._events.clear()
        self._call("Page.navigate", url=f"file://{path}")
        deadline = time.monotonic() + DEADLINE_SECONDS
        while "Page.loadEventFired" not in self._events:
            self._note(self._receive(deadline))
        return self

    def resize(self, width, height):
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    def print_style(self, is_printed):
        """As on paper, or as on a screen."""
        self._call("Emulation.setEmulatedMedia", media="print" if is_printed else "")

    def prefer(self, scheme):
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, height):
        """A PNG of the page from its top down."""
        taken = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=True, optimizeForSpeed=False,
                           clip={"x": 0, "y": 0, "width": self.evaluate("innerWidth"), "height": height, "scale": 1})  # fmt: skip
        return base64.b64decode(taken["data"])

    def evaluate(self, expression):
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def text(self, selector="body"):
        """What a person sees of an element."""
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")

    def texts(self, selector):
        return self.evaluate(
            f"[...document.querySelectorAll({json.dumps(selector)})].map(node => node.innerText)"
        )

    def count(self, selector):
        return self.evaluate(f"document.querySelectorAll({json.dumps(selector)}).length")

    def _middle_of(self, selector):
        return self.evaluate(
            f"""(() => {{
                const node = document.querySelector({json.dumps(selector)});
                node.scrollIntoView({{block: "center"}});
                const box = node.getBoundingClientRect();
                return [box.x + box.width / 2, box.y + box.height / 2];
            }})()"""
        )

    def click(self, selector):
        """A real click, so that what covers the element matters."""
        x, y = self._middle_of(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def hover(self, selector):
        x, y = self._middle_of(selector)
        self._call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def screenshot(self, path, whole=True):
        picture = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(picture["data"]))
