"""How a recipe says what is quantized: grids in the form that names submodules, and in the form that has a scheme."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparsebuild.modifiers.fields import Fields, whole
from sparsebuild.numerics.quantization_scheme import Grid, Scheme, of_linear
from sparsebuild.registry import did_you_mean

__all__ = ["LEGACY_FORM", "SCHEME_FORM", "legacy_schemes", "overrides", "scheme", "weight_levels"]

SCHEME_FORM = ("scheme", "scheme_overrides", "ignore", "strict")
LEGACY_FORM = (
    "submodules",
    "quantize_embeddings",
    "reduce_range",
    "quantize_linear_activations",
    "quantize_conv_activations",
    "quantize_embedding_activations",
    "activation_bits",
    "weight_bits",
    "exclude_batchnorm",
    "exclude_module_types",
    "custom_quantizable_module_types",
    "activation_qconfig_kwargs",
    "weight_qconfig_kwargs",
    "tensorrt",
)

_FEWEST, _MOST = 4, 8
_LEVELS = (63, 127)
_PARTS = ("input_activations", "weights", "output_activations")
_ALIASES = ("default", "deepsparse", "tensorrt")
_OBSERVERS: Mapping[str, float | None] = {"movingaverageminmaxobserver": 0.01, "minmaxobserver": None}


def legacy_schemes(fields: Fields) -> tuple[Scheme, Scheme, Scheme]:
    """The grids of Linears, of embeddings, and of an attention's operands."""
    is_symmetric = fields.flag("tensorrt", False)
    bits = _bits(fields, "activation_bits") - fields.flag("reduce_range", False)
    momentum = _momentum(fields, "activation_qconfig_kwargs")
    _exact_weights(fields, "weight_qconfig_kwargs")
    activation = Grid(bits=max(bits, _FEWEST), symmetric=is_symmetric, momentum=momentum)
    weight_bits = _bits(fields, "weight_bits")
    if weight_bits < _MOST and fields.has("weight_levels"):
        _check_levels(fields, weight_bits)
    linear = of_linear(Scheme(weights=Grid(bits=weight_bits, symmetric=True, per_channel=True)), weight_levels(fields))
    if bits < _FEWEST:
        fields.problem("reduce_range", f"`reduce_range` leaves {bits} bits, and activations need {_FEWEST}")
    outputs = {
        name: activation if fields.flag(name, False) and not is_symmetric else None
        for name in ("quantize_linear_activations", "quantize_embedding_activations")
    }
    return (
        Scheme(inputs=activation, weights=linear.weights, outputs=outputs["quantize_linear_activations"]),
        Scheme(weights=Grid(bits=weight_bits, symmetric=True), outputs=outputs["quantize_embedding_activations"]),
        Scheme(inputs=activation),
    )


def weight_levels(fields: Fields) -> int:
    """The field `weight_levels`, ours: what 8 bits of a Linear's weight are, 63 levels for every CPU or all 127."""
    levels: int = fields.choice("weight_levels", _LEVELS, _LEVELS[0])
    return levels


def scheme(fields: Fields) -> Scheme:
    """The field `scheme`: a name, or a table of grids; what is left out has its default."""
    value = fields.entry.fields.get("scheme")
    fields.ignored("scheme")
    return _scheme(fields, "scheme", value)


def overrides(fields: Fields) -> tuple[tuple[str, Scheme], ...]:
    """The field `scheme_overrides`: a scheme by the name of a module, and all in it, or by class name."""
    value = fields.entry.fields.get("scheme_overrides")
    fields.ignored("scheme_overrides")
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        fields.problem("scheme_overrides", "`scheme_overrides` must be a table of modules' names or classes to schemes")
        return ()
    return tuple((name, _scheme(fields, f"scheme_overrides.{name}", given)) for name, given in value.items())


def _scheme(fields: Fields, path: str, value: Any) -> Scheme:
    """SparseML's defaults: inputs asymmetric, weights symmetric, both in 8 bits, no outputs.

    In a table that is written a weight without `symmetric` is asymmetric, as there.
    """
    activation, weight = Grid(), Grid(symmetric=True, per_channel=None)
    given: Mapping[str, Any] = {}
    if value == "tensorrt":
        activation = Grid(symmetric=True)
    elif isinstance(value, Mapping):
        given = value
    elif value not in (None, *_ALIASES):
        near = did_you_mean(value, _ALIASES) if isinstance(value, str) else ""
        fields.problem(path, f"`{path}` must be a table or one of {', '.join(_ALIASES)}", near)
    for name in given:
        if name not in (*_PARTS, "target_hardware"):
            near = did_you_mean(name, _PARTS) or f"it has: {', '.join(_PARTS)}"
            fields.problem(f"{path}.{name}", f"a scheme has no `{name}`", near)
    inputs = _grid(fields, f"{path}.input_activations", given, activation)
    weights = _grid(fields, f"{path}.weights", given, weight)
    if weights and weights.bits < _MOST and fields.has("weight_levels"):
        _check_levels(fields, weights.bits)
    return Scheme(inputs=inputs, weights=weights, outputs=_grid(fields, f"{path}.output_activations", given, None))


