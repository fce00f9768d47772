"""What transformers renders of chat templates in the style of each family.

    .venv-goldens/bin/python scripts/goldens/chat_templates.py

Writes lib/models/goldens/chat-templates.json { versions, bos, eos, chats { name: { messages, tools } }, templates { name:
source }, cases [ { template, chat, addGenerationPrompt, text } ] }. The templates are this file's own: they have the tokens,
the order and the constructs of a family's format, not the wording of a published template. A template that refuses a chat
has `error` in place of `text`.
"""

from __future__ import annotations

from typing import Any

from transformers import __version__
from transformers.utils.chat_template_utils import render_jinja_template

from common import MODEL_GOLDENS, write_json

Json = dict[str, Any]

LLAMA3 = r"""{{- bos_token }}
{%- if not tools is defined %}{%- set tools = none %}{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content'] | trim %}{%- set rest = messages[1:] %}
{%- else %}
    {%- set system = "" %}{%- set rest = messages %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if tools is not none %}
    {{- "You may call:\n\n" }}
    {%- for tool in tools %}{{- tool | tojson(indent=4) }}{{- "\n\n" }}{%- endfor %}
{%- endif %}
{{- system }}{{- "<|eot_id|>" }}
{%- for message in rest %}
    {%- if message.role == 'tool' or message.role == 'ipython' %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\n\n" }}
        {%- if message.content is mapping or message.content is iterable and message.content is not string %}
            {{- message.content | tojson }}
        {%- else %}{{- message.content }}{%- endif %}
        {{- "<|eot_id|>" }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls | length == 1 %}{{- raise_exception("one call at a time") }}{%- endif %}
        {%- set call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\n\n{"name": "' + call.name + '", "parameters": ' }}
        {{- call.arguments | tojson }}{{- "}" }}{{- "<|eot_id|>" }}
    {%- else %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}
"""

QWEN = r"""{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0]['role'] == 'system' %}{{- messages[0]['content'] }}{%- else %}{{- 'Default.' }}{%- endif %}
    {{- "\n\n<tools>" }}
    {%- for tool in tools %}{{- "\n" }}{{- tool | tojson }}{%- endfor %}
    {{- "\n</tools><|im_end|>\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>system\nDefault.<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}{{- '\n' + message.content }}{%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}{%- set tool_call = tool_call.function %}{%- endif %}
            {{- '\n<tool_call>\n{"name": "' }}{{- tool_call.name }}{{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}{{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\n<tool_response>\n' }}{{- message.content }}{{- '\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|im_end|>\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}
"""

MISTRAL = r"""{%- set default_system_message = 'Default.' %}
{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {{- '[SYSTEM_PROMPT]' + messages[0]['content'] + '[/SYSTEM_PROMPT]' }}{%- set loop_messages = messages[1:] %}
{%- else %}
    {{- '[SYSTEM_PROMPT]' + default_system_message + '[/SYSTEM_PROMPT]' }}{%- set loop_messages = messages %}
{%- endif %}
{%- if tools is defined and tools is not none and tools | length > 0 %}
    {{- '[AVAILABLE_TOOLS]' + (tools | tojson) + '[/AVAILABLE_TOOLS]' }}
{%- endif %}
{%- set ns = namespace(index=0) %}
{%- for message in loop_messages %}
    {%- if message.role == 'user' or (message.role == 'assistant' and (message.tool_calls is not defined or message.tool_calls is none)) %}
        {%- if (message['role'] == 'user') != (ns.index % 2 == 0) %}{{- raise_exception('roles must alternate user and assistant') }}{%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{%- for message in loop_messages %}
    {%- if message['role'] == 'user' %}
        {{- '[INST]' + message['content'] + '[/INST]' }}
    {%- elif message['role'] == 'assistant' %}
        {%- if message['content'] %}{{- message['content'] }}{%- endif %}
        {%- if message['tool_calls'] is defined and message['tool_calls'] is not none and message['tool_calls'] | length > 0 %}
            {%- for tool in message['tool_calls'] %}
                {%- set arguments = tool['function']['arguments'] %}
                {%- if arguments is not string %}{%- set arguments = arguments | tojson %}{%- elif arguments == '' %}{%- set arguments = '{}' %}{%- endif %}
                {{- '[TOOL_CALLS]' + tool['function']['name'] + '[ARGS]' + arguments }}
            {%- endfor %}
        {%- endif %}
        {{- eos_token }}
    {%- elif message['role'] == 'tool' %}
        {{- '[TOOL_RESULTS]' + message['content'] | string + '[/TOOL_RESULTS]' }}
    {%- else %}
        {{- raise_exception('there is no role ' + message['role']) }}
    {%- endif %}
{%- endfor %}
"""

TEMPLATES = {"llama3": LLAMA3, "qwen2.5": QWEN, "mistral": MISTRAL}

SYSTEM = {"role": "system", "content": "  You write Ibis.\n"}
USER = {"role": "user", "content": "Wie viele  Zeilen? 日本 😀 \"q\" <b>&'"}
ANSWER = {"role": "assistant", "content": "orders.count()\n"}
TOOL = {
    "type": "function",
    "function": {
        "name": "run",
        "description": "Runs é <a> & 'b'.",
        "parameters": {
            "type": "object",
            "properties": {"sql": {"type": "string"}, "limit": {"type": "integer", "minimum": 0.5, "default": None}},
            "required": ["sql"],
            "additionalProperties": False,
        },
    },
}
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {"id": "c12345678", "type": "function", "function": {"name": "run", "arguments": {"sql": "SELECT 'é'", "limit": 3, "deep": [1, {"a": True}]}}}
    ],
}
RESULT = {"role": "tool", "tool_call_id": "c12345678", "name": "run", "content": '[{"n": 3}]'}

CHATS: dict[str, Json] = {
    "one question": {"messages": [USER]},
    "with a system prompt": {"messages": [SYSTEM, USER]},
    "several turns": {"messages": [SYSTEM, USER, ANSWER, USER]},
    "ended": {"messages": [USER, ANSWER]},
    "two users": {"messages": [USER, USER]},
    "tools": {"messages": [SYSTEM, USER], "tools": [TOOL, TOOL]},
    "a call and its result": {"messages": [USER, CALL, RESULT], "tools": [TOOL]},
    "no tools": {"messages": [USER], "tools": []},
}
BOS, EOS = "<s>", "</s>"


def case(template: str, chat: str, prompt: bool) -> Json:
    out: Json = {"template": template, "chat": chat, "addGenerationPrompt": prompt}
    given = CHATS[chat]
    try:
        texts, _ = render_jinja_template(
            conversations=[given["messages"]],
            tools=given.get("tools"),
            chat_template=TEMPLATES[template],
            add_generation_prompt=prompt,
            bos_token=BOS,
            eos_token=EOS,
        )
        out["text"] = texts[0]
    except Exception as error:  # noqa: BLE001: whatever the template raises is the golden
        out["error"] = str(error)
    return out


def main() -> None:
    cases = [case(template, chat, prompt) for template in TEMPLATES for chat in CHATS for prompt in (True, False)]
    write_json(
        MODEL_GOLDENS / "chat-templates.json",
        {
            "versions": {"transformers": __version__},
            **{"bos": BOS, "eos": EOS},
            **{"chats": CHATS, "templates": TEMPLATES, "cases": cases},
        },
    )


if __name__ == "__main__":
    main()
