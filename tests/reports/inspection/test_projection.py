import numpy as np
import pytest

from reports.inspection.projection import joint_projection


def test_distances_between_groups_survive_in_a_plane() -> None:
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(10, 2)))[0]
    flat = rng.normal(size=(30, 2)) * (3, 1)
    features = flat @ basis.T
    a, b, explained = joint_projection(features[:20], features[20:])
    np.testing.assert_allclose(
        np.linalg.norm(a[3] - b[4]), np.linalg.norm(flat[3] - flat[24]), rtol=1e-9
    )
    assert sum(explained) == pytest.approx(1)
    assert explained[0] > explained[1]


def test_features_that_are_all_alike() -> None:
    a, b, explained = joint_projection(np.ones((3, 4)), np.ones((2, 4)))
    assert np.isfinite(a).all()
    assert np.isfinite(b).all()
    assert explained == (0.0, 0.0)
