#!/usr/bin/env python3
"""The page of glass serve in a real browser (browser.py). Skipped where there is none, or where it
cannot start.

Everything is waited for by what is seen, and far longer than it takes: a busy machine makes the test
slow, not red. What must be fast has some tries, of which the best one counts.

Models: every answer of tests/cli/tiny_model.py's is known; "dice" has 26 equally likely ones, "slow"
goes on for ten seconds and more."""
import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../cli"))
import browser
import kit
import tiny_model
from kit import equal, has, ok

if browser.webdriver:
    from selenium import webdriver
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

ABC = "abcdefghijklmnopqrstuvwxyz"
SLOW_LAYERS = 120


class Server:
    """glass serve on a free port; .url when it answers."""
    alive = set()

    def __init__(self, home, *words):
        self.log = os.path.join(home.path, "serve.log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([kit.GLASS, "serve", "--port", "0", "-t", "1", *words],
                                            env=home.env, stdout=log, stderr=subprocess.STDOUT)
        Server.alive.add(self)
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
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.process.wait()
        finally:
            Server.alive.discard(self)

    @contextlib.contextmanager
    def held(self):
        """It does nothing meanwhile."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()
        Server.alive.discard(self)

    def words(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()


class Page:
    """The page in a browser, as a person uses it."""

    def __init__(self, driver, server):
        self.d, self.server, self.url = driver, server, server.url

    def open(self, address="/"):
        self.d.get(self.url + address)
        self.ready()

    def reload(self):
        self.d.refresh()
        self.ready()

    def ready(self):
        self.wait(lambda: self.js("return document.documentElement.dataset.ready"), "the page")

    def until(self, what, good):
        """what()'s value, as soon as it is good; whatever it is after 700 looks, a minute at least."""
        value = None
        for turn in range(700):
            try:
                value = what()
                if good(value):
                    break
            except WebDriverException as error:  # an element that was drawn anew, or is covered
                if browser.gone(error):
                    raise
                value = None
            time.sleep(0.02 if turn < 100 else 0.1)
        return value

    def wait(self, what, name):
        value = self.until(what, bool)
        if not value:
            ok(False, f"waiting for {name}", self.js("return document.body.innerText")[-1500:])
            raise TimeoutError(name)
        return value

    def equal(self, what, wanted, name):
        """A verdict: what() becomes equal to what is wanted."""
        return equal(self.until(what, lambda value: value == wanted), wanted, name)

    def ok(self, what, name):
        """A verdict: what() becomes true."""
        return ok(self.until(what, bool), name, self.js("return document.body.innerText")[-1500:])

    def first(self, what, act, name):
        """What act does with the element that a selector, or a function, gives first, as soon as it can be done."""
        self.wait(lambda: [act(e) or True for e in (what() if callable(what) else self.all(what))[:1]], f"{name} {what}")

    def click(self, what):
        self.first(what, lambda e: e.click(), "a click on")

    def type(self, what, *keys, instead=False):
        if instead:
            self.first(what, lambda e: e.clear(), "emptying")
        self.first(what, lambda e: e.send_keys(*keys), "writing to")

    def quick(self, what, limit, name):
        """A verdict: what(), a time, is below the limit, in the best of some tries."""
        best = what()
        for _ in range(9):
            if best < limit:
                break
            best = min(best, what())
        ok(best < limit, f"{name}: {best:.0f} ms", f"{limit} ms at most, in the best of ten tries")

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
        self.click(lambda: self.all(f"[data-do={name}]")[-1 if last else 0:])

    def idle(self):
        """Nothing is being written, and all is saved."""
        self.wait(lambda: self.js("return document.getElementById('stop').hidden && "
                                  "!localStorage.getItem('glass.outbox') && "
                                  "!document.querySelector('.message.busy')"), "rest")

    def say(self, text):
        self.say_only(text)
        self.wait(lambda: any(t.strip() == text.strip() for t in self.text(".user .body")), text)
        self.idle()

    def say_only(self, text):
        self.type("#input", text, Keys.ENTER)

    def answers(self):
        return self.text(".assistant .body")

    def fresh(self, model):
        self.click("#new")
        self.wait(lambda: not self.all("article"), "an empty page")
        self.js("const m = document.getElementById('model'); m.value = arguments[0];"
                "m.dispatchEvent(new Event('change'))", model)

    def setting(self, name, value):
        if self.js("return document.getElementById('panel').hidden"):
            self.click("#open-settings")
        self.type("#set-" + name, value, Keys.TAB, instead=True)
        conversation = re.search("/c/(.*)", self.d.current_url)
        if conversation:  # one that the server has: it takes the setting first
            path = "/glass/conversations/" + conversation[1]
            self.wait(lambda: str(call_get(self, path)["settings"].get(name)) == value, f"{name} to be kept")

    def focused(self):
        return self.js("const e = document.activeElement; return e.id || e.dataset.do || "
                       "e.getAttribute('aria-label') || e.textContent")

    def errors(self):
        """What the page had the browser write into its log; chromium's own pages write there, too."""
        return [e["message"] for e in self.d.get_log("browser") if not e["message"].startswith("chrome://")]


