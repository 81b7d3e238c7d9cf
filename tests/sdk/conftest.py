"""One box for the whole run; each test finds it connected and leaves it so."""

import openai
import pytest
from box import Box, FakeCloud


@pytest.fixture(scope="session")
def world():
    cloud = FakeCloud()
    box = Box(cloud)
    yield cloud, box
    assert box.stop() == 0
    cloud.close()


@pytest.fixture
def cloud(world):
    cloud, box = world
    yield cloud
    cloud.restore()
    cloud.say("")
    cloud.pace(5)
    box.until_state("connected")


@pytest.fixture
def box(world):
    return world[1]


@pytest.fixture
def client(box):
    # No retries: the client's own would hide what the box lost.
    with openai.OpenAI(base_url=box.base_url, api_key=box.key, max_retries=0, timeout=30) as client:
        yield client
