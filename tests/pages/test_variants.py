"""pages/variants.py: the models of one project beside each other, and what was taken out of each network."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from elements import HOSTILE, Elements

from sparsebuild.pages.charts import Point, points
from sparsebuild.pages.report import page
from sparsebuild.pages.variants import Shape

CUT = Shape(whole_layers=3, heads=12, neurons=1536, layers=[(8, 384)] * 3)
WHOLE = Shape(whole_layers=3, heads=12, neurons=1536, layers=[(12, 1536)] * 3)


@pytest.fixture(scope="module")
def plain(varied):
    return page(varied())


def charts(text):
    """What each chart of the section says, by its name."""
    return dict(re.findall(r'<title id="((?:variants|shape)-[\w-]+)-title">(.*?)</title>', text))


def rows(text):
    """The cells of the section's first table."""
    section = text[text.index('<h2 id="variants">') :]
    body = section[section.index("<tbody>") : section.index("</tbody>")]
    return [re.findall(r"<t[hd][^>]*>(?:<bdi>)?(.*?)(?:</bdi>)?</t[hd]>", row) for row in body.split("<tr>")[1:]]


def test_a_project_without_variants_has_no_such_section(build):
    assert "variants" not in [head["id"] for head in Elements(page(build())).all("h2")]


def test_one_model_that_was_cut_is_drawn_before_and_after(build):
    layers = {f"bert.encoder.layer.{i}": {"heads": 8 - i, "neurons": 384} for i in range(2)}
    cut = {"dense": {"layers": 3, "heads": 12, "neurons": 1536}, "layers": layers, "fits_config": False}
    built = build()
    text = page(replace(built, export={**built.export, "cut": cut}))
    assert "network" in [head["id"] for head in Elements(text).all("h2")]
    (said,) = charts(text).values()
    assert "layer 1 has 8 and 384, layer 2 has 7 and 384; 1 layer is gone" in said
    assert "network" not in [head["id"] for head in Elements(page(built)).all("h2")]


def test_the_section_stands_after_size_and_speed_and_styles_nothing_itself(plain):
    found = Elements(plain)
    heads = [head["id"] for head in found.all("h2")]
    assert heads[heads.index("speed") + 1] == "variants"
    ids = [attributes["id"] for _, attributes in found.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert not [tag for tag, attributes in found.found if "style" in attributes]


def test_all_charts_say_what_they_show(plain):
    said = charts(plain)
    assert set(said) == {"variants-time", "variants-size", "shape-0", "shape-1"}
    assert said["variants-time"] == (
        "F1 over milliseconds a batch of 1 × 128, onnxruntime: (no variant) 0.7000 at 9; ffn384 0.7100 at 5; "
        "heads6 0.6800 at 4; dense fp32 0.7500 at 18."
    )
    assert said["shape-1"] == (
        "Of 12 heads and 1,536 neurons that each layer of heads6 had, layer 1 has 6 and 256, layer 2 has 7 and 300; "
        "1 layer is gone."
    )


def test_the_table_has_every_model_and_the_dense_one(plain):
    found = rows(plain)
    assert [row[0] for row in found] == ["(no variant)", "ffn384", "heads6", "dense fp32"]
    assert found[1][1:-1] == ["0.7100", "0.6100", "5.00", "3.60", "16.1 MB", "5.0 MB"]
    assert [row[-1] for row in found] == [
        "all",
        "24 of 36 heads, 1,152 of 4,608 neurons",
        "2 of 3 layers, 13 of 36 heads, 556 of 4,608 neurons",
        "",
    ]
    assert found[3][1:4] == ["0.7500", "", "18.00"]


def test_a_teacher_of_another_shape_is_the_point_of_reference(varied, compared):
    text = page(varied(compared=compared("teacher fp32")))
    assert rows(text)[-1][0] == "teacher fp32"
    assert "teacher fp32 0.7500 at 7." in charts(text)["variants-time"]


def test_without_a_teacher_the_dense_model_is_a_line(varied):
    answers = [{"gold": ["O"], "student": ["O"]}]
    models = {"student": varied().models["student"]}
    text = page(varied(models=models, answers=answers, words=[["a"]]))
    assert charts(text)["variants-size"].endswith("heads6 0.6800 at 15. dense fp32 is at 90.9.")
    assert rows(text)[-1][:3] == ["dense fp32", "", ""]


def test_what_did_not_run_is_not_drawn(varied, compared):
    text = page(varied(compared={**compared(), "timings": []}))
    assert set(charts(text)) == {"variants-size", "shape-0", "shape-1"}
    assert rows(text)[0][3:5] == ["", ""]


def test_whole_networks_are_told_and_not_drawn(varied, candidate):
    text = page(varied(candidates=[candidate("(no variant)", 0.7, WHOLE), candidate("ffn384", 0.71, None)]))
    assert "Nothing was taken out of the network of (no variant): 3 layers of 12 heads and 1,536 neurons each." in text
    assert not [name for name in charts(text) if name.startswith("shape")]
    assert rows(text)[1][-1] == "not known"


def test_hostile_names_are_texts(varied, candidate, compared):
    found = Elements(page(varied(candidates=[candidate(HOSTILE, 0.7, CUT)], compared=compared(HOSTILE))))
    assert not {"script", "img"} & {tag for tag, _ in found.found}
    assert not [key for _, attributes in found.found for key in attributes if key.startswith("on")]
    assert found.text.count("<script>alert(1)</script>") > 3


def test_commands_of_a_variants_own_report_are_its_own(build):
    text = Elements(page(build(variant="ffn384", laid_over=["--profile quick"]))).text
    for command in ("run gate@ffn384 --locked", "run report@ffn384 --locked", "verify --rebuild export@ffn384"):
        assert f"sparsebuild {command} --profile quick" in text


@pytest.mark.parametrize("count", [1, 2, 12])
def test_points_in_one_place_are_drawn_all_the_same(count):
    found = [Point(name=f"variant {n}", x=5.0, y=0.5) for n in range(count)]
    assert points("p", "about", found, {}).count(">variant ") == count


def test_two_processes_write_the_same_bytes(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from conftest import varied; from sparsebuild.pages.report import page\n"
        "sys.stdout.buffer.write(page(varied()).encode())"
    )
    written = []
    for seed in ("1", "2"):
        (tmp_path / seed).mkdir()
        environment = {**os.environ, "PYTHONHASHSEED": seed, "MPLCONFIGDIR": str(tmp_path / seed)}
        command = [sys.executable, "-c", code, str(Path(__file__).parent)]
        written.append(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)
    assert written[0] == written[1]
    assert b"shape-1" in written[0]
