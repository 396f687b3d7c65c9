"""A browser, told what to do by the WebDriver protocol: https://www.w3.org/TR/webdriver2/."""

import http.client
import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any, Self

PATIENCE = 60  # seconds for anything on a busy machine


class Browser:
    """A Chromium without a window."""

    def __init__(self, driver: str, folder: Path) -> None:
        self._process = subprocess.Popen(
            [driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
        )
        self._session = ""
        try:
            assert self._process.stdout is not None
            told = (re.search(r"started successfully on port (\d+)", line) for line in self._process.stdout)
            self._port = int(next(found[1] for found in told if found))
            # No sandbox: Chromium has none for root, whom containers run as. All pages are our own.
            arguments = ["--headless=new", "--no-sandbox", f"--user-data-dir={folder}"]
            wanted = {"goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"}}
            session = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
            self._session = f"/session/{session['sessionId']}"
        except BaseException:
            self.__exit__()
            raise

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise RuntimeError(f"{path}: {value['message']}")
        return value

    def open(self, url: str) -> None:
        """Go to a page."""
        self._ask("POST", f"{self._session}/url", {"url": url})

    def run(self, script: str) -> Any:
        """What a script returns."""
        return self._ask("POST", f"{self._session}/execute/sync", {"script": script, "args": []})

    def until(self, script: str) -> Any:
        """What a script returns, once that is true."""
        end = time.monotonic() + PATIENCE
        while not (found := self.run(script)):
            assert time.monotonic() < end, f"not in {PATIENCE} s: {script}\n{self.log()}"
            time.sleep(0.1)
        return found

    def wide(self, width: int) -> None:
        """Make the page so many pixels wide."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self._command("Emulation.setDeviceMetricsOverride", metrics)

    def prefer(self, scheme: str) -> None:
        """What the user prefers: light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._command("Emulation.setEmulatedMedia", {"features": features})

    def _command(self, name: str, params: dict[str, Any]) -> None:
        self._ask("POST", f"{self._session}/goog/cdp/execute", {"cmd": name, "params": params})

    def log(self) -> list[str]:
        """What the console was told since the last look."""
        return [one["message"] for one in self._ask("POST", f"{self._session}/se/log", {"type": "browser"})]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._session:
            self._ask("DELETE", self._session)
        self._process.terminate()
        self._process.wait(PATIENCE)
        if self._process.stdout is not None:
            self._process.stdout.close()
