"""numerics/fake_quant.py: the grid is ONNX's, to the bit."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from onnx import TensorProto, helper

from sparsebuild.numerics.fake_quant import (
    activation_parameters,
    asymmetric_weight_parameters,
    fake_quantize_activation,
    fake_quantize_weight,
    moving_average,
    quantize_weight,
    quantize_weight_asymmetric,
    symmetric_activation_parameters,
    weight_scale,
    widened,
)

FLOATS = st.floats(-1e4, 1e4, width=32, allow_subnormal=False)
TENSORS = arrays.arrays(np.float32, st.integers(1, 40), elements=FLOATS)


@pytest.fixture(scope="module")
def onnx_round_trip():
    """DequantizeLinear(QuantizeLinear(x, scale, zero)) in ONNX Runtime."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    kinds = {"x": (TensorProto.FLOAT, [None]), "s": (TensorProto.FLOAT, []), "z": (TensorProto.UINT8, [])}
    inputs = [helper.make_tensor_value_info(n, *kind) for n, kind in kinds.items()]
    graph = helper.make_graph(nodes, "round_trip", inputs, [helper.make_tensor_value_info("y", 1, [None])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda x, s, z: session.run(["y"], {"x": x, "s": s, "z": z})[0]


@given(x=TENSORS, low=FLOATS, high=FLOATS)
def test_activations_round_as_onnx_does(onnx_round_trip, x, low, high):
    scale, zero = activation_parameters(torch.tensor(low), torch.tensor(high))
    ours = fake_quantize_activation(torch.from_numpy(x), scale, zero).numpy()
    theirs = onnx_round_trip(x, scale.numpy(), zero.numpy().astype(np.uint8))
    assert np.array_equal(ours, theirs)


@given(w=arrays.arrays(np.float32, (3, 7), elements=FLOATS), levels=st.sampled_from([63, 127]))
def test_integers_times_scale_are_the_fake_quantized_weights(w, levels):
    weight = torch.from_numpy(w)
    scale = weight_scale(weight, levels, per_channel=True)
    integers = quantize_weight(weight, scale, levels)
    assert int(integers.abs().max()) <= levels
    assert torch.equal(integers.float() * scale, fake_quantize_weight(weight, scale))


@given(w=arrays.arrays(np.float32, (4, 5), elements=FLOATS))
def test_a_zero_weight_stays_exactly_zero(w):
    weight = torch.from_numpy(w)
    weight[0] = 0.0
    assert bool((fake_quantize_weight(weight, weight_scale(weight, 63, per_channel=True))[0] == 0).all())


def test_seven_bit_products_cannot_overflow_sixteen_bits():
    """Two uint8 x int8 products are added in 16 bits on CPUs without VNNI."""
    assert 255 * 63 * 2 < 2**15 <= 255 * 127 * 2


def test_parameters_by_hand():
    scale, zero = activation_parameters(torch.tensor(-1.0), torch.tensor(4.1))
    assert float(scale) == pytest.approx(5.1 / 255)
    assert float(zero) == 50  # round(1 / 0.02)


def test_a_range_always_holds_zero():
    scale, zero = activation_parameters(torch.tensor(2.0), torch.tensor(5.1))
    assert float(zero) == 0
    assert float(scale) == pytest.approx(5.1 / 255)


def test_the_gradient_passes_inside_the_range_only():
    x = torch.tensor([-5.0, 0.3, 9.0], requires_grad=True)
    fake_quantize_activation(x, *activation_parameters(torch.tensor(-1.0), torch.tensor(1.0))).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 1.0, 0.0]


def test_moving_average_takes_the_first_batch_as_it_is_and_then_one_hundredth():
    running, count = torch.tensor(0.0), torch.tensor(0)
    moving_average(running, torch.tensor(2.0), count, 0.01)
    assert float(running) == 2.0
    moving_average(running, torch.tensor(4.0), count + 1, 0.01)
    assert float(running) == pytest.approx(2.02)


@given(x=TENSORS, low=FLOATS, high=FLOATS)
def test_symmetric_activations_round_as_onnx_does(onnx_round_trip, x, low, high):
    scale, zero = symmetric_activation_parameters(torch.tensor(low), torch.tensor(high))
    ours = fake_quantize_activation(torch.from_numpy(x), scale, zero).numpy()
    assert np.array_equal(ours, onnx_round_trip(x, scale.numpy(), zero.numpy().astype(np.uint8)))


def test_symmetric_parameters_are_sparsemls():
    """max|x| / 127.5 with the zero point 128."""
    scale, zero = symmetric_activation_parameters(torch.tensor(-2.55), torch.tensor(1.0))
    assert float(scale) == pytest.approx(2.55 / 127.5)
    assert float(zero) == 128
    assert float(symmetric_activation_parameters(torch.tensor(-1.5), torch.tensor(1.0), 15)[1]) == 8


@given(x=TENSORS, low=FLOATS, high=FLOATS, bits=st.integers(4, 8), symmetric=st.booleans())
def test_a_grid_has_as_many_levels_as_its_bits(x, low, high, bits, symmetric):
    parameters = symmetric_activation_parameters if symmetric else activation_parameters
    steps = 2**bits - 1
    scale, zero = parameters(torch.tensor(low), torch.tensor(high), steps)
    reference = ((torch.from_numpy(x) / scale).round() + zero).clamp(0, steps)
    assert torch.equal(fake_quantize_activation(torch.from_numpy(x), scale, zero, steps), (reference - zero) * scale)


@given(x=TENSORS)
@settings(deadline=None)  # the first backward pass of a process takes its time
def test_the_gradient_is_that_of_a_clamp_of_levels(x):
    """Passes where the level is one of the grid, and is 0 elsewhere: the straight-through estimator, written out."""
    scale, zero = activation_parameters(torch.tensor(-3.0), torch.tensor(50.0))
    given_x = torch.from_numpy(x).requires_grad_()
    upstream = torch.arange(1.0, len(x) + 1)
    fake_quantize_activation(given_x, scale, zero).backward(upstream)
    level = (given_x.detach() / scale).round() + zero
    assert torch.equal(given_x.grad, torch.where((level >= 0) & (level <= 255), upstream, 0.0))


@pytest.mark.parametrize("zero", [0.0, 7.0, 128.0, 255.0])
@pytest.mark.parametrize("scale", [2.0**-6, 0.013, 3e-8, 1e35])
def test_the_gradient_ends_where_a_level_is_clipped_to_the_bit(scale, zero):
    """Half a level beyond the last one rounds to the even of two: which, is different at each end."""
    borders = np.float32([-zero - 0.5, 255.5 - zero]) * np.float32(scale)
    near = (borders.view(np.int32)[:, None] + np.arange(-3, 4, dtype=np.int32)).view(np.float32)  # neighbours
    x = torch.from_numpy(near).requires_grad_()
    fake_quantize_activation(x, torch.tensor(scale), torch.tensor(zero)).sum().backward()
    level = (x.detach() / scale).round()
    assert torch.equal(x.grad, ((level >= -zero) & (level <= 255 - zero)).float())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_in_half_precision_the_levels_are_those_of_the_file(dtype):
    half = torch.randn(5000, generator=torch.Generator().manual_seed(1)).to(dtype).requires_grad_()
    scale, zero = activation_parameters(torch.tensor(-1.0), torch.tensor(1.3))
    found = fake_quantize_activation(half, scale, zero)
    found.sum().backward()
    level = (half.detach().float() / scale).round() + zero
    assert torch.equal(found.detach(), ((level.clamp(0, 255) - zero) * scale).to(dtype))
    assert torch.equal(half.grad, ((level >= 0) & (level <= 255)).to(dtype))


@given(
    w=arrays.arrays(np.float32, (3, 7), elements=FLOATS),
    bits=st.integers(4, 8),
    per_channel=st.booleans(),
)
def test_asymmetric_integers_are_the_fake_quantized_weights_and_zero_is_zero(w, bits, per_channel):
    weight = torch.from_numpy(w)
    weight[:, 2] = 0.0
    scale, zero = asymmetric_weight_parameters(weight, bits, per_channel)
    integers = quantize_weight_asymmetric(weight, scale, zero, bits)
    assert -(2 ** (bits - 1)) <= int(integers.min()) <= int(integers.max()) < 2 ** (bits - 1)
    rounded = fake_quantize_weight(weight, scale, zero, bits)
    assert torch.equal((integers.float() - zero) * scale, rounded)
    assert bool((rounded[:, 2] == 0).all())
    assert bool(((rounded - weight).abs() <= scale * 1.01 + 1e-6 * weight.abs()).all())


def test_asymmetric_parameters_by_hand():
    """(3 + 1) / 15, and -8 - round(-1 / scale), as torch's affine observers have it."""
    scale, zero = asymmetric_weight_parameters(torch.tensor([[-1.0, 3.0]]), 4, per_channel=True)
    assert float(scale) == pytest.approx(4 / 15)
    assert float(zero) == -8 + 4
    from torch.ao.quantization.observer import MinMaxObserver

    theirs = MinMaxObserver(dtype=torch.qint8, qscheme=torch.per_tensor_affine, quant_min=-8, quant_max=7)
    theirs(torch.tensor([-1.0, 3.0]))
    assert (float(theirs.calculate_qparams()[0]), float(theirs.calculate_qparams()[1])) == (float(scale), float(zero))


@given(w=arrays.arrays(np.float32, (4, 5), elements=FLOATS))
def test_one_scale_for_all_is_that_of_the_largest(w):
    weight = torch.from_numpy(w)
    assert float(weight_scale(weight, 63, per_channel=False)) == max(float(weight.abs().max() / 63), np.float32(1e-12))


def test_a_range_that_only_widens():
    lowest, highest, count = torch.tensor(0.0), torch.tensor(0.0), torch.tensor(0)
    widened(lowest, highest, torch.tensor(1.0), torch.tensor(2.0), count)
    widened(lowest, highest, torch.tensor(-1.0), torch.tensor(1.5), count + 1)
    assert (float(lowest), float(highest)) == (-1.0, 2.0)
