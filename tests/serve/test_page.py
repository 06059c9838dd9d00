#!/usr/bin/env python3
"""The page of glass serve in a real browser: Debian's chromium driven by its chromedriver, through
the WebDriver protocol (python3-selenium). Skipped where they are missing.

Models: every answer of tests/cli/tiny_model.py's is known; "dice" has 26 equally likely ones."""
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../cli"))
import kit
import tiny_model
from kit import equal, has, ok

try:
    from selenium import webdriver
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.chrome.service import Service
except ImportError:
    webdriver = None

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
ABC = "abcdefghijklmnopqrstuvwxyz"


class Server:
    """glass serve on a free port; .url when it answers."""

    def __init__(self, home, *words):
        self.log = os.path.join(home.path, "serve.log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([kit.GLASS, "serve", "--port", "0", "-t", "1", *words],
                                            env=home.env, stdout=log, stderr=subprocess.STDOUT)
        end = time.monotonic() + 60
        self.url = None
        while self.url is None and time.monotonic() < end and self.process.poll() is None:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                m = re.search(r"http://127\.0\.0\.1:\d+", log.read())
            self.url = m.group() if m else None
            time.sleep(0.02)
        while self.url and time.monotonic() < end:
            try:
                urllib.request.urlopen(self.url + "/health", timeout=5).close()
                return
            except OSError:
                time.sleep(0.02)

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def browser(folder, *words):
    o = webdriver.ChromeOptions()
    o.binary_location = CHROMIUM
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                 "--disable-extensions", "--disable-background-networking", "--no-first-run",
                 "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                 "--window-size=1280,900", f"--user-data-dir={folder}/chromium", *words):
        o.add_argument(word)
    o.add_experimental_option("prefs", {"download.default_directory": folder})
    o.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    d = webdriver.Chrome(service=Service(DRIVER), options=o)
    d.execute_cdp_cmd("Browser.setDownloadBehavior",
                      {"behavior": "allow", "downloadPath": folder})
    return d


class Page:
    """The page in a browser, as a person uses it."""

    def __init__(self, driver, url):
        self.d, self.url = driver, url

    def open(self, address="/"):
        self.d.get(self.url + address)
        self.ready()

    def ready(self):
        self.wait(lambda: self.js("return document.documentElement.dataset.ready"), "the page")

    def wait(self, what, name, seconds=10):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                value = what()
                if value:
                    return value
            except WebDriverException:
                pass
            time.sleep(0.02)
        ok(False, f"waiting for {name}", self.js("return document.body.innerText")[-1500:])
        raise TimeoutError(name)

    def js(self, script, *values):
        return self.d.execute_script(script, *values)

    def all(self, selector):
        return self.d.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.wait(lambda: self.all(selector), selector)[0]

    def text(self, selector):
        return [e.text for e in self.all(selector)]

    def keys(self, *keys):
        """To whatever has the focus."""
        webdriver.ActionChains(self.d).send_keys(*keys).perform()

    def chord(self, *keys):
        a = webdriver.ActionChains(self.d)
        for k in keys[:-1]:
            a.key_down(k)
        a.send_keys(keys[-1])
        for k in reversed(keys[:-1]):
            a.key_up(k)
        a.perform()

    def do(self, name, last=True):
        """A button of the last (or first) message that has it."""
        found = self.wait(lambda: self.all(f"[data-do={name}]"), name)
        found[-1 if last else 0].click()

    def idle(self):
        """Nothing is being written, and all is saved."""
        self.wait(lambda: self.js("return document.getElementById('stop').hidden && "
                                  "!localStorage.getItem('glass.outbox') && "
                                  "!document.querySelector('.message.busy')"), "rest")

    def say(self, text):
        self.one("#input").send_keys(text, Keys.ENTER)
        self.wait(lambda: any(t.strip() == text.strip() for t in self.text(".user .body")), text)
        self.idle()

    def say_only(self, text):
        self.one("#input").send_keys(text, Keys.ENTER)

    def answers(self):
        return self.text(".assistant .body")

    def fresh(self, model):
        self.one("#new").click()
        self.wait(lambda: not self.all("article"), "an empty page")
        self.js("const m = document.getElementById('model'); m.value = arguments[0];"
                "m.dispatchEvent(new Event('change'))", model)

    def setting(self, name, value):
        if self.js("return document.getElementById('panel').hidden"):
            self.one("#open-settings").click()
        field = self.one("#set-" + name)
        field.clear()
        field.send_keys(value, Keys.TAB)

    def focused(self):
        return self.js("const e = document.activeElement; return e.id || e.dataset.do || "
                       "e.getAttribute('aria-label') || e.textContent")

    def errors(self):
        return [e["message"] for e in self.d.get_log("browser")]


