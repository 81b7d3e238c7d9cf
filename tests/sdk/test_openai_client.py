"""The official `openai` client against the box, in good times and in an outage."""

import asyncio

import openai
import pytest
from box import is_korean, known_answers

KNOWN = known_answers()
ENGLISH = max((question for question in KNOWN if not is_korean(question + KNOWN[question])), key=lambda q: len(KNOWN[q]))
KOREAN = max((question for question in KNOWN if is_korean(question)), key=lambda q: len(KNOWN[q]))


def messages(question):
    return [{"role": "user", "content": question}]


def ask(client, question, **options):
    """A whole answer: the completion, and the headers that came with it."""
    raw = client.chat.completions.with_raw_response.create(
        model="assistant", messages=messages(question), temperature=0, **options
    )
    return raw.parse(), raw.headers


def stream(client, question, **options):
    """The chunks of a streamed answer, and its text."""
    chunks = list(
        client.chat.completions.create(
            model="assistant", messages=messages(question), temperature=0, stream=True, **options
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    return chunks, text


def finish_reasons(chunks):
    return [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason]


def test_the_cloud_answers_whole(cloud, client):
    completion, headers = ask(client, "Please repeat nonce-sdk-1")
    assert completion.choices[0].message.content.startswith("cloud: ")
    assert "nonce-sdk-1" in completion.choices[0].message.content
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage.completion_tokens > 0
    assert headers["x-genset-route"] == "cloud"
    assert headers["x-genset-served-by"] == "cloud/large"
    assert completion.model_extra["genset"]["route"] == "cloud"


def test_the_cloud_streams(cloud, client):
    chunks, text = stream(client, "Please repeat nonce-sdk-2", stream_options={"include_usage": True})
    assert text.startswith("cloud: ") and "nonce-sdk-2" in text
    assert finish_reasons(chunks) == ["stop"]
    assert chunks[-1].usage.completion_tokens > 0
    assert chunks[0].model_extra["genset"]["served_by"] == "cloud/large"


def test_the_models_are_the_aliases(cloud, client):
    assert "assistant" in [model.id for model in client.models.list()]


@pytest.mark.parametrize("question", [ENGLISH, KOREAN], ids=["english", "korean"])
@pytest.mark.parametrize("fault", ["refuse", "go_silent", "answer_500"])
def test_the_pilot_light_answers_in_an_outage(cloud, client, fault, question):
    getattr(cloud, fault)()
    completion, headers = ask(client, question)
    assert completion.choices[0].message.content == KNOWN[question]
    assert headers["x-genset-route"] == "local"
    assert completion.model == "pilot-light" or completion.model.endswith("/pilot-light")
    chunks, text = stream(client, question)
    assert text == KNOWN[question]
    assert finish_reasons(chunks) == ["stop"]


def test_the_cloud_comes_back(cloud, box, client):
    cloud.refuse()
    box.until_state("offline")
    assert ask(client, ENGLISH)[1]["x-genset-route"] == "local"
    cloud.restore()
    box.until_state("connected")
    assert ask(client, ENGLISH)[1]["x-genset-route"] == "cloud"


@pytest.mark.parametrize("question", [ENGLISH, KOREAN], ids=["english", "korean"])
def test_a_cut_stream_is_finished_by_the_pilot_light(cloud, client, question):
    cloud.say(KNOWN[question])
    cloud.pace(20)
    cloud.cut_streams(4)
    chunks, text = stream(client, question)
    assert text == KNOWN[question]
    assert finish_reasons(chunks) == ["stop"]
    assert chunks[-1].model_extra["genset"]["seam"] > 0


def test_many_asynchronous_clients_lose_nothing_when_the_cloud_goes(cloud, box):
    async def one(client, number):
        completion = await client.chat.completions.create(model="assistant", messages=messages(ENGLISH), temperature=0)
        return completion.choices[0].finish_reason

    async def all_of_them():
        async with openai.AsyncOpenAI(base_url=box.base_url, api_key=box.key, max_retries=0, timeout=30) as client:
            running = [asyncio.create_task(one(client, number)) for number in range(16)]
            await asyncio.to_thread(cloud.refuse)
            return await asyncio.gather(*running)

    assert asyncio.run(all_of_them()) == ["stop"] * 16


def test_errors_are_the_exceptions_that_a_program_expects(cloud, box, client):
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="gsk_wrong").models.list()
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="no-such-alias", messages=messages("Hello"))
    assert "no-such-alias" in str(unknown.value)
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="assistant", messages=[])
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="assistant", messages="not a list")
    with pytest.raises(openai.APIStatusError) as large:
        client.chat.completions.create(model="assistant", messages=messages("long " * 10_000_000))
    assert large.value.status_code == 413
    assert ask(client, "Still there?")[0].choices[0].message.content


def test_stop_strings_and_max_tokens_hold_locally(cloud, client):
    cloud.refuse()
    whole = KNOWN[ENGLISH]
    stop = whole.split()[3]
    completion, _ = ask(client, ENGLISH, stop=[stop])
    assert completion.choices[0].message.content == whole[: whole.index(stop)]
    completion, _ = ask(client, ENGLISH, max_tokens=3)
    assert completion.choices[0].finish_reason == "length"
    assert completion.usage.completion_tokens == 3
