"""The chart's policy that keeps forbidden images from everybody but the operator: without it, and what it says."""

from contextlib import contextmanager

IMAGES = "oms-operator-images-oms-operator"


@contextmanager
def without_images_policy(lab):
    """While it lasts, no policy keeps images away, as with the chart's `policies.create: false`. To be begun before there is an
    upgrade: the API server forgets a policy a moment after it is gone."""
    lab.kubectl("delete", "validatingadmissionpolicybinding", IMAGES)
    try:
        yield
    finally:
        lab.install_operator()


def expect_refusal(lab, words, *act):
    """kubectl does not get through with something, and is told why."""
    code, text = lab.try_kubectl(*act)
    assert code != 0, f"{' '.join(act)} gets through"
    for word in words:
        assert word in text, f"the refusal does not say {word!r}: {text}"