def loads(p):
    p.open()
    kinds = p.js("return performance.getEntriesByType('resource').concat(performance."
                 "getEntriesByType('navigation')).map(e => [e.name, e.encodedBodySize])")
    ok(all(n.startswith(p.url) for n, _ in kinds), "every request goes to the server itself", kinds)
    size = sum(b for _, b in kinds)
    ok(10000 < size < 80000, f"all together {size} bytes, under 80 KB", kinds)
    p.open()
    paint = p.wait(lambda: p.js("return performance.getEntriesByName('first-contentful-paint').map(e => e.startTime)[0]"),
                   "the first paint")
    ok(paint < 1000, f"first paint after {paint:.0f} ms", paint)
    equal(p.focused(), "input", "one can write at once")
    equal(p.errors(), [], "nothing in the browser's log")


def chats(p):
    p.fresh("abc")
    p.say("Hello")
    equal(p.answers(), [ABC], "an answer, streamed")
    equal(p.text("#title"), ["Hello"], "the conversation's title")
    ok("/c/" in p.d.current_url, "an address of its own", p.d.current_url)
    p.say("Again")
    equal(p.answers(), [ABC, ABC], "a second turn")
    p.d.refresh()
    p.ready()
    p.wait(lambda: len(p.answers()) == 2, "the conversation")
    equal(p.text(".user .body"), ["Hello", "Again"], "a reload keeps the conversation")
    equal(p.answers(), [ABC, ABC], "and its answers")


def branches(p):
    p.fresh("dice")
    p.setting("max_tokens", "12")
    p.say("Roll")
    first = p.answers()[0]
    ok(re.fullmatch("[a-z]{12}", first), "as many tokens as the setting says", first)
    p.do("retry")
    p.wait(lambda: p.answers() != [first], "another answer")
    p.idle()
    second = p.answers()[0]
    ok(second != first and re.fullmatch("[a-z]{12}", second), "retry: another answer", second)
    equal(p.text(".assistant .branches span"), ["2/2"], "beside the old one")
    p.do("before")
    equal(p.answers(), [first], "the old one is there")
    equal(p.text(".assistant .branches span"), ["1/2"], "and is the first")
    p.do("edit")
    area = p.one(".user textarea")
    area.clear()
    area.send_keys("Roll again", Keys.ENTER)
    p.wait(lambda: p.text(".user .body") == ["Roll again"], "the edited message")
    p.idle()
    equal(p.text(".user .branches span"), ["2/2"], "an edit makes a branch")
    p.do("before", last=False)
    equal((p.text(".user .body"), p.answers()), (["Roll"], [first]), "the way it was before")
    p.d.refresh()
    p.ready()
    p.wait(lambda: p.answers() == [first], "the branch that was shown, after a reload")
    p.do("after", last=False)
    equal(p.text(".user .body"), ["Roll again"], "and the others")


def stops(p):
    p.fresh("slow")
    p.one("#input").send_keys("On and on", Keys.ENTER)
    p.wait(lambda: p.answers() and len(p.answers()[0]) > 3, "some letters")
    p.one("#stop").click()
    p.idle()
    n = len(p.answers()[0])
    time.sleep(0.3)
    equal(len(p.answers()[0]), n, "stop ends the answer")
    has(p.text(".assistant .meta")[0], "Stopped", "and says so")
    p.d.refresh()
    p.ready()
    p.wait(lambda: p.answers() and len(p.answers()[0]) == n, "what was written is kept")
    # A reload in the midst of an answer keeps what came so far.
    p.do("retry")
    p.wait(lambda: len(p.answers()[0]) > 3, "some letters")
    time.sleep(0.2)
    p.d.refresh()
    p.ready()
    p.wait(lambda: p.answers() and len(p.answers()[0]) > 3, "what came before the reload")
    has(p.text(".assistant .meta")[0], "Interrupted", "an answer that was cut off by a reload")
    before = p.answers()[0]
    p.do("continue")
    p.wait(lambda: len(p.answers()[0]) > len(before) + 3, "more")
    p.keys(Keys.ESCAPE)
    p.idle()
    ok(p.answers()[0].startswith(before), "continue goes on from there", p.answers())
    after = p.answers()[0][len(before):][:3]
    at = ABC.index(before[-1])
    equal(after, (ABC + ABC)[at + 1:at + 4], "with what comes next")


