"""The uint8 coding of flow has an algebra: these are its laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness.flow.codes import ZERO, decode, encode, mirror, rescale

BOUNDS = st.floats(0.5, 64, width=32)
FIELDS = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5), st.just(2))
FLOWS = FIELDS.flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(-80, 80, width=32))
)
CODES = FIELDS.flatmap(lambda shape: arrays(np.uint8, shape, elements=st.integers(1, 255)))


@given(flow=FLOWS, bound=BOUNDS)
def test_a_round_trip_costs_half_a_step_and_clips_at_the_bound(flow, bound):
    error = np.abs(decode(encode(flow, bound), bound) - np.clip(flow, -bound, bound))
    assert error.max() <= bound / 254 * (1 + 1e-4)


@given(codes=CODES, bound=BOUNDS)
def test_codes_survive_decoding(codes, bound):
    np.testing.assert_array_equal(encode(decode(codes, bound), bound), codes)


@given(bound=BOUNDS)
def test_no_motion_is_exactly_zero(bound):
    still = np.zeros((2, 3, 2), np.float32)
    assert (encode(still, bound) == ZERO).all()
    assert (decode(encode(still, bound), bound) == 0).all()


@given(codes=CODES)
def test_a_mirror_twice_is_no_mirror(codes):
    before = codes.copy()
    np.testing.assert_array_equal(mirror(mirror(codes)), codes)
    np.testing.assert_array_equal(codes, before)


@given(codes=CODES, bound=BOUNDS)
def test_mirroring_commutes_with_decoding(codes, bound):
    seen = decode(codes, bound)[..., ::-1, :] * np.array([-1, 1], np.float32)
    np.testing.assert_array_equal(decode(mirror(codes), bound), seen)


@given(flow=FLOWS, bound=BOUNDS)
def test_mirroring_commutes_with_encoding(flow, bound):
    seen = flow[..., ::-1, :] * np.array([-1, 1], np.float32)
    np.testing.assert_array_equal(mirror(encode(flow, bound)), encode(seen, bound))


@pytest.mark.parametrize(
    ("pixels", "code"), [(20, 255), (-20, 1), (10, 192), (400, 255), (0.07, 128), (19.9, 254)]
)
def test_exact_codes_at_a_bound_of_20_pixels(pixels, code):
    assert encode(np.full((1, 1, 2), pixels, np.float32), 20.0).tolist() == [[[code, code]]]


SCALES = st.floats(0.125, 8, width=32)


@given(codes=CODES, x=SCALES, y=SCALES, bound=BOUNDS)
def test_rescaling_multiplies_displacements_up_to_the_bound(codes, x, y, bound):
    expected = np.clip(decode(codes, bound) * np.float32([x, y]), -bound, bound)
    error = np.abs(decode(rescale(codes, x, y), bound) - expected)
    assert error.max() <= bound / 254 * (1 + 1e-4)


@given(codes=CODES, x=SCALES, y=SCALES)
def test_rescaling_commutes_with_mirroring_and_leaves_stillness(codes, x, y):
    np.testing.assert_array_equal(mirror(rescale(codes, x, y)), rescale(mirror(codes), x, y))
    assert ((rescale(codes, x, y) == ZERO) >= (codes == ZERO)).all()


def test_exact_codes_of_a_picture_of_half_the_width():
    codes = np.array([[[[ZERO + 100, ZERO + 100]]]], np.uint8)
    assert rescale(codes, 0.5, 1.0).tolist() == [[[[ZERO + 50, ZERO + 100]]]]
    assert rescale(codes, 2.0, 1.0).tolist() == [[[[255, ZERO + 100]]]]
