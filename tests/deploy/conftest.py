import pytest

from tests.deploy.chart import VALUES, render


@pytest.fixture(params=VALUES.values(), ids=VALUES)
def objects(request):
    """The chart's objects, rendered with each set of values."""
    return render(request.param)
