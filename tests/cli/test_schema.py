"""cli/schema.py: the JSON Schema of sparse.toml."""


def test_the_schema_is_json_on_stdout(sparsebuild):
    ran = sparsebuild("schema")
    assert (ran.code, ran.err) == (0, "")
    assert {"project", "model", "teacher", "data", "recipe", "train", "export", "gate"} <= set(ran.json["properties"])