def settings(p):
    p.fresh("dice")
    p.setting("max_tokens", "7")
    p.setting("temperature", "0.5")
    p.setting("system", "Be brief.")
    ok(p.one("#set-top_k").get_attribute("placeholder") == "40", "defaults are shown")
    p.setting("seed", "5")
    p.say("One")
    p.do("retry")
    p.wait(lambda: p.text(".assistant .branches span") == ["2/2"], "two answers")
    p.idle()
    now = p.answers()[0]
    p.do("before")
    equal(p.answers()[0], now, "same seed, same answer")
    p.d.refresh()
    p.ready()
    p.one("#open-settings").click()
    equal([p.one("#set-" + n).get_attribute("value") for n in
           ("max_tokens", "temperature", "system", "seed")], ["7", "0.5", "Be brief.", "5"],
          "settings are kept with the conversation")
    p.one("#set-top_p").send_keys("7", Keys.TAB)
    ok(p.js("return !document.querySelector('#set-top_p').checkValidity()"),
       "a value outside its range is refused")
    p.keys(Keys.ESCAPE)
    ok(p.js("return document.getElementById('panel').hidden"), "Escape closes the panel")


def glass_view(p):
    p.fresh("dice")
    p.setting("max_tokens", "8")
    p.say("See")
    p.one("#glass").click()
    tokens = p.wait(lambda: p.all(".tokens .token"), "tokens")
    equal(len(tokens), 8, "a part for each token")
    has(tokens[2].get_attribute("aria-label"), "3.8 %", "its probability: 1 in 26")
    answer = "".join(t.text for t in tokens)
    tokens[3].click()
    rows = p.wait(lambda: p.text("#panel tbody tr"), "alternatives")
    ok(len(rows) >= 6 and "all others" in rows[-1], "alternatives", rows)
    take = [b for b in p.all("#panel tbody button") if answer[3] not in b.get_attribute("aria-label")[-1]]
    letter = take[0].get_attribute("aria-label")[-1]
    take[0].click()
    p.wait(lambda: p.text(".assistant .branches span") == ["2/2"], "a new version")
    p.idle()
    new = "".join(t.text for t in p.all(".tokens .token"))
    ok(new.startswith(answer[:3] + letter), "the answer goes on from the alternative", (answer, letter, new))
    # Inside: each layer's prediction, and what it looked at.
    p.one(".tokens .token[data-i='5']").click()
    p.one("#panel section button").click()
    rows = p.wait(lambda: p.all("#panel .layers tbody tr"), "the layers")
    equal([r.find_element(By.TAG_NAME, "th").text for r in rows], [str(i) for i in range(len(rows))], "a row for each layer")
    has(rows[-1].text, "3.8 %", "the last one says what the answer's token had")
    prompt = "<|im_start|>user\nSee<|im_end|>\n<|im_start|>assistant\n"
    equal("".join(t.get_attribute("textContent") for t in p.all("#panel .strip .token")), prompt + new[:5],
          "attention to the prompt and the answer before it")
    layer = p.one("#panel select[aria-label=Layer]")
    layer.find_elements(By.TAG_NAME, "option")[1].click()
    p.one("#panel select[aria-label=Head]").find_elements(By.TAG_NAME, "option")[1].click()
    time.sleep(0.3)
    equal(len(p.all("#panel .strip .token")), len(prompt) - 12 - 10 - 12 + 3 + 5, "one head alone")
    ok(not p.all("#panel .bad"), "without an error")
    # By keys alone: arrows from token to token, Enter for the alternatives.
    p.js("document.querySelector('.tokens .token').focus()")
    p.keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ENTER)
    p.wait(lambda: "3 of" in p.one("#panel").text, "the third token")
    p.d.refresh()
    p.ready()
    equal("".join(t.text for t in p.wait(lambda: p.all(".tokens .token"), "tokens")), new,
          "tokens and the view are kept")
    p.one("#glass").click()


def halves(p):
    """Characters that are cut between tokens."""
    run = ("const done = arguments[arguments.length - 1]; import('/web/answer.js').then(m => done(m.joined(arguments[0])))")
    bee = "\U0001F41D".encode()
    tokens = [{"t": "a "}, {"t": "<F0><9F>", "b": list(bee[:2])}, {"t": "<90><9D>", "b": list(bee[2:])}, {"t": "é"}]
    equal(p.d.execute_async_script(run, tokens), "a \U0001F41Dé", "tokens that are halves of a character")
    equal(p.d.execute_async_script(run, [{"t": "<F0>"}]), "<F0>", "text that looks so")


def scripts_of_the_world(p):
    p.fresh("abc")
    p.say("\u0645\u0631\u062d\u0628\u0627 hello")
    equal(p.js("return getComputedStyle(document.querySelector('.user .body')).direction"), "rtl", "Arabic goes from the right")
    equal(p.js("return getComputedStyle(document.querySelector('.assistant .body')).direction"), "ltr", "and English from the left")
    got = p.d.execute_async_script(
        "const done = arguments[arguments.length - 1]; import('/web/markdown.js').then(m => { const e = document.createElement('div');"
        "e.className = 'body'; e.dir = 'auto'; document.body.append(e); m.show(e, arguments[0]); const at = s => getComputedStyle(e.querySelector(s));"
        "const r = [at('ul').direction, at('pre').direction, at('p').unicodeBidi]; e.remove(); done(r) })",
        "\u05e9\u05dc\u05d5\u05dd\n\n- \u05d0\n\n```\nx = 1\n```")
    equal(got, ["rtl", "ltr", "plaintext"], "lists with their text, code from the left")