def _grid(fields: Fields, path: str, scheme: Mapping[str, Any], default: Grid | None) -> Grid | None:
    """One part of a scheme; `null` does not quantize it."""
    part = path.rpartition(".")[2]
    if part not in scheme:
        return default
    given = scheme[part]
    if given is None or given in ("null", "None"):
        return None
    if not isinstance(given, Mapping):
        fields.problem(path, f"`{part}` must be a table such as {{num_bits: 8, symmetric: true}}, or null")
        return default
    for name in given:
        if name not in ("num_bits", "symmetric", "strategy", "kwargs"):
            fields.problem(
                f"{path}.{name}", f"`{part}` has no `{name}`", "it has: num_bits, symmetric, strategy, kwargs"
            )
    is_weight = part == "weights"
    return Grid(
        bits=_whole(fields, f"{path}.num_bits", given.get("num_bits", 8)),
        symmetric=_truth(fields, f"{path}.symmetric", given.get("symmetric", False)),
        per_channel=_per_channel(fields, f"{path}.strategy", given.get("strategy"), is_weight=is_weight),
        momentum=_told_momentum(fields, f"{path}.kwargs", given.get("kwargs"), is_weight=is_weight),
    )


def _per_channel(fields: Fields, path: str, strategy: Any, *, is_weight: bool) -> bool | None:
    if strategy not in (None, "tensor", "channel"):
        fields.problem(path, f"`strategy` must be tensor or channel, found {strategy}")
    if strategy == "channel" and not is_weight:
        message = "`strategy: channel` is for weights: activations have one scale"
        fields.problem(path, message, "write `strategy: tensor`")
    return strategy == "channel" if strategy or not is_weight else None


def _bits(fields: Fields, name: str) -> int:
    value = fields.entry.fields.get(name)
    fields.ignored(name)
    return _whole(fields, name, 8 if value is None else value)


def _whole(fields: Fields, path: str, value: Any) -> int:
    number = whole(value)
    if number is not None and _FEWEST <= number <= _MOST:
        return number
    fields.problem(path, f"`{path.rpartition('.')[2]}` must be from {_FEWEST} to {_MOST}, found {value}")
    return _MOST


def _truth(fields: Fields, path: str, value: Any) -> bool:
    if value not in (0, 1):
        fields.problem(path, f"`{path.rpartition('.')[2]}` must be true or false, found {value}")
    return bool(value)


def _check_levels(fields: Fields, bits: int) -> None:
    levels = fields.entry.fields["weight_levels"]
    if levels != 2 ** (bits - 1) - 1:
        fields.problem("weight_levels", f"`weight_levels: {levels}` does not go with weights of {bits} bits")


def _momentum(fields: Fields, name: str) -> float | None:
    value = fields.entry.fields.get(name)
    fields.ignored(name)
    return _told_momentum(fields, name, value, is_weight=False)


def _exact_weights(fields: Fields, name: str) -> None:
    value = fields.entry.fields.get(name)
    fields.ignored(name)
    _told_momentum(fields, name, value, is_weight=True)


def _told_momentum(fields: Fields, path: str, value: Any, *, is_weight: bool) -> float | None:
    """Of `{observer: …, averaging_constant: …}`, how fast a range follows; a weight's range is always its own."""
    usual = _OBSERVERS["movingaverageminmaxobserver"]
    if value in (None, "null", "None"):
        return usual
    if not isinstance(value, Mapping):
        fields.problem(path, f"`{path.rpartition('.')[2]}` must be a table, such as {{averaging_constant: 0.05}}")
        return usual
    for name in value:
        if name not in ("observer", "averaging_constant"):
            hint = "`observer` and `averaging_constant` are understood; the rounding is our own"
            fields.problem(f"{path}.{name}", f"`{path.rpartition('.')[2]}` with `{name}` is not supported", hint)
    observer = str(value.get("observer", "movingaverageminmaxobserver")).lower()
    if observer not in _OBSERVERS:
        fields.problem(f"{path}.observer", f"`observer` must be one of {', '.join(_OBSERVERS)}, found {observer}")
    constant = value.get("averaging_constant", usual)
    if isinstance(constant, bool) or not isinstance(constant, int | float) or not 0 < constant <= 1:
        fields.problem(
            f"{path}.averaging_constant", f"`averaging_constant` must be more than 0 and at most 1, found {constant}"
        )
        return usual
    return usual if is_weight else None if _OBSERVERS.get(observer, 0.0) is None else float(constant)
