"""A box and a cloud for each test: a box remembers its outages for an hour, and holds the cloud down for longer each time."""

import openai
import pytest
from box import Box, FakeCloud


@pytest.fixture
def cloud():
    cloud = FakeCloud()
    yield cloud
    cloud.close()


@pytest.fixture
def box(cloud):
    box = Box(cloud)
    yield box
    assert box.stop() == 0


@pytest.fixture
def client(box):
    # No retries: the client's own would hide what the box lost.
    with openai.OpenAI(base_url=box.base_url, api_key=box.key, max_retries=0, timeout=30) as client:
        yield client