def loads(p):
    p.open()
    kinds = p.js("return performance.getEntriesByType('resource').concat(performance."
                 "getEntriesByType('navigation')).map(e => [e.name, e.encodedBodySize])")
    ok(all(n.startswith(p.url) for n, _ in kinds), "every request goes to the server itself", kinds)
    size = sum(b for _, b in kinds)
    ok(10000 < size < 80000, f"all together {size} bytes, under 80 KB", kinds)
    def paint():
        p.open()
        return p.wait(lambda: p.js("return performance.getEntriesByName('first-contentful-paint').map(e => e.startTime)[0]"),
                      "the first paint")
    p.quick(paint, 1000, "the first paint")
    p.equal(p.focused, "input", "one can write at once")
    equal(p.errors(), [], "nothing in the browser's log")


def chats(p):
    p.fresh("abc")
    p.say("Hello")
    equal(p.answers(), [ABC], "an answer, streamed")
    equal(p.text("#title"), ["Hello"], "the conversation's title")
    ok("/c/" in p.d.current_url, "an address of its own", p.d.current_url)
    p.say("Again")
    equal(p.answers(), [ABC, ABC], "a second turn")
    p.reload()
    p.equal(lambda: p.text(".user .body"), ["Hello", "Again"], "a reload keeps the conversation")
    p.equal(p.answers, [ABC, ABC], "and its answers")


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
    p.equal(lambda: p.text(".assistant .branches span"), ["2/2"], "beside the old one")
    p.do("before")
    p.equal(p.answers, [first], "the old one is there")
    p.equal(lambda: p.text(".assistant .branches span"), ["1/2"], "and is the first")
    p.do("edit")
    p.type(".user textarea", "Roll again", Keys.ENTER, instead=True)
    p.wait(lambda: p.text(".user .body") == ["Roll again"], "the edited message")
    p.idle()
    p.equal(lambda: p.text(".user .branches span"), ["2/2"], "an edit makes a branch")
    p.do("before", last=False)
    p.equal(lambda: (p.text(".user .body"), p.answers()), (["Roll"], [first]), "the way it was before")
    p.reload()
    p.wait(lambda: p.answers() == [first], "the branch that was shown, after a reload")
    p.do("after", last=False)
    p.equal(lambda: p.text(".user .body"), ["Roll again"], "and the others")