def huge(p):
    """A block of code of a megabyte, as it grows."""
    t = p.d.execute_async_script(
        "const done = arguments[arguments.length - 1]; import('/web/markdown.js').then(m => { const e = document.createElement('div');"
        "let s = '```c\\n'; const t = performance.now(); for (let i = 0; i < 20; i++) { s += 'int x = 1; // a line of code\\n'.repeat(1700); m.show(e, s); }"
        "done([performance.now() - t, e.querySelector('pre').textContent.length, s.length]) })")
    ok(t[1] >= t[2] - 6 and t[0] < 5000, f"{t[2]} bytes of code, grown in 20 steps, in {t[0]:.0f} ms", t)


def other_model(p):
    p.fresh("abc")
    p.say("First")
    p.js("const m = document.getElementById('model'); m.value = 'dice'; m.dispatchEvent(new Event('change'))")
    p.setting("max_tokens", "5")
    p.say("Second")
    ok(p.answers()[0] == ABC and re.fullmatch("[a-z]{5}", p.answers()[1]), "another model goes on", p.answers())
    meta = p.text(".assistant .meta")
    ok("abc" in meta[0] and "dice" in meta[1], "each answer names its model", meta)
    p.d.refresh()
    p.ready()
    p.wait(lambda: len(p.answers()) == 2, "the conversation")
    equal(p.js("return document.getElementById('model').value"), "dice", "the choice is kept")


