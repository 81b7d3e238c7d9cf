"""Tools with the official `openai` client, answered inside the building."""

import json

import openai
import pytest
from box import Box

DOSE = {
    "type": "function",
    "function": {
        "name": "dose",
        "description": "용량",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {
                "dose_mg": {"type": "integer", "minimum": 1, "maximum": 500},
                "route": {"type": "string", "enum": ["oral", "경구"]},
            },
            "required": ["dose_mg", "route"],
            "additionalProperties": False,
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "clock"}}
QUESTION = {"role": "user", "content": "Who helps the patient?"}
NAMED = {"type": "function", "function": {"name": "dose"}}
ALLOWED = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NAMED]}}


@pytest.fixture
def tool_box(cloud):
    box = Box(cloud, tools=True)
    yield box
    assert box.stop() == 0


@pytest.fixture
def outage(cloud, tool_box):
    """A client whose cloud has gone and whose standby has tools."""
    cloud.refuse()
    tool_box.until_state("offline")
    with openai.OpenAI(base_url=tool_box.base_url, api_key=tool_box.key, max_retries=0, timeout=60) as client:
        yield client


def create(client, messages=(QUESTION,), **options):
    options = {"tools": [DOSE, CLOCK], "parallel_tool_calls": False, "temperature": 0} | options
    return client.chat.completions.create(model="assistant", messages=list(messages), **options)


def assert_is_dose(name, arguments):
    assert name == "dose"
    arguments = json.loads(arguments)
    assert arguments.keys() == {"dose_mg", "route"}
    assert 1 <= arguments["dose_mg"] <= 500 and arguments["route"] in ("oral", "경구")


def collected(chunks):
    """The calls of a stream, put together as clients do it, with the other fields in the order in which they came."""
    calls, reasons, content = {}, [], ""
    for chunk in chunks:
        for choice in chunk.choices:
            content += choice.delta.content or ""
            if choice.finish_reason:
                reasons.append(choice.finish_reason)
            for piece in choice.delta.tool_calls or []:
                call = calls.setdefault(piece.index, {"id": None, "name": None, "arguments": ""})
                if piece.id:
                    assert call["id"] is None, "a call begins once"
                    call["id"], call["name"] = piece.id, piece.function.name
                call["arguments"] += piece.function.arguments or ""
    return calls, reasons, content


@pytest.mark.parametrize("choice", [NAMED, ALLOWED], ids=["named", "allowed"])
def test_a_named_function_is_called(outage, choice):
    answer = create(outage, tool_choice=choice).choices[0]
    assert answer.finish_reason == "tool_calls" and answer.message.content is None
    [call] = answer.message.tool_calls
    assert call.type == "function" and call.id
    assert_is_dose(call.function.name, call.function.arguments)
    chunks = list(create(outage, tool_choice=choice, stream=True))
    calls, reasons, content = collected(chunks)
    assert reasons == ["tool_calls"] and content == "" and list(calls) == [0]
    assert calls[0]["id"] and calls[0]["id"] != call.id
    assert_is_dose(calls[0]["name"], calls[0]["arguments"])
    assert chunks[0].model_extra["genset"]["route"] == "local"
    assert len([chunk for chunk in chunks if chunk.choices and chunk.choices[0].delta.tool_calls]) > 2


def test_one_of_the_functions_is_called_where_one_is_required(outage):
    for options in ({}, {"extra_headers": {"x-genset-mode": "committed"}}):
        calls, reasons, content = collected(create(outage, tool_choice="required", stream=True, **options))
        assert reasons == ["tool_calls"] and content == ""
        call = calls[0]
        if call["name"] == "clock":
            assert json.loads(call["arguments"]) == {}
        else:
            assert_is_dose(call["name"], call["arguments"])


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_a_model_that_may_answer_in_words_does(outage, choice):
    call = {"id": "call_of_a_cloud", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    conversation = [
        QUESTION,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_of_a_cloud", "content": "9:00"},
    ]
    answer = create(outage, conversation, tool_choice=choice, max_tokens=40).choices[0]
    assert answer.message.content and not answer.message.tool_calls
    assert answer.finish_reason in ("stop", "length")
    calls, reasons, content = collected(create(outage, conversation, tool_choice=choice, max_tokens=40, stream=True))
    assert not calls and content and reasons


def test_half_a_call_is_an_error(outage):
    with pytest.raises(openai.BadRequestError) as refused:
        create(outage, tool_choice=NAMED, max_tokens=10)
    assert refused.value.code == "tool_call_cut" and refused.value.param == "max_tokens"
    with pytest.raises(openai.APIError) as cut:
        list(create(outage, tool_choice=NAMED, max_tokens=10, stream=True))
    assert "max_tokens" in str(cut.value)


def test_a_standby_without_tools_says_so(cloud, box, client):
    cloud.refuse()
    box.until_state("offline")
    with pytest.raises(openai.APIStatusError) as refused:
        create(client)
    assert refused.value.status_code == 503 and refused.value.code == "standby_lacks"
    assert "tools" in refused.value.message
    assert create(client, tool_choice="none").choices[0].message.content, "who forbids calls needs no tools"


def test_a_malformed_tool_is_refused_by_its_place(cloud, client):
    with pytest.raises(openai.BadRequestError) as refused:
        create(client, tools=[{"type": "function", "function": {}}])
    assert refused.value.param == "tools[0].function.name"
    assert cloud.chats() == 0