def stops(p):
    p.fresh("slow")
    p.type("#input", "On and on", Keys.ENTER)
    p.wait(lambda: p.answers() and len(p.answers()[0]) > 3, "some letters")
    with p.server.held():  # else it might be at its end first
        p.click("#stop")
        p.wait(lambda: not p.one("#stop").is_displayed(), "the end of the answer")
    p.idle()
    n = len(p.answers()[0])
    time.sleep(0.3)
    equal(len(p.answers()[0]), n, "stop ends the answer")
    has(p.text(".assistant .meta")[0], "Stopped", "and says so")
    p.reload()
    p.wait(lambda: p.answers() and len(p.answers()[0]) == n, "what was written is kept")
    # A reload in the midst of an answer keeps what came so far.
    p.do("retry")
    p.wait(lambda: p.text(".assistant .branches span") == ["2/2"] and len(p.answers()[0]) > 3, "some letters")
    p.reload()
    p.ok(lambda: "Interrupted" in p.text(".assistant .meta")[0] and len(p.answers()[0]) > 3, "an answer that was cut off by a reload")
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
    p.wait(lambda: p.text(".assistant .branches span") == ["1/2"], "the first answer")
    equal(p.answers()[0], now, "same seed, same answer")
    p.reload()
    p.click("#open-settings")
    p.equal(lambda: [p.one("#set-" + n).get_attribute("value") for n in
                     ("max_tokens", "temperature", "system", "seed")], ["7", "0.5", "Be brief.", "5"],
            "settings are kept with the conversation")
    p.type("#set-top_p", "7", Keys.TAB)
    p.ok(lambda: p.js("return !document.querySelector('#set-top_p').checkValidity()"),
         "a value outside its range is refused")
    p.keys(Keys.ESCAPE)
    p.ok(lambda: p.js("return document.getElementById('panel').hidden"), "Escape closes the panel")


def glass_view(p):
    p.fresh("dice")
    p.setting("max_tokens", "8")
    p.say("See")
    p.click("#glass")
    p.equal(lambda: len(p.all(".tokens .token")), 8, "a part for each token")
    tokens = p.all(".tokens .token")
    has(tokens[2].get_attribute("aria-label"), "3.8 %", "its probability: 1 in 26")
    answer = "".join(t.text for t in tokens)
    p.click(".tokens .token[data-i='3']")
    rows = p.wait(lambda: p.text("#panel tbody tr"), "alternatives")
    ok(len(rows) >= 6 and "all others" in rows[-1], "alternatives", rows)
    take = [b for b in p.all("#panel tbody button") if answer[3] not in b.get_attribute("aria-label")[-1]]
    letter = take[0].get_attribute("aria-label")[-1]
    p.click(lambda: take)
    p.wait(lambda: p.text(".assistant .branches span") == ["2/2"], "a new version")
    p.idle()
    new = "".join(t.text for t in p.all(".tokens .token"))
    ok(new.startswith(answer[:3] + letter), "the answer goes on from the alternative", (answer, letter, new))
    # Inside: each layer's prediction, and what it looked at.
    p.click(".tokens .token[data-i='5']")
    p.click("#panel section button")
    rows = p.wait(lambda: p.all("#panel .layers tbody tr"), "the layers")
    equal([r.find_element(By.TAG_NAME, "th").text for r in rows], [str(i) for i in range(len(rows))], "a row for each layer")
    has(rows[-1].text, "3.8 %", "the last one says what the answer's token had")
    prompt = "<|im_start|>user\nSee<|im_end|>\n<|im_start|>assistant\n"
    equal("".join(t.get_attribute("textContent") for t in p.all("#panel .strip .token")), prompt + new[:5],
          "attention to the prompt and the answer before it")
    p.click("#panel select[aria-label=Layer] option:nth-child(2)")
    asked = ("return performance.getEntriesByType('resource').filter(e => e.name.endsWith('/inspect') && e.responseEnd > 0).length")
    n = p.js(asked)
    p.click("#panel select[aria-label=Head] option:nth-child(2)")
    p.wait(lambda: p.js(asked) == n + 1, "that head")
    p.equal(lambda: len(p.all("#panel .strip .token")), len(prompt) - 12 - 10 - 12 + 3 + 5, "one head alone")
    ok(not p.all("#panel .bad"), "without an error")
    p.ok(lambda: p.js("return document.documentElement.scrollHeight <= innerHeight"), "the panel scrolls, the page does not")
    # By keys alone: arrows from token to token, Enter for the alternatives.
    p.js("document.querySelector('.tokens .token').focus()")
    p.keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ENTER)
    p.wait(lambda: "3 of" in p.one("#panel").text, "the third token")
    p.reload()
    p.equal(lambda: "".join(p.text(".tokens .token")), new, "tokens and the view are kept")
    p.click("#glass")


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
    def grown():
        ms, shown, size = p.d.execute_async_script(
            "const done = arguments[arguments.length - 1]; import('/web/markdown.js').then(m => { const e = document.createElement('div');"
            "let s = '```c\\n'; const t = performance.now(); for (let i = 0; i < 20; i++) { s += 'int x = 1; // a line of code\\n'.repeat(1700); m.show(e, s); }"
            "done([performance.now() - t, e.querySelector('pre').textContent.length, s.length]) })")
        return ms if shown >= size - 6 > 900000 else float("inf")
    p.quick(grown, 5000, "a megabyte of code, grown in 20 steps")


