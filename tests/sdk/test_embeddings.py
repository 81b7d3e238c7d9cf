"""Vectors with the official `openai` client, from a model in the building and from a cloud."""

import math

import openai
import pytest
from box import Box


@pytest.fixture
def vector_box(cloud):
    box = Box(cloud, vectors=True)
    yield box
    assert box.stop() == 0


@pytest.fixture
def vectors(vector_box):
    with openai.OpenAI(base_url=vector_box.base_url, api_key=vector_box.key, max_retries=0, timeout=30) as client:
        yield client


def length(vector):
    return math.sqrt(sum(number * number for number in vector))


def test_the_client_reads_vectors_in_both_encodings(vectors):
    texts = ["the ward", "비상 발전기", "the ward"]
    # Without a word the client asks for base64, and makes numbers of it.
    usual = vectors.embeddings.create(model="notes", input=texts)
    plain = vectors.embeddings.create(model="notes", input=texts, encoding_format="float")
    assert usual.model == "embedder" and usual.usage.prompt_tokens == usual.usage.total_tokens > 0
    assert [entry.index for entry in usual.data] == [0, 1, 2]
    for one, other in zip(usual.data, plain.data):
        assert len(one.embedding) == 32 and abs(length(one.embedding) - 1) < 1e-5
        assert all(abs(a - b) < 1e-6 for a, b in zip(one.embedding, other.embedding))
    assert usual.data[0].embedding != usual.data[1].embedding
    assert usual.model_extra["genset"]["served_by"] == "local/embedder"
    one = vectors.embeddings.create(model="notes", input="the ward")
    assert all(abs(a - b) < 1e-5 for a, b in zip(one.data[0].embedding, usual.data[0].embedding))


def test_an_outage_takes_the_clouds_vectors_and_leaves_the_buildings(cloud, vectors, vector_box):
    assert vectors.embeddings.create(model="library", input="the ward").data[0].embedding == [8, 0.5, -0.25]
    cloud.refuse()
    with pytest.raises(openai.APIStatusError) as lost:
        vectors.embeddings.create(model="library", input="the ward")
    assert lost.value.status_code == 503 and "could not be compared" in lost.value.message
    assert vectors.embeddings.create(model="notes", input="the ward").data[0].embedding


def test_what_is_wrong_is_said_in_the_shape_that_the_client_knows(vectors):
    for wrong, param in (({"input": ""}, "input"), ({"input": [[1, 2]]}, "input"), ({"input": "a", "dimensions": 7}, "dimensions")):
        with pytest.raises(openai.BadRequestError) as refused:
            vectors.embeddings.create(model="notes", **wrong)
        assert refused.value.param == param
    with pytest.raises(openai.BadRequestError) as kind:
        vectors.embeddings.create(model="assistant", input="a")
    assert kind.value.code == "wrong_kind"
    with pytest.raises(openai.BadRequestError) as talk:
        vectors.chat.completions.create(model="notes", messages=[{"role": "user", "content": "a"}])
    assert talk.value.code == "wrong_kind" and "/v1/embeddings" in talk.value.message
