"""The report in a browser: nothing is asked of the network, all can be reached and read. Skipped without Chromium."""

import importlib.util
from pathlib import Path

import pytest

from sparsebuild.pages.report import page

_spec = importlib.util.spec_from_file_location("browser", Path(__file__).with_name("browser.py"))
chromium = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(chromium)

pytestmark = pytest.mark.skipif(chromium.executable() is None, reason="no Chromium: `make browser`")

# Contrast of every text with what is behind it, as WCAG 2 reckons it: [ratio, text], the five worst. What stands on
# shades of the heat map is for SHADES.
CONTRAST = """
(() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgb = colour => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = colour => colour.slice(0, 3).map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const root = getComputedStyle(document.documentElement);
  const onShades = [rgb(root.getPropertyValue("--on-dark")).join()];
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
    if (!text || element.closest("title") || element.closest(".skip")) continue;
    const style = getComputedStyle(element), isSvg = !!element.closest("svg");
    const ink = rgb(isSvg ? style.fill : style.color);
    const ground = behind(element.closest("svg") || element);
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
    if (!isSvg || !onShades.includes(ink.join())) found.push([(a + .05) / (b + .05), text.slice(0, 40)]);
  }
  return found.sort((x, y) => x[0] - y[0]).slice(0, 5);
})()
"""
# Numbers on the shades of the heat map, and bars on the page.
SHADES = """
(() => {
  const root = getComputedStyle(document.documentElement), of = name => root.getPropertyValue(name).trim();
  const light = hex => [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16) / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
  const shades = [...Array(11).keys()].map(n => ratio(of(`--h${n}`), of(n >= 6 ? "--on-dark" : "--on-light")));
  const bars = [1, 2, 3, 4].map(n => ratio(of(`--s${n}`), of("--paper")));
  return [Math.min(...shades), Math.min(...bars)];
})()
"""
LOOKS = [(1200, False), (1200, True), (375, False), (375, True)]


@pytest.fixture(scope="module")
def address(build, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "index.html"
    path.write_text(page(build()), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module", params=LOOKS, ids=["desktop", "dark", "phone", "dark phone"])
def opened(request, address, tmp_path_factory):
    width, dark = request.param
    with chromium.browser(tmp_path_factory.mktemp("profile"), width, 900, dark) as browser:
        browser.open(address)
        yield browser


def test_the_console_is_silent_and_only_the_page_is_asked_for(opened, address):
    assert opened.told("Log.entryAdded") == []
    assert opened.told("Runtime.consoleAPICalled") == []
    assert opened.told("Runtime.exceptionThrown") == []
    asked = [request["request"]["url"] for request in opened.told("Network.requestWillBeSent")]
    assert [url for url in asked if not url.startswith("data:")] == [address]


def test_the_page_is_as_wide_as_the_screen(opened):
    assert opened.value("document.documentElement.scrollWidth <= innerWidth")


def test_every_text_can_be_read(opened):
    worst = opened.value(CONTRAST)
    assert worst[0][0] >= 4.5, worst
    on_shades, bars = opened.value(SHADES)
    assert on_shades >= 4.5
    assert bars >= 3


def test_style_sheets_colours_reach_the_charts(opened):
    fills = opened.value("[...document.querySelectorAll('svg.chart [fill]')].map(e => getComputedStyle(e).fill)")
    assert len(set(fills)) > 5


def test_everything_can_be_reached_by_the_keyboard(opened):
    wanted = opened.value("document.querySelectorAll('a, summary, [tabindex=\"0\"]').length")
    hidden = opened.value("document.querySelectorAll('details:not([open]) [tabindex=\"0\"]').length")
    name = "(e => e === document.body ? '' : e.className + e.tagName + e.textContent.slice(0, 60))"
    reached = []
    for _ in range(wanted + 2):
        opened.press("Tab", 9)
        reached.append(opened.value(f"{name}(document.activeElement)"))
        if not reached[-1]:
            break
    assert reached[0].startswith("skip")
    assert len([one for one in reached if one]) >= wanted - hidden


def test_a_summary_opens_by_the_keyboard_and_shows_its_numbers(opened):
    opened.value("document.querySelector('summary').focus()")
    opened.press("Enter", 13)
    assert opened.value("new Promise(r => setTimeout(() => r(document.querySelector('details').open), 100))")