def other_model(p):
    p.fresh("abc")
    p.say("First")
    p.js("const m = document.getElementById('model'); m.value = 'dice'; m.dispatchEvent(new Event('change'))")
    p.wait(lambda: call_get(p, "/glass/conversations/" + p.d.current_url.rsplit("/", 1)[1])["model"] == "dice", "the choice to be kept")
    p.setting("max_tokens", "5")
    p.say("Second")
    ok(p.answers()[0] == ABC and re.fullmatch("[a-z]{5}", p.answers()[1]), "another model goes on", p.answers())
    meta = p.text(".assistant .meta")
    ok("abc" in meta[0] and "dice" in meta[1], "each answer names its model", meta)
    p.reload()
    p.wait(lambda: len(p.answers()) == 2, "the conversation")
    p.equal(lambda: p.js("return document.getElementById('model').value"), "dice", "the choice is kept")


def call(p, method, path, body):
    r = urllib.request.Request(p.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(r, timeout=60) as reply:
        return json.load(reply)


def long_one(p):
    call(p, "POST", "/glass/conversations", {"id": "long", "title": "A long one", "model": "abc", "settings": {}})
    words = "Some **text** with `code`, a [link](https://a.example) and more of it. " * 4 + "\n\n```python\nprint(1)\n```\n"
    for i in range(500):
        call(p, "PUT", f"/glass/conversations/long/messages/m{i}",
             {"version": 1, "parent": f"m{i - 1}" if i else None, "role": "assistant" if i % 2 else "user",
              "content": words if i % 2 else f"Question {i}", "state": "done", "leaf": True})
    def opened():
        p.click("#new")
        p.wait(lambda: not p.all("article"), "an empty page")
        begun = time.monotonic()
        p.js("location.hash = '#/c/long'")
        p.wait(lambda: p.js("return document.querySelectorAll('article').length") == 500, "500 messages")
        return 1000 * (time.monotonic() - begun)
    p.quick(opened, 5000, "500 messages open")

    def frame():
        p.js("window.kept = document.querySelector('[data-id=m1] [data-do=retry]'); window.frames_ = []; let l = performance.now();"
             "(function go() { const n = performance.now(); window.frames_.push(n - l); l = n; window.going = requestAnimationFrame(go); })()")
        p.type("#input", "One more question of some length", instead=True)
        p.js("cancelAnimationFrame(window.going)")
        frames = sorted(p.js("return window.frames_"))
        print(f"# {len(frames)} frames, the slowest {frames[-1]:.0f} ms")
        return frames[len(frames) // 2]
    p.quick(frame, 50, "writing in it, a frame")
    p.keys(Keys.ENTER)
    p.wait(lambda: any("positions" in t for t in p.text(".message:last-child .meta")), "an error that says both numbers")
    p.idle()
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
    p.click("#feedback-dialog input[name=consent]")
    p.click("#feedback-dialog [value=yes]")
    ok(p.all("#feedback-dialog"), "consent without a name is refused")
    p.type("#feedback-dialog input[name=author]", "Ada Lovelace")
    p.type("#feedback-dialog textarea[name=comment]", "short")
    p.click("#feedback-dialog [value=yes]")
    p.wait(lambda: p.all("[data-do=good][aria-pressed=true]"), "the thumb")
    p.do("correct")
    p.type("#feedback-dialog textarea[name=text]", "as it should be", instead=True)
    p.click("#feedback-dialog input[name=consent]")
    p.click("#feedback-dialog [value=yes]")
    p.wait(lambda: p.answers() == ["as it should be"], "the correction")
    p.idle()
    p.do("compare")
    p.wait(lambda: not p.one("#compare-dialog [value='1']").get_attribute("disabled"), "two answers")
    sides = p.text("#compare-dialog .body")
    p.click("#compare-dialog [value='1']")
    p.wait(lambda: p.answers() == [sides[1]], "the chosen one")
    p.idle()
    p.equal(lambda: p.text(".assistant .branches span"), ["3/4"], "all four are there")
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
        equal(line.get("model", {}).get("sha256"), hashlib.sha256(f.read()).hexdigest(),
              "and the model by its hash")
    ratings = [json.loads(l) for l in home.run("feedback", "export", "--ratings").out.splitlines()]
    equal([(r["label"], r["completion"][0]["content"], r["comment"]) for r in ratings],
          [(True, answer, "short")], "thumbs apart")
    p.reload()
    p.wait(lambda: p.all("[data-do=compare]"), "the conversation")


def listing(p, home):
    search = "const s = document.getElementById('search'); s.value = arguments[0]; s.dispatchEvent(new Event('input'))"
    p.type("#search", "AGAIN")
    p.wait(lambda: p.text("#list a") and len(p.text("#list a")) < 4 and "Hello" in "".join(p.text("#list a")), "search")
    p.ok(lambda: any("Again" in t for t in p.text("#list small")), "the place is shown")
    p.js(search, "")
    p.wait(lambda: len(p.text("#list a")) >= 5, "all again")

    def menu(of, *keys):
        p.click(lambda: [b for b in p.all("#list button.icon") if of in b.get_attribute("aria-label")])
        p.keys(*keys)
    menu("Hello", Keys.ENTER)
    p.type("dialog input[name=title]", "A new name", Keys.ENTER, instead=True)
    p.wait(lambda: "A new name" in p.text("#list a"), "the new name")
    menu("A new name", Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER)
    path = os.path.join(home.path, "A-new-name.json")
    p.wait(lambda: os.path.exists(path), "the exported file")
    with open(path, encoding="utf-8") as f:
        data = json.load(f)
    equal([m["content"] for m in data["messages"]], ["Hello", ABC, "Again", ABC], "exported whole")
    n = len(p.text("#list a"))
    menu("A new name", Keys.END, Keys.ENTER)
    p.click("#delete-dialog [value=yes]")
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
    p.reload()
    p.wait(lambda: "From the first" in p.text(".user .body"), "after a reload")
    found = p.text(".user .body")
    if p.all(".user [data-do=before]"):
        p.do("before")
    p.ok(lambda: "From the second" in found + p.text(".user .body"), "two tabs lose no message")
    p.d.switch_to.window([w for w in p.d.window_handles if w != first][0])
    p.d.close()
    p.d.switch_to.window(first)


def offline(p):
    p.fresh("abc")
    p.say("Before")
    p.d.set_network_conditions(offline=True, latency=0, throughput=0)
    p.type("#input", "Meanwhile", Keys.ENTER)
    p.wait(lambda: "cannot be reached" in p.one("#banner").text, "a word about it")
    p.ok(lambda: "wait in this browser" in p.one("#banner").text, "nothing is lost")
    p.equal(lambda: p.text(".user .body"), ["Before", "Meanwhile"], "the message is shown")
    p.d.delete_network_conditions()
    p.js("window.dispatchEvent(new Event('online'))")
    p.idle()
    p.wait(lambda: not p.one("#banner").is_displayed(), "the word to go")
    p.do("retry")
    p.wait(lambda: p.answers()[-1:] == [ABC], "the answer")
    p.idle()
    p.reload()
    p.wait(lambda: p.text(".user .body") == ["Before", "Meanwhile"], "all was saved")
    ok(True, "what was written without a connection is saved later")
    # Even if the tab is closed meanwhile.
    address, old = p.d.current_url, p.d.current_window_handle
    p.d.switch_to.new_window("tab")
    new = p.d.current_window_handle
    p.d.switch_to.window(old)
    p.d.set_network_conditions(offline=True, latency=0, throughput=0)
    p.type("#input", "And closed", Keys.ENTER)
    p.wait(lambda: "cannot be reached" in p.one("#banner").text, "a word about it")
    p.d.close()
    p.d.switch_to.window(new)
    p.d.delete_network_conditions()
    p.d.get(address)
    p.ready()
    p.wait(lambda: "And closed" in p.text(".user .body"), "what was written before the tab was closed")
    p.idle()
    p.reload()
    p.wait(lambda: "And closed" in p.text(".user .body"), "on the server, too")
    ok(True, "or once the page is opened again")
    p.errors()  # the browser's own words about the connection


def keyboard(p):
    p.chord(Keys.CONTROL, Keys.SHIFT, "o")
    p.equal(p.focused, "input", "Ctrl+Shift+O: a new conversation")
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
    p.equal(p.focused, "set-system", "Alt+S: settings")
    p.keys(Keys.ESCAPE)
    p.chord(Keys.CONTROL, "k")
    p.equal(p.focused, "search", "Ctrl+K: search")
    p.keys(Keys.ARROW_DOWN, Keys.ENTER)
    p.wait(lambda: p.focused() is not None, "a focus")
    p.chord(Keys.ALT, "g")
    p.equal(lambda: p.one("#glass").get_attribute("aria-pressed"), "true", "Alt+G: glass view")
    p.chord(Keys.ALT, "g")


def narrow(p):
    p.d.set_window_size(500, 800)
    p.d.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                        {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True})
    p.open()
    p.ok(lambda: p.js("return document.documentElement.scrollWidth <= 360"), "nothing is wider than a phone")
    p.ok(lambda: not p.one("#side").is_displayed(), "the list is out of the way")
    p.click("#side-open")
    p.wait(lambda: p.one("#side").is_displayed(), "the list")
    p.click("#new")
    p.wait(lambda: not p.one("#side").is_displayed(), "the list gone again")
    p.say("Small")
    equal(p.answers()[-1:], [ABC], "and one can talk")
    p.click("#open-settings")
    p.ok(lambda: p.one("#panel").is_displayed() and p.js("return document.documentElement.scrollWidth <= 360"),
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
    p.quick(lambda: max(p.d.execute_async_script(run, s, "")[1] for s in SLOW), 2000, "the slowest of some hostile texts")
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
    kept = lambda: call_get(p, "/glass/conversations/" + p.d.current_url.rsplit("/", 1)[1])["messages"][-1]
    p.wait(lambda: kept()["role"] == "assistant" and len(kept()["content"]) > 3, "some of it kept")  # every three seconds
    server.kill()
    p.wait(lambda: "broke off" in "".join(p.text(".assistant .meta")), "the answer's end")
    shown = p.answers()[0]
    p.ok(lambda: p.one("#banner").is_displayed(), "what could not be saved is told")
    port = server.url.rsplit(":", 1)[1]
    again = Server(home, "slow", "--port", port)
    equal(again.url, server.url, "the server again")
    stored = kept()["content"]
    ok(3 < len(stored) <= len(shown) and shown.startswith(stored), "it kept what it had acknowledged", (stored, shown))
    p.wait(lambda: p.js("return !localStorage.getItem('glass.outbox')"), "what waited")
    p.reload()
    p.wait(lambda: p.answers() == [shown], "all that was shown")
    ok(True, "and gets the rest from the page")
    p.do("continue")
    p.wait(lambda: len(p.answers()[0]) > len(shown) + 3, "more")
    p.keys(Keys.ESCAPE)
    p.wait(lambda: p.js("return document.getElementById('stop').hidden"), "rest")
    p.idle()
    text = p.answers()[0]
    equal(text, (ABC * 2000)[:len(text)], "and it goes on from there")
    equal(again.stop(), 0, "the server ends well")
    p.errors()


def call_get(p, path):
    with urllib.request.urlopen(p.url + path, timeout=60) as reply:
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


def trained(home):
    """The folder of a small run with its trace index and records; one of its documents has words that abc says."""
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
    return f"{folder}/a.run"


def sources(p, home):
    """A real run: trained, indexed, and an answer whose words it read."""
    server = Server(home, "abc", "--trace", trained(home))
    if not server.url:
        ok(False, "glass serve --trace RUN", server.words())
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


def log(p):
    equal(p.errors(), [], "nothing in the browser's log")


def with_key(p, home):
    server = Server(home, "abc", "--api-key", "open-sesame")
    p.url = server.url
    p.d.get(p.url + "/")
    p.type("#key-dialog input[name=key]", "wrong", Keys.ENTER)
    p.wait(lambda: p.one("#key-dialog input[name=key]").get_attribute("value") == "", "asked again")
    p.type("#key-dialog input[name=key]", "open-sesame", Keys.ENTER)
    p.ready()
    p.wait(lambda: p.one("#model").text.strip(), "the models")
    p.say("With a key")
    p.equal(p.answers, [ABC], "a server that wants a key gets it")
    equal(server.stop(), 0, "the server ends well")


PARTS = ((loads, 0), (chats, 0), (branches, 0), (stops, 0), (settings, 0), (glass_view, 0), (halves, 0), (feedback, 1), (listing, 1),
         (two_tabs, 0), (offline, 0), (keyboard, 0), (markdown, 0), (scripts_of_the_world, 0), (huge, 0), (other_model, 0), (long_one, 0),
         (restart, 1), (sources, 1), (narrow, 0), (log, 0), (with_key, 1))


def run(home, server):
    """All parts, one after another. If it is the browser that ends, a part has another one, once."""
    d = browser.start(home.path)
    try:
        for part, wants_home in PARTS:
            begun = time.monotonic()
            for turn in range(2):
                p = Page(d, server)
                try:
                    if turn:
                        p.open()
                    part(p, *[home][:wants_home])
                except (WebDriverException, browser.HTTPError, OSError, LookupError, ValueError) as error:
                    if not turn and browser.gone(error):
                        print(f"# {part.__name__}: another browser, since {type(error).__name__}: {error}"[:500], flush=True)
                        d.service.stop()
                        d = browser.start(home.path)
                        continue
                    ok(False, part.__name__ + " to its end", f"{type(error).__name__}: {error}"[:500])
                break
            print(f"# {part.__name__}: {time.monotonic() - begun:.1f} s", flush=True)
    finally:
        d.service.stop()


def test(home):
    for name, kind, more in (("abc", "abc", {}), ("dice", "dice", {}),
                             ("slow", "forever", {"layers": SLOW_LAYERS, "n_ctx": 4096})):
        tiny_model.write(f"{home.models}/{name}.gguf", kind=kind, **more)
    server = Server(home, "abc", "dice", "slow")
    if not server.url:
        ok(False, "glass serve starts", server.words())
        return
    try:
        run(home, server)
        equal(server.stop(), 0, "and so does the first one")
    except browser.NoBrowser as reason:
        kit.skip("the page in a browser", reason)
    except browser.Ended as reason:
        ok(False, "the page's test to its end", reason)
    finally:
        for left in list(Server.alive):
            left.kill()


def main():
    if browser.missing():
        kit.skip("the page in a browser", browser.missing())
    else:
        browser.bounded()
        with kit.Home() as home:
            test(home)
    kit.done()


if __name__ == "__main__":
    main()
