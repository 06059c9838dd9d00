"""Debian's chromium for tests of pages, driven by its chromedriver through the WebDriver protocol
(python3-selenium). It starts as root, in a chroot or container, without a display, a GPU, a network, a
/dev/shm or a home that can be written to; where it cannot start at all, `start` raises NoBrowser with
the reason within some minutes. Nothing here can hang, and nothing that was started stays."""
import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import time

PYTHON = "/usr/bin/python3"
try:
    from selenium import webdriver
    from selenium.common.exceptions import InvalidSessionIdException, WebDriverException
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common import utils
    from selenium.webdriver.remote.remote_connection import RemoteConnection
    from urllib3.exceptions import HTTPError
except ImportError:
    # Debian's selenium is for Debian's python; another one may come first in PATH.
    if sys.executable != PYTHON and os.path.exists(PYTHON):
        os.execv(PYTHON, [PYTHON, *sys.argv])
    webdriver = None

CHROMIUM, DRIVER, TIMEOUT = (shutil.which(name) for name in ("chromium", "chromedriver", "timeout"))
LIMIT = 900  # seconds that a test of a page may take, whatever the machine is doing
COMMAND = 100  # and one command of the driver's
STARTING = 90  # after which start does not try again

OPTIONS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-extensions",
           "--disable-background-networking", "--disable-component-update", "--no-first-run", "--disable-breakpad", "--remote-debugging-pipe",
           "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--window-size=1280,900")


class NoBrowser(Exception):
    """Why chromium does not run on this machine."""


class Ended(BaseException):
    """The time is over, or a signal came."""


def bounded():
    """Raises Ended in the main thread after LIMIT seconds, or when the test is told to end."""
    def end(number, _):
        raise Ended(f"not over after {LIMIT} s" if number == signal.SIGALRM else signal.Signals(number).name)
    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    signal.alarm(LIMIT)
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: we are the parent of our children's orphans
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1"


def missing():
    """What is not installed, or None."""
    return None if webdriver and CHROMIUM and DRIVER else "chromium, chromium-driver and python3-selenium are not all here"


def gone(error):
    """Whether it is the browser that ended or hangs, and not the page that is wrong."""
    return isinstance(error, (InvalidSessionIdException, HTTPError, ConnectionError)) or (
        isinstance(error, WebDriverException) and
        re.search("disconnected|tab crashed|not reachable|session deleted", str(error.msg)) is not None)


class Driver(Service if webdriver else object):
    """chromedriver and all that it starts: one process group, ended at once; and should this program be
    killed, by timeout(1). It is spoken to by its address, since a bare system knows no "localhost"."""

    service_url = property(lambda self: f"http://127.0.0.1:{self.port}")

    def __init__(self, folder):
        self.log = os.path.join(folder, "chromedriver.log")
        env = {k: v for k, v in os.environ.items() if k in ("PATH", "TMPDIR", "LD_LIBRARY_PATH")}
        env.update(HOME=folder, LC_ALL="C.UTF-8")
        super().__init__(TIMEOUT, env=env, popen_kw={"start_new_session": True})
        self.log_file = open(self.log, "wb")  # pylint: disable=consider-using-with
        self.process = None
        self.service_args = ["-s", "KILL", str(LIMIT + 60), DRIVER, "--enable-chrome-logs"]

    def command_line_args(self):
        return [*self.service_args, f"--port={self.port}"]

    def is_connectable(self):
        return utils.is_connectable(self.port, "127.0.0.1")

    def stop(self):
        process, self.process = self.process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        for _ in range(1000):  # the orphans are ours, see bounded
            try:
                if os.waitpid(-process.pid, os.WNOHANG)[0] == 0:
                    time.sleep(0.01)
            except ChildProcessError:
                break
        process.stdin.close()
        self.log_file.close()

    def words(self):
        """The last line of chromium's that tells of a trouble."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            lines = [line.strip() for line in log if re.search("FATAL|ERROR|rror:|[Cc]annot|not permitted", line) and "/dbus/" not in line]
        return lines[-1][:200] if lines else ""


def start(folder):
    """A browser that has shown a page. Its files go to `folder`, downloads too."""
    RemoteConnection.set_timeout(COMMAND)
    begun, why = time.monotonic(), ""
    for turn in range(3):
        own = os.path.join(folder, f"chromium-{time.monotonic_ns()}")
        os.makedirs(own)
        driver = Driver(own)
        try:
            return _start(driver, own, folder)
        except (WebDriverException, HTTPError, OSError) as error:
            text = getattr(error, "msg", None) or repr(error)
            why = f"{' '.join(text.replace(TIMEOUT, DRIVER).split())[:300]} {driver.words()}".strip()
            driver.stop()
        except BaseException:
            driver.stop()
            raise
        if time.monotonic() - begun > STARTING:
            break
    raise NoBrowser(f"chromium does not start here ({turn + 1} tries): {why}")


def _start(driver, own, folder):
    o = webdriver.ChromeOptions()
    o.binary_location = CHROMIUM
    for word in (*OPTIONS, f"--user-data-dir={own}/profile"):
        o.add_argument(word)
    o.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    d = webdriver.Chrome(service=driver, options=o)
    d.set_page_load_timeout(COMMAND - 10)
    d.set_script_timeout(COMMAND - 10)
    d.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": folder})
    d.get("data:text/html,<title>A page</title>")
    if d.title != "A page":
        raise WebDriverException(f"it shows a page as {d.title!r}")
    return d