def call(p, method, path, body):
    r = urllib.request.Request(p.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(r, timeout=20) as reply:
        return json.load(reply)


def long_one(p):
    call(p, "POST", "/glass/conversations", {"id": "long", "title": "A long one", "model": "abc", "settings": {}})
    words = "Some **text** with `code`, a [link](https://a.example) and more of it. " * 4 + "\n\n```python\nprint(1)\n```\n"
    for i in range(500):
        call(p, "PUT", f"/glass/conversations/long/messages/m{i}",
             {"version": 1, "parent": f"m{i - 1}" if i else None, "role": "assistant" if i % 2 else "user",
              "content": words if i % 2 else f"Question {i}", "state": "done", "leaf": True})
    begun = time.monotonic()
    p.js("location.hash = '#/c/long'")
    p.wait(lambda: p.js("return document.querySelectorAll('article').length") == 500, "500 messages", 20)
    seconds = time.monotonic() - begun
    ok(seconds < 5, f"500 messages open in {seconds:.2f} s")
    p.js("window.kept = document.querySelector('[data-id=m1] [data-do=retry]'); window.frames_ = []; let l = performance.now();"
         "(function go() { const n = performance.now(); window.frames_.push(n - l); l = n; window.going = requestAnimationFrame(go); })()")
    p.one("#input").send_keys("One more question of some length")
    p.js("cancelAnimationFrame(window.going)")
    frames = sorted(p.js("return window.frames_"))
    ok(frames[len(frames) // 2] < 50, f"writing in it: a frame in {frames[len(frames) // 2]:.0f} ms, the slowest {frames[-1]:.0f}", frames)
    p.keys(Keys.ENTER)
    p.wait(lambda: any("positions" in t for t in p.text(".message:last-child .meta")), "an error that says both numbers")
    ok(p.js("return window.kept.isConnected"), "what did not change is not drawn anew")
    p.errors()  # the 400 that was meant


def feedback(p, home):
    p.fresh("dice")
    p.setting("max_tokens", "6")
    p.say("Judge")
    answer = p.answers()[0]
    p.do("good")
    box = p.one("#feedback-dialog input[name=consent]")
    ok(not box.is_selected(), "consent is not ticked beforehand")
    box.click()
    p.one("#feedback-dialog [value=yes]").click()
    ok(p.all("#feedback-dialog"), "consent without a name is refused")
    p.one("#feedback-dialog input[name=author]").send_keys("Ada Lovelace")
    p.one("#feedback-dialog textarea[name=comment]").send_keys("short")
    p.one("#feedback-dialog [value=yes]").click()
    p.wait(lambda: p.all("[data-do=good][aria-pressed=true]"), "the thumb")
    p.do("correct")
    area = p.one("#feedback-dialog textarea[name=text]")
    area.clear()
    area.send_keys("as it should be")
    p.one("#feedback-dialog input[name=consent]").click()
    p.one("#feedback-dialog [value=yes]").click()
    p.wait(lambda: p.answers() == ["as it should be"], "the correction")
    p.idle()
    p.do("compare")
    p.wait(lambda: not p.one("#compare-dialog [value='1']").get_attribute("disabled"), "two answers")
    sides = p.text("#compare-dialog .body")
    p.one("#compare-dialog [value='1']").click()
    p.wait(lambda: p.answers() == [sides[1]], "the chosen one")
    p.idle()
    equal(p.text(".assistant .branches span"), ["3/4"], "all four are there")
    stats = home.json("feedback", "stats", "--json")
    equal((stats.get("n"), stats.get("n_consented")), (3, 2), "counted by glass feedback stats")
    lines = [json.loads(l) for l in home.run("feedback", "export").out.splitlines()]
    equal(len(lines), 1, "exported: the pair that has consent, and not the other")
    line = lines[0] if lines else {}
    equal((line.get("prompt"), line.get("chosen"), line.get("rejected"), line.get("author")),
          ([{"role": "user", "content": "Judge"}],
           [{"role": "assistant", "content": "as it should be"}],
           [{"role": "assistant", "content": answer}], "Ada Lovelace"), "prompt, pair and author")
    with open(home.models + "/dice.gguf", "rb") as f:
        import hashlib
        equal(line.get("model", {}).get("sha256"), hashlib.sha256(f.read()).hexdigest(),
              "and the model by its hash")
    ratings = [json.loads(l) for l in home.run("feedback", "export", "--ratings").out.splitlines()]
    equal([(r["label"], r["completion"][0]["content"], r["comment"]) for r in ratings],
          [(True, answer, "short")], "thumbs apart")
    p.d.refresh()
    p.ready()
    p.wait(lambda: p.all("[data-do=compare]"), "the conversation")


def listing(p, home):
    p.one("#search").send_keys("AGAIN")
    p.wait(lambda: p.text("#list a") and len(p.text("#list a")) < 4 and "Hello" in "".join(p.text("#list a")), "search")
    ok(any("Again" in t for t in p.text("#list small")), "the place is shown", p.text("#list small"))
    p.one("#search").clear()
    p.one("#search").send_keys(" ", Keys.BACKSPACE)
    p.wait(lambda: len(p.text("#list a")) >= 5, "all again")
    menu = [b for b in p.all("#list button.icon") if "Hello" in b.get_attribute("aria-label")][0]
    menu.click()
    p.keys(Keys.ENTER)
    field = p.one("dialog input[name=title]")
    field.clear()
    field.send_keys("A new name", Keys.ENTER)
    p.wait(lambda: "A new name" in p.text("#list a"), "the new name")
    menu = [b for b in p.all("#list button.icon") if "A new name" in b.get_attribute("aria-label")][0]
    menu.click()
    p.keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER)
    path = os.path.join(home.path, "A-new-name.json")
    p.wait(lambda: os.path.exists(path), "the exported file")
    with open(path, encoding="utf-8") as f:
        data = json.load(f)
    equal([m["content"] for m in data["messages"]], ["Hello", ABC, "Again", ABC], "exported whole")
    n = len(p.text("#list a"))
    menu.click()
    p.keys(Keys.END, Keys.ENTER)
    p.one("#delete-dialog [value=yes]").click()
    p.wait(lambda: len(p.text("#list a")) == n - 1, "one less")
    ok("A new name" not in p.text("#list a"), "deleted")


def two_tabs(p):
    p.fresh("abc")
    p.say("Shared")
    first, address = p.d.current_window_handle, p.d.current_url
    p.d.switch_to.new_window("tab")
    p.d.get(address)
    p.ready()
    p.wait(lambda: p.answers() == [ABC], "the second tab")
    p.say("From the second")
    p.d.switch_to.window(first)
    p.wait(lambda: p.text(".user .body") == ["Shared"] or "From the second" in p.text(".user .body"), "the first tab")
    p.say("From the first")
    p.d.refresh()
    p.ready()
    p.wait(lambda: "From the first" in p.text(".user .body"), "after a reload")
    found = p.text(".user .body")
    p.do("before") if p.all(".user [data-do=before]") else None
    ok("From the second" in found + p.text(".user .body"), "two tabs lose no message", found)
    p.d.switch_to.window([w for w in p.d.window_handles if w != first][0])
    p.d.close()
    p.d.switch_to.window(first)


def offline(p):
    p.fresh("abc")
    p.say("Before")
    p.d.set_network_conditions(offline=True, latency=0, throughput=0)
    p.one("#input").send_keys("Meanwhile", Keys.ENTER)
    p.wait(lambda: "cannot be reached" in p.one("#banner").text, "a word about it")
    has(p.one("#banner").text, "wait in this browser", "nothing is lost")
    equal(p.text(".user .body"), ["Before", "Meanwhile"], "the message is shown")
    p.d.delete_network_conditions()
    p.js("window.dispatchEvent(new Event('online'))")
    p.idle()
    p.wait(lambda: not p.one("#banner").is_displayed(), "the word to go")
    p.do("retry")
    p.wait(lambda: p.answers()[-1:] == [ABC], "the answer")
    p.idle()
    p.d.refresh()
    p.ready()
    p.wait(lambda: p.text(".user .body") == ["Before", "Meanwhile"], "all was saved")
    ok(True, "what was written without a connection is saved later")
    # Even if the tab is closed meanwhile.
    address, old = p.d.current_url, p.d.current_window_handle
    p.d.switch_to.new_window("tab")
    new = p.d.current_window_handle
    p.d.switch_to.window(old)
    p.d.set_network_conditions(offline=True, latency=0, throughput=0)
    p.one("#input").send_keys("And closed", Keys.ENTER)
    p.wait(lambda: "cannot be reached" in p.one("#banner").text, "a word about it")
    p.d.close()
    p.d.switch_to.window(new)
    p.d.delete_network_conditions()
    p.d.get(address)
    p.ready()
    p.wait(lambda: "And closed" in p.text(".user .body"), "what was written before the tab was closed")
    p.idle()
    p.d.refresh()
    p.ready()
    p.wait(lambda: "And closed" in p.text(".user .body"), "on the server, too")
    ok(True, "or once the page is opened again")
    p.errors()  # the browser's own words about the connection


def keyboard(p):
    p.chord(Keys.CONTROL, Keys.SHIFT, "o")
    equal(p.focused(), "input", "Ctrl+Shift+O: a new conversation")
    p.js("document.getElementById('model').value = 'abc'")
    p.keys("By keys", Keys.ENTER)
    p.wait(lambda: p.answers() == [ABC], "the answer")
    p.idle()
    seen = []
    p.js("document.getElementById('messages').focus()")
    for _ in range(12):
        p.keys(Keys.TAB)
        seen.append(p.focused())
    ok(["edit", "Copy", "retry"] == [s for s in seen if s in ("edit", "retry", "Copy")][1:4] or
       {"edit", "retry", "good", "bad", "correct", "compare", "input"} <= set(seen),
       "Tab goes through what can be done, to the message field", seen)
    p.js("document.querySelector('[data-do=edit]').focus()")
    p.keys(Keys.ENTER)
    p.keys(" changed", Keys.ENTER)
    p.wait(lambda: p.text(".user .body") == ["By keys changed"], "the edit")
    p.idle()
    p.chord(Keys.ALT, "s")
    equal(p.focused(), "set-system", "Alt+S: settings")
    p.keys(Keys.ESCAPE)
    p.chord(Keys.CONTROL, "k")
    equal(p.focused(), "search", "Ctrl+K: search")
    p.keys(Keys.ARROW_DOWN, Keys.ENTER)
    p.wait(lambda: p.focused() is not None, "a focus")
    p.chord(Keys.ALT, "g")
    equal(p.one("#glass").get_attribute("aria-pressed"), "true", "Alt+G: glass view")
    p.chord(Keys.ALT, "g")


def narrow(p):
    p.d.set_window_size(500, 800)
    p.d.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                        {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True})
    p.open()
    ok(p.js("return document.documentElement.scrollWidth <= 360"), "nothing is wider than a phone")
    ok(not p.one("#side").is_displayed(), "the list is out of the way")
    p.one("#side-open").click()
    p.wait(lambda: p.one("#side").is_displayed(), "the list")
    p.one("#new").click()
    p.wait(lambda: not p.one("#side").is_displayed(), "the list gone again")
    p.say("Small")
    equal(p.answers()[-1:], [ABC], "and one can talk")
    p.one("#open-settings").click()
    ok(p.one("#panel").is_displayed() and p.js("return document.documentElement.scrollWidth <= 360"),
       "settings fit")
    p.keys(Keys.ESCAPE)
    p.d.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


HOSTILE = [
    ("<script>alert(1)</script>", "script"), ("<img src=x onerror=alert(1)>", "img"),
    ("[x](javascript:alert(1))", "a"), ("[x](data:text/html,x)", "a"), ("![x](http://a.example/x.png)", "img"),
    ("<iframe src=http://a.example>", "iframe"), ("<http://a.example/\"onclick=alert(1)>", "[onclick]"),
    ("| a |\n|---|\n| <b>x</b> |", "b"), ("```<script>\nx\n```", "script")]
MARKED = [
    ("a **b** *c* `d` ~~e~~", "<p>a <strong>b</strong> <em>c</em> <code>d</code> <del>e</del></p>"),
    ("***both*** snake_case_name 2*3*4", "<p><strong><em>both</em></strong> snake_case_name 2<em>3</em>4</p>"),
    ("## H\ntext\nline", "<h4>H</h4><p>text<br>line</p>"),
    ("1. a\n2. b\n   - c", "<ol><li>a</li><li>b<ul><li>c</li></ul></li></ol>"),
    ("> q\n> r", "<blockquote><p>q<br>r</p></blockquote>"),
    ("\\*no\\* & <b>", "<p>*no* &amp; &lt;b&gt;</p>"), ("---", "<hr>"),
    ("**open", "<p>**open</p>"), ("a `b", "<p>a `b</p>"),
    ("3. x\n4. y", "<ol start=\"3\"><li>x</li><li>y</li></ol>"), ("- [x] done", "<ul><li>☑ done</li></ul>")]
SLOW = ["*a " * 20000, "[" * 40000, "`" * 20000 + "a", "> " * 20000, "- " * 20000, "#" * 60000 + "x",
        "**a " * 20000, "_" * 40000, "|a" * 20000 + "\n" + "|-" * 20000, "http://" * 8000, "<" * 40000,
        "`a``b" * 10000, "![" * 20000, "[a](" * 15000]


def markdown(p):
    run = ("const done = arguments[arguments.length - 1]; import('/web/markdown.js').then(m => {"
           "const e = document.createElement('div'), t = performance.now(); m.show(e, arguments[0]);"
           "done([e.innerHTML, performance.now() - t, arguments[1] ? e.querySelectorAll(arguments[1]).length : 0]) })")
    bad = [(s, r) for s, selector in HOSTILE for r in [p.d.execute_async_script(run, s, selector)] if r[2]]
    equal(bad, [], "no markup of a model's becomes an element")
    wrong = [(s, r[0], w) for s, w in MARKED for r in [p.d.execute_async_script(run, s, "")] if r[0] != w]
    equal(wrong, [], "Markdown as it is meant")
    slow = [(s[:10], round(r[1])) for s in SLOW for r in [p.d.execute_async_script(run, s, "")] if r[1] > 2000]
    equal(slow, [], "hostile texts take no long time")
    links = p.d.execute_async_script(run, "[x](https://a.example/b) https://c.example.", "")[0]
    equal(re.findall('href="([^"]*)"', links), ["https://a.example/b", "https://c.example"], "links")
    ok(links.count('rel="noopener noreferrer nofollow"') == 2, "links tell nothing of where one comes from", links)


def restart(p, home):
    """A server that is killed in the midst of an answer, and started again."""
    server = Server(home, "slow")
    p.url = server.url
    p.open()
    p.say_only("On and on")
    p.wait(lambda: p.answers() and len(p.answers()[0]) > 5, "some letters")
    time.sleep(3.2)  # the page keeps what it has every three seconds
    server.process.kill()
    server.process.wait()
    p.wait(lambda: "broke off" in "".join(p.text(".assistant .meta")), "the answer's end")
    shown = p.answers()[0]
    ok(p.one("#banner").is_displayed(), "what could not be saved is told")
    port = server.url.rsplit(":", 1)[1]
    again = Server(home, "slow", "--port", port)
    equal(again.url, server.url, "the server again")
    stored = call_get(p, "/glass/conversations/" + p.d.current_url.rsplit("/", 1)[1])["messages"][-1]["content"]
    ok(3 < len(stored) <= len(shown) and shown.startswith(stored), "it kept what it had acknowledged", (stored, shown))
    p.wait(lambda: p.js("return !localStorage.getItem('glass.outbox')"), "what waited", 20)
    p.d.refresh()
    p.ready()
    p.wait(lambda: p.answers() == [shown], "all that was shown")
    ok(True, "and gets the rest from the page")
    p.do("continue")
    p.wait(lambda: len(p.answers()[0]) > len(shown) + 3, "more")
    p.keys(Keys.ESCAPE)
    p.wait(lambda: p.js("return document.getElementById('stop').hidden"), "rest")
    equal(p.answers()[0], (ABC * 2000)[:len(p.answers()[0])], "and it goes on from there")
    equal(again.stop(), 0, "the server ends well")
    p.errors()


def call_get(p, path):
    with urllib.request.urlopen(p.url + path, timeout=20) as reply:
        return json.load(reply)


SAYS = "abcdefghijklmnopqrstuvwxyz"
RECIPE = """model: {tokenizer: abc.gguf, n_embd: 16, n_layer: 1, n_head: 2}
data:
- {file: a.txt, documents: lines}
context: 24
batch: {sequences: 4}
steps: 40
threads: 1
seed: 3
"""


def sources(p, home):
    """A real run: trained, indexed, and an answer whose words it read."""
    folder = home.path
    os.symlink(f"{home.models}/abc.gguf", f"{folder}/abc.gguf")
    with open(f"{folder}/a.txt", "w", encoding="ascii") as f:
        f.write("".join(f"the cat saw {i} dogs\n" for i in range(40)) + f"a song: {SAYS[:18]}, they sang\n")
    with open(f"{folder}/a.yaml", "w", encoding="ascii") as f:
        f.write(RECIPE)
    for words in (("train", "a.yaml", "-q"), ("trace", "--build", "a.run")):
        r = home.run(*words, cwd=folder, timeout=120)
        ok(r.returncode == 0, " ".join(words), r.err)
    with open(f"{folder}/a.run/shards/train-0.documents.jsonl", "w", encoding="utf-8") as f:
        for i in range(41):
            f.write(json.dumps({"source": f"file:{i}", "title": f"title {i}", "licence": "CC-BY-4.0", "author": "<b>Ada</b>",
                                "url": "https://a.example/x", "made_by": "person"}) + "\n")
    server = Server(home, "abc", "--trace", f"{folder}/a.run")
    if not server.url:
        with open(server.log, encoding="utf-8") as log:
            ok(False, "glass serve --trace RUN", log.read())
        return
    p.url = server.url
    p.open()
    p.fresh("abc")
    p.say("Sing")
    p.do("sources")
    p.wait(lambda: p.all("#panel .source"), "sources")
    first = p.all("#panel .source")[0]
    has(first.find_element(By.TAG_NAME, "h3").text, SAYS[:18], "the rarest stretch first")
    has(first.find_element(By.TAG_NAME, "mark").text, SAYS[:18], "within its text")
    has(first.text, "a song: ", "and what stands before it")
    has(first.text, "title 40 · <b>Ada</b> · licence CC-BY-4.0", "its document, author, licence")
    steps = call(p, "POST", "/trace", {"text": SAYS})["spans"][0]["places"][0]["reads"]
    ok(steps and f"read at step" in first.text and str(steps[0]["step"]) in first.text, "the steps that read it", (first.text, steps))
    has(p.one("#panel").text, "A match is not a cause", "and what that means")
    p.keys(Keys.ESCAPE)
    equal(server.stop(), 0, "the server ends well")


def with_key(p, url):
    p.d.get(url + "/")
    field = p.one("#key-dialog input[name=key]")
    field.send_keys("wrong", Keys.ENTER)
    p.wait(lambda: p.one("#key-dialog input[name=key]").get_attribute("value") == "", "asked again")
    p.one("#key-dialog input[name=key]").send_keys("open-sesame", Keys.ENTER)
    p.ready()
    p.wait(lambda: p.one("#model").text.strip(), "the models")
    p.say("With a key")
    equal(p.answers(), [ABC], "a server that wants a key gets it")


def run(home):
    for name, kind, more in (("abc", "abc", {}), ("dice", "dice", {}),
                             ("slow", "forever", {"layers": 40, "n_ctx": 4096})):
        tiny_model.write(f"{home.models}/{name}.gguf", kind=kind, **more)
    server = Server(home, "abc", "dice", "slow")
    if not server.url:
        with open(server.log, encoding="utf-8") as log:
            ok(False, "glass serve starts", log.read())
        return
    d = browser(home.path)
    try:
        p = Page(d, server.url)
        for part, more in ((loads, ()), (chats, ()), (branches, ()), (stops, ()), (settings, ()), (glass_view, ()),
                           (halves, ()), (feedback, (home,)), (listing, (home,)), (two_tabs, ()), (offline, ()), (keyboard, ()),
                           (markdown, ()), (scripts_of_the_world, ()), (huge, ()), (other_model, ()), (long_one, ()),
                           (restart, (home,)), (sources, (home,)), (narrow, ())):
            begun = time.monotonic()
            p.url = server.url
            try:
                part(p, *more)
            except (TimeoutError, WebDriverException, IndexError, AssertionError) as error:
                ok(False, part.__name__ + " to its end", repr(error)[:500])
            print(f"# {part.__name__}: {time.monotonic() - begun:.1f} s", flush=True)
        equal(p.errors(), [], "nothing in the browser's log")
        locked = Server(home, "abc", "--api-key", "open-sesame")
        try:
            with_key(p, locked.url)
        except (TimeoutError, WebDriverException) as error:
            ok(False, "with a key, to its end", repr(error)[:500])
        equal(locked.stop(), 0, "the server ends well")
    finally:
        d.quit()
        equal(server.stop(), 0, "and so does the first one")


def main():
    if not (webdriver and CHROMIUM and DRIVER):
        kit.skip("the page in a browser", "chromium, chromium-driver and python3-selenium are not all here")
    else:
        with kit.Home() as home:
            run(home)
    kit.done()


if __name__ == "__main__":
    main()
