#!/usr/bin/env python3
"""check_accessibility.py AXE_JS - the page's states under axe-core, the accessibility checker; by
hand, since axe-core is no Debian package. AXE_JS is its axe.min.js (PyPI's axe-playwright-python
has it). Prints what it finds, and ends with 1 if anything is moderate, serious or critical."""
import sys

import test_page
from test_page import Keys, Page, Server, browser, kit, tiny_model

RUN = ("const done = arguments[0]; axe.run(document, {resultTypes: ['violations', 'incomplete']})"
       ".then(r => done([r.violations.map(v => [v.id, v.impact, v.help, v.nodes.length, v.nodes[0].html.slice(0, 160),"
       " v.nodes[0].failureSummary]), r.passes.length, r.incomplete.map(v => [v.id, v.nodes.length])]))")


def states(p):
    """The page as it is after each yield; gives its name."""
    p.open()
    yield "empty"
    p.fresh("dice")
    p.setting("max_tokens", "9")
    yield "settings"
    p.keys(Keys.ESCAPE)
    p.say("A question")
    p.do("retry")
    p.wait(lambda: p.text(".assistant .branches span") == ["2/2"], "two answers")
    p.idle()
    yield "a conversation with branches"
    p.do("edit")
    yield "editing"
    p.keys(Keys.ESCAPE)
    p.click("#glass")
    p.wait(lambda: p.all(".tokens .token"), "tokens")
    p.click(".tokens .token[data-i='2']")
    yield "glass view with a token's panel"
    p.click("#panel section button")
    p.wait(lambda: p.all("#panel .layers"), "the layers")
    p.click("#panel select option:nth-child(2)")
    p.wait(lambda: len(p.all("#panel select")) == 2, "heads")
    yield "layers and attention"
    p.keys(Keys.ESCAPE)
    p.click("#glass")
    p.do("bad")
    yield "feedback"
    p.keys(Keys.ESCAPE)
    p.do("compare")
    p.wait(lambda: not p.one("#compare-dialog [value='1']").get_attribute("disabled"), "two answers")
    yield "comparing"
    p.keys(Keys.ESCAPE)
    p.click("#open-preferences")
    yield "preferences"
    p.keys(Keys.ESCAPE)
    p.click("#list button.icon")
    yield "a menu"
    p.keys(Keys.ESCAPE)
    p.js("import('/web/markdown.js').then(m => m.show(document.querySelector('.assistant .body'), arguments[0]))",
         "# A\n\ntext `code` [link](https://a.example)\n\n```c\nint x;\n```\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n> quote\n\n1. one\n   - two")
    yield "Markdown"
    p.fresh("abc")
    p.say("\u0645\u0631\u062d\u0628\u0627")
    p.do("sources")
    p.wait(lambda: p.all("#panel .source"), "sources")
    yield "sources"
    p.keys(Keys.ESCAPE)


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        axe = f.read()
    worst = n_states = n_passes = 0
    with kit.Home() as home:
        tiny_model.write(home.models + "/dice.gguf", kind="dice")
        tiny_model.write(home.models + "/abc.gguf")
        server = Server(home, "dice", "abc", "--trace", test_page.trained(home))
        d = browser.start(home.path)
        try:
            p = Page(d, server)
            for theme in ("light", "dark"):
                for name in states(p):
                    p.js("document.documentElement.dataset.theme = arguments[0]", theme)
                    for width in (1280, 360):
                        d.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                          {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False})
                        d.execute_script(axe)
                        found, passes, unsure = d.execute_async_script(RUN)
                        n_states += 1
                        n_passes += passes
                        for rule, impact, text, n, html, why in found:
                            worst = max(worst, impact in ("moderate", "serious", "critical"))
                            print(f"{theme}, {width} wide, {name}: {impact}: {rule}, {n} times: {text}\n    {html}\n    {why}")
                        for rule, n in unsure:
                            print(f"{theme}, {width} wide, {name}: undecided: {rule}, {n} times")
                    d.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        finally:
            d.service.stop()
            server.stop()
    print(f"{n_states} states, {n_passes} rules passed; {'something' if worst else 'nothing'} moderate or worse")
    sys.exit(worst)


if __name__ == "__main__" and not browser.missing():
    main()
